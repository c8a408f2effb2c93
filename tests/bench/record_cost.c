/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ct_record costs beyond the two clock reads. Batches of a loop with it and of the same loop
 * without it alternate; prints JSON with the cost of one iteration of every batch, in ns.
 *
 * The two reads are those that every victim's loop has; the next pair's first read waits for what
 * recording started, so the difference is what a sample pays.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/clock.h"
#include "harness/core/recorder.h"

enum { BATCHES = 401, ITERATIONS = 20000, WARM_BATCHES = 20 };

static double batch_without(const struct ct_clock *clock)
{
	uint64_t total = 0;
	uint64_t begin = ct_raw_ns();

	for (int i = 0; i < ITERATIONS; i++) {
		uint64_t start = ct_ticks(clock);
		uint64_t end = ct_ticks_end(clock);

		total += end - start;
		/* The sum is wanted here, in this iteration, as ct_record wants the difference. */
		__asm__ volatile("" : "+r"(total));
	}
	return (double)(ct_raw_ns() - begin) / ITERATIONS;
}

static double batch_with(const struct ct_clock *clock, struct ct_recorder *recorder)
{
	uint64_t begin = ct_raw_ns();

	for (int i = 0; i < ITERATIONS; i++) {
		uint64_t start = ct_ticks(clock);
		uint64_t end = ct_ticks_end(clock);

		ct_record(recorder, end, end - start);
	}
	return (double)(ct_raw_ns() - begin) / ITERATIONS;
}

/* Between batches: closed epochs go back, as the worker's other thread does while a phase runs. */
static void drain(struct ct_recorder *recorder)
{
	struct ct_epoch_slot *slot;

	while ((slot = ct_recorder_take(recorder)) != NULL)
		ct_recorder_give_back(recorder, slot);
}

static void print_values(const char *name, const double *values, const char *end)
{
	printf("\"%s\": [", name);
	for (int i = 0; i < BATCHES; i++)
		printf("%s%.4f", i ? ", " : "", values[i]);
	printf("]%s", end);
}

int main(void)
{
	static double with[BATCHES], without[BATCHES];
	struct ct_recorder recorder;
	struct ct_error err = {0};
	struct ct_clock clock;

	if (!ct_clock_init(&clock, 20, &err) || !ct_recorder_init(&recorder, 0, &err)) {
		fprintf(stderr, "record_cost: %s\n", err.text);
		return EXIT_FAILURE;
	}
	ct_recorder_begin(&recorder, &clock, ct_ticks(&clock), 100000000, 1);
	for (int i = 0; i < WARM_BATCHES; i++) {
		batch_with(&clock, &recorder);
		batch_without(&clock);
	}
	for (int i = 0; i < BATCHES; i++) {
		drain(&recorder);
		/* Which comes first changes, so that what one leaves behind cancels. */
		if (i % 2 == 0)
			without[i] = batch_without(&clock);
		with[i] = batch_with(&clock, &recorder);
		if (i % 2 != 0)
			without[i] = batch_without(&clock);
	}
	ct_recorder_end(&recorder, ct_ticks(&clock));
	ct_recorder_free(&recorder);
	printf("{\"clock\": \"%s\", ", ct_clock_source_name(clock.source));
	print_values("with", with, ", ");
	print_values("without", without, "}\n");
	return EXIT_SUCCESS;
}
