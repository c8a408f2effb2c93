/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/decide/predict_internal.h"
#include "harness/stats/distributions.h"

/* Errors are compared in units of their standard error, this share of what is at stake between the
 * worlds, and what no prediction is better than. */
static const double share_of_spread = 0.25, finest = 0.02;

enum { FIRST_ROOM = 64 };

struct work {
	struct ct_predictions *predictions;
	const struct ct_predict_options *options;
	const struct ct_results_tables *tables;
	struct ct_predict_cell *cells;
	struct ct_stakes stakes;
	struct ct_mixture *mixtures; /* different ones, measured first */
	size_t n_mixtures, room;
};

/* ---- What is predicted ---- */

static size_t mixture_number(struct work *work, const struct ct_mixture *mixture)
{
	size_t i = 0;

	while (i < work->n_mixtures && !ct_mixture_equal(&work->mixtures[i], mixture))
		i++;
	return i;
}

/* The array with twice the room; NULL with err, and the array is as it was. */
static void *grown(void *array, size_t room, size_t size, struct ct_error *err)
{
	void *larger = realloc(array, (room ? 2 * room : FIRST_ROOM) * size);

	if (!larger)
		ct_broken_errno(err, "memory for predictions");
	return larger;
}

/* Room for one more prediction, which may be of a mixture of its own. */
static bool make_room(struct work *work, struct ct_error *err)
{
	struct ct_prediction *list;
	struct ct_mixture *mixtures;
	size_t *numbers;

	if (work->predictions->n < work->room)
		return true;
	list = grown(work->predictions->list, work->room, sizeof *list, err);
	if (list)
		work->predictions->list = list;
	numbers = list ? grown(work->stakes.mixture, work->room, sizeof *numbers, err) : NULL;
	if (numbers)
		work->stakes.mixture = numbers;
	mixtures = numbers ? grown(work->mixtures, work->room, sizeof *mixtures, err) : NULL;
	if (!mixtures)
		return false;
	work->mixtures = mixtures;
	work->room = work->room ? 2 * work->room : FIRST_ROOM;
	return true;
}

static bool same(const struct ct_prediction *prediction, const struct ct_cell_info *cell,
		 const struct ct_mixture *mixture)
{
	return prediction->victim == cell->victim && prediction->intensity == cell->intensity &&
	       prediction->n_parts == mixture->n &&
	       memcmp(prediction->parts, mixture->parts, mixture->n * sizeof *mixture->parts) ==
		       0 &&
	       strcmp(prediction->config, cell->config) == 0;
}

static uint32_t meeting(const struct work *work, uint32_t victim, const struct ct_mixture *mixture)
{
	const uint32_t feels = work->options->victim_resources(work->tables->victims[victim].kind);
	uint32_t pressed = 0, twice = 0;

	for (size_t i = 0; i < mixture->n; i++) {
		const struct ct_workload_info *part = &work->tables->aggressors[mixture->parts[i]];
		const uint32_t presses = feels & work->options->aggressor_resources(part->kind);

		twice |= pressed & presses;
		pressed |= presses;
	}
	return twice;
}

/*
 * Adds the mixture beside the victim, config and intensity of row `like` of /cells, which is where
 * it was measured, or else that of a part alone, and then nothing is added that is there already.
 */
static bool add(struct work *work, size_t cell, const struct ct_mixture *mixture, bool measured,
		struct ct_error *err)
{
	const struct ct_cell_info *like = &work->tables->cells[cell];
	struct ct_predictions *predictions = work->predictions;
	struct ct_prediction *prediction;

	for (size_t i = 0; !measured && i < predictions->n; i++) {
		if (same(&predictions->list[i], like, mixture))
			return true;
	}
	if (!make_room(work, err))
		return false;
	work->stakes.mixture[predictions->n] = mixture_number(work, mixture);
	if (work->stakes.mixture[predictions->n] == work->n_mixtures)
		work->mixtures[work->n_mixtures++] = *mixture;
	prediction = &predictions->list[predictions->n++];
	*prediction = (struct ct_prediction){.config = like->config,
					     .victim = like->victim,
					     .intensity = like->intensity,
					     .n_parts = mixture->n,
					     .meets = meeting(work, like->victim, mixture) != 0,
					     .measured = measured,
					     .cell = (uint32_t)cell};
	memcpy(prediction->parts, mixture->parts, mixture->n * sizeof *mixture->parts);
	return true;
}

/* The cell of one aggressor alone beside the same; n_cells where there is none. */
static size_t alone(const struct work *work, const struct ct_cell_info *like, uint32_t aggressor)
{
	size_t c = 0;

	for (; c < work->tables->n_cells; c++) {
		const struct ct_cell_info *cell = &work->tables->cells[c];

		if (cell->aggressor == aggressor && cell->victim == like->victim &&
		    cell->intensity == like->intensity && work->cells[c].profiles &&
		    strcmp(cell->config, like->config) == 0)
			break;
	}
	return c;
}

static bool all_alone(const struct work *work, const struct ct_cell_info *like,
		      const struct ct_mixture *mixture)
{
	for (size_t i = 0; i < mixture->n; i++) {
		if (alone(work, like, mixture->parts[i]) == work->tables->n_cells)
			return false;
	}
	return true;
}

static bool list_measured(struct work *work, struct ct_error *err)
{
	for (size_t c = 0; c < work->tables->n_cells; c++) {
		const struct ct_cell_info *cell = &work->tables->cells[c];
		struct ct_mixture mixture;

		ct_mixture_of(work->tables, cell->aggressor, &mixture);
		if (mixture.n == 0)
			continue;
		if (!all_alone(work, cell, &mixture) || isnan(work->cells[c].slowdown[0]))
			work->predictions->left_out++;
		else if (!add(work, c, &mixture, true, err))
			return false;
	}
	work->stakes.n_mixtures = work->n_mixtures;
	work->predictions->mixtures = work->n_mixtures;
	return true;
}

static bool list_wanted(struct work *work, struct ct_error *err)
{
	for (size_t i = 0; i < work->options->n_of; i++) {
		const size_t before = work->predictions->n;
		struct ct_mixture mixture;

		if (!ct_mixture_parse(work->tables, work->options->of[i], &mixture, err))
			return false;
		/* Every cell of the first part alone says where the mixture may be. */
		for (size_t c = 0; c < work->tables->n_cells; c++) {
			const struct ct_cell_info *cell = &work->tables->cells[c];

			if (cell->aggressor == mixture.parts[0] &&
			    all_alone(work, cell, &mixture) && !add(work, c, &mixture, false, err))
				return false;
		}
		if (work->predictions->n == before &&
		    mixture_number(work, &mixture) == work->n_mixtures)
			return ct_fail(
				err, CT_ERR_INCONCLUSIVE,
				"'%s': no victim was measured beside each of them alone, at one "
				"intensity, in two blocks",
				work->options->of[i]);
	}
	return true;
}

static bool list_pairs(struct work *work, struct ct_error *err)
{
	for (size_t c = 0; c < work->tables->n_cells; c++) {
		const struct ct_cell_info *cell = &work->tables->cells[c];

		if (!work->cells[c].profiles)
			continue;
		for (uint32_t other = cell->aggressor + 1; other < work->tables->n_aggressors;
		     other++) {
			const struct ct_mixture pair = {.parts = {cell->aggressor, other}, .n = 2};

			if (alone(work, cell, other) < work->tables->n_cells &&
			    !add(work, c, &pair, false, err))
				return false;
		}
	}
	return true;
}

/* ---- What is at stake ---- */

/* How far the worlds move with one standard error of each part, as a covariance. */
static void add_error(struct ct_alone *parts, size_t n, size_t part, double error, double q,
		      struct ct_stake *stake)
{
	const double middle = parts[part].slowdown;
	double up[CT_WORLDS], down[CT_WORLDS];

	parts[part].slowdown = middle + error;
	ct_combine(parts, n, q, up);
	parts[part].slowdown = middle - error;
	ct_combine(parts, n, q, down);
	parts[part].slowdown = middle;
	for (size_t i = 0; i < CT_WORLDS; i++) {
		for (size_t j = 0; j < CT_WORLDS; j++)
			stake->covariance[i][j] += (up[i] - down[i]) * (up[j] - down[j]) / 4;
	}
}

static void find_stake(const struct work *work, const struct ct_prediction *prediction,
		       const size_t *cells, size_t k, struct ct_stake *stake)
{
	struct ct_alone parts[CT_COMBINE_MAX];
	const size_t n = prediction->n_parts;
	double variance = 0;

	*stake = (struct ct_stake){.known = true};
	for (size_t i = 0; i < n; i++) {
		const struct ct_predict_cell *cell = &work->cells[cells[i]];

		parts[i] = (struct ct_alone){cell->slowdown[k], &cell->profiles[0],
					     &cell->profiles[1]};
		stake->known = stake->known && isfinite(cell->slowdown[k]);
		variance += cell->variance[k] / (double)n;
	}
	if (!stake->known)
		return;
	stake->truth_variance = variance;
	ct_combine(parts, n, ct_predict_q[k], stake->worlds);
	for (size_t i = 0; i < n; i++)
		add_error(parts, n, i, sqrt(work->cells[cells[i]].variance[k]), ct_predict_q[k],
			  stake);
}

static bool find_stakes(struct work *work, struct ct_error *err)
{
	struct ct_predictions *predictions = work->predictions;

	work->stakes.n = predictions->n;
	work->stakes.rows = calloc(predictions->n + 1, sizeof *work->stakes.rows);
	if (!work->stakes.rows)
		return ct_broken_errno(err, "memory for predictions");
	for (size_t p = 0; p < predictions->n; p++) {
		const struct ct_prediction *prediction = &predictions->list[p];
		const struct ct_cell_info *like = &work->tables->cells[prediction->cell];
		const struct ct_predict_cell *own = &work->cells[prediction->cell];
		size_t cells[CT_COMBINE_MAX];

		for (size_t i = 0; i < prediction->n_parts; i++)
			cells[i] = alone(work, like, prediction->parts[i]);
		for (size_t k = 0; k < CT_PREDICT_QUANTILES; k++) {
			struct ct_stake *stake = &work->stakes.rows[p][k];

			find_stake(work, prediction, cells, k, stake);
			predictions->list[p].quantiles[k].measured = CT_INTERVAL_NONE;
			if (!prediction->measured || !isfinite(own->slowdown[k]))
				continue;
			predictions->list[p].quantiles[k].measured = own->ratio[k];
			stake->measured = stake->known;
			stake->truth = own->slowdown[k];
			stake->truth_variance = own->variance[k];
		}
	}
	return true;
}

/* ---- Weights ---- */

static double variance_with(const struct ct_stake *stake, const double weights[CT_WORLDS])
{
	double variance = stake->truth_variance;

	for (size_t i = 0; i < CT_WORLDS; i++) {
		for (size_t j = 0; j < CT_WORLDS; j++)
			variance += weights[i] * weights[j] * stake->covariance[i][j];
	}
	return variance;
}

/* Adds or removes the measured cells of one mixture, or (SIZE_MAX) of all. */
static void learn(const struct work *work, size_t k, size_t mixture, double times,
		  struct ct_stack stacks[2])
{
	for (size_t p = 0; p < work->stakes.n; p++) {
		const struct ct_stake *stake = &work->stakes.rows[p][k];

		if (stake->measured && (mixture == SIZE_MAX || work->stakes.mixture[p] == mixture))
			ct_stack_add(&stacks[work->predictions->list[p].meets], stake->worlds,
				     stake->truth, variance_with(stake, ct_world_prior), times);
	}
}

/* Of each kind, drawn to those of both kinds together, drawn to the prior. */
static void weights_of(const struct ct_stack stacks[2], double weights[2][CT_WORLDS])
{
	struct ct_stack both = stacks[0];
	double common[CT_WORLDS];

	for (size_t i = 0; i < CT_WORLDS; i++) {
		both.product[i] += stacks[1].product[i];
		for (size_t j = 0; j < CT_WORLDS; j++)
			both.square[i][j] += stacks[1].square[i][j];
	}
	ct_stack_weights(&both, ct_world_prior, common);
	for (size_t kind = 0; kind < 2; kind++)
		ct_stack_weights(&stacks[kind], common, weights[kind]);
}

/* Predictions of those whose mixture is `mixture`, by weights that know nothing of it. */
static void predict_mixture(const struct work *work, size_t k, size_t mixture,
			    const struct ct_stack total[2])
{
	struct ct_stack stacks[2] = {total[0], total[1]};
	double weights[2][CT_WORLDS];

	learn(work, k, mixture, -1, stacks);
	weights_of(stacks, weights);
	for (size_t p = 0; p < work->stakes.n; p++) {
		struct ct_stake *stake = &work->stakes.rows[p][k];
		const double *mine = weights[work->predictions->list[p].meets];
		double stake_share;

		if (work->stakes.mixture[p] != mixture || !stake->known)
			continue;
		stake_share = share_of_spread * ct_worlds_spread(stake->worlds);
		stake->predicted = ct_worlds_mean(stake->worlds, mine);
		stake->scale = sqrt(variance_with(stake, mine) + finest * finest +
				    stake_share * stake_share);
	}
}

static void predict_quantile(struct work *work, size_t k)
{
	struct ct_stack total[2] = {0};

	learn(work, k, SIZE_MAX, 1, total);
	weights_of(total, work->predictions->weights[k]);
	for (size_t p = 0; p < work->stakes.n; p++)
		work->predictions->fitted[k][work->predictions->list[p].meets] +=
			work->stakes.rows[p][k].measured;
	for (size_t m = 0; m < work->n_mixtures; m++)
		predict_mixture(work, k, m, total);
}

/* ---- Intervals ---- */

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * The factor on `scale` that as large a share of the errors of all other mixtures keeps to; where
 * they are too few for that, Student's t times their root mean square. NaN with too few mixtures.
 */
static double factor_without(const struct work *work, size_t k, size_t mixture, double *scores,
			     bool *seen)
{
	const double confidence = work->options->confidence;
	size_t n = 0, mixtures = 0, rank;
	double squares = 0;

	memset(seen, 0, work->n_mixtures * sizeof *seen);
	for (size_t p = 0; p < work->stakes.n; p++) {
		const struct ct_stake *stake = &work->stakes.rows[p][k];

		if (!stake->measured || work->stakes.mixture[p] == mixture)
			continue;
		scores[n] = fabs(stake->truth - stake->predicted) / stake->scale;
		squares += scores[n] * scores[n];
		n++;
		mixtures += !seen[work->stakes.mixture[p]];
		seen[work->stakes.mixture[p]] = true;
	}
	if (mixtures < CT_PREDICT_LEAST)
		return NAN;
	rank = (size_t)ceil((double)(n + 1) * confidence);
	qsort(scores, n, sizeof *scores, ascending);
	if (rank <= n)
		return scores[rank - 1];
	return fmax(scores[n - 1], ct_t_quantile((1 + confidence) / 2, (double)mixtures - 1) *
					   sqrt(squares / (double)n));
}

/* Nothing to learn from: the span of all worlds, each with the error that the parts give it. */
static void span(const struct ct_stake *stake, double confidence, struct ct_interval *out)
{
	const double steps = ct_normal_quantile((1 + confidence) / 2);

	out->lo = INFINITY;
	out->hi = -INFINITY;
	for (size_t i = 0; i < CT_WORLDS; i++) {
		const double error = steps * sqrt(stake->covariance[i][i] + stake->truth_variance);

		out->lo = fmin(out->lo, stake->worlds[i] - error);
		out->hi = fmax(out->hi, stake->worlds[i] + error);
	}
}

static void set_interval(const struct work *work, size_t p, size_t k, double factor)
{
	const struct ct_stake *stake = &work->stakes.rows[p][k];
	struct ct_predictions *predictions = work->predictions;
	struct ct_predicted_quantile *out = &predictions->list[p].quantiles[k];
	struct ct_interval interval = {stake->predicted, stake->predicted - factor * stake->scale,
				       stake->predicted + factor * stake->scale};

	out->checked = !isnan(factor);
	if (!out->checked)
		span(stake, predictions->confidence, &interval);
	out->slowdown =
		(struct ct_interval){exp(interval.value), exp(interval.lo), exp(interval.hi)};
	for (size_t i = 0; i < CT_WORLDS; i++)
		out->worlds[i] = exp(stake->worlds[i]);
	if (!stake->measured || !out->checked)
		return;
	out->within = stake->truth >= interval.lo && stake->truth <= interval.hi;
	predictions->judged[k]++;
	predictions->judged[CT_PREDICT_ALL]++;
	predictions->within[k] += out->within;
	predictions->within[CT_PREDICT_ALL] += out->within;
}

static void set_unknown(struct ct_predicted_quantile *out)
{
	out->slowdown = CT_INTERVAL_NONE;
	for (size_t i = 0; i < CT_WORLDS; i++)
		out->worlds[i] = NAN;
}

static bool set_intervals(struct work *work, struct ct_error *err)
{
	double *scores = calloc(work->stakes.n + 1, sizeof *scores);
	double *factors = calloc(work->n_mixtures + 1, sizeof *factors);
	bool *seen = calloc(work->n_mixtures + 1, sizeof *seen);
	bool ok = (scores && factors && seen) || ct_broken_errno(err, "memory for predictions");

	for (size_t k = 0; ok && k < CT_PREDICT_QUANTILES; k++) {
		for (size_t m = 0; m < work->n_mixtures; m++)
			factors[m] = factor_without(work, k, m, scores, seen);
		for (size_t p = 0; p < work->stakes.n; p++) {
			if (work->stakes.rows[p][k].known)
				set_interval(work, p, k, factors[work->stakes.mixture[p]]);
			else
				set_unknown(&work->predictions->list[p].quantiles[k]);
		}
	}
	free(scores);
	free(factors);
	free(seen);
	return ok;
}

/* ---- */

static bool list_all(struct work *work, struct ct_error *err)
{
	/* Without a mixture to check nothing else can be meant but to predict. */
	if (!list_measured(work, err) || !list_wanted(work, err))
		return false;
	if ((work->options->pairs || work->predictions->n == 0) && !list_pairs(work, err))
		return false;
	if (work->predictions->n > 0)
		return true;
	return ct_fail(
		err, CT_ERR_INCONCLUSIVE,
		"%s: nothing to predict from: no victim was measured beside two aggressors, each "
		"alone at one intensity, in two blocks that count",
		work->tables->path);
}

bool ct_predictions_make(struct ct_predictions *predictions, struct ct_results *results,
			 const struct ct_predict_options *options, struct ct_error *err)
{
	struct work work = {.predictions = predictions,
			    .options = options,
			    .tables = ct_results_tables(results)};
	bool ok;

	*predictions =
		(struct ct_predictions){.tables = work.tables, .confidence = options->confidence};
	ok = ct_predict_read(&work.cells, results, options->confidence, err) &&
	     list_all(&work, err) && find_stakes(&work, err);
	for (size_t k = 0; ok && k < CT_PREDICT_QUANTILES; k++)
		predict_quantile(&work, k);
	ok = ok && set_intervals(&work, err) && ct_predict_errors(predictions, &work.stakes, err);
	ct_predict_cells_free(work.cells, work.tables->n_cells);
	free(work.stakes.rows);
	free(work.stakes.mixture);
	free(work.mixtures);
	return ok;
}

void ct_predictions_free(struct ct_predictions *predictions)
{
	free(predictions->list);
	*predictions = (struct ct_predictions){0};
}
