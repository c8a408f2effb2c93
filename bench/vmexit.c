/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The price of one round trip to the hypervisor: CPUID. On Intel a guest can't run it without an
 * exit (SDM vol. 3C, "Instructions That Cause VM Exits Unconditionally"); on AMD the hypervisor
 * chooses, and all of them intercept it to show the guest its own CPU. The handler is short and
 * needs no device, so what is measured is the exit, the entry and what mitigations add to both. On
 * bare metal the same instruction costs its bare 100 to 200 cycles: the number to compare with.
 */
#include "bench/victims.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__)

static bool operate(void *state)
{
	unsigned a = 0, c = 0, b, d;

	(void)state;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
	return true;
}

static bool available(char *why, size_t size)
{
	if (size > 0)
		why[0] = '\0';
	return true;
}

#else

static bool operate(void *state)
{
	(void)state;
	return true;
}

/* arm64's ID registers trap from user space to the guest's own kernel, which knows the answer. */
static bool available(char *why, size_t size)
{
	snprintf(why, size,
		 "this architecture has no instruction that user space may run and that is sure "
		 "to leave the guest");
	return false;
}

#endif

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	(void)env;
	(void)options;
	(void)err;
	*state = NULL;
	return true;
}

static void teardown(void *state)
{
	(void)state;
}

static const struct ct_param params[] = {{0}};

const struct ct_victim_ops ct_bench_vmexit = {
	.name = "vmexit",
	.summary = "CPUID: an exit to the hypervisor in a guest, the bare instruction without one",
	.unit = "ns",
	.sample = "one CPUID instruction, leaf 0",
	.stresses = CT_RES_CORE | CT_RES_HYPERVISOR,
	.params = params,
	.available = available,
	.setup = setup,
	.operate = operate,
	.teardown = teardown,
};
