/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/page.h"

#include <stdlib.h>
#include <string.h>

#include <cmark.h>
#include <jansson.h>

#include "harness/core/version.h"
#include "harness/decide/compare.h"
#include "harness/decide/coupling.h"
#include "harness/decide/quality.h"
#include "harness/report/analysis_report.h"
#include "harness/report/answers.h"
#include "harness/report/compare_report.h"
#include "harness/report/markup.h"
#include "harness/report/page_assets.h"
#include "harness/report/page_data.h"
#include "harness/report/redact.h"

bool ct_page_has_charts(void)
{
	return ct_page_echarts.end > ct_page_echarts.begin;
}

/* ---- Data ---- */

static json_t *quality_json(struct ct_results *results, double confidence, struct ct_error *err)
{
	struct ct_coupling coupling;
	struct ct_quality quality;
	json_t *warnings;
	bool ok;

	if (!ct_coupling_make(&coupling, results, confidence, err))
		return NULL;
	ok = ct_quality_make(&quality, results, &coupling, err);
	ct_coupling_free(&coupling);
	if (!ok)
		return NULL;
	warnings = json_array();
	for (size_t i = 0; i < quality.n_warnings; i++)
		json_array_append_new(warnings, json_string(quality.warnings[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "planned",
			 (json_int_t)quality.planned, "blocks", (json_int_t)quality.blocks, "used",
			 (json_int_t)quality.used, "failed", (json_int_t)quality.failed,
			 "not_loaded", (json_int_t)quality.not_loaded, "epochs",
			 (json_int_t)quality.epochs, "counted_epochs",
			 (json_int_t)quality.counted_epochs, "warnings", warnings);
}

/* [[workload, its tenant], ...] */
static json_t *tenants_json(const struct ct_workload_info *workloads, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("[s, s]", workloads[i].name, workloads[i].tenant));
	return list;
}

static json_t *answers_json(const struct ct_analysis *analysis)
{
	json_t *list = json_array();
	char text[CT_ANSWER_TEXT];

	for (size_t i = 0; i < CT_ANSWERS; i++)
		json_array_append_new(list, json_string(ct_answer(analysis, i, text)));
	return list;
}

/* What may hold names of the machine or of its maker: redacted as a whole. */
static json_t *background_json(const struct ct_page *page, const struct ct_page_source *source)
{
	const struct ct_results_tables *tables = source->analysis.tables;
	struct ct_redaction *redaction;
	json_t *background = json_pack(
		"{s:o, s:s, s:s, s:o}", "provenance", ct_page_provenance(tables, source->aliased),
		"job", tables->job_text, "overrides", tables->job_overrides, "topology",
		source->aliased ? json_null() : ct_page_topology(tables));

	if (page->identify || !background)
		return background;
	redaction = ct_redaction_new(tables);
	if (!redaction || !ct_redact_json(redaction, background)) {
		json_decref(background);
		background = NULL;
	}
	ct_redaction_free(redaction);
	return background;
}

static json_t *source_json(const struct ct_page *page, const struct ct_page_source *source,
			   struct ct_error *err)
{
	json_t *curves = ct_page_curves(source->results, err);
	json_t *series = curves ? ct_page_series(source->results, &source->analysis, err) : NULL;
	json_t *quality =
		series ? quality_json(source->results, source->analysis.confidence, err) : NULL;

	if (!quality) {
		json_decref(curves);
		json_decref(series);
		return NULL;
	}
	return json_pack(
		"{s:s, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o}", "label", source->label,
		"tenants", "victims",
		tenants_json(source->analysis.tables->victims, source->analysis.tables->n_victims),
		"aggressors",
		tenants_json(source->analysis.tables->aggressors,
			     source->analysis.tables->n_aggressors),
		"analysis", ct_analysis_json(&source->analysis, page->slo), "answers",
		answers_json(&source->analysis), "quality", quality, "curves", curves, "series",
		series, "background", background_json(page, source));
}

/* A comparison that is refused is a column without verdicts, and the reason why. */
static json_t *comparison_json(const struct ct_page *page, const struct ct_page_source *source)
{
	const struct ct_comparison_options options = {.margin = page->margin,
						      .fdr = 0.05,
						      .confidence = source->analysis.confidence,
						      .gate = CT_QUANTILES};
	struct ct_comparison comparison;
	struct ct_error refusal = {0};
	char sentence[CT_VERDICT_TEXT];
	json_t *json;

	if (!ct_comparison_make(&comparison, &page->sources[0].analysis, &source->analysis,
				&options, &refusal))
		return json_pack("{s:s, s:b}", "sentence",
				 source->aliased ? "these results are not comparable"
						 : refusal.text,
				 "comparable", false);
	json = ct_comparison_json(&comparison);
	/* Differences of the environment name the hardware. */
	if (source->aliased || page->sources[0].aliased)
		json_object_del(json, "environment");
	json = json_pack("{s:s, s:b, s:o}", "sentence",
			 ct_comparison_sentence(&comparison, sentence), "comparable", true,
			 "comparison", json);
	ct_comparison_free(&comparison);
	return json;
}

/* A comparison may name the machine of either result. */
static bool redact_for_all(const struct ct_page *page, json_t *value)
{
	bool ok = true;

	for (size_t i = 0; ok && i < page->n_sources; i++) {
		struct ct_redaction *redaction = ct_redaction_new(page->sources[i].analysis.tables);

		ok = redaction && ct_redact_json(redaction, value);
		ct_redaction_free(redaction);
	}
	return ok;
}

static json_t *comparisons_json(const struct ct_page *page, struct ct_error *err)
{
	json_t *list = json_array();

	for (size_t i = 1; i < page->n_sources; i++)
		json_array_append_new(list, comparison_json(page, &page->sources[i]));
	if (page->identify || redact_for_all(page, list))
		return list;
	json_decref(list);
	ct_broken(err, "memory for the report");
	return NULL;
}

static json_t *page_json(const struct ct_page *page, struct ct_error *err)
{
	json_t *sources = json_array(), *comparisons;

	for (size_t i = 0; i < page->n_sources; i++) {
		json_t *source = source_json(page, &page->sources[i], err);

		if (!source) {
			json_decref(sources);
			return NULL;
		}
		json_array_append_new(sources, source);
	}
	comparisons = comparisons_json(page, err);
	if (!comparisons) {
		json_decref(sources);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:f, s:o, s:o}", "schema", "cotenant.report/1", "version",
			 ct_version, "margin", page->margin, "sources", sources, "comparisons",
			 comparisons);
}

/* ---- HTML ---- */

static void put_asset(FILE *out, const struct ct_asset *asset)
{
	fwrite(asset->begin, 1, (size_t)(asset->end - asset->begin), out);
}

static void put_script(FILE *out, const struct ct_asset *asset)
{
	fputs("<script>\n", out);
	put_asset(out, asset);
	fputs("\n</script>\n", out);
}

/* "<" never stands in the data, so that nothing in them can end the script element. */
static bool put_data(FILE *out, json_t *data)
{
	char *text = data ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;

	if (!text)
		return false;
	fputs("<script type=\"application/json\" id=\"data\">", out);
	for (const char *at = text; *at; at++) {
		if (*at == '<')
			fputs("\\u003c", out);
		else
			fputc(*at, out);
	}
	fputs("</script>\n", out);
	free(text);
	return true;
}

/* Images would be fetched when the page is opened: their alternative text stands for them. */
static void drop_images(cmark_node *document)
{
	cmark_iter *at = cmark_iter_new(document);
	cmark_event_type event;

	while ((event = cmark_iter_next(at)) != CMARK_EVENT_DONE) {
		cmark_node *node = cmark_iter_get_node(at), *child;

		if (event != CMARK_EVENT_EXIT || cmark_node_get_type(node) != CMARK_NODE_IMAGE)
			continue;
		while ((child = cmark_node_first_child(node)))
			cmark_node_insert_before(node, child);
		cmark_node_free(node);
	}
	cmark_iter_free(at);
}

/* cmark leaves out raw HTML and links that run script unless told otherwise. */
static bool put_notes(FILE *out, const char *notes)
{
	cmark_node *document;
	char *html;

	if (!*notes)
		return true;
	document = cmark_parse_document(notes, strlen(notes), CMARK_OPT_VALIDATE_UTF8);
	drop_images(document);
	html = cmark_render_html(document, CMARK_OPT_DEFAULT);
	fprintf(out, "<section id=\"notes\"><h2>Notes</h2>\n%s</section>\n", html ? html : "");
	free(html);
	cmark_node_free(document);
	return html != NULL;
}

static void put_head(const struct ct_page *page, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
	      "base-uri 'none'; form-action 'none'\">\n"
	      "<meta name=\"color-scheme\" content=\"light dark\">\n"
	      "<meta name=\"generator\" content=\"cotenant\">\n<title>",
	      out);
	ct_put_escaped(out, page->title);
	fputs("</title>\n<style>\n", out);
	put_asset(out, &ct_page_style);
	fputs("</style>\n</head>\n", out);
}

static void put_header(const struct ct_page *page, FILE *out)
{
	fputs("<a class=\"skip\" href=\"#report\">Skip to the report</a>\n<header><h1>", out);
	ct_put_escaped(out, page->title);
	fputs("</h1>\n<p id=\"byline\">", out);
	ct_put_escaped(out, page->author);
	fputs("</p></header>\n<noscript><p>This report needs JavaScript for its charts and tables; "
	      "it loads nothing from the network.</p></noscript>\n",
	      out);
}

static bool put_body(const struct ct_page *page, json_t *data, FILE *out)
{
	bool ok;

	fputs("<body>\n", out);
	put_header(page, out);
	ok = put_notes(out, page->notes);
	fputs("<main id=\"report\"></main>\n", out);
	ok = ok && put_data(out, data);
	if (ct_page_has_charts())
		put_script(out, &ct_page_echarts);
	for (size_t i = 0; i < ct_page_n_scripts; i++)
		put_script(out, &ct_page_scripts[i]);
	fputs("</body>\n</html>\n", out);
	return ok;
}

bool ct_page_write(const struct ct_page *page, FILE *out, struct ct_error *err)
{
	json_t *data = page_json(page, err);
	bool ok;

	/* What could not be read has said so. */
	if (!data)
		return err->text[0] ? false : ct_broken(err, "memory for the report");
	put_head(page, out);
	ok = put_body(page, data, out) || ct_broken(err, "memory for the report");
	json_decref(data);
	return ok;
}
