/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/welch.h"

/* What one group adds: the variance of its mean, and the degrees of freedom behind it. */
struct part {
	double mean, spread, variance, df, level;
};

static bool part_of(const struct ct_group *group, struct part *part)
{
	struct ct_paired summary;

	if (!(group->dependence >= 1) || !(group->level_variance >= 0) ||
	    !ct_paired_summary_of_logs(group->logs, group->n, &summary))
		return false;
	part->mean = summary.mean;
	part->spread = summary.sd * summary.sd;
	part->variance = part->spread / (double)group->n * group->dependence;
	part->level = group->level_variance;
	part->df = fmax((double)group->n / group->dependence - 1, 1);
	return true;
}

bool ct_welch_summary(const struct ct_group *base, const struct ct_group *treat,
		      struct ct_paired *out)
{
	struct part from, to;
	double variance, blocks;

	*out = (struct ct_paired){.n = 0, .mean = NAN, .sd = NAN, .standard_error = NAN, .df = NAN};
	if (!part_of(base, &from) || !part_of(treat, &to))
		return false;
	variance = from.variance + to.variance + from.level + to.level;
	out->n = base->n < treat->n ? base->n : treat->n;
	out->mean = to.mean - from.mean;
	out->sd = sqrt((from.spread + to.spread) / 2);
	out->standard_error = sqrt(variance);
	/* Welch & Satterthwaite; without any spread the number does not matter. */
	blocks = from.variance + to.variance;
	out->df = blocks > 0 ? blocks * blocks /
				       (from.variance * from.variance / from.df +
					to.variance * to.variance / to.df)
			     : from.df + to.df;
	return true;
}
