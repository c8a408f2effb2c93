/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shift function: by how much a treatment moves each quantile, with bands that hold for all the
 * quantiles at once (Doksum 1974, Annals of Statistics 2:267; Rousselet, Pernet & Wilcox 2017,
 * European Journal of Neuroscience 46:1738).
 */
#ifndef COTENANT_STATS_SHIFT_H
#define COTENANT_STATS_SHIFT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/quantile.h"

#define CT_DECILES 9
extern const double ct_deciles[CT_DECILES]; /* 0.1 .. 0.9 */

/*
 * Two samples: out[i] is the difference treat - base of the Harrell-Davis estimates of quantile
 * p[i], in the unit of the data, with the S-band of Doksum & Sievers (1976, Biometrika 63:421): the
 * Kolmogorov-Smirnov band around the shifted distribution, so it is distribution-free and
 * simultaneous over all quantiles, at Kolmogorov's limit (a little wide for small samples). Sides
 * beyond the data are infinite. effective_base and effective_treat are the independent samples the
 * data are worth (see ct_quantile_interval). False, with NaN, for empty samples or arguments out
 * of range.
 */
bool ct_shift_function(const struct ct_bin *base, size_t n_base, double effective_base,
		       const struct ct_bin *treat, size_t n_treat, double effective_treat,
		       const double *p, size_t n_p, double confidence, struct ct_interval *out);

/*
 * Over blocks, which need no independence inside a block: log_ratio[b * n_p + i] is the log ratio
 * of quantile i in block b. out[i] is the geometric mean ratio with a t interval at 1 - (1 -
 * confidence) / n_p (Bonferroni), so that all n_p hold together whatever their dependence. False,
 * with NaN, for fewer than two blocks or values that are not finite.
 */
bool ct_shift_blocks(const double *log_ratio, size_t n_blocks, size_t n_p, double confidence,
		     struct ct_interval *out);

#endif
