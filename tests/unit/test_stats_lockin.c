/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * Lock-in: exact where there is no noise, honest where there is, and how much sooner than the
 * comparison of blocks it finds a small shift in the noise of real epochs.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/lockin.h"
#include "harness/stats/paired.h"
#include "tests/stats/epochs.h"
#include "tests/stats/simulate.h"

enum { N = 3000, LOADS = 8, ONE = 3 };

struct run {
	double begin[N], end[N], value[N], noise[N];
	struct ct_lockin_reference loads[LOADS];
	size_t n;
};

static void set_times(struct run *run, size_t n)
{
	run->n = n;
	for (size_t i = 0; i < n; i++) {
		run->begin[i] = EPOCH_S * (double)i;
		run->end[i] = EPOCH_S * (double)(i + 1);
		run->value[i] = 0;
	}
}

static void draw_loads(struct run *run, struct ct_rng *rng)
{
	double frequencies[LOADS];

	assert_true(ct_lockin_frequencies(LOADS, 2, 6.25, frequencies));
	for (size_t k = 0; k < LOADS; k++)
		run->loads[k] = (struct ct_lockin_reference){.frequency_hz = frequencies[k],
							     .start_s = 3 * ct_rng_uniform(rng),
							     .duty = 0.5};
}

static void plant(struct run *run, const struct ct_lockin_reference *load, double shift,
		  double delay_s)
{
	for (size_t i = 0; i < run->n; i++)
		run->value[i] +=
			shift * ct_lockin_square(load, run->begin[i], run->end[i], delay_s);
}

static struct ct_lockin_line analyse(const struct run *run, size_t n_loads, size_t which)
{
	const struct ct_lockin_series series = {run->begin, run->end, run->value, run->n};
	struct ct_lockin lockin = {0};
	struct ct_lockin_line line;
	struct ct_rng rng;

	ct_rng_seed(&rng, 11);
	assert_true(ct_lockin_add(&lockin, &series, run->loads, n_loads));
	assert_true(ct_lockin_result(&lockin, which, 0.95, &rng, &line));
	ct_lockin_free(&lockin);
	return line;
}

static void a_square_wave_is_averaged_over_the_epoch(void **state)
{
	const struct ct_lockin_reference load = {.frequency_hz = 2, .start_s = 0.1, .duty = 0.25};

	(void)state;
	assert_near(ct_lockin_square(&load, 0.1, 0.225, 0), 1, 1e-12);
	assert_near(ct_lockin_square(&load, 0.225, 0.6, 0), 0, 1e-12);
	assert_near(ct_lockin_square(&load, 0.2, 0.25, 0), 0.5, 1e-12);
	assert_near(ct_lockin_square(&load, -0.45, -0.35, 0), 0.5, 1e-12); /* before its start */
	assert_near(ct_lockin_square(&load, 0.3, 0.425, 0.2), 1, 1e-12);
	assert_near(ct_lockin_square(&load, 0, 10, 0), 0.25, 1e-12);
}

/* Drift by a polynomial of the degree that a segment removes, eight loads, no noise. */
static void without_noise_every_load_is_found_exactly(void **state)
{
	static struct run run;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 1);
	set_times(&run, N);
	draw_loads(&run, &rng);
	for (size_t k = 0; k < LOADS; k++)
		plant(&run, &run.loads[k], 0.01 * (double)k - 0.03, 0);
	for (size_t i = 0; i < N; i++)
		run.value[i] += 4.2 + 0.01 * run.begin[i] - 0.0002 * pow(run.begin[i], 2);
	for (size_t k = 0; k < LOADS; k++) {
		struct ct_lockin_line line = analyse(&run, LOADS, k);

		assert_near(line.shift.value, 0.01 * (double)k - 0.03, 1e-9);
		assert_near(line.shift.hi - line.shift.lo, 0, 1e-9);
	}
}

static void amplitude_delay_and_harmonics_are_those_planted(void **state)
{
	static struct run run;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 2);
	for (int sign = -1; sign <= 1; sign += 2) {
		struct ct_lockin_line line;

		set_times(&run, N);
		draw_loads(&run, &rng);
		for (size_t i = 0; i < N; i++)
			run.value[i] = 0.01 * normal(&rng);
		plant(&run, &run.loads[ONE], sign * 0.05, 0.03);
		line = analyse(&run, LOADS, ONE);
		assert_true(line.p <= 0.001);
		assert_true(line.amplitude.lo <= sign * 0.05 && sign * 0.05 <= line.amplitude.hi);
		assert_true(line.delay_s.lo <= 0.03 && 0.03 <= line.delay_s.hi);
		assert_true(line.delay_s.hi - line.delay_s.lo < 0.01);
		assert_near(line.harmonics[0], 1, 0);
		assert_near(line.harmonics[1], 0, 0.05);
		assert_near(line.harmonics[2], 1 / 3.0, 0.08);
		/* In phase it is the smaller by what of it lies in the wrong half. */
		assert_near(line.shift.value,
			    sign * 0.05 * (1 - 4 * 0.03 * run.loads[ONE].frequency_hz), 0.004);
	}
}

static void what_can_not_be_answered_is_refused(void **state)
{
	static struct run run;
	struct ct_lockin_series series = {run.begin, run.end, run.value, 400};
	struct ct_lockin lockin = {0};
	struct ct_lockin_line line;
	struct ct_rng rng;
	double frequencies[2];

	(void)state;
	ct_rng_seed(&rng, 3);
	set_times(&run, N);
	draw_loads(&run, &rng);
	/* Eight seconds hold no six segments of eight periods at 2.3 Hz. */
	assert_true(ct_lockin_add(&lockin, &series, run.loads, 1));
	assert_false(ct_lockin_result(&lockin, 0, 0.95, &rng, &line));
	assert_true(isnan(line.p) && isnan(line.shift.value));
	/* The next phase has to have the same loads. */
	assert_false(ct_lockin_add(&lockin, &series, run.loads, 2));
	run.loads[0].duty = 0.3;
	assert_false(ct_lockin_add(&lockin, &series, run.loads, 1));
	run.loads[0].duty = 1;
	ct_lockin_free(&lockin);
	assert_false(ct_lockin_add(&lockin, &series, run.loads, 1));
	assert_false(ct_lockin_add(&lockin, &series, run.loads, 0));
	assert_false(ct_lockin_frequencies(0, 1, 2, frequencies));
	assert_false(ct_lockin_frequencies(2, 2, 2, frequencies));
}

/* Epochs of a file may lie anywhere in 64 bits of nanoseconds: no more pieces than there are
 * epochs, and none of times that do not ascend. */
static void times_of_any_size_give_no_answer(void **state)
{
	static const double begin[] = {0, 1, 2}, end[] = {1, 2, 1.8e10}, back[] = {5, 1, 0};
	static const double value[] = {1, 2, 3};
	const struct ct_lockin_reference load = {.frequency_hz = 1e6, .duty = 0.5};
	const struct ct_lockin_series series[] = {{begin, end, value, 3}, {back, end, value, 2}};
	struct ct_lockin_line line;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 1);
	for (size_t i = 0; i < 2; i++) {
		struct ct_lockin lockin = {0};

		assert_true(ct_lockin_add(&lockin, &series[i], &load, 1));
		assert_true(lockin.room <= 3);
		assert_false(ct_lockin_result(&lockin, 0, 0.95, &rng, &line));
		ct_lockin_free(&lockin);
	}
}

/* Twice the same load can't be told apart: no segment counts, nothing is made up. */
static void equal_frequencies_give_no_answer(void **state)
{
	static struct run run;
	const struct ct_lockin_series series = {run.begin, run.end, run.value, N};
	struct ct_lockin lockin = {0};
	struct ct_lockin_line line;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 3);
	set_times(&run, N);
	draw_loads(&run, &rng);
	run.loads[1] = run.loads[0];
	ct_lockin_add(&lockin, &series, run.loads, 2);
	assert_false(ct_lockin_result(&lockin, 0, 0.95, &rng, &line));
	ct_lockin_free(&lockin);
}

static void frequencies_can_be_told_apart(void **state)
{
	(void)state;
	for (size_t n = 1; n <= CT_LOCKIN_MAX_REFERENCES; n++) {
		double frequencies[CT_LOCKIN_MAX_REFERENCES], again[CT_LOCKIN_MAX_REFERENCES];

		assert_true(ct_lockin_frequencies(n, 2, 6.25, frequencies));
		assert_true(ct_lockin_frequencies(n, 2, 6.25, again));
		assert_memory_equal(frequencies, again, n * sizeof(double));
		for (size_t i = 0; i < n; i++) {
			assert_true(frequencies[i] >= 2 && frequencies[i] <= 6.25);
			for (size_t k = 0; k < i; k++)
				assert_true(fabs(frequencies[i] - frequencies[k]) >
					    0.3 / (double)n);
		}
	}
}

/*
 * Eight loads at once, one of them strong, drift, and noise that remembers (AR(1)): a load without
 * effect is reported at the nominal rate, and the interval of one with effect covers it.
 */
static void rates(double effect, int n, int *found, int *covered)
{
	static struct run run;
	struct ct_rng rng;

	ct_rng_seed(&rng, 4);
	for (int i = 0; i < n; i++) {
		struct ct_lockin_line line;

		set_times(&run, N);
		draw_loads(&run, &rng);
		ar1(&rng, 0.6, run.noise, N);
		for (size_t k = 0; k < N; k++)
			run.value[k] = 0.02 * run.noise[k] + 0.1 * sin(0.3 * run.begin[k]);
		plant(&run, &run.loads[ONE + 2], 0.05, 0);
		plant(&run, &run.loads[ONE], effect, 0);
		line = analyse(&run, LOADS, ONE);
		*found += line.p <= 0.05;
		*covered += line.shift.lo <= effect && effect <= line.shift.hi;
	}
}

static void nothing_is_found_where_nothing_is(void **state)
{
	int n = campaigns(400), found = 0, covered = 0;

	(void)state;
	rates(0, n, &found, &covered);
	assert_rate(found, n, 0.04, 0.05);
	assert_rate(covered, n, 0.94, 0.96);
}

static void intervals_cover_what_is_there(void **state)
{
	int n = campaigns(400), found = 0, covered = 0;

	(void)state;
	rates(0.01, n, &found, &covered);
	assert_rate(found, n, 0.95, 1);
	assert_rate(covered, n, 0.94, 0.96);
}

/* ---- Against the comparison of blocks, in the noise of real epochs ---- */

/* The default suite: phases of 1 s after 300 ms, recovery 500 ms, 350 ms to start the workers. */
enum { PHASE_EPOCHS = 50, STEP_EPOCHS = 65, WINDOW = 700, MAX_BLOCKS = 4000, LESS_TIME = 20 };
static const double block_s = 4 * 1.3 + 0.5 + 0.35;
static const double lockin_overhead_s = 0.3 + 0.35; /* of each phase */
static const double shift = 0.005;

static double median_of(const double *log, size_t n)
{
	double sorted[PHASE_EPOCHS];

	memcpy(sorted, log, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, ascending_doubles);
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

/* The log ratios of all blocks that could have been run in the series: ABBA in one window each. */
struct contrasts {
	double value[MAX_PHASES * MAX_EPOCHS];
	size_t n;
};

static void list_contrasts(const struct real_epochs *real, struct contrasts *all)
{
	all->n = 0;
	for (size_t p = 0; p < real->n; p++) {
		for (size_t i = 0; i + 3 * STEP_EPOCHS + PHASE_EPOCHS <= real->length[p]; i++) {
			double level[4];

			for (size_t k = 0; k < 4; k++)
				level[k] =
					median_of(real->log[p] + i + k * STEP_EPOCHS, PHASE_EPOCHS);
			all->value[all->n++] = (level[1] + level[2] - level[0] - level[3]) / 2;
		}
	}
}

static bool blocks_find(const struct contrasts *all, size_t n_blocks, struct ct_rng *rng)
{
	static double contrasts[MAX_BLOCKS];
	struct ct_paired paired;

	assert_in_range(n_blocks, 2, MAX_BLOCKS);
	for (size_t b = 0; b < n_blocks; b++)
		contrasts[b] = all->value[ct_rng_below(rng, all->n)] + shift;
	assert_true(ct_paired_summary_of_logs(contrasts, n_blocks, &paired));
	return ct_paired_p_two_sided(&paired, 1) <= 0.05;
}

/* The fewest blocks that find the shift with power 0.95; searched in steps of a tenth. */
static size_t blocks_needed(const struct real_epochs *real, struct ct_rng *rng)
{
	static struct contrasts all;
	const int n = 400;

	list_contrasts(real, &all);
	for (size_t blocks = 4;; blocks += 1 + blocks / 10) {
		int found = 0;

		for (int i = 0; i < n; i++)
			found += blocks_find(&all, blocks, rng);
		if (found >= 0.95 * n)
			return blocks;
	}
}

/* Lock-in for `seconds` of machine time: phases of 14 s, each a window measured in one piece. */
static bool lockin_finds(const struct real_epochs *real, double seconds, double effect,
			 struct ct_rng *rng)
{
	static struct run run;
	struct ct_lockin lockin = {0};
	struct ct_lockin_line line = {.p = 1};
	size_t left, phases = (size_t)ceil(seconds / (WINDOW * EPOCH_S + lockin_overhead_s));

	left = (size_t)((seconds - (double)phases * lockin_overhead_s) / EPOCH_S) / phases;
	for (size_t i = 0; i < phases; i++) {
		const struct ct_lockin_series series = {run.begin, run.end, run.value, left};
		const double *log = draw_window(real, left, rng);

		set_times(&run, left);
		run.loads[0] = (struct ct_lockin_reference){
			.frequency_hz = 5.3, .start_s = ct_rng_uniform(rng), .duty = 0.5};
		memcpy(run.value, log, left * sizeof *log);
		plant(&run, &run.loads[0], effect, 0);
		assert_true(ct_lockin_add(&lockin, &series, run.loads, 1));
	}
	assert_true(ct_lockin_result(&lockin, 0, 0.95, rng, &line));
	ct_lockin_free(&lockin);
	return line.p <= 0.05;
}

static void half_a_percent_in_a_twentieth_of_the_time_that_blocks_need(void **state)
{
	static const char *const victims[] = {"spin", "tcp_rr"};
	static struct real_epochs real;

	(void)state;
	for (size_t v = 0; v < sizeof victims / sizeof victims[0]; v++) {
		int n = campaigns(400), found = 0, false_alarms = 0;
		struct ct_rng rng;
		double seconds;

		ct_rng_seed(&rng, 5 + v);
		read_epochs(victims[v], &real);
		seconds = (double)blocks_needed(&real, &rng) * block_s;
		print_message("%s: blocks need %.0f s, lock-in gets %.0f s\n", victims[v], seconds,
			      seconds / LESS_TIME);
		for (int i = 0; i < n; i++) {
			found += lockin_finds(&real, seconds / LESS_TIME, shift, &rng);
			false_alarms += lockin_finds(&real, seconds / LESS_TIME, 0, &rng);
		}
		assert_rate(found, n, 0.95, 1);
		assert_rate(false_alarms, n, 0, 0.05);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_square_wave_is_averaged_over_the_epoch),
		cmocka_unit_test(without_noise_every_load_is_found_exactly),
		cmocka_unit_test(amplitude_delay_and_harmonics_are_those_planted),
		cmocka_unit_test(what_can_not_be_answered_is_refused),
		cmocka_unit_test(times_of_any_size_give_no_answer),
		cmocka_unit_test(equal_frequencies_give_no_answer),
		cmocka_unit_test(frequencies_can_be_told_apart),
		cmocka_unit_test(nothing_is_found_where_nothing_is),
		cmocka_unit_test(intervals_cover_what_is_there),
		cmocka_unit_test(half_a_percent_in_a_twentieth_of_the_time_that_blocks_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
