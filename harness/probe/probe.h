/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine is. Everything is a statement with its evidence, so that a result can't claim
 * what nobody has seen:
 *
 *   {"schema": "cotenant.probe/1",
 *    "kernel": {"release": {"value": "6.1.0", "evidence": "/proc/sys/kernel/osrelease"}, ...},
 *    "network": [{"name": "eth0", "driver": "mlx5_core", ..., "evidence": "/sys/class/net/eth0"}],
 *    "advice": [{"text": "...", "evidence": "..."}]}
 *
 * Sections: kernel, distribution, cpu, frequency, topology, memory, clocksource, hypervisor,
 * container, cgroup, namespaces, process, daemons, perf, resctrl, interrupts, nvidia, nvml (objects
 * of statements, or one statement); mitigations; caches, huge_pages, numa, network, block, rdma,
 * pci, gpus, sriov (lists, one evidence an entry); nvidia_gpus (a list whose entries' members are
 * statements); advice. A value that could not be read is null, and its evidence says what was
 * looked for.
 */
#ifndef COTENANT_PROBE_PROBE_H
#define COTENANT_PROBE_PROBE_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/place/place.h"
#include "harness/probe/source.h"

/*
 * `topology` may be NULL (a recorded machine): it only adds what location strings may say here.
 * NULL with a message when the root is not a folder. The caller owns the result.
 */
json_t *ct_probe(const struct ct_probe_source *source, const struct ct_topology *topology,
		 struct ct_error *err);

/*
 * Whether an environment is in force: baremetal, vm, container, cgroup, netns, sriov, passthrough,
 * mig, vgpu, mps, green, timeslice. False (usage) when it is not, can't be told, or is no such
 * word; the message quotes the evidence.
 *
 * `probe` must be taken where the tenant runs, behind its launcher and under its limits: the words
 * of a launcher prove nothing.
 */
bool ct_probe_expect(const json_t *probe, const char *expect, struct ct_error *err);
extern const char *const ct_probe_expect_words[]; /* NULL-terminated */

#endif
