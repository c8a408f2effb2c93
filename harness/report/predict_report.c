/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/predict_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/report/json.h"

enum { CELL_TEXT = 112, MIXTURE_TEXT = 400 };

static const char *const scope_names[CT_PREDICT_SCOPES] = {"p50", "p90", "p99", "all"};

static const char *method_name(size_t method)
{
	return method == CT_PREDICT_OURS ? "predict" : ct_world_names[method - 1];
}

static const char *ratio_text(const struct ct_interval *ratio, char out[CELL_TEXT])
{
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	if (isnan(ratio->value))
		snprintf(out, CELL_TEXT, "-");
	else
		snprintf(out, CELL_TEXT, "%s [%s, %s]", ct_format_ratio(ratio->value, value),
			 ct_format_ratio(ratio->lo, lo), ct_format_ratio(ratio->hi, hi));
	return out;
}

static const char *share_text(const struct ct_interval *share, char out[CELL_TEXT])
{
	if (isnan(share->value))
		snprintf(out, CELL_TEXT, "-");
	else if (isnan(share->lo))
		snprintf(out, CELL_TEXT, "%.3g %%", 100 * share->value);
	else
		snprintf(out, CELL_TEXT, "%.3g %% [%.3g, %.3g]", 100 * share->value,
			 100 * share->lo, 100 * share->hi);
	return out;
}

/* "membw+llc"; cut where it is too long. */
static const char *mixture_text(const struct ct_predictions *predictions,
				const struct ct_prediction *prediction, char out[MIXTURE_TEXT])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < prediction->n_parts && used < MIXTURE_TEXT; i++)
		used += (size_t)snprintf(
			out + used, MIXTURE_TEXT - used, "%s%s", i ? "+" : "",
			predictions->tables->aggressors[prediction->parts[i]].name);
	ct_text_clean(out);
	return out;
}

/* ---- Terminal ---- */

static void add_row(struct ct_table *table, const struct ct_predictions *predictions,
		    const struct ct_prediction *prediction)
{
	char text[MIXTURE_TEXT], cell[CELL_TEXT];

	ct_table_cell(table, "%s", prediction->config);
	ct_table_cell(table, "%s", predictions->tables->victims[prediction->victim].name);
	ct_table_cell(table, "%s %g%%", mixture_text(predictions, prediction, text),
		      prediction->intensity);
	for (size_t k = 0; k < CT_PREDICT_QUANTILES; k++) {
		const struct ct_predicted_quantile *quantile = &prediction->quantiles[k];
		char ratio[CT_RATIO_TEXT];

		ct_table_cell(table, "%s", ratio_text(&quantile->slowdown, cell));
		if (isnan(quantile->measured.value))
			ct_table_cell(table, "-");
		else
			ct_table_cell(table, "%s%s",
				      ct_format_ratio(quantile->measured.value, ratio),
				      quantile->checked && !quantile->within ? " !" : "");
	}
}

static bool print_list(const struct ct_predictions *predictions, FILE *out,
		       const struct ct_style *style, struct ct_error *err)
{
	static const char *const headings[] = {"config",        "victim",        "aggressors",
					       "p50 predicted", "measured",      "p90 predicted",
					       "measured",      "p99 predicted", "measured"};
	const size_t texts = 3;
	struct ct_table *table = ct_table_new();
	bool ok;

	ct_print_heading(out, style, "Slowdown under several aggressors at once");
	for (size_t i = 0; table && i < sizeof headings / sizeof headings[0]; i++)
		ct_table_column(table, headings[i], i >= texts);
	for (size_t i = 0; table && i < predictions->n; i++)
		add_row(table, predictions, &predictions->list[i]);
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fputs("What was measured was not used to predict it; ! lies outside of the interval.\n\n",
	      out);
	return ok || ct_broken(err, "memory for a table");
}

static bool print_errors(const struct ct_predictions *predictions, FILE *out,
			 const struct ct_style *style, struct ct_error *err)
{
	struct ct_table *table = ct_table_new();
	bool ok;

	ct_print_heading(out, style, "Error of the prediction");
	if (table)
		ct_table_column(table, "median absolute error", false);
	for (size_t scope = 0; table && scope < CT_PREDICT_SCOPES; scope++)
		ct_table_column(table, scope_names[scope], true);
	if (table)
		ct_table_column(table, "more than predict's, all", true);
	for (size_t method = 0; table && method < CT_PREDICT_METHODS; method++) {
		const struct ct_interval *more =
			&predictions->errors[CT_PREDICT_ALL][method].more_than_ours;
		char cell[CELL_TEXT];

		ct_table_cell(table, "%s", method_name(method));
		for (size_t scope = 0; scope < CT_PREDICT_SCOPES; scope++)
			ct_table_cell(table, "%s",
				      share_text(&predictions->errors[scope][method].median, cell));
		ct_table_cell(table, "%s", share_text(more, cell));
	}
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fprintf(out,
		"%zu mixtures, %zu measurements of them (each quantile is one), each predicted "
		"without any of\nits own mixture; intervals over mixtures.",
		predictions->mixtures, predictions->errors[CT_PREDICT_ALL][0].cells);
	if (predictions->judged[CT_PREDICT_ALL] > 0)
		fprintf(out, " %zu of %zu lie inside their interval (%g %%).",
			predictions->within[CT_PREDICT_ALL], predictions->judged[CT_PREDICT_ALL],
			100 * predictions->confidence);
	fputs("\n\n", out);
	return ok || ct_broken(err, "memory for a table");
}

static bool print_weights(const struct ct_predictions *predictions, FILE *out,
			  const struct ct_style *style, struct ct_error *err)
{
	struct ct_table *table = ct_table_new();
	bool ok;

	ct_print_heading(out, style, "What the prediction is made of");
	if (table) {
		ct_table_column(table, "quantile", false);
		ct_table_column(table, "parts and victim", false);
		ct_table_column(table, "measured", true);
	}
	for (size_t w = 0; table && w < CT_WORLDS; w++)
		ct_table_column(table, ct_world_names[w], true);
	for (size_t k = 0; table && k < CT_PREDICT_QUANTILES; k++) {
		for (size_t kind = 0; kind < 2; kind++) {
			ct_table_cell(table, "%s", scope_names[k]);
			ct_table_cell(table, "%s", kind ? "meet in a resource" : "do not meet");
			ct_table_cell(table, "%zu", predictions->fitted[k][kind]);
			for (size_t w = 0; w < CT_WORLDS; w++)
				ct_table_cell(table, "%.0f %%",
					      100 * predictions->weights[k][kind][w]);
		}
	}
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fputc('\n', out);
	return ok || ct_broken(err, "memory for a table");
}

bool ct_predictions_print(const struct ct_predictions *predictions, FILE *out,
			  const struct ct_style *style, struct ct_error *err)
{
	bool checked = predictions->mixtures > 0;

	if (!print_list(predictions, out, style, err))
		return false;
	if (predictions->left_out > 0)
		fprintf(out,
			"%zu cells of mixtures are left out: they, or one of their parts alone at "
			"the "
			"same intensity,\nhave fewer than two blocks that count.\n\n",
			predictions->left_out);
	if (!checked)
		fputs("No mixture was measured, so nothing is known of the error: the intervals "
		      "span five ways to\ncombine. A cell of 'kind = mix' makes a check "
		      "(suites/pairs.ini).\n\n",
		      out);
	else if (!print_errors(predictions, out, style, err))
		return false;
	if (checked && predictions->mixtures <= CT_PREDICT_LEAST)
		fprintf(out,
			"With %zu mixtures the error of one can't be learnt from the others: "
			"intervals span five ways\nto combine.\n\n",
			predictions->mixtures);
	return print_weights(predictions, out, style, err);
}

/* ---- JSON ---- */

static json_t *worlds_json(const double worlds[CT_WORLDS])
{
	json_t *object = json_object();

	for (size_t w = 0; w < CT_WORLDS; w++)
		json_object_set_new(object, ct_world_names[w], ct_json_number(worlds[w]));
	return object;
}

static json_t *prediction_json(const struct ct_predictions *predictions,
			       const struct ct_prediction *prediction)
{
	json_t *parts = json_array(), *quantiles = json_array();

	for (size_t i = 0; i < prediction->n_parts; i++)
		json_array_append_new(
			parts,
			json_string(predictions->tables->aggressors[prediction->parts[i]].name));
	for (size_t k = 0; k < CT_PREDICT_QUANTILES; k++) {
		const struct ct_predicted_quantile *one = &prediction->quantiles[k];

		json_array_append_new(
			quantiles,
			json_pack("{s:f, s:o, s:o, s:o, s:b, s:o}", "q", ct_predict_q[k],
				  "slowdown", ct_json_interval(&one->slowdown), "measured",
				  ct_json_interval(&one->measured), "combined",
				  worlds_json(one->worlds), "checked", one->checked, "within",
				  one->checked && !isnan(one->measured.value)
					  ? json_boolean(one->within)
					  : json_null()));
	}
	return json_pack("{s:s, s:s, s:o, s:f, s:b, s:b, s:o}", "config", prediction->config,
			 "victim", predictions->tables->victims[prediction->victim].name,
			 "aggressors", parts, "intensity", prediction->intensity, "meets",
			 prediction->meets, "measured", prediction->measured, "quantiles",
			 quantiles);
}

static json_t *errors_json(const struct ct_predictions *predictions)
{
	json_t *list = json_array();

	for (size_t scope = 0; scope < CT_PREDICT_SCOPES; scope++) {
		for (size_t method = 0; method < CT_PREDICT_METHODS; method++) {
			const struct ct_predict_error *one = &predictions->errors[scope][method];

			json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:I, s:o, s:o}", "quantile",
					  scope_names[scope], "method", method_name(method),
					  "measurements", (json_int_t)one->cells, "median_error",
					  ct_json_interval(&one->median), "more_than_predict",
					  ct_json_interval(&one->more_than_ours)));
		}
	}
	return list;
}

static json_t *weights_json(const struct ct_predictions *predictions)
{
	json_t *list = json_array();

	for (size_t k = 0; k < CT_PREDICT_QUANTILES; k++) {
		for (size_t kind = 0; kind < 2; kind++)
			json_array_append_new(
				list, json_pack("{s:s, s:b, s:I, s:o}", "quantile", scope_names[k],
						"meets", kind != 0, "measurements",
						(json_int_t)predictions->fitted[k][kind], "weights",
						worlds_json(predictions->weights[k][kind])));
	}
	return list;
}

json_t *ct_predictions_json(const struct ct_predictions *predictions)
{
	json_t *list = json_array();

	for (size_t i = 0; i < predictions->n; i++)
		json_array_append_new(list, prediction_json(predictions, &predictions->list[i]));
	return json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "schema",
			 "cotenant.predict/1", "confidence", predictions->confidence, "mixtures",
			 (json_int_t)predictions->mixtures, "left_out",
			 (json_int_t)predictions->left_out, "judged",
			 (json_int_t)predictions->judged[CT_PREDICT_ALL], "within",
			 (json_int_t)predictions->within[CT_PREDICT_ALL], "predictions", list,
			 "errors", errors_json(predictions), "weights", weights_json(predictions));
}
