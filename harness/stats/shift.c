/* SPDX-License-Identifier: Apache-2.0 */
/* Shift function with simultaneous bands: over two samples and over blocks. */
#include "harness/stats/shift.h"

#include <stdlib.h>

#include "harness/stats/distributions.h"
#include "harness/stats/paired.h"

const double ct_deciles[CT_DECILES] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

/* The x with P(sup > x) = beyond in Kolmogorov's limit. */
static double kolmogorov_quantile(double beyond)
{
	double lo = 0.1, hi = 10;

	while (hi - lo > 1e-12) {
		double middle = (lo + hi) / 2;

		if (ct_kolmogorov_sf(middle) > beyond)
			lo = middle;
		else
			hi = middle;
	}
	return (lo + hi) / 2;
}

bool ct_shift_function(const struct ct_bin *base, size_t n_base, double effective_base,
		       const struct ct_bin *treat, size_t n_treat, double effective_treat,
		       const double *p, size_t n_p, double confidence, struct ct_interval *out)
{
	double total = (double)ct_bins_total(treat, n_treat), reach;

	for (size_t i = 0; i < n_p; i++)
		out[i] = CT_INTERVAL_NONE;
	if (ct_bins_total(base, n_base) == 0 || total == 0 ||
	    !(effective_base >= 1 && effective_treat >= 1) || !(confidence > 0 && confidence < 1))
		return false;
	reach = kolmogorov_quantile(1 - confidence) *
		sqrt(1 / effective_base + 1 / effective_treat);
	for (size_t i = 0; i < n_p; i++) {
		double from = ct_bins_quantile_type1(base, n_base, p[i]), rank;

		if (isnan(from))
			return false;
		out[i].value = ct_bins_harrell_davis(treat, n_treat, p[i]) -
			       ct_bins_harrell_davis(base, n_base, p[i]);
		rank = ceil(total * (p[i] - reach));
		out[i].lo = rank >= 1 ? ct_bins_at_rank(treat, n_treat, (uint64_t)rank) - from
				      : -INFINITY;
		rank = floor(total * (p[i] + reach)) + 1;
		out[i].hi = rank <= total ? ct_bins_at_rank(treat, n_treat, (uint64_t)rank) - from
					  : INFINITY;
	}
	return true;
}

bool ct_shift_blocks(const double *log_ratio, size_t n_blocks, size_t n_p, double confidence,
		     struct ct_interval *out)
{
	double *column = malloc((n_blocks ? n_blocks : 1) * sizeof *column);
	double each = 1 - (1 - confidence) / (double)n_p;
	bool ok = column != NULL;

	for (size_t i = 0; i < n_p; i++)
		out[i] = CT_INTERVAL_NONE;
	for (size_t i = 0; ok && i < n_p; i++) {
		struct ct_paired paired;

		for (size_t b = 0; b < n_blocks; b++)
			column[b] = log_ratio[b * n_p + i];
		ok = ct_paired_summary_of_logs(column, n_blocks, &paired) &&
		     ct_paired_interval(&paired, each, &out[i]);
	}
	free(column);
	return ok;
}
