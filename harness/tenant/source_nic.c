/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of the network function that a tenant's `nic` names. */
#include "harness/net/nic_counters.h"
#include "harness/tenant/sources.h"

static bool open_nic(const struct ct_worker *worker, const json_t *device, void **state,
		     const struct ct_counter **table)
{
	struct ct_nic_counters *counters;

	(void)device;
	if (!worker->nic || !ct_nic_counters_open(worker->nic, &ct_probe_live, &counters))
		return false;
	*table = ct_nic_counter_table;
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
	.open = open_nic,
	.read = read_nic,
	.close = close_nic,
};
