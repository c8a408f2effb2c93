/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A campaign that ran in software emulation measured the emulator: QEMU without hardware help
 * translates instructions, and its devices are threads of one process. Such a file says so.
 */
#ifndef COTENANT_STORE_EMULATED_H
#define COTENANT_STORE_EMULATED_H

#include <stddef.h>

#include <jansson.h>

enum { CT_EMULATED_TEXT = 256 };

/*
 * One line: who ran in emulation, and the evidence: "vf0.victim, vf0.neighbour: CPUID 0x40000000
 * signature 'TCGTCGTCGTCG'". "" when nobody did. `provenance` and `placement` as in the campaign
 * header (results-schema/SCHEMA.md).
 */
const char *ct_emulated(const json_t *provenance, const json_t *placement,
			char out[CT_EMULATED_TEXT]);

#endif
