/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A victim that does nothing: what it measures is the instrument, two clock reads and one call.
 * With `delay` it waits for a known time on another clock, so that the harness can prove that it
 * measures what was planted. fio's null engine is there for the same reason.
 */
#include "bench/victims.h"

#include <stdlib.h>

struct null_options {
	uint64_t delay_ns;
};

struct null_state {
	uint64_t delay_ns;
};

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct null_options *asked = options;
	struct null_state *null = calloc(1, sizeof *null);

	(void)env;
	if (!null)
		return ct_broken_errno(err, "null: no memory for its state");
	null->delay_ns = asked->delay_ns;
	*state = null;
	return true;
}

/*
 * The kernel's raw clock decides when the delay is over, not the counter that times the sample:
 * an error in the conversion from ticks to nanoseconds then shows as a delay of the wrong length.
 * The vDSO reads that clock without entering the kernel.
 */
static void wait_raw(uint64_t delay_ns)
{
	uint64_t begin = ct_raw_ns();

	while (ct_raw_ns() - begin < delay_ns) {
	}
}

static bool operate(void *state)
{
	const struct null_state *null = state;

	if (null->delay_ns > 0)
		wait_raw(null->delay_ns);
	return true;
}

static void teardown(void *state)
{
	free(state);
}

static const struct ct_param params[] = {
	{.name = "delay",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct null_options, delay_ns),
	 .fallback = "0ns",
	 .min = "0ns",
	 .max = "10s",
	 .help = "a planted delay, waited for on CLOCK_MONOTONIC_RAW"},
	{0},
};

const struct ct_victim_ops ct_bench_null = {
	.name = "null",
	.summary = "no work: the cost and the noise of the instrument itself",
	.unit = "ns",
	.sample = "two clock reads and one call, plus the planted delay",
	.stresses = 0,
	.params = params,
	.options_size = sizeof(struct null_options),
	.setup = setup,
	.operate = operate,
	.teardown = teardown,
};
