/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the sections of the probe together. */
#include "harness/probe/probe.h"

#include <sys/stat.h>

#include "harness/probe/sections.h"

json_t *ct_probe(const struct ct_probe_source *source, const struct ct_topology *topology,
		 struct ct_error *err)
{
	static void (*const sections[])(const struct ct_probe_source *, json_t *) = {
		ct_probe_kernel,     ct_probe_cpu,        ct_probe_frequency, ct_probe_memory,
		ct_probe_hypervisor, ct_probe_guest,      ct_probe_container, ct_probe_process,
		ct_probe_daemons,    ct_probe_network,    ct_probe_block,     ct_probe_rdma,
		ct_probe_pci,        ct_probe_nvidia,     ct_probe_nvml,      ct_probe_numa,
		ct_probe_resctrl,    ct_probe_interrupts,
	};
	struct stat status;
	json_t *probe;

	if (stat(source->root, &status) != 0) {
		ct_usage(err, "probe: no folder %s", source->root);
		return NULL;
	}
	if (!S_ISDIR(status.st_mode)) {
		ct_usage(err, "probe: %s is not a folder", source->root);
		return NULL;
	}
	probe = json_pack("{s:s}", "schema", "cotenant.probe/1");
	if (!probe) {
		ct_broken(err, "probe: no memory");
		return NULL;
	}
	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
		sections[i](source, probe);
	ct_probe_topology(source, topology, probe);
	ct_probe_advice(probe);
	return probe;
}
