/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/qualify.h"

#include <stdlib.h>
#include <string.h>

const char *const ct_outcome_names[] = {"pass", "fail", "inconclusive"};

static const char no_cell[] = "no cell of the result is meant";
static const char not_loaded[] = "the aggressor did not load, so nothing is known";
static const char not_carried[] = "the blocks do not carry it";

/* One thing that a requirement looks at. */
struct item {
	const char *config, *victim, *aggressor;
	double intensity;
	struct ct_interval value;
	size_t blocks;
	size_t more;        /* blocks that a guarantee says it needs */
	const char *reason; /* why there is no value; NULL when there is one */
};

struct items {
	struct item *rows;
	size_t n;
};

struct work {
	struct ct_qualification *out;
	struct ct_results *results;
};

/* ---- What a requirement means ---- */

static bool named(const char *wanted, const struct ct_workload_info *info)
{
	return strcmp(wanted, "any") == 0 || strcmp(wanted, info->name) == 0 ||
	       strcmp(wanted, info->kind) == 0;
}

static bool in_config(const struct ct_requirement *requirement, const char *config)
{
	return strcmp(requirement->config, "any") == 0 || strcmp(requirement->config, config) == 0;
}

static bool alone(const struct ct_requirement *requirement)
{
	return strcmp(requirement->aggressor, "none") == 0;
}

static bool means_cell(const struct ct_requirement *requirement,
		       const struct ct_results_tables *tables, const struct ct_cell_info *cell)
{
	return in_config(requirement, cell->config) &&
	       named(requirement->victim, &tables->victims[cell->victim]) &&
	       (alone(requirement) ||
		named(requirement->aggressor, &tables->aggressors[cell->aggressor])) &&
	       (requirement->intensity < 0 ||
		fabs(requirement->intensity - cell->intensity) < 1e-9);
}

static struct ct_interval cell_value(const struct ct_requirement *requirement,
				     const struct ct_cell_analysis *cell)
{
	const struct ct_cell_quantile *quantile = &cell->quantiles[requirement->k];

	switch (requirement->metric) {
	case CT_METRIC_LATENCY:
		return alone(requirement) ? quantile->baseline : quantile->treatment;
	case CT_METRIC_RECOVERY:
		return quantile->recovery;
	case CT_METRIC_JITTER:
		return alone(requirement) ? cell->baseline_jitter : cell->jitter;
	case CT_METRIC_GRADE:
		return cell->quantiles[ct_gate_quantile(cell)].slowdown;
	default:
		return quantile->slowdown;
	}
}

static void add(struct items *items, struct item item)
{
	if (!item.reason && isnan(item.value.value))
		item.reason = not_carried;
	items->rows[items->n++] = item;
}

static void gather_cells(const struct ct_analysis *analysis,
			 const struct ct_requirement *requirement, struct items *items)
{
	const struct ct_results_tables *tables = analysis->tables;

	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_info *info = &tables->cells[c];
		const struct ct_cell_analysis *cell = &analysis->cells[c];

		if (!means_cell(requirement, tables, info))
			continue;
		add(items,
		    (struct item){.config = info->config,
				  .victim = tables->victims[info->victim].name,
				  .aggressor = tables->aggressors[info->aggressor].name,
				  .intensity = info->intensity,
				  .value = cell_value(requirement, cell),
				  .blocks = cell->used,
				  .reason = cell->load == CT_LOAD_ABSENT ? not_loaded : NULL});
	}
}

/* Blocks behind a victim in a config: of its cell that has the fewest. */
static size_t fewest_blocks(const struct ct_analysis *analysis, const char *config, uint32_t victim)
{
	size_t fewest = SIZE_MAX;

	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_info *info = &analysis->tables->cells[c];

		if (info->victim == victim && strcmp(info->config, config) == 0 &&
		    analysis->cells[c].used < fewest)
			fewest = analysis->cells[c].used;
	}
	return fewest == SIZE_MAX ? 0 : fewest;
}

static void add_victim(const struct ct_analysis *analysis, struct items *items,
		       const struct ct_requirement *requirement, const char *config,
		       uint32_t victim, struct item item)
{
	if (!in_config(requirement, config) ||
	    !named(requirement->victim, &analysis->tables->victims[victim]))
		return;
	item.config = config;
	item.victim = analysis->tables->victims[victim].name;
	item.blocks = fewest_blocks(analysis, config, victim);
	add(items, item);
}

static void gather_guarantees(const struct ct_analysis *analysis,
			      const struct ct_requirement *requirement, struct items *items)
{
	for (size_t i = 0; i < analysis->n_guarantees; i++) {
		const struct ct_guarantee *one = &analysis->guarantees[i];
		const struct ct_cell_info *worst = &analysis->tables->cells[one->worst];
		const struct ct_cell_quantile *quantile =
			&analysis->cells[one->worst].quantiles[requirement->k];
		struct item item = {.aggressor =
					    analysis->tables->aggressors[worst->aggressor].name,
				    .intensity = worst->intensity,
				    .more = one->needs_blocks};

		if (one->k != requirement->k)
			continue;
		/* Passing is by the bound, failing by the interval of the worst cell. */
		item.value = one->worst_is_alone ? quantile->baseline : quantile->treatment;
		item.value.hi = one->needs_blocks == 0 ? one->bound_ns : INFINITY;
		if (isnan(item.value.value) && one->needs_blocks == 0)
			item.value.value = one->bound_ns;
		add_victim(analysis, items, requirement, one->config, one->victim, item);
	}
}

static void gather_shares(const struct ct_analysis *analysis,
			  const struct ct_requirement *requirement, struct items *items)
{
	for (size_t i = 0; i < analysis->n_decompositions; i++) {
		const struct ct_decomposition *one = &analysis->decompositions[i];

		add_victim(analysis, items, requirement, one->config, one->victim,
			   (struct item){.aggressor = "any",
					 .value = one->omega_squared,
					 .reason = one->known ? NULL : one->why});
	}
}

static void gather_prices(const struct ct_analysis *analysis,
			  const struct ct_requirement *requirement, struct items *items)
{
	for (size_t i = 0; i < analysis->n_prices; i++) {
		const struct ct_price *one = &analysis->prices[i];

		add_victim(analysis, items, requirement, one->config, one->victim,
			   (struct item){.aggressor = "none", .value = one->ratio[requirement->k]});
	}
}

static bool gather(const struct ct_analysis *analysis, const struct ct_requirement *requirement,
		   struct items *items, struct ct_error *err)
{
	const size_t most = analysis->n_cells + analysis->n_guarantees +
			    analysis->n_decompositions + analysis->n_prices;

	*items = (struct items){.rows = calloc(most + 1, sizeof *items->rows)};
	if (!items->rows)
		return ct_broken_errno(err, "memory for %zu cells", most);
	switch (requirement->metric) {
	case CT_METRIC_GUARANTEE:
		gather_guarantees(analysis, requirement, items);
		break;
	case CT_METRIC_SHARE:
		gather_shares(analysis, requirement, items);
		break;
	case CT_METRIC_PRICE:
		gather_prices(analysis, requirement, items);
		break;
	default:
		gather_cells(analysis, requirement, items);
	}
	return true;
}

/* ---- Confidence levels ---- */

/* The analysis at that confidence, made once. The pointer is valid until the next call. */
static const struct ct_analysis *analysis_at(struct work *work, double confidence,
					     struct ct_error *err)
{
	struct ct_qualification *out = work->out;
	struct ct_analysis *more;

	for (size_t i = 0; i < out->n_analyses; i++) {
		if (fabs(out->analyses[i].confidence - confidence) < 1e-12)
			return &out->analyses[i];
	}
	more = realloc(out->analyses, (out->n_analyses + 1) * sizeof *more);
	if (!more) {
		ct_broken_errno(err, "memory for an analysis");
		return NULL;
	}
	out->analyses = more;
	if (!ct_analysis_make(&more[out->n_analyses], work->results, confidence, err))
		return NULL;
	return &more[out->n_analyses++];
}

/* ---- Decision ---- */

static enum ct_outcome judge(const struct item *item, const struct item *strict, double limit)
{
	if (item->reason)
		return CT_UNDECIDED;
	if (item->value.hi <= limit)
		return CT_PASS;
	return strict->value.lo > limit ? CT_FAIL : CT_UNDECIDED;
}

/* Ratios and latencies err on the log scale, shares as they are. */
static double scale(const struct ct_requirement *requirement, double value)
{
	if (requirement->metric == CT_METRIC_SHARE)
		return value;
	return log(requirement->metric == CT_METRIC_JITTER ? 1 + value : value);
}

/* The error shrinks with the root of the blocks: how many until the limit is outside it. */
static void plan(const struct item *item, struct ct_finding *finding)
{
	const struct ct_requirement *requirement = finding->requirement;
	const double value = scale(requirement, item->value.value);
	const double far = fabs(scale(requirement, requirement->limit) - value);
	double half = scale(requirement, item->value.hi) - value, more;

	if (!isfinite(half))
		half = value - scale(requirement, item->value.lo);
	if (item->more > 0) {
		finding->blocks_known = true;
		finding->needs_blocks = item->more;
		return;
	}
	more = ceil((double)item->blocks * (half / far) * (half / far)) - (double)item->blocks;
	if (!isfinite(more) || more > 1e6)
		return;
	finding->blocks_known = true;
	finding->needs_blocks = more >= 1 ? (size_t)more : 1;
}

/* Whether `item` decides rather than `other`, both of the same outcome. */
static bool decides(const struct item *item, const struct item *other)
{
	if (!item->reason != !other->reason)
		return item->reason == NULL;
	return item->value.value > other->value.value;
}

static void conclude(const struct items *items, const struct items *strict,
		     struct ct_finding *finding)
{
	static const int severity[] = {0, 2, 1}; /* pass, fail, undecided */
	const double limit = finding->requirement->limit;
	const struct item *deciding = NULL;

	for (size_t i = 0; i < items->n; i++) {
		enum ct_outcome outcome = judge(&items->rows[i], &strict->rows[i], limit);

		if (!deciding || severity[outcome] > severity[finding->outcome] ||
		    (outcome == finding->outcome && decides(&items->rows[i], deciding))) {
			deciding = &items->rows[i];
			finding->outcome = outcome;
			finding->value =
				outcome == CT_FAIL ? strict->rows[i].value : items->rows[i].value;
		}
	}
	finding->n_cells = items->n;
	finding->blocks_known = finding->outcome != CT_UNDECIDED;
	if (!deciding) {
		finding->outcome = CT_UNDECIDED;
		finding->blocks_known = false;
		finding->reason = no_cell;
		return;
	}
	finding->config = deciding->config;
	finding->victim = deciding->victim;
	finding->aggressor = alone(finding->requirement) ? "none" : deciding->aggressor;
	finding->intensity = alone(finding->requirement) ? 0 : deciding->intensity;
	finding->blocks = deciding->blocks;
	finding->reason = deciding->reason;
	if (finding->outcome == CT_UNDECIDED)
		plan(deciding, finding);
}

static bool decide(struct work *work, struct ct_finding *finding, struct ct_error *err)
{
	const struct ct_requirement *requirement = finding->requirement;
	struct items items = {0}, strict = {0};
	const struct ct_analysis *analysis = analysis_at(work, requirement->confidence, err);
	bool ok = analysis && gather(analysis, requirement, &items, err);

	if (ok) {
		double n = items.n > 1 ? (double)items.n : 1;

		analysis = analysis_at(work, 1 - (1 - requirement->confidence) / n, err);
		ok = analysis && gather(analysis, requirement, &strict, err);
	}
	if (ok)
		conclude(&items, &strict, finding);
	free(items.rows);
	free(strict.rows);
	return ok;
}

bool ct_qualification_make(struct ct_qualification *qualification, struct ct_results *results,
			   const struct ct_spec *spec, struct ct_error *err)
{
	struct work work = {.results = results};
	bool undecided = false, ok = true;

	*qualification = (struct ct_qualification){
		.outcome = CT_PASS, .emulated = ct_results_tables(results)->emulated};
	work.out = qualification;
	qualification->findings = calloc(spec->n + 1, sizeof *qualification->findings);
	if (!qualification->findings)
		return ct_broken_errno(err, "memory for %zu requirements", spec->n);
	for (size_t i = 0; ok && i < spec->n; i++) {
		struct ct_finding *finding = &qualification->findings[qualification->n++];

		*finding = (struct ct_finding){.requirement = &spec->requirements[i],
					       .value = CT_INTERVAL_NONE};
		ok = decide(&work, finding, err);
		if (finding->outcome == CT_FAIL)
			qualification->outcome = CT_FAIL;
		undecided |= finding->outcome == CT_UNDECIDED;
	}
	if (undecided && qualification->outcome == CT_PASS)
		qualification->outcome = CT_UNDECIDED;
	if (!ok)
		ct_qualification_free(qualification);
	return ok;
}

void ct_qualification_free(struct ct_qualification *qualification)
{
	for (size_t i = 0; i < qualification->n_analyses; i++)
		ct_analysis_free(&qualification->analyses[i]);
	free(qualification->analyses);
	free(qualification->findings);
	*qualification = (struct ct_qualification){0};
}
