/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/seen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/hist.h"

static void empty(struct ct_gpu_seen *seen)
{
	seen->n = seen->max_ps = 0;
	seen->min_ps = UINT64_MAX;
	seen->sum_ps = 0;
}

bool ct_gpu_seen_init(struct ct_gpu_seen *seen, struct ct_error *err)
{
	seen->counts = calloc(CT_HIST_BUCKETS, sizeof *seen->counts);
	if (!seen->counts)
		return ct_broken_errno(err, "memory for the device's times");
	/* Touched now, and not by the first operation that falls into a page of it. */
	memset(seen->counts, 0, CT_HIST_BUCKETS * sizeof *seen->counts);
	empty(seen);
	return true;
}

void ct_gpu_seen_free(struct ct_gpu_seen *seen)
{
	free(seen->counts);
	seen->counts = NULL;
}

void ct_gpu_seen_clear(struct ct_gpu_seen *seen)
{
	if (seen->n > 0) {
		uint32_t first = ct_hist_index(seen->min_ps), last = ct_hist_index(seen->max_ps);

		memset(seen->counts + first, 0, (last - first + 1) * sizeof *seen->counts);
	}
	empty(seen);
}

void ct_gpu_seen_add(struct ct_gpu_seen *seen, double ns)
{
	uint64_t ps = ns > 0 ? (uint64_t)(ns * 1e3) : 0;

	ps = ps < CT_HIST_MAX_PS ? ps : CT_HIST_MAX_PS;
	seen->counts[ct_hist_index(ps)]++;
	seen->n++;
	seen->sum_ps += (double)ps;
	seen->min_ps = ps < seen->min_ps ? ps : seen->min_ps;
	seen->max_ps = ps > seen->max_ps ? ps : seen->max_ps;
}

static double quantile_ns(const struct ct_gpu_seen *seen, double q)
{
	uint64_t rank = ct_quantile_rank(seen->n, q);
	uint32_t index = ct_hist_index(seen->min_ps);

	for (uint64_t below = seen->counts[index]; below < rank; below += seen->counts[index])
		index++;
	return ct_hist_mid(index) / 1e3;
}

void ct_gpu_seen_read(struct ct_gpu_seen *seen, double *values)
{
	if (seen->n == 0) {
		for (int i = 0; i < CT_GPU_SEEN_COUNTERS - 1; i++)
			values[i] = NAN;
		values[CT_GPU_SEEN_COUNTERS - 1] = 0;
		return;
	}
	values[0] = (double)seen->min_ps / 1e3;
	values[1] = seen->sum_ps / (double)seen->n / 1e3;
	values[2] = quantile_ns(seen, 0.5);
	values[3] = quantile_ns(seen, 0.99);
	values[4] = (double)seen->max_ps / 1e3;
	values[5] = (double)seen->n;
	ct_gpu_seen_clear(seen);
}
