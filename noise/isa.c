/* SPDX-License-Identifier: Apache-2.0 */
#include "noise/isa.h"

#include <stddef.h>

const char *const ct_isa_names[] = {"auto", "avx512", "avx2", "sse2", "neon", "plain", NULL};

_Static_assert(sizeof ct_isa_names / sizeof ct_isa_names[0] == CT_ISA_COUNT + 1,
	       "a name for every instruction set");

/* __builtin_cpu_supports also asks the operating system whether it saves the wide registers. */
bool ct_isa_supported(enum ct_isa isa)
{
	switch (isa) {
	case CT_ISA_AUTO:
	case CT_ISA_PLAIN:
		return true;
#if defined(__x86_64__)
	case CT_ISA_AVX512:
		return __builtin_cpu_supports("avx512f");
	case CT_ISA_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	case CT_ISA_SSE2:
		return true;
#elif defined(__aarch64__)
	case CT_ISA_NEON:
		return true;
#endif
	default:
		return false;
	}
}

static enum ct_isa widest(void)
{
	enum ct_isa isa = CT_ISA_AVX512;

	while (!ct_isa_supported(isa))
		isa++;
	return isa;
}

bool ct_isa_choose(enum ct_isa asked, enum ct_isa *chosen, struct ct_error *err)
{
	if (!ct_isa_supported(asked))
		return ct_usage(err,
				"isa = %s: this CPU does not have it; use isa = auto (here %s)",
				ct_isa_names[asked], ct_isa_names[widest()]);
	*chosen = asked == CT_ISA_AUTO ? widest() : asked;
	return true;
}
