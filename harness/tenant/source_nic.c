/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of the network function that a tenant's `nic` names. */
#include "harness/net/nic_counters.h"
#include "harness/tenant/sources.h"

static bool open_nic(const char *device, void **state)
{
	struct ct_nic_counters *counters;

	if (!ct_nic_counters_open(device, &ct_probe_live, &counters))
		return false;
	*state = counters;
	return true;
}

static void read_nic(void *state, double *values)
{
	ct_nic_counters_read(state, values);
}

static void close_nic(void *state)
{
	ct_nic_counters_close(state);
}

const struct ct_counter_source ct_source_nic = {
	.name = "nic",
	.device_offset = offsetof(struct ct_worker, nic),
	.counters = ct_nic_counter_table,
	.open = open_nic,
	.read = read_nic,
	.close = close_nic,
};
