/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An aggressor that does nothing to anybody. What a victim seems to suffer beside it is the
 * instrument's own doing: the harness runs it to prove that a treatment by itself costs nothing.
 */
#include "noise/aggressors.h"

#include <time.h>

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};

	(void)thread_state;
	(void)err;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &millisecond, NULL);
	(*units)++;
	return true;
}

static const struct ct_param params[] = {{0}};

const struct ct_aggressor_ops ct_noise_null = {
	.name = "null",
	.summary = "sleeps, one millisecond an operation: the control that disturbs nobody",
	.unit = "op",
	.params = params,
	.burst = burst,
	.blocks = true,
};
