/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/hist.h"
#include "harness/core/resource.h"
#include "harness/decide/predict_internal.h"
#include "harness/stats/distributions.h"
#include "harness/stats/fdr.h"

const char *const ct_tree_verdict_names[] = {"unknown", "carried", "hidden",
					     "quiet",   "apart",   NULL};

/* From near to far; a resource is shared by those whose closest common level is this or nearer. */
static const char *const levels[] = {"core", "l2", "l3", "numa", "package", "machine"};
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

static const struct {
	uint32_t resources;
	const char *reach;
} reaches[] = {
	{CT_RES_CORE | CT_RES_L1 | CT_RES_TLB | CT_RES_SCHEDULER, "core"},
	{CT_RES_L2, "l2"},
	{CT_RES_LLC, "l3"},
	{CT_RES_MEMORY, "numa"},
	{CT_RES_POWER, "package"},
	{CT_RES_INTERCONNECT | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_HYPERVISOR |
		 CT_RES_NETWORK | CT_RES_STORAGE | CT_RES_PCIE | CT_RES_RDMA | CT_RES_GPU,
	 "machine"},
};

struct tree {
	struct ct_analysis *analysis;
	ct_resources_fn *victim_resources, *aggressor_resources;
	json_t *placement;
};

static size_t rank_of(const char *level)
{
	size_t rank = 0;

	while (rank < N_LEVELS && strcmp(levels[rank], level) != 0)
		rank++;
	return rank;
}

static uint32_t within_reach(const char *shared)
{
	uint32_t resources = 0;

	for (size_t i = 0; i < sizeof reaches / sizeof reaches[0]; i++) {
		if (rank_of(shared) <= rank_of(reaches[i].reach))
			resources |= reaches[i].resources;
	}
	return resources;
}

/* A member of what the two tenants were given: false where both have one and they differ. */
static bool may_be_same(json_t *one, json_t *other, const char *given, const char *member)
{
	const char *a = json_string_value(json_object_get(json_object_get(one, given), member));
	const char *b = json_string_value(json_object_get(json_object_get(other, given), member));

	return !a || !b || !a[0] || !b[0] || strcmp(a, b) == 0;
}

static bool both(json_t *one, json_t *other, const char *member)
{
	json_t *a = json_object_get(one, member), *b = json_object_get(other, member);

	return a && b && !json_is_false(a) && !json_is_false(b);
}

/* MIG devices, or green contexts that run side by side: in turns both have all of the device. */
static bool have_own_multiprocessors(json_t *gpu, json_t *other)
{
	return both(gpu, other, "mig") || (both(gpu, other, "mps") && both(gpu, other, "green"));
}

/*
 * As the campaign found when it placed the tenants; two ports of one card share its engines and
 * its link to the host. In a file of others the physical functions may tell.
 */
static bool have_other_cards(json_t *one, json_t *other, const char *victim)
{
	const char *relation = json_string_value(json_object_get(
		json_object_get(json_object_get(other, "function"), "beside"), victim));

	return relation ? strcmp(relation, "apart") == 0
			: !may_be_same(one, other, "function", "pf");
}

/* Devices are not in the tree of CPUs: whose they are says the placement. */
static uint32_t on_other_devices(const struct tree *tree, const char *config, const char *victim,
				 const char *aggressor)
{
	json_t *places = json_object_get(tree->placement, config);
	json_t *one = json_object_get(places, victim), *other = json_object_get(places, aggressor);
	uint32_t apart = 0;

	if (!may_be_same(one, other, "gpu", "pci"))
		apart |= CT_RES_GPU;
	if (have_own_multiprocessors(json_object_get(one, "gpu"), json_object_get(other, "gpu")))
		apart |= CT_RES_GPU_SM;
	if (have_other_cards(one, other, victim))
		apart |= CT_RES_NETWORK | CT_RES_RDMA;
	return apart;
}

/* Of a mix, all that its parts press. 0: not known. */
static uint32_t pressed_by(const struct tree *tree, uint32_t row)
{
	const struct ct_workload_info *aggressors = tree->analysis->tables->aggressors;
	struct ct_mixture mixture;
	uint32_t resources = tree->aggressor_resources(aggressors[row].kind);

	ct_mixture_of(tree->analysis->tables, row, &mixture);
	for (size_t i = 0; i < mixture.n; i++)
		resources |= tree->aggressor_resources(aggressors[mixture.parts[i]].kind);
	return resources;
}

static void predict(const struct tree *tree, struct ct_cell_analysis *cell)
{
	const struct ct_results_tables *tables = tree->analysis->tables;
	const struct ct_cell_info *info = &tables->cells[cell->cell];
	const struct ct_workload_info *victim = &tables->victims[info->victim];
	const char *aggressor_tenant = tables->aggressors[info->aggressor].tenant;

	cell->tree = (struct ct_tree_cell){.verdict = CT_TREE_UNKNOWN};
	if (!cell->shared)
		return;
	cell->tree.common =
		tree->victim_resources(victim->kind) & pressed_by(tree, info->aggressor);
	cell->tree.carriers =
		cell->tree.common & within_reach(cell->shared) &
		~on_other_devices(tree, info->config, victim->tenant, aggressor_tenant);
}

/* One-sided: of no slowdown. NaN: no test. */
static double p_of(const struct ct_cell_analysis *cell, size_t k)
{
	const struct ct_cell_quantile *quantile = &cell->quantiles[k];
	const double log_slowdown = log(quantile->slowdown.value);

	if (cell->used < 2 || !isfinite(log_slowdown) || !isfinite(quantile->log_sd))
		return NAN;
	if (quantile->log_sd == 0)
		return log_slowdown > 0 ? 0 : 1;
	return ct_t_sf(log_slowdown * sqrt((double)cell->used) / quantile->log_sd,
		       (double)(cell->used - 1));
}

static bool felt(const struct ct_cell_analysis *cell, size_t k, double adjusted, double alpha)
{
	return adjusted <= alpha && cell->quantiles[k].slowdown.value > 1 + CT_HIST_RESOLUTION;
}

static enum ct_tree_verdict verdict_of(bool predicted, bool is_felt)
{
	if (predicted)
		return is_felt ? CT_TREE_CARRIED : CT_TREE_QUIET;
	return is_felt ? CT_TREE_HIDDEN : CT_TREE_APART;
}

static bool is_known(const struct tree *tree, const struct ct_cell_analysis *cell)
{
	const struct ct_results_tables *tables = tree->analysis->tables;
	const struct ct_cell_info *info = &tables->cells[cell->cell];

	/* 'null' presses nothing, and feels nothing, and that is known. */
	return cell->shared && info->intensity > 0 &&
	       (tree->victim_resources(tables->victims[info->victim].kind) ||
		strcmp(tables->victims[info->victim].kind, "null") == 0) &&
	       (pressed_by(tree, info->aggressor) ||
		strcmp(tables->aggressors[info->aggressor].kind, "null") == 0);
}

/* Two tests a cell: the median and the gate. */
static bool judge(struct tree *tree, struct ct_error *err)
{
	struct ct_analysis *analysis = tree->analysis;
	const double alpha = 1 - analysis->confidence;
	double *p = calloc(2 * analysis->n_cells + 1, sizeof *p);
	bool ok;

	if (!p)
		return ct_broken_errno(err, "memory for tests");
	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &analysis->cells[c];
		const size_t gate = ct_gate_quantile(cell);
		const bool known = is_known(tree, cell);

		p[2 * c] = known ? p_of(cell, 0) : NAN;
		p[2 * c + 1] = known && gate != 0 ? p_of(cell, gate) : NAN;
	}
	ok = ct_benjamini_hochberg(p, 2 * analysis->n_cells, p) ||
	     ct_broken(err, "the tests of the cells could not be adjusted");
	for (size_t c = 0; ok && c < analysis->n_cells; c++) {
		struct ct_cell_analysis *cell = &analysis->cells[c];

		if (isnan(p[2 * c]) && isnan(p[2 * c + 1]))
			continue;
		cell->tree.verdict =
			verdict_of(cell->tree.carriers != 0,
				   felt(cell, 0, p[2 * c], alpha) ||
					   felt(cell, ct_gate_quantile(cell), p[2 * c + 1], alpha));
	}
	free(p);
	return ok;
}

bool ct_tree_find(struct ct_analysis *analysis, ct_resources_fn *victim_resources,
		  ct_resources_fn *aggressor_resources, struct ct_error *err)
{
	struct tree tree = {analysis, victim_resources, aggressor_resources, NULL};
	bool ok;

	tree.placement = json_loads(analysis->tables->placement, 0, NULL);
	for (size_t c = 0; c < analysis->n_cells; c++)
		predict(&tree, &analysis->cells[c]);
	ok = judge(&tree, err);
	json_decref(tree.placement);
	return ok;
}

size_t ct_tree_count(const struct ct_analysis *analysis, enum ct_tree_verdict verdict)
{
	size_t n = 0;

	for (size_t c = 0; c < analysis->n_cells; c++)
		n += analysis->cells[c].tree.verdict == verdict;
	return n;
}
