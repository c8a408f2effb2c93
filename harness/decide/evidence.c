/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stats/clusters.h"
#include "harness/stats/distributions.h"
#include "harness/stats/summary.h"

const double ct_quantiles[CT_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999, 0.9999};
const char *const ct_quantile_names[CT_QUANTILES] = {"p50", "p90", "p95", "p99", "p99.9", "p99.99"};

/* "p999" for "p99.9": how metrics and file names write it. */
static bool same_without_point(const char *name, const char *full)
{
	for (; *full; full++) {
		if (*full == '.')
			continue;
		if (*name++ != *full)
			return false;
	}
	return *name == '\0';
}

size_t ct_quantile_find(const char *name)
{
	char *end;
	const double q = strtod(name, &end);
	const bool number = end != name && *end == '\0';

	for (size_t k = 0; k < CT_QUANTILES; k++) {
		if (strcmp(name, ct_quantile_names[k]) == 0 ||
		    same_without_point(name, ct_quantile_names[k]) ||
		    (number && fabs(q - ct_quantiles[k]) < 1e-12))
			return k;
	}
	return CT_QUANTILES;
}

/* Rows of /blocks by cell, each cell's by block number. */
struct block_order {
	uint32_t *rows;
	size_t *first; /* n_cells + 1 */
};

struct work {
	struct ct_results *results;
	const struct ct_results_tables *tables;
	struct block_order order;
	struct ct_hist phase, side; /* of the phase and the side at hand */
	struct ct_bin *bins;        /* of the phase at hand */
	struct ct_cell_evidence cell;
	/* Dose over the treatments of used blocks. */
	double achieved, solo;
};

static int by_number(const void *a, const void *b, void *context)
{
	const struct ct_block_info *blocks = context;
	uint32_t left = blocks[*(const uint32_t *)a].block;
	uint32_t right = blocks[*(const uint32_t *)b].block;

	return (left > right) - (left < right);
}

static bool order_blocks(struct block_order *order, const struct ct_results_tables *tables,
			 struct ct_error *err)
{
	order->first = calloc(tables->n_cells + 2, sizeof *order->first);
	order->rows = calloc(tables->n_blocks + 1, sizeof *order->rows);
	if (!order->first || !order->rows)
		return ct_broken_errno(err, "memory for %zu blocks", tables->n_blocks);
	for (size_t i = 0; i < tables->n_blocks; i++)
		order->first[tables->blocks[i].cell + 2]++;
	for (size_t c = 0; c < tables->n_cells; c++)
		order->first[c + 2] += order->first[c + 1];
	/* first[c + 1] is where cell c goes on; afterwards it is where cell c + 1 begins. */
	for (size_t i = 0; i < tables->n_blocks; i++)
		order->rows[order->first[tables->blocks[i].cell + 1]++] = (uint32_t)i;
	for (size_t c = 0; c < tables->n_cells; c++)
		qsort_r(order->rows + order->first[c], order->first[c + 1] - order->first[c],
			sizeof *order->rows, by_number, tables->blocks);
	return true;
}

static bool block_usable(const struct ct_results_tables *tables, const struct ct_block_info *block)
{
	bool seen[CT_SIDES] = {false};

	for (uint32_t k = 0; k < block->n_phases; k++) {
		const struct ct_phase_info *phase = &tables->phases[block->first_phase + k];

		/* Modulated phases are lock-in's (decide/lockin.h). */
		if (phase->role == CT_ROLE_MODULATED)
			return false;
		if (phase->role == CT_ROLE_TREATMENT && phase->load == CT_LOAD_ABSENT)
			return false;
		if (phase->count > 0)
			seen[phase->role] = true;
	}
	/* Where nobody was started, as in listening, there is only one side. */
	return seen[CT_ROLE_BASELINE] &&
	       (seen[CT_ROLE_TREATMENT] || tables->cells[block->cell].intensity == 0);
}

static size_t hist_bins(const struct ct_hist *hist, struct ct_bin *bins)
{
	size_t n = 0;

	for (uint32_t i = hist->begin; i < hist->end; i++) {
		if (hist->counts[i])
			bins[n++] = (struct ct_bin){ct_hist_mid(i) / 1e3, hist->counts[i]};
	}
	return n;
}

static bool keep_epochs(struct work *work, struct ct_phase_evidence *phase, struct ct_error *err)
{
	struct ct_epoch_row *rows;
	size_t n;

	if (work->tables->phases[phase->row].epoch_rows == 0)
		return true;
	if (!ct_results_epochs(work->results, phase->row, &rows, &n, err))
		return false;
	phase->epoch_ns = malloc((n + 1) * sizeof *phase->epoch_ns);
	if (!phase->epoch_ns) {
		free(rows);
		return ct_broken_errno(err, "memory for %zu epochs", n);
	}
	for (size_t i = 0; i < n; i++) {
		double value = isnan(rows[i].p50_ns) ? rows[i].mean_ns : rows[i].p50_ns;

		if (rows[i].counted && value > 0 && isfinite(value))
			phase->epoch_ns[phase->n_epochs++] = value;
		if (phase->role == CT_ROLE_TREATMENT) {
			work->cell.epochs++;
			work->cell.counted_epochs += rows[i].counted != 0;
		}
	}
	free(rows);
	return true;
}

/* Reads one phase into work->phase and notes what variance components need of it. */
static bool read_phase(struct work *work, uint32_t row, uint32_t block, struct ct_error *err)
{
	struct ct_cell_evidence *cell = &work->cell;
	struct ct_phase_evidence *phase = &cell->phases[cell->n_phases];
	struct ct_summary summary;

	ct_hist_clear(&work->phase);
	if (!ct_results_add_hist(work->results, row, &work->phase, err))
		return false;
	*phase = (struct ct_phase_evidence){.row = row,
					    .block = block,
					    .role = work->tables->phases[row].role,
					    .samples = work->phase.total,
					    .log_mean = NAN,
					    .log_variance = NAN};
	if (ct_summarise_bins(work->bins, hist_bins(&work->phase, work->bins), &summary)) {
		phase->log_mean = summary.log_mean;
		phase->log_variance = summary.log_variance;
	}
	cell->n_phases++;
	return keep_epochs(work, phase, err);
}

static bool close_side(struct work *work, struct ct_side *side, struct ct_error *err)
{
	side->samples = work->side.total;
	side->mean_ns = ct_hist_mean(&work->side) / 1e3;
	for (size_t k = 0; k < CT_QUANTILES; k++)
		side->ns[k] = ct_hist_carries(&work->side, ct_quantiles[k])
				      ? ct_hist_quantile(&work->side, ct_quantiles[k]) / 1e3
				      : NAN;
	side->n_buckets = ct_hist_to_sparse(&work->side, NULL, 0);
	side->buckets = malloc((side->n_buckets + 1) * sizeof *side->buckets);
	if (!side->buckets)
		return ct_broken_errno(err, "memory for a histogram");
	ct_hist_to_sparse(&work->side, side->buckets, side->n_buckets);
	return true;
}

static void add_dose(struct work *work, const struct ct_block_info *block,
		     const struct ct_phase_info *phase)
{
	if (phase->load > work->cell.load)
		work->cell.load = phase->load;
	if (isfinite(phase->achieved_rate) && isfinite(block->solo_rate)) {
		work->achieved += phase->achieved_rate;
		work->solo += block->solo_rate;
	}
}

static bool read_block(struct work *work, uint32_t row, struct ct_error *err)
{
	const struct ct_block_info *info = &work->tables->blocks[row];
	const uint32_t number = (uint32_t)work->cell.used;
	struct ct_block_evidence *block = &work->cell.blocks[number];

	*block =
		(struct ct_block_evidence){.row = row, .number = info->block, .visit = info->visit};
	work->cell.used++;
	for (int role = 0; role < CT_SIDES; role++) {
		struct ct_side *side = &block->side[role];

		side->max_ns = NAN;
		ct_hist_clear(&work->side);
		for (uint32_t k = 0; k < info->n_phases; k++) {
			const uint32_t at = info->first_phase + k;
			const struct ct_phase_info *phase = &work->tables->phases[at];

			if (phase->role != (enum ct_role)role)
				continue;
			if (!read_phase(work, at, number, err))
				return false;
			ct_hist_merge(&work->side, &work->phase);
			side->max_ns = fmax(side->max_ns, phase->max_ns);
			if (role == CT_ROLE_TREATMENT)
				add_dose(work, info, phase);
		}
		if (!close_side(work, side, err))
			return false;
	}
	return true;
}

static void free_cell(struct ct_cell_evidence *cell)
{
	for (size_t b = 0; b < cell->used; b++) {
		for (int role = 0; role < CT_SIDES; role++)
			free(cell->blocks[b].side[role].buckets);
	}
	for (size_t p = 0; p < cell->n_phases; p++)
		free(cell->phases[p].epoch_ns);
	free(cell->blocks);
	free(cell->phases);
	*cell = (struct ct_cell_evidence){0};
}

static bool start_cell(struct work *work, uint32_t index, struct ct_error *err)
{
	const size_t *first = work->order.first;
	size_t phases = 0;

	work->achieved = work->solo = 0;
	work->cell = (struct ct_cell_evidence){.cell = index, .load = CT_LOAD_NONE};
	work->cell.n_blocks = first[index + 1] - first[index];
	for (size_t i = first[index]; i < first[index + 1]; i++)
		phases += work->tables->blocks[work->order.rows[i]].n_phases;
	work->cell.blocks = calloc(work->cell.n_blocks + 1, sizeof *work->cell.blocks);
	work->cell.phases = calloc(phases + 1, sizeof *work->cell.phases);
	return (work->cell.blocks && work->cell.phases) ||
	       ct_broken_errno(err, "memory for %zu phases", phases);
}

static bool read_cell(struct work *work, uint32_t index, struct ct_error *err)
{
	struct ct_cell_evidence *cell = &work->cell;

	if (!start_cell(work, index, err))
		return false;
	for (size_t i = work->order.first[index]; i < work->order.first[index + 1]; i++) {
		const uint32_t row = work->order.rows[i];
		const struct ct_block_info *block = &work->tables->blocks[row];

		if (block->status == CT_BLOCK_FAILED)
			cell->failed++;
		else if (block->status == CT_BLOCK_NOT_LOADED || !block_usable(work->tables, block))
			cell->not_loaded++;
		else if (!read_block(work, row, err))
			return false;
	}
	if (cell->used == 0 && cell->not_loaded > 0)
		cell->load = CT_LOAD_ABSENT;
	cell->achieved_percent = work->solo > 0 ? 100 * work->achieved / work->solo : NAN;
	return true;
}

bool ct_evidence_each(struct ct_results *results, ct_evidence_fn *use, void *context,
		      struct ct_error *err)
{
	struct work work = {.results = results, .tables = ct_results_tables(results)};
	bool ok = order_blocks(&work.order, work.tables, err) && ct_hist_init(&work.phase, err) &&
		  ct_hist_init(&work.side, err);

	work.bins = malloc(CT_HIST_BUCKETS * sizeof *work.bins);
	if (ok && !work.bins)
		ok = ct_broken_errno(err, "memory for a histogram");
	for (uint32_t c = 0; ok && c < work.tables->n_cells; c++) {
		ok = read_cell(&work, c, err) && use(context, &work.cell, err);
		free_cell(&work.cell);
	}
	ct_hist_free(&work.phase);
	ct_hist_free(&work.side);
	free(work.bins);
	free(work.order.rows);
	free(work.order.first);
	return ok;
}

bool ct_evidence_pool(const struct ct_cell_evidence *cell, enum ct_role role, struct ct_bin **bins,
		      size_t *n_bins, struct ct_error *err)
{
	struct ct_hist pool;
	bool ok = true;

	*bins = NULL;
	*n_bins = 0;
	if (!ct_hist_init(&pool, err))
		return false;
	for (size_t b = 0; ok && b < cell->used; b++) {
		const struct ct_side *side = &cell->blocks[b].side[role];

		ok = ct_hist_merge_sparse(&pool, side->buckets, side->n_buckets, err);
	}
	*n_bins = ct_hist_to_sparse(&pool, NULL, 0);
	*bins = ok ? malloc((*n_bins + 1) * sizeof **bins) : NULL;
	if (*bins)
		hist_bins(&pool, *bins);
	else if (ok)
		ok = ct_broken_errno(err, "memory for a histogram");
	ct_hist_free(&pool);
	return ok;
}

static uint64_t samples_below(const struct ct_side *side, double ns)
{
	uint64_t below = 0;

	for (size_t i = 0; i < side->n_buckets; i++) {
		if (ct_hist_mid(side->buckets[i].index) / 1e3 > ns)
			break;
		below += side->buckets[i].count;
	}
	return below;
}

/* Shares of a side's blocks; those without a sample on this side say nothing of it. */
struct shares {
	uint64_t *below, *samples;
	size_t n;
};

static bool count_shares(const struct ct_cell_evidence *cell, enum ct_role role, double ns,
			 struct shares *shares, struct ct_error *err)
{
	*shares = (struct shares){.below = calloc(2 * cell->used + 2, sizeof(uint64_t))};
	if (!shares->below)
		return ct_broken_errno(err, "memory for %zu blocks", cell->used);
	shares->samples = shares->below + cell->used + 1;
	for (size_t b = 0; b < cell->used; b++) {
		const struct ct_side *side = &cell->blocks[b].side[role];

		if (side->samples == 0)
			continue;
		shares->below[shares->n] = samples_below(side, ns);
		shares->samples[shares->n++] = side->samples;
	}
	return true;
}

/* The share q moved by `steps` on the logit scale. */
static double moved(double q, double steps)
{
	return 1 / (1 + exp(-(log(q / (1 - q)) + steps)));
}

static void woodruff(const struct shares *shares, const struct ct_bin *bins, size_t n_bins,
		     double q, double confidence, struct ct_interval *out)
{
	const double total = (double)ct_bins_total(bins, n_bins);
	const double error = ct_clusters_error(shares->below, shares->samples, shares->n);
	double steps, high;

	if (isnan(error))
		return;
	steps = ct_t_quantile((1 + confidence) / 2, (double)(shares->n - 1)) * error /
		(q * (1 - q));
	high = moved(q, steps);
	out->lo = ct_bins_quantile_type1(bins, n_bins, moved(q, -steps));
	/* Beyond its largest sample the pool says nothing. */
	out->hi = total * (1 - high) < 1 ? INFINITY : ct_bins_quantile_type1(bins, n_bins, high);
}

bool ct_evidence_quantile(const struct ct_cell_evidence *cell, enum ct_role role,
			  const struct ct_bin *bins, size_t n_bins, double q, double confidence,
			  struct ct_pooled *out, struct ct_error *err)
{
	const double total = (double)ct_bins_total(bins, n_bins);
	struct shares shares;

	*out = (struct ct_pooled){.ns = CT_INTERVAL_NONE, .effective = NAN};
	if (n_bins == 0 || total * (1 - q) < 1 - 1e-9)
		return true;
	out->ns.value = ct_bins_quantile_type1(bins, n_bins, q);
	if (!count_shares(cell, role, out->ns.value, &shares, err))
		return false;
	out->effective = ct_clusters_effective(shares.below, shares.samples, shares.n, confidence);
	woodruff(&shares, bins, n_bins, q, confidence, &out->ns);
	free(shares.below);
	return true;
}
