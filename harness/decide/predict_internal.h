/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of the prediction: cells as read, mixtures as listed, errors as found. */
#ifndef COTENANT_DECIDE_PREDICT_INTERNAL_H
#define COTENANT_DECIDE_PREDICT_INTERNAL_H

#include "harness/decide/predict.h"

/* A cell as far as predictions need it. */
struct ct_predict_cell {
	double slowdown[CT_PREDICT_QUANTILES]; /* log; NaN: not carried, or fewer than two blocks */
	double variance[CT_PREDICT_QUANTILES]; /* of its mean over blocks */
	struct ct_interval ratio[CT_PREDICT_QUANTILES];
	struct ct_profile *profiles; /* [0] baseline, [1] treatment; NULL: a mix, or no samples */
};
bool ct_predict_read(struct ct_predict_cell **cells, struct ct_results *results, double confidence,
		     struct ct_error *err);
void ct_predict_cells_free(struct ct_predict_cell *cells, size_t n);

/* Aggressors as a set; none: an aggressor of its own, or a mix that is not one of blocks. */
struct ct_mixture {
	uint32_t parts[CT_COMBINE_MAX]; /* ascending */
	size_t n;
};
bool ct_mixture_equal(const struct ct_mixture *a, const struct ct_mixture *b);
/* The parts of aggressor `row`. */
void ct_mixture_of(const struct ct_results_tables *tables, uint32_t row,
		   struct ct_mixture *mixture);
/* "A+B", names of aggressors. */
bool ct_mixture_parse(const struct ct_results_tables *tables, const char *text,
		      struct ct_mixture *mixture, struct ct_error *err);

/* What is known of one prediction and quantile before weights are. */
struct ct_stake {
	bool known, measured;
	double worlds[CT_WORLDS];                /* log */
	double covariance[CT_WORLDS][CT_WORLDS]; /* of the worlds, from the errors of the parts */
	double truth, truth_variance; /* of the measurement, log; variance expected of one */
	double predicted;
	double scale; /* what the error of the prediction is measured in */
};

struct ct_stakes {
	struct ct_stake (*rows)[CT_PREDICT_QUANTILES]; /* one a prediction */
	size_t *mixture;                               /* of each prediction: its number */
	size_t n, n_mixtures;
};

/* Fills the errors of all methods, by bootstrap over mixtures. */
bool ct_predict_errors(struct ct_predictions *predictions, const struct ct_stakes *stakes,
		       struct ct_error *err);

#endif
