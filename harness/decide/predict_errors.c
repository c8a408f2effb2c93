/* SPDX-License-Identifier: Apache-2.0 */
/* How far predictions of measured mixtures are off: ours, and each way to combine by itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/rng.h"
#include "harness/decide/predict_internal.h"
#include "harness/stats/bootstrap.h"

/* Replicates of one bootstrap: many, but a large file may not take minutes. */
enum { MOST_REPLICATES = 2000, LEAST_REPLICATES = 200 };
static const double most_values = 4e7;

/* Errors, mixture by mixture: those of the i-th are [first[i], first[i + 1]). */
struct errors {
	double *of[CT_PREDICT_METHODS];
	size_t *first;
	size_t n, n_mixtures;
	double *drawn; /* room for the values of a resample */
	size_t room;
	size_t method; /* whose statistic is asked for */
};

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A draw may hold the largest mixture as often as there are mixtures. */
static size_t largest_draw(const struct errors *errors)
{
	size_t largest = 0;

	for (size_t m = 0; m < errors->n_mixtures; m++) {
		if (errors->first[m + 1] - errors->first[m] > largest)
			largest = errors->first[m + 1] - errors->first[m];
	}
	return largest * errors->n_mixtures;
}

static double median_of(const struct errors *errors, size_t method,
			const struct ct_resample *resample)
{
	size_t n = 0;

	for (size_t i = 0; i < resample->n_blocks; i++) {
		const size_t m = resample->blocks[i];
		const size_t values = errors->first[m + 1] - errors->first[m];

		memcpy(errors->drawn + n, errors->of[method] + errors->first[m],
		       values * sizeof *errors->drawn);
		n += values;
	}
	if (n == 0)
		return NAN;
	qsort(errors->drawn, n, sizeof *errors->drawn, ascending);
	return (errors->drawn[(n - 1) / 2] + errors->drawn[n / 2]) / 2;
}

static double median(const void *data, const struct ct_resample *resample)
{
	const struct errors *errors = data;

	return median_of(errors, errors->method, resample);
}

static double more_than_ours(const void *data, const struct ct_resample *resample)
{
	const struct errors *errors = data;

	return median_of(errors, errors->method, resample) -
	       median_of(errors, CT_PREDICT_OURS, resample);
}

/* The larger of the two over the smaller, less 1. */
static double off(double predicted, double truth)
{
	return expm1(fabs(predicted - truth));
}

static void collect(struct errors *errors, const struct ct_stakes *stakes, size_t scope)
{
	errors->n = errors->n_mixtures = 0;
	for (size_t m = 0; m < stakes->n_mixtures; m++) {
		const size_t before = errors->n;

		for (size_t p = 0; p < stakes->n; p++) {
			for (size_t k = 0; k < CT_PREDICT_QUANTILES; k++) {
				const struct ct_stake *stake = &stakes->rows[p][k];

				if (stakes->mixture[p] != m || !stake->measured ||
				    (scope != CT_PREDICT_ALL && scope != k))
					continue;
				errors->of[CT_PREDICT_OURS][errors->n] =
					off(stake->predicted, stake->truth);
				for (size_t w = 0; w < CT_WORLDS; w++)
					errors->of[1 + w][errors->n] =
						off(stake->worlds[w], stake->truth);
				errors->n++;
			}
		}
		errors->first[errors->n_mixtures] = before;
		errors->n_mixtures += errors->n > before;
	}
	errors->first[errors->n_mixtures] = errors->n;
}

static bool make_room(struct errors *errors, struct ct_error *err)
{
	const size_t room = largest_draw(errors);
	double *grown;

	if (room <= errors->room)
		return true;
	grown = realloc(errors->drawn, room * sizeof *grown);
	if (!grown)
		return ct_broken_errno(err, "memory for errors of predictions");
	errors->drawn = grown;
	errors->room = room;
	return true;
}

/* Without a second mixture there is a value, and no interval. */
static struct ct_interval bootstrap(const struct errors *errors, ct_statistic statistic,
				    double confidence, uint64_t stream)
{
	const double affordable = most_values / (double)(errors->n + 1);
	const uint32_t all[1] = {0};
	const struct ct_resample whole = {.blocks = all, .n_blocks = 1};
	struct ct_interval out = CT_INTERVAL_NONE;
	struct ct_bootstrap plan = {.n_blocks = errors->n_mixtures,
				    .replicates = MOST_REPLICATES,
				    .method = CT_BOOTSTRAP_PERCENTILE,
				    .confidence = confidence,
				    .statistic = statistic,
				    .data = errors};
	struct ct_rng rng;

	if (affordable < MOST_REPLICATES)
		plan.replicates =
			affordable < LEAST_REPLICATES ? LEAST_REPLICATES : (size_t)affordable;
	ct_rng_stream(&rng, 1, stream);
	if (errors->n_mixtures == 1)
		out.value = statistic(errors, &whole);
	else if (errors->n_mixtures > 1)
		ct_bootstrap_interval(&plan, &rng, &out);
	return out;
}

static void find(struct errors *errors, double confidence, size_t scope,
		 struct ct_predict_error out[CT_PREDICT_METHODS])
{
	for (size_t method = 0; method < CT_PREDICT_METHODS; method++) {
		errors->method = method;
		out[method].cells = errors->n;
		out[method].median = bootstrap(errors, median, confidence, scope);
		out[method].more_than_ours =
			method == CT_PREDICT_OURS
				? CT_INTERVAL_NONE
				: bootstrap(errors, more_than_ours, confidence, scope);
	}
}

bool ct_predict_errors(struct ct_predictions *predictions, const struct ct_stakes *stakes,
		       struct ct_error *err)
{
	const size_t most = stakes->n * CT_PREDICT_QUANTILES + 1;
	struct errors errors = {0};
	bool ok;

	errors.first = calloc(stakes->n_mixtures + 1, sizeof *errors.first);
	ok = errors.first != NULL;
	for (size_t method = 0; method < CT_PREDICT_METHODS; method++) {
		errors.of[method] = calloc(most, sizeof *errors.of[method]);
		ok = ok && errors.of[method];
	}
	if (!ok)
		ct_broken_errno(err, "memory for errors of predictions");
	for (size_t scope = 0; ok && scope < CT_PREDICT_SCOPES; scope++) {
		collect(&errors, stakes, scope);
		ok = make_room(&errors, err);
		if (ok)
			find(&errors, predictions->confidence, scope, predictions->errors[scope]);
	}
	for (size_t method = 0; method < CT_PREDICT_METHODS; method++)
		free(errors.of[method]);
	free(errors.first);
	free(errors.drawn);
	return ok;
}
