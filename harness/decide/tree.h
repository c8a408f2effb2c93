/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which couplings the hardware tree predicts, and which it does not.
 *
 * A coupling is predicted where the victim feels a resource that the aggressor presses, and that
 * resource is of a kind which the two tenants share by their places in the tree: a core's caches on
 * one core, an L3 under one L3, memory channels on one NUMA node, power within a package, a GPU's
 * parts on one GPU (its multiprocessors not between MIG devices, nor between green contexts under
 * MPS), a NIC's on one card; what the kernel, the interconnect and the buses carry
 * reaches the whole machine. It is felt where the slowdown of the median or of the gate quantile is
 * above 1 by a one-sided t test over blocks, after Benjamini and Hochberg over all cells of the
 * file, and clear of the histogram's resolution.
 *
 * Felt and not predicted is hidden sharing: something that the tree does not show, or a workload
 * that presses more than it says. Predicted and not felt may be isolation that works, or too few
 * blocks: the smallest slowdown that would have been found is the cell's `detectable`.
 */
#ifndef COTENANT_DECIDE_TREE_H
#define COTENANT_DECIDE_TREE_H

#include "harness/decide/analysis.h"
#include "harness/decide/predict.h"

extern const char *const ct_tree_verdict_names[]; /* by enum ct_tree_verdict; NULL-terminated */

/*
 * Fills `tree` of every cell; without a call all of them are CT_TREE_UNKNOWN. Cells whose tenants'
 * places or whose workloads' kinds are not known stay so, and those without two blocks.
 */
bool ct_tree_find(struct ct_analysis *analysis, ct_resources_fn *victim_resources,
		  ct_resources_fn *aggressor_resources, struct ct_error *err);

/* How many cells have that verdict. */
size_t ct_tree_count(const struct ct_analysis *analysis, enum ct_tree_verdict verdict);

#endif
