/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of CPUs. See cpu_set.h. */
#include "harness/probe/cpu_set.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = CT_CPU_SET_MAX / 64 };

static void add_cpu(struct ct_cpu_set *set, unsigned long cpu)
{
	set->words[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

static bool has_cpu(const struct ct_cpu_set *set, size_t cpu)
{
	return set->words[cpu / 64] >> cpu % 64 & 1;
}

/* A number at *text, which moves behind it. */
static bool take_cpu(const char **text, unsigned long *cpu)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	*cpu = strtoul(*text, &end, 10);
	*text = end;
	return *cpu < CT_CPU_SET_MAX;
}

static bool parse_list(struct ct_cpu_set *set, const char *text)
{
	unsigned long first, last;

	while (*text && !isspace((unsigned char)*text)) {
		if (!take_cpu(&text, &first))
			return false;
		last = first;
		if (*text == '-' && (text++, !take_cpu(&text, &last) || last < first))
			return false;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			add_cpu(set, cpu);
		if (*text == ',')
			text++;
		else if (*text && !isspace((unsigned char)*text))
			return false;
	}
	return true;
}

bool ct_cpu_set_list(struct ct_cpu_set *set, const char *text)
{
	*set = (struct ct_cpu_set){0};
	if (parse_list(set, text))
		return true;
	*set = (struct ct_cpu_set){0};
	return false;
}

/* Groups of eight hexadecimal digits; the last group holds the CPUs 0 to 31. */
bool ct_cpu_set_mask(struct ct_cpu_set *set, const char *text)
{
	size_t cpu = 0;
	const char *at = text + strcspn(text, " \t\n");

	*set = (struct ct_cpu_set){0};
	if (at == text)
		return false;
	while (at-- > text) {
		const char digit[] = {*at, '\0'};
		unsigned long bits;

		if (*at == ',')
			continue;
		if (!isxdigit((unsigned char)*at) || cpu + 4 > CT_CPU_SET_MAX) {
			*set = (struct ct_cpu_set){0};
			return false;
		}
		bits = strtoul(digit, NULL, 16);
		set->words[cpu / 64] |= (uint64_t)bits << cpu % 64;
		cpu += 4;
	}
	return true;
}

void ct_cpu_set_join(struct ct_cpu_set *set, const struct ct_cpu_set *other)
{
	for (size_t i = 0; i < WORDS; i++)
		set->words[i] |= other->words[i];
}

void ct_cpu_set_cut(struct ct_cpu_set *set, const struct ct_cpu_set *other)
{
	for (size_t i = 0; i < WORDS; i++)
		set->words[i] &= other->words[i];
}

size_t ct_cpu_set_count(const struct ct_cpu_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < WORDS; i++)
		count += (size_t)__builtin_popcountll(set->words[i]);
	return count;
}

const char *ct_cpu_set_text(const struct ct_cpu_set *set, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t cpu = 0; cpu < CT_CPU_SET_MAX; cpu++) {
		size_t last = cpu;
		char range[32];

		if (!has_cpu(set, cpu))
			continue;
		while (last + 1 < CT_CPU_SET_MAX && has_cpu(set, last + 1))
			last++;
		snprintf(range, sizeof range, last > cpu ? "%s%zu-%zu" : "%s%zu", used ? "," : "",
			 cpu, last);
		if (used + strlen(range) + sizeof "..." > size) {
			snprintf(out + used, size - used, "...");
			return out;
		}
		strcpy(out + used, range);
		used += strlen(range);
		cpu = last;
	}
	return out;
}
