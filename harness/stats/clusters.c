/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/clusters.h"

#include <math.h>

#include "harness/stats/distributions.h"

/* Variance of the pooled share, from the spread of the blocks about it. */
static double share_variance(const uint64_t *below, const uint64_t *samples, size_t n_blocks,
			     double share, double total)
{
	double squares = 0;

	for (size_t b = 0; b < n_blocks; b++) {
		double residual = (double)below[b] - share * (double)samples[b];

		squares += residual * residual;
	}
	return squares * (double)n_blocks / (double)(n_blocks - 1) / (total * total);
}

/* The pooled share; false when the blocks say nothing. */
static bool pool(const uint64_t *below, const uint64_t *samples, size_t n_blocks, double *share,
		 double *total)
{
	double hits = 0;

	*total = 0;
	if (n_blocks < 2)
		return false;
	for (size_t b = 0; b < n_blocks; b++) {
		if (samples[b] == 0)
			return false;
		*total += (double)samples[b];
		hits += (double)below[b];
	}
	*share = hits / *total;
	return true;
}

double ct_clusters_error(const uint64_t *below, const uint64_t *samples, size_t n_blocks)
{
	double share, total;

	if (!pool(below, samples, n_blocks, &share, &total))
		return NAN;
	return sqrt(fmax(share_variance(below, samples, n_blocks, share, total),
			 share * (1 - share) / total));
}

double ct_clusters_effective(const uint64_t *below, const uint64_t *samples, size_t n_blocks,
			     double confidence)
{
	const double alpha = 1 - confidence;
	double total, share, variance, effective, correction;

	if (!(confidence > 0 && confidence < 1) || !pool(below, samples, n_blocks, &share, &total))
		return NAN;
	variance = share_variance(below, samples, n_blocks, share, total);
	/* Nothing beyond the value, or the same share everywhere: no design effect to be seen. */
	effective = share < 1 && share > 0 && variance > 0 ? share * (1 - share) / variance : total;
	correction = ct_t_quantile(1 - alpha / 2, total - 1) /
		     ct_t_quantile(1 - alpha / 2, (double)(n_blocks - 1));
	return fmin(fmax(effective * correction * correction, 1), total);
}
