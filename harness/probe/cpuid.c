/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID, from the processor or from a recording. See sections.h. */
#include "harness/probe/sections.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

static const uint32_t HYPERVISOR_BIT = UINT32_C(1) << 31; /* of leaf 1, ECX */

static bool ask_processor(uint32_t leaf, uint32_t r[CT_CPUID_REGISTERS])
{
	if (leaf < UINT32_C(0x40000000) || leaf > UINT32_C(0x4fffffff))
		return __get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]) != 0;
	/* Without a hypervisor these leaves repeat some other leaf: nonsense that looks like data.
	 */
	if (!__get_cpuid(1, &r[0], &r[1], &r[2], &r[3]) || !(r[CT_CPUID_ECX] & HYPERVISOR_BIT))
		return false;
	__cpuid_count(leaf, 0, r[0], r[1], r[2], r[3]);
	return true;
}
#else
static bool ask_processor(uint32_t leaf, uint32_t r[CT_CPUID_REGISTERS])
{
	(void)leaf;
	(void)r;
	return false;
}
#endif

static bool ask_recording(const struct ct_probe_source *source, uint32_t leaf,
			  uint32_t r[CT_CPUID_REGISTERS])
{
	char *text = ct_source_file(source, "/cpuid");
	bool found = false;

	for (char *rest = text, *line; !found && (line = strsep(&rest, "\n")) != NULL;) {
		uint32_t have, subleaf;

		found = sscanf(line,
			       " 0x%" SCNx32 " 0x%" SCNx32 ": eax=0x%" SCNx32 " ebx=0x%" SCNx32
			       " ecx=0x%" SCNx32 " edx=0x%" SCNx32,
			       &have, &subleaf, &r[0], &r[1], &r[2], &r[3]) == 6 &&
			have == leaf && subleaf == 0;
	}
	free(text);
	return found;
}

bool ct_probe_cpuid(const struct ct_probe_source *source, uint32_t leaf,
		    uint32_t registers[CT_CPUID_REGISTERS])
{
	return source->live ? ask_processor(leaf, registers)
			    : ask_recording(source, leaf, registers);
}
