/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever the kernel writes, a list or a mask of CPUs is a set or refused, and a set
 * survives being written and read again.
 *
 * Input: a text. Corpus: tests/fuzz/corpus/cpu_set/.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/cpu_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void survives(const struct ct_cpu_set *set)
{
	static char text[8 * CT_CPU_SET_MAX]; /* room for every second CPU */
	struct ct_cpu_set again;
	char small[16];

	ct_cpu_set_text(set, text, sizeof text);
	require(ct_cpu_set_list(&again, text));
	require(memcmp(set, &again, sizeof again) == 0);
	require(strlen(ct_cpu_set_text(set, small, sizeof small)) < sizeof small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct ct_cpu_set set;

	require(text);
	if (!ct_cpu_set_list(&set, text))
		require(ct_cpu_set_count(&set) == 0);
	survives(&set);
	if (!ct_cpu_set_mask(&set, text))
		require(ct_cpu_set_count(&set) == 0);
	survives(&set);
	free(text);
	return 0;
}
