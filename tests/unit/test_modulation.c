/* SPDX-License-Identifier: Apache-2.0 */
/* When an aggressor was switched, from its rows: rows as the worker makes them, edges known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/core/rng.h"
#include "harness/decide/lockin.h"
#include "harness/tenant/pacer.h"

enum { ROWS = 600, WHOSE = 3 };
static const uint64_t origin_ns = 5000000000, load_start_ns = 4987654321;
static const double hertz = 3.7, rate = 1e6;

/* Rows of 10 to 14 ms of a load that began at load_start_ns and does `done` of what is asked. */
static void make_rows(struct ct_noise_row *rows, enum ct_pattern pattern, double duty, double done)
{
	const struct ct_aggressor_common common = {
		.pattern = (int)pattern, .frequency_hz = hertz, .duty = duty};
	struct ct_pacer pacer;
	struct ct_rng rng;
	uint64_t at = load_start_ns + 123456;

	ct_rng_seed(&rng, 1);
	ct_pacer_init(&pacer, &common, rate, 1);
	for (size_t i = 0; i < ROWS; i++) {
		uint64_t end = at + 10000000 + ct_rng_below(&rng, 4000000);
		double asked = ct_pacer_due(&pacer, end - load_start_ns) -
			       ct_pacer_due(&pacer, at - load_start_ns);

		rows[i] = (struct ct_noise_row){.start_ns = at,
						.end_ns = end,
						.units = done * asked,
						.asked_units = asked,
						.aggressor = i % 2 ? WHOSE : 1};
		/* Every other row is another aggressor's, of the same time. */
		if (i % 2)
			at = end;
	}
}

static void edges_are_found_to_the_microsecond(void **state)
{
	struct ct_noise_row rows[ROWS];

	(void)state;
	for (int duty = 30; duty <= 70; duty += 20) {
		struct ct_modulation found;
		double cycles;

		make_rows(rows, CT_PATTERN_SQUARE, duty, 0.95);
		found = ct_modulation_of(rows, ROWS, WHOSE, hertz, duty / 100.0, origin_ns);
		assert_true(found.known);
		cycles =
			(found.start_s - ((double)load_start_ns - (double)origin_ns) / 1e9) * hertz;
		assert_true(fabs(cycles - round(cycles)) / hertz < 1e-6);
		assert_true(found.jitter_s < 1e-6);
		assert_true(fabs(found.full_rate / rate - 1) < 1e-6);
		assert_true(fabs(found.on_rate / rate - 0.95) < 1e-6);
		assert_true(found.off_rate == 0);
	}
}

static void another_pattern_proves_nothing(void **state)
{
	struct ct_noise_row rows[ROWS];

	(void)state;
	make_rows(rows, CT_PATTERN_CONSTANT, 50, 1);
	assert_false(ct_modulation_of(rows, ROWS, WHOSE, hertz, 0.5, origin_ns).known);
	make_rows(rows, CT_PATTERN_POISSON, 50, 1);
	assert_false(ct_modulation_of(rows, ROWS, WHOSE, hertz, 0.5, origin_ns).known);
	/* Switched, but at another frequency than is claimed. */
	make_rows(rows, CT_PATTERN_SQUARE, 50, 1);
	assert_false(ct_modulation_of(rows, ROWS, WHOSE, 1.1 * hertz, 0.5, origin_ns).known);
	/* Nobody's rows. */
	assert_false(ct_modulation_of(rows, ROWS, 7, hertz, 0.5, origin_ns).known);
	assert_false(ct_modulation_of(rows, 0, WHOSE, hertz, 0.5, origin_ns).known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_are_found_to_the_microsecond),
		cmocka_unit_test(another_pattern_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
