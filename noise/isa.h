/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instruction sets that load kernels are compiled for, and the choice among them at run time: one
 * binary runs on any CPU of its architecture and still uses the widest vectors there are.
 */
#ifndef COTENANT_NOISE_ISA_H
#define COTENANT_NOISE_ISA_H

#include <stdbool.h>

#include "harness/core/error.h"

/* In the order of ct_isa_names; AUTO is a wish, never the result of a choice. */
enum ct_isa {
	CT_ISA_AUTO,
	CT_ISA_AVX512, /* AVX-512F: 64-byte vectors */
	CT_ISA_AVX2,   /* AVX2 and FMA: 32-byte vectors */
	CT_ISA_SSE2,   /* 16-byte vectors; every x86-64 has it */
	CT_ISA_NEON,   /* 16-byte vectors; every arm64 has it */
	CT_ISA_PLAIN,  /* 8-byte words, any architecture */
	CT_ISA_COUNT
};

extern const char *const ct_isa_names[]; /* for parameter tables; NULL-terminated */

/* True when this CPU and this build have it. AUTO is always true. */
bool ct_isa_supported(enum ct_isa isa);
/* The instruction set to use: the one asked for, or for AUTO the widest. Refuses what is missing,
 * and says what there is instead. */
bool ct_isa_choose(enum ct_isa asked, enum ct_isa *chosen, struct ct_error *err);

#endif
