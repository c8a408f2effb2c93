/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/hist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CT_HIST_BUCKETS == 38u * 1024u, "the bucket count is part of the file format");

uint64_t ct_hist_low(uint32_t index)
{
	uint32_t octave = index >> CT_HIST_SUB_BITS;
	uint32_t shift = octave > 0 ? octave - 1 : 0;

	return (uint64_t)(index - (shift << CT_HIST_SUB_BITS)) << shift;
}

double ct_hist_mid(uint32_t index)
{
	uint64_t low = ct_hist_low(index);
	uint64_t width = ct_hist_low(index + 1) - low;

	return (double)low + (double)(width - 1) / 2.0;
}

/* Most histograms fill a few octaves of 37: nothing walks through the others. */
static void cover_nothing(struct ct_hist *hist)
{
	hist->begin = CT_HIST_BUCKETS;
	hist->end = 0;
}

static void cover(struct ct_hist *hist, uint32_t begin, uint32_t end)
{
	if (begin < hist->begin)
		hist->begin = begin;
	if (end > hist->end)
		hist->end = end;
}

static void add(struct ct_hist *hist, uint32_t index, uint64_t count)
{
	hist->counts[index] += count;
	hist->total += count;
	cover(hist, index, index + 1);
}

bool ct_hist_init(struct ct_hist *hist, struct ct_error *err)
{
	hist->total = 0;
	cover_nothing(hist);
	hist->counts = calloc(CT_HIST_BUCKETS, sizeof *hist->counts);
	return hist->counts || ct_broken_errno(err, "histogram");
}

void ct_hist_free(struct ct_hist *hist)
{
	free(hist->counts);
	hist->counts = NULL;
	hist->total = 0;
	cover_nothing(hist);
}

void ct_hist_clear(struct ct_hist *hist)
{
	if (hist->begin < hist->end)
		memset(hist->counts + hist->begin, 0,
		       (hist->end - hist->begin) * sizeof *hist->counts);
	hist->total = 0;
	cover_nothing(hist);
}

void ct_hist_add(struct ct_hist *hist, uint64_t ps, uint64_t count)
{
	add(hist, ct_hist_index(ps), count);
}

void ct_hist_merge(struct ct_hist *into, const struct ct_hist *from)
{
	for (uint32_t i = from->begin; i < from->end; i++)
		into->counts[i] += from->counts[i];
	into->total += from->total;
	cover(into, from->begin, from->end);
}

bool ct_hist_merge_sparse(struct ct_hist *into, const struct ct_bucket *buckets, size_t n,
			  struct ct_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (buckets[i].index >= CT_HIST_BUCKETS)
			return ct_usage(err, "histogram bucket %u is out of range (at most %u)",
					buckets[i].index, CT_HIST_BUCKETS - 1);
	}
	for (size_t i = 0; i < n; i++)
		add(into, buckets[i].index, buckets[i].count);
	return true;
}

size_t ct_hist_to_sparse(const struct ct_hist *hist, struct ct_bucket *out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = hist->begin; i < hist->end; i++) {
		if (hist->counts[i] == 0)
			continue;
		if (n < max)
			out[n] = (struct ct_bucket){.index = i, .count = hist->counts[i]};
		n++;
	}
	return n;
}

uint64_t ct_quantile_rank(uint64_t n, double q)
{
	const double product = q * (double)n, nearest = nearbyint(product);
	/* A product that is whole but for rounding is meant to be whole. */
	const double rank = fabs(product - nearest) <= 1e-14 * product ? nearest : ceil(product);

	if (!(rank >= 1))
		return 1;
	return rank >= (double)n ? n : (uint64_t)rank;
}

double ct_hist_quantile(const struct ct_hist *hist, double q)
{
	uint64_t rank, seen = 0;

	if (hist->total == 0)
		return NAN;
	rank = ct_quantile_rank(hist->total, q);
	for (uint32_t i = hist->begin; i < hist->end; i++) {
		seen += hist->counts[i];
		if (seen >= rank)
			return ct_hist_mid(i);
	}
	return NAN;
}

double ct_hist_mean(const struct ct_hist *hist)
{
	double sum = 0;

	if (hist->total == 0)
		return NAN;
	for (uint32_t i = hist->begin; i < hist->end; i++) {
		if (hist->counts[i])
			sum += (double)hist->counts[i] * ct_hist_mid(i);
	}
	return sum / (double)hist->total;
}
