/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prediction: what several aggressors at once do to a victim, from the cells in which each was
 * alone, and how far such predictions are off, from the mixtures that the same file has measured.
 *
 * A mixture is a set of aggressors at one intensity each has a cell of its own at. A prediction is
 * a weighted mean of five ways to combine (stats/combine.h). The weights are fitted to measured
 * mixtures: by quantile, and by whether the victim and at least two of the parts press the same
 * resource (meets). What is said of a mixture that was measured never uses a measurement of that
 * mixture, beside whichever victim and in whichever config: the error is an honest one.
 *
 * The interval is where a measurement of the mixture, with blocks as those in the file, will lie:
 * by split conformal prediction (Lei et al. 2018, JASA 113:1094) the errors of all other mixtures,
 * each over its own standard error and a share of what is at stake between the five, give the
 * factor. It takes mixtures for exchangeable; those that share an aggressor are not quite. Where
 * fewer than CT_PREDICT_LEAST mixtures are left to learn from, it is the span of all five with the
 * error of the parts, and `checked` is false.
 */
#ifndef COTENANT_DECIDE_PREDICT_H
#define COTENANT_DECIDE_PREDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/stats/combine.h"
#include "harness/stats/interval.h"
#include "harness/store/results.h"

enum { CT_PREDICT_QUANTILES = 3, CT_PREDICT_LEAST = 3 };
extern const double ct_predict_q[CT_PREDICT_QUANTILES]; /* 0.5, 0.9, 0.99 */

/* Ours, then the five ways to combine; then those by quantile and all quantiles together. */
enum { CT_PREDICT_OURS, CT_PREDICT_METHODS = CT_WORLDS + 1 };
enum { CT_PREDICT_ALL = CT_PREDICT_QUANTILES, CT_PREDICT_SCOPES };

/* Resources that a kind of workload presses or feels (enum ct_resource bits); 0: unknown kind. */
typedef uint32_t ct_resources_fn(const char *kind);

struct ct_predict_options {
	double confidence;
	const char *const *of; /* "A+B": predicted although not measured */
	size_t n_of;
	bool pairs; /* every pair that was not measured */
	ct_resources_fn *victim_resources, *aggressor_resources;
};

struct ct_predicted_quantile {
	struct ct_interval slowdown; /* NaN: the cells of the parts do not carry it */
	struct ct_interval measured; /* NaN: not measured, or not carried */
	double worlds[CT_WORLDS];    /* slowdown by each way to combine; NaN */
	bool checked;                /* the interval rests on errors that were seen */
	bool within;                 /* measured, and inside the interval */
};

struct ct_prediction {
	const char *config;
	uint32_t victim; /* row of /victims */
	double intensity;
	uint32_t parts[CT_COMBINE_MAX]; /* rows of /aggressors, ascending */
	size_t n_parts;
	bool meets;
	bool measured; /* the file has a cell of this mixture */
	uint32_t cell; /* that row of /cells; else one of a part alone */
	struct ct_predicted_quantile quantiles[CT_PREDICT_QUANTILES];
};

struct ct_predict_error {
	size_t cells; /* predicted and measured */
	/*
	 * Median of how far apart predicted and measured are: the larger over the smaller, less 1,
	 * so 0.02 is 2 %. Intervals by bootstrap over mixtures; NaN bounds with fewer than two.
	 */
	struct ct_interval median;
	/* The same less that of ours: above 0 ours is better. */
	struct ct_interval more_than_ours;
};

struct ct_predictions {
	const struct ct_results_tables *tables;
	double confidence;
	struct ct_prediction *list;
	size_t n;
	size_t mixtures;                                    /* different ones, measured */
	size_t left_out;                                    /* measured, but not predictable */
	double weights[CT_PREDICT_QUANTILES][2][CT_WORLDS]; /* [meets]; of all measured */
	size_t fitted[CT_PREDICT_QUANTILES][2];             /* cells behind them */
	struct ct_predict_error errors[CT_PREDICT_SCOPES][CT_PREDICT_METHODS];
	size_t within[CT_PREDICT_SCOPES], judged[CT_PREDICT_SCOPES]; /* checked intervals */
};

/*
 * Inconclusive when the file has nothing to predict from: fewer than two aggressors alone at one
 * intensity beside one victim. The tables of `results` must stay open as long as the predictions
 * are used. Free with ct_predictions_free, also after an error.
 */
bool ct_predictions_make(struct ct_predictions *predictions, struct ct_results *results,
			 const struct ct_predict_options *options, struct ct_error *err);
void ct_predictions_free(struct ct_predictions *predictions);

#endif
