/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of the probe: each function adds what it finds to the probe, under the names that
 * probe.h lists. A new section is one function here and one line in probe.c.
 */
#ifndef COTENANT_PROBE_SECTIONS_H
#define COTENANT_PROBE_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/place/place.h"
#include "harness/probe/source.h"

void ct_probe_kernel(const struct ct_probe_source *source, json_t *probe);
void ct_probe_memory(const struct ct_probe_source *source, json_t *probe);
void ct_probe_cpu(const struct ct_probe_source *source, json_t *probe);
void ct_probe_frequency(const struct ct_probe_source *source, json_t *probe);
void ct_probe_topology(const struct ct_probe_source *source, const struct ct_topology *topology,
		       json_t *probe);
void ct_probe_hypervisor(const struct ct_probe_source *source, json_t *probe);
void ct_probe_container(const struct ct_probe_source *source, json_t *probe);
void ct_probe_process(const struct ct_probe_source *source, json_t *probe);
void ct_probe_network(const struct ct_probe_source *source, json_t *probe);
void ct_probe_block(const struct ct_probe_source *source, json_t *probe);
void ct_probe_rdma(const struct ct_probe_source *source, json_t *probe);
/* pci, gpus, sriov; network and rdma get what their functions know, so it comes after them. */
void ct_probe_pci(const struct ct_probe_source *source, json_t *probe);
void ct_probe_numa(const struct ct_probe_source *source, json_t *probe);
void ct_probe_interrupts(const struct ct_probe_source *source, json_t *probe);
void ct_probe_resctrl(const struct ct_probe_source *source, json_t *probe); /* after cpu */
/* After hypervisor, cpu and the clock source. */
void ct_probe_guest(const struct ct_probe_source *source, json_t *probe);
void ct_probe_daemons(const struct ct_probe_source *source, json_t *probe); /* after container */
void ct_probe_nvidia(const struct ct_probe_source *source, json_t *probe);  /* after daemons */
/* nvml, nvidia_gpus; after pci, whose network devices it measures the way to. */
void ct_probe_nvml(const struct ct_probe_source *source, json_t *probe);

/* From what the others have said: what a user should know or change before measuring. */
void ct_probe_advice(json_t *probe);

enum { CT_CPUID_EAX, CT_CPUID_EBX, CT_CPUID_ECX, CT_CPUID_EDX, CT_CPUID_REGISTERS };
/*
 * The processor's own words, subleaf 0: from the instruction on a live x86 machine, else from a
 * file /cpuid of the recorded one, in the format of `cpuid -1 -r`. False: not available.
 */
bool ct_probe_cpuid(const struct ct_probe_source *source, uint32_t leaf,
		    uint32_t registers[CT_CPUID_REGISTERS]);

#endif
