/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts of the whole machine, whoever caused it: the texts of /proc/stat and
 * /proc/vmstat (proc(5)), read into numbers.
 */
#ifndef COTENANT_TENANT_SOURCE_HOST_H
#define COTENANT_TENANT_SOURCE_HOST_H

/* In the order of the counters. */
enum ct_host_counter {
	CT_HOST_BUSY,
	CT_HOST_FORKS,
	CT_HOST_SWITCHES,
	CT_HOST_INTERRUPTS,
	CT_HOST_SOFTIRQS_NET,
	CT_HOST_SOFTIRQS_BLOCK,
	CT_HOST_PAGE_FAULTS,
	CT_HOST_PAGES_ALLOCATED,
	CT_HOST_DISK,
	CT_HOST_COUNTERS
};

/*
 * Each fills those of the CT_HOST_COUNTERS `values` that its file has and leaves the others alone.
 * NaN: the line is missing, or has no such number of 64 bits.
 */
void ct_host_parse_stat(const char *text, double ticks_per_s, double *values);
void ct_host_parse_vmstat(const char *text, double *values);

#endif
