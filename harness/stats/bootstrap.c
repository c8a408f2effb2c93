/* SPDX-License-Identifier: Apache-2.0 */
/* Hierarchical bootstrap: percentile, BCa and studentised intervals. */
#include "harness/stats/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "harness/stats/distributions.h"

/* Room for one resample and for its delete-one jackknife. */
struct draw {
	uint32_t *blocks, *fewer_blocks;
	uint32_t *units, *fewer_units;
	size_t *first, *fewer_first;
};

static void free_draw(struct draw *draw)
{
	free(draw->blocks);
	free(draw->fewer_blocks);
	free(draw->units);
	free(draw->fewer_units);
	free(draw->first);
	free(draw->fewer_first);
}

static bool make_draw(const struct ct_bootstrap *plan, struct draw *draw)
{
	size_t largest = 1, n = plan->n_blocks, room;

	*draw = (struct draw){0};
	draw->blocks = calloc(n, sizeof *draw->blocks);
	draw->fewer_blocks = calloc(n, sizeof *draw->fewer_blocks);
	if (plan->units) {
		for (size_t i = 0; i < n; i++)
			largest = plan->units[i] > largest ? plan->units[i] : largest;
		room = largest * n;
		draw->units = calloc(room, sizeof *draw->units);
		draw->fewer_units = calloc(room, sizeof *draw->fewer_units);
		draw->first = calloc(n + 1, sizeof *draw->first);
		draw->fewer_first = calloc(n + 1, sizeof *draw->fewer_first);
		if (!draw->units || !draw->fewer_units || !draw->first || !draw->fewer_first)
			return false;
	}
	return draw->blocks && draw->fewer_blocks;
}

static bool plan_ok(const struct ct_bootstrap *plan)
{
	size_t least = plan->method == CT_BOOTSTRAP_PERCENTILE ? 2 : 3;

	if (plan->n_blocks < least || plan->n_blocks > UINT32_MAX || plan->replicates < 100 ||
	    !(plan->confidence > 0 && plan->confidence < 1))
		return false;
	for (size_t i = 0; plan->units && i < plan->n_blocks; i++)
		if (plan->units[i] < 1 || plan->units[i] > UINT32_MAX)
			return false;
	return true;
}

/* With rng: blocks and units drawn with replacement. Without: the data as they are. */
static void fill(const struct ct_bootstrap *plan, struct ct_rng *rng, struct draw *draw)
{
	size_t n = plan->n_blocks, at = 0;

	for (size_t i = 0; i < n; i++) {
		draw->blocks[i] = (uint32_t)(rng ? ct_rng_below(rng, n) : i);
		if (!plan->units)
			continue;
		draw->first[i] = at;
		for (size_t u = 0, m = plan->units[draw->blocks[i]]; u < m; u++)
			draw->units[at++] = (uint32_t)(rng ? ct_rng_below(rng, m) : u);
	}
	if (plan->units)
		draw->first[n] = at;
}

static double evaluate(const struct ct_bootstrap *plan, const struct draw *draw)
{
	struct ct_resample resample = {draw->blocks, plan->n_blocks, draw->units, draw->first};

	return plan->statistic(plan->data, &resample);
}

/* The statistic of the draw without its `left_out`-th block. */
static double evaluate_without(const struct ct_bootstrap *plan, struct draw *draw, size_t left_out)
{
	struct ct_resample resample = {draw->fewer_blocks, plan->n_blocks - 1, draw->fewer_units,
				       draw->fewer_first};
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < plan->n_blocks; i++) {
		if (i == left_out)
			continue;
		draw->fewer_blocks[kept] = draw->blocks[i];
		if (plan->units) {
			size_t m = draw->first[i + 1] - draw->first[i];

			memcpy(draw->fewer_units + at, draw->units + draw->first[i],
			       m * sizeof *draw->units);
			draw->fewer_first[kept] = at;
			at += m;
		}
		kept++;
	}
	if (plan->units)
		draw->fewer_first[kept] = at;
	return plan->statistic(plan->data, &resample);
}

/* Delete-one jackknife of a draw: standard error, and the acceleration of BCa. */
struct jackknife {
	double standard_error, acceleration;
};

static bool jackknife(const struct ct_bootstrap *plan, struct draw *draw, struct jackknife *out)
{
	size_t n = plan->n_blocks;
	double *values = malloc(n * sizeof *values), mean = 0, squares = 0, cubes = 0;
	bool ok = values != NULL;

	for (size_t i = 0; ok && i < n; i++) {
		values[i] = evaluate_without(plan, draw, i);
		ok = isfinite(values[i]);
		if (ok)
			mean += (values[i] - mean) / (double)(i + 1);
	}
	for (size_t i = 0; ok && i < n; i++) {
		double d = mean - values[i];

		squares += d * d;
		cubes += d * d * d;
	}
	out->standard_error = sqrt(squares * (double)(n - 1) / (double)n);
	out->acceleration = squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
	free(values);
	return ok;
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* The quantile of sorted replicates at rank (n + 1) p, linear between ranks. */
static double replicate_quantile(const double *sorted, size_t n, double p)
{
	double position = (double)(n + 1) * p;
	size_t below = (size_t)position;

	if (!(position >= 1))
		return sorted[0];
	if (below >= n)
		return sorted[n - 1];
	return sorted[below - 1] + (position - (double)below) * (sorted[below] - sorted[below - 1]);
}

static double bca_level(double bias, double acceleration, double p)
{
	double z = bias + ct_normal_quantile(p);

	return ct_normal_cdf(bias + z / (1 - acceleration * z));
}

static void bca_bounds(const double *sorted, size_t n, const struct jackknife *jack, double beyond,
		       struct ct_interval *out)
{
	double below = 0, bias;

	for (size_t i = 0; i < n; i++)
		below += sorted[i] < out->value ? 1 : sorted[i] == out->value ? 0.5 : 0;
	/* Half a replicate off either end, so that the bias correction stays finite. */
	bias = ct_normal_quantile(fmin(fmax(below, 0.5), (double)n - 0.5) / (double)n);
	out->lo = replicate_quantile(sorted, n, bca_level(bias, jack->acceleration, beyond));
	out->hi = replicate_quantile(sorted, n, bca_level(bias, jack->acceleration, 1 - beyond));
}

/* Fills `values` with the replicates (or studentised deviations) that exist; returns how many. */
static size_t replicate(const struct ct_bootstrap *plan, struct ct_rng *rng, struct draw *draw,
			double estimate, double *values)
{
	size_t used = 0;

	for (size_t i = 0; i < plan->replicates; i++) {
		struct jackknife jack;
		double value;

		fill(plan, rng, draw);
		value = evaluate(plan, draw);
		if (plan->method == CT_BOOTSTRAP_STUDENTISED) {
			if (!jackknife(plan, draw, &jack))
				continue;
			value = (value - estimate) / jack.standard_error;
		}
		if (isfinite(value))
			values[used++] = value;
	}
	return used;
}

bool ct_bootstrap_interval(const struct ct_bootstrap *plan, struct ct_rng *rng,
			   struct ct_interval *out)
{
	struct jackknife jack = {0, 0};
	struct draw draw = {0};
	double *values = NULL, beyond = (1 - plan->confidence) / 2;
	size_t used;
	bool ok = false;

	*out = CT_INTERVAL_NONE;
	if (!plan_ok(plan))
		return false;
	values = malloc(plan->replicates * sizeof *values);
	if (!values || !make_draw(plan, &draw))
		goto out;
	fill(plan, NULL, &draw);
	out->value = evaluate(plan, &draw);
	if (!isfinite(out->value))
		goto out;
	if (plan->method != CT_BOOTSTRAP_PERCENTILE && !jackknife(plan, &draw, &jack))
		goto out;
	if (plan->method == CT_BOOTSTRAP_STUDENTISED && jack.standard_error == 0) {
		/* Blocks that all agree: every deviation is 0/0 and the interval is the point. */
		out->lo = out->hi = out->value;
		ok = true;
		goto out;
	}
	used = replicate(plan, rng, &draw, out->value, values);
	if ((double)used < 0.95 * (double)plan->replicates)
		goto out;
	qsort(values, used, sizeof *values, ascending);
	if (plan->method == CT_BOOTSTRAP_BCA) {
		bca_bounds(values, used, &jack, beyond, out);
	} else {
		out->lo = replicate_quantile(values, used, beyond);
		out->hi = replicate_quantile(values, used, 1 - beyond);
	}
	if (plan->method == CT_BOOTSTRAP_STUDENTISED) {
		double high = out->value - out->lo * jack.standard_error;

		out->lo = out->value - out->hi * jack.standard_error;
		out->hi = high;
	}
	ok = true;
out:
	free(values);
	free_draw(&draw);
	return ok;
}
