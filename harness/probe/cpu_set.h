/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of CPUs as /sys and /proc write them: lists "0-3,8" and masks "ff,00000001". */
#ifndef COTENANT_PROBE_CPU_SET_H
#define COTENANT_PROBE_CPU_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CT_CPU_SET_MAX = 8192 }; /* the kernel's own limit, CONFIG_NR_CPUS */

struct ct_cpu_set {
	uint64_t words[CT_CPU_SET_MAX / 64];
};

/* False, and an empty set, when the text is none, or names a CPU that can't be. "" is a set. */
bool ct_cpu_set_list(struct ct_cpu_set *set, const char *text);
bool ct_cpu_set_mask(struct ct_cpu_set *set, const char *text);

void ct_cpu_set_join(struct ct_cpu_set *set, const struct ct_cpu_set *other);
void ct_cpu_set_cut(struct ct_cpu_set *set, const struct ct_cpu_set *other);
size_t ct_cpu_set_count(const struct ct_cpu_set *set);
/* As a list; one that does not fit ends in "...". Returns out. */
const char *ct_cpu_set_text(const struct ct_cpu_set *set, char *out, size_t size);

#endif
