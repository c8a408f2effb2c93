/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/load.h"

/* How much of the span the rows cover, in ns. */
static double covered_ns(const struct ct_noise_row *rows, size_t n, const struct ct_load_span *span)
{
	double covered = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t from =
			rows[i].start_ns > span->start_ns ? rows[i].start_ns : span->start_ns;
		uint64_t to = rows[i].end_ns < span->end_ns ? rows[i].end_ns : span->end_ns;

		if (rows[i].aggressor == span->aggressor && from < to)
			covered += (double)(to - from);
	}
	return covered;
}

enum ct_load ct_judge_load(const struct ct_noise_row *rows, size_t n,
			   const struct ct_load_span *span, double *share, double *rate)
{
	const uint64_t first_ns = span->start_ns - span->smoothing_ns;
	const uint64_t last_ns = span->end_ns + span->smoothing_ns;
	double units = 0, asked = 0, all = 0, busy = 0, runnable = 0;

	for (size_t i = 0; i < n; i++) {
		double length = (double)(rows[i].end_ns - rows[i].start_ns);

		if (rows[i].aggressor != span->aggressor || rows[i].start_ns >= last_ns ||
		    rows[i].end_ns <= first_ns)
			continue;
		units += rows[i].units;
		asked += rows[i].asked_units;
		all += length;
		busy += rows[i].busy * length;
		runnable += rows[i].runnable * length;
	}
	*rate = all > 0 ? units * 1e9 / all : 0;
	*share = asked > 0 ? units / asked : 1;
	/* Rows follow each other without a gap; half a millisecond allows for rounding of clocks.
	 */
	if (covered_ns(rows, n, span) + 5e5 < (double)(span->end_ns - span->start_ns))
		return CT_LOAD_ABSENT;
	if (*share >= CT_OVERLAP_SHARE)
		return CT_LOAD_HELD;
	if (!span->blocks && busy >= CT_OVERLAP_SHARE * all && runnable >= CT_RUNNABLE_SHARE * all)
		return CT_LOAD_CONTENDED;
	return CT_LOAD_ABSENT;
}
