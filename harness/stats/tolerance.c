/* SPDX-License-Identifier: Apache-2.0 */
/* Wilks bounds and sample-size planning. */
#include "harness/stats/tolerance.h"

#include <math.h>

#include "harness/stats/distributions.h"

#define MOST_BLOCKS 1000000u

bool ct_tolerance_upper(uint64_t n, double p, double confidence, struct ct_tolerance *out)
{
	*out = (struct ct_tolerance){0, 0, 0, NAN};
	if (!(p > 0 && p < 1) || !(confidence > 0 && confidence < 1))
		return false;
	/* The tiny factor keeps a quotient that is a whole number from being rounded up past it. */
	out->needs = (uint64_t)ceil(log1p(-confidence) / log(p) * (1 - 1e-13));
	out->achieved = -expm1((double)n * log(p));
	if (n < out->needs) {
		out->needs_more = out->needs - n;
		return true;
	}
	/* The r-th smallest reaches the quantile when fewer than r values lie below it. */
	out->rank = ct_binomial_quantile(confidence, n, p) + 1;
	if (out->rank > n)
		out->rank = n;
	out->achieved = ct_binomial_cdf(out->rank - 1, n, p);
	return true;
}

/* Density of v = s / sigma, the estimated over the true standard deviation, unnormalised. */
static double sd_density(double v, double df)
{
	return v > 0 || df == 1 ? exp((df - 1) * (v > 0 ? log(v) : 0) - df / 2 * (v * v - 1)) : 0;
}

struct test {
	double low, high; /* the test succeeds where the mean, in standard errors, leaves or ... */
	bool equivalence; /* ... lies inside these, less or plus the critical value times v */
	double critical, shift;
};

static double success_given_sd(const struct test *t, double v)
{
	double reach = t->critical * v;

	if (t->equivalence)
		return fmax(0, ct_normal_cdf(t->high - reach - t->shift) -
				       ct_normal_cdf(t->low + reach - t->shift));
	return ct_normal_cdf(-reach - t->shift) + ct_normal_cdf(t->shift - reach);
}

/* Simpson's rule over the range that holds all of the density but about 1e-20. */
static double average_over_sd(const struct test *t, double df)
{
	const int steps = 2000;
	double spread = 10 / sqrt(2 * df), lo = fmax(0, 1 - spread), hi = 1 + spread + 2 / df;
	double sum = 0, weight_sum = 0;

	for (int i = 0; i <= steps; i++) {
		double v = lo + (hi - lo) * i / steps;
		double weight = (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2) * sd_density(v, df);

		sum += weight * success_given_sd(t, v);
		weight_sum += weight;
	}
	return sum / weight_sum;
}

static bool plan_ok(double sd, double ratio, double alpha)
{
	return sd > 0 && isfinite(sd) && ratio > 0 && isfinite(ratio) && alpha > 0 && alpha < 1;
}

double ct_power_difference(size_t blocks, double sd, double ratio, double alpha)
{
	double df = (double)blocks - 1;
	struct test t;

	if (blocks < 2 || !plan_ok(sd, ratio, alpha))
		return NAN;
	t = (struct test){.critical = ct_t_quantile(1 - alpha / 2, df),
			  .shift = log(ratio) * sqrt((double)blocks) / sd};
	return average_over_sd(&t, df);
}

double ct_power_equivalence(size_t blocks, double sd, double ratio, double margin, double alpha)
{
	double df = (double)blocks - 1, scale = sqrt((double)blocks) / sd;
	struct test t;

	if (blocks < 2 || !plan_ok(sd, ratio, alpha) || !(margin > 0) || isinf(margin))
		return NAN;
	t = (struct test){.low = -log1p(margin) * scale,
			  .high = log1p(margin) * scale,
			  .equivalence = true,
			  .critical = ct_t_quantile(1 - alpha, df),
			  .shift = log(ratio) * scale};
	return average_over_sd(&t, df);
}

/* In standard errors of the mean; INFINITY when 10^12 of them are not found either. */
static double detectable_shift(size_t blocks, double alpha, double power)
{
	const double df = (double)blocks - 1;
	struct test t = {.critical = ct_t_quantile(1 - alpha / 2, df)};
	double lo = 0, hi = 1;

	for (t.shift = hi; average_over_sd(&t, df) < power; t.shift = hi) {
		lo = hi;
		hi *= 2;
		if (hi > 1e12)
			return INFINITY;
	}
	while (hi - lo > 1e-14 * hi) {
		t.shift = (lo + hi) / 2;
		if (average_over_sd(&t, df) < power)
			lo = t.shift;
		else
			hi = t.shift;
	}
	return hi;
}

double ct_detectable_ratio(struct ct_detectable *known, size_t blocks, double sd)
{
	struct ct_detectable_shift *slot = &known->slots[blocks % CT_DETECTABLE_SLOTS];
	double log_ratio;

	if (blocks < 2 || !plan_ok(sd, 1, known->alpha) ||
	    !(known->power > known->alpha && known->power < 1))
		return NAN;
	if (slot->blocks != blocks)
		*slot = (struct ct_detectable_shift){
			blocks, detectable_shift(blocks, known->alpha, known->power)};
	log_ratio = slot->shift * sd / sqrt((double)blocks);
	return log_ratio > log(1e6) ? INFINITY : exp(log_ratio);
}

double ct_minimum_detectable_ratio(size_t blocks, double sd, double alpha, double power)
{
	struct ct_detectable known = {.alpha = alpha, .power = power};

	return ct_detectable_ratio(&known, blocks, sd);
}

/* What `enough` is asked about; margin 0 stands for a test of difference. */
struct plan {
	double sd, ratio, margin, alpha, power, width;
};

static bool enough(const struct plan *plan, size_t blocks)
{
	if (plan->width > 0)
		return ct_t_quantile(1 - plan->alpha / 2, (double)blocks - 1) * plan->sd /
			       sqrt((double)blocks) <=
		       log1p(plan->width);
	if (plan->margin > 0)
		return ct_power_equivalence(blocks, plan->sd, plan->ratio, plan->margin,
					    plan->alpha) >= plan->power;
	return ct_power_difference(blocks, plan->sd, plan->ratio, plan->alpha) >= plan->power;
}

static size_t smallest_enough(const struct plan *plan)
{
	size_t lo = 1, hi = 2;

	while (!enough(plan, hi)) {
		lo = hi;
		hi *= 2;
		if (hi > MOST_BLOCKS)
			return 0;
	}
	while (hi - lo > 1) {
		size_t middle = lo + (hi - lo) / 2;

		if (enough(plan, middle))
			hi = middle;
		else
			lo = middle;
	}
	return hi;
}

size_t ct_blocks_for_difference(double sd, double ratio, double alpha, double power)
{
	struct plan plan = {.sd = sd, .ratio = ratio, .alpha = alpha, .power = power};

	if (!plan_ok(sd, ratio, alpha) || ratio == 1 || !(power > 0 && power < 1))
		return 0;
	return smallest_enough(&plan);
}

size_t ct_blocks_for_equivalence(double sd, double ratio, double margin, double alpha, double power)
{
	struct plan plan = {
		.sd = sd, .ratio = ratio, .margin = margin, .alpha = alpha, .power = power};

	if (!plan_ok(sd, ratio, alpha) || !(power > 0 && power < 1) || !(margin > 0) ||
	    fabs(log(ratio)) >= log1p(margin))
		return 0;
	return smallest_enough(&plan);
}

size_t ct_blocks_for_width(double sd, double width, double confidence)
{
	struct plan plan = {.sd = sd, .alpha = 1 - confidence, .width = width};

	if (!plan_ok(sd, 1, 1 - confidence) || !(width > 0))
		return 0;
	return smallest_enough(&plan);
}
