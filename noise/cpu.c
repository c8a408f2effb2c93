/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes execution units of a core, and with wide vectors power: for a victim on the other hardware
 * thread of the core, and through the shared clock and power budget for the others. Everything
 * stays in registers, so no cache and no memory is involved.
 *
 * Unit: one arithmetic instruction. integer: of a multiplication, two additions and an exclusive
 * or, 64 bits each; float: of a multiplication and an addition of doubles; vector: one fused
 * multiply-add of the widest vector (without FMA: a multiplication or an addition); mix: integer
 * and vector together. Loop control (two instructions a round) is not counted.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/isa.h"

enum {
	ROUNDS = 12288, /* 6 to 12 cycles each: 25 to 50 us at 3 GHz */
	INTEGER_CHAINS = 8,
	INTEGER_STEP_OPS = 4,
	FLOAT_CHAINS = 12,
	VECTOR_CHAINS = 12
};

/* x -> x * FACTOR + OFFSET goes to 1: neither overflow nor denormal numbers, whose speed differs.
 */
#define FACTOR 0.75
#define OFFSET 0.25

#define UNROLL      _Pragma("GCC unroll 16")
#define HIDE_INT(x) ({ __asm__ volatile("" : "+r"(x)); })
#if defined(__x86_64__)
#define HIDE_REAL(x) ({ __asm__ volatile("" : "+v"(x)); })
#elif defined(__aarch64__)
#define HIDE_REAL(x) ({ __asm__ volatile("" : "+w"(x)); })
#else
#define HIDE_REAL(x) ({ __asm__ volatile("" : "+m"(x)); })
#endif

#define INTEGER_STEP(x)                                                                   \
	((x) *= UINT64_C(0x9e3779b97f4a7c15), HIDE_INT(x), (x) += 0x1234567, HIDE_INT(x), \
	 (x) ^= 0x2468ace, HIDE_INT(x), (x) += 0x7654321, HIDE_INT(x))

/* Runs one burst, leaves a value that depends on all of it, returns the instructions counted. */
typedef uint64_t cpu_kernel(double *result);

static uint64_t integer(double *result)
{
	uint64_t x[INTEGER_CHAINS], total = 0;

	UNROLL for (int i = 0; i < INTEGER_CHAINS; i++) x[i] = (uint64_t)i;
	for (int round = 0; round < ROUNDS; round++) {
		UNROLL for (int i = 0; i < INTEGER_CHAINS; i++) INTEGER_STEP(x[i]);
	}
	UNROLL for (int i = 0; i < INTEGER_CHAINS; i++) total ^= x[i];
	*result = (double)total;
	return (uint64_t)ROUNDS * INTEGER_CHAINS * INTEGER_STEP_OPS;
}

static uint64_t scalar_float(double *result)
{
	double x[FLOAT_CHAINS], sum = 0;

	UNROLL for (int i = 0; i < FLOAT_CHAINS; i++) x[i] = i;
	for (int round = 0; round < ROUNDS; round++) {
		UNROLL for (int i = 0; i < FLOAT_CHAINS; i++)
		{
			x[i] *= FACTOR;
			HIDE_REAL(x[i]);
			x[i] += OFFSET;
			HIDE_REAL(x[i]);
		}
	}
	UNROLL for (int i = 0; i < FLOAT_CHAINS; i++) sum += x[i];
	*result = sum;
	return (uint64_t)ROUNDS * FLOAT_CHAINS * 2;
}

#if defined(__x86_64__) || defined(__aarch64__)
typedef double reals_16 __attribute__((vector_size(16)));
#endif
#if defined(__x86_64__)
typedef double reals_32 __attribute__((vector_size(32)));
typedef double reals_64 __attribute__((vector_size(64)));

#define KERNEL(name) name##_sse2
#define TARGET
#define REALS    reals_16
#define FIRST(x) ((x)[0])
#define FUSED    0
#include "noise/cpu_kernels.h"

#define KERNEL(name) name##_avx2
#define TARGET       __attribute__((target("avx2,fma")))
#define REALS        reals_32
#define FIRST(x)     ((x)[0])
#define FUSED        1
#include "noise/cpu_kernels.h"

#define KERNEL(name) name##_avx512
#define TARGET       __attribute__((target("avx512f")))
#define REALS        reals_64
#define FIRST(x)     ((x)[0])
#define FUSED        1
#include "noise/cpu_kernels.h"

#elif defined(__aarch64__)

#define KERNEL(name) name##_neon
#define TARGET
#define REALS    reals_16
#define FIRST(x) ((x)[0])
#define FUSED    1
#include "noise/cpu_kernels.h"

#endif

/* Without vectors a vector is one double. */
#define KERNEL(name) name##_plain
#define TARGET
#define REALS    double
#define FIRST(x) (x)
#define FUSED    0
#include "noise/cpu_kernels.h"

enum work { WORK_INTEGER, WORK_FLOAT, WORK_VECTOR, WORK_MIX };

static cpu_kernel *find_kernel(enum work work, enum ct_isa isa)
{
	const bool mix = work == WORK_MIX;

	if (work == WORK_INTEGER)
		return integer;
	if (work == WORK_FLOAT)
		return scalar_float;
	switch (isa) {
#if defined(__x86_64__)
	case CT_ISA_AVX512:
		return mix ? mix_avx512 : vector_avx512;
	case CT_ISA_AVX2:
		return mix ? mix_avx2 : vector_avx2;
	case CT_ISA_SSE2:
		return mix ? mix_sse2 : vector_sse2;
#elif defined(__aarch64__)
	case CT_ISA_NEON:
		return mix ? mix_neon : vector_neon;
#endif
	default:
		return mix ? mix_plain : vector_plain;
	}
}

struct options {
	int work;
	int isa;
};

struct cpu {
	cpu_kernel *kernel;
};

struct cpu_thread {
	cpu_kernel *kernel;
	double result;
};

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	enum ct_isa isa;
	struct cpu *cpu;

	(void)env;
	if (!ct_isa_choose((enum ct_isa)options->isa, &isa, err))
		return false;
	cpu = calloc(1, sizeof *cpu);
	if (!cpu)
		return ct_broken_errno(err, "cpu: memory for its state");
	cpu->kernel = find_kernel((enum work)options->work, isa);
	*state = cpu;
	return true;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct cpu *cpu = state;
	struct cpu_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "cpu: memory for thread %u", thread);
	self->kernel = cpu->kernel;
	*thread_state = self;
	return true;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct cpu_thread *self = thread_state;

	(void)err;
	*units += self->kernel(&self->result);
	return true;
}

#define FIELD(name) offsetof(struct options, name)

static const char *const work_names[] = {"integer", "float", "vector", "mix", NULL};

static const struct ct_param params[] = {
	{.name = "work",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(work),
	 .fallback = "mix",
	 .choices = work_names,
	 .help = "which execution units: 64-bit integers, scalar doubles, wide vectors, or both"},
	{.name = "isa",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(isa),
	 .fallback = "auto",
	 .choices = ct_isa_names,
	 .help = "vectors of work = vector and mix; auto: the widest this CPU has"},
	{0}};

const struct ct_aggressor_ops ct_noise_cpu = {
	.name = "cpu",
	.summary = "arithmetic in registers: integer, floating point, wide vectors",
	.unit = "op",
	.stresses = CT_RES_CORE | CT_RES_POWER,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = free,
	.teardown = free,
};
