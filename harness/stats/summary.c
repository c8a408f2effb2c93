/* SPDX-License-Identifier: Apache-2.0 */
/* Moments, median and MAD of a sparse histogram. */
#include "harness/stats/summary.h"

#include <stdlib.h>

struct moments {
	double mean, variance;
};

/* Two passes: the second is about the mean, so a large offset costs no digits. */
static struct moments moments_of(const struct ct_bin *bins, size_t n_bins, uint64_t n, bool logs)
{
	struct moments m = {0, 0};
	double origin = logs ? log(bins[0].value) : bins[0].value, left = 0;

	for (size_t i = 0; i < n_bins; i++) {
		double x = logs ? log(bins[i].value) : bins[i].value;

		m.mean += (double)bins[i].count / (double)n * (x - origin);
	}
	m.mean += origin;
	for (size_t i = 0; i < n_bins; i++) {
		double d = (logs ? log(bins[i].value) : bins[i].value) - m.mean;

		m.variance += (double)bins[i].count * d * d;
		left += (double)bins[i].count * d;
	}
	m.variance = n < 2 ? NAN : (m.variance - left * left / (double)n) / (double)(n - 1);
	return m;
}

static int by_value(const void *left, const void *right)
{
	double a = ((const struct ct_bin *)left)->value, b = ((const struct ct_bin *)right)->value;

	return (a > b) - (a < b);
}

bool ct_summarise_bins(const struct ct_bin *bins, size_t n_bins, struct ct_summary *out)
{
	struct ct_bin *distances;
	struct moments plain, logs;

	*out = (struct ct_summary){0, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	out->n = ct_bins_total(bins, n_bins);
	distances = out->n ? malloc(n_bins * sizeof *distances) : NULL;
	if (!distances)
		return false;
	plain = moments_of(bins, n_bins, out->n, false);
	out->mean = plain.mean;
	out->sd = sqrt(plain.variance);
	out->cov = out->sd / out->mean;
	out->median = ct_bins_quantile_type1(bins, n_bins, 0.5);
	for (size_t i = 0; i < n_bins; i++)
		distances[i] = (struct ct_bin){fabs(bins[i].value - out->median), bins[i].count};
	qsort(distances, n_bins, sizeof *distances, by_value);
	out->mad = ct_bins_quantile_type1(distances, n_bins, 0.5);
	if (bins[0].value > 0) {
		logs = moments_of(bins, n_bins, out->n, true);
		out->log_mean = logs.mean;
		out->log_variance = logs.variance;
	}
	free(distances);
	return true;
}
