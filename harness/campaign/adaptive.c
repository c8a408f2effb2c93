/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/adaptive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/core/hist.h"

/* So many blocks without any ratio: the cell does not run, or its phases do not carry the quantile.
 */
enum { EMPTY_BLOCKS = 3 };

bool ct_adaptive_init(struct ct_adaptive *adaptive, const struct ct_plan *plan,
		      const bool *left_out, struct ct_error *err)
{
	const size_t n = plan->n_cells;
	size_t here = 0;

	*adaptive = (struct ct_adaptive){.plan = plan, .per_cell = plan->n_visits / n};
	adaptive->sequential = (struct ct_sequential){
		.margin = log1p(plan->until.margin),
		.confidence = CT_UNTIL_CONFIDENCE,
		.cells = calloc(n, sizeof *adaptive->sequential.cells),
		.n_cells = n,
	};
	adaptive->given = calloc(n, sizeof *adaptive->given);
	adaptive->empty = calloc(n, sizeof *adaptive->empty);
	adaptive->visits = calloc(plan->n_visits, sizeof *adaptive->visits);
	if (!adaptive->sequential.cells || !adaptive->given || !adaptive->empty ||
	    !adaptive->visits)
		return ct_broken_errno(err, "memory for the decisions of %zu cells", n);
	for (uint32_t v = 0; v < plan->n_visits; v++)
		adaptive->visits[plan->visits[v].cell * adaptive->per_cell +
				 plan->visits[v].block] = v;
	for (size_t c = 0; c < n; c++) {
		if (left_out && left_out[c])
			ct_sequential_close(&adaptive->sequential, c);
		else
			here++;
	}
	adaptive->sequential.budget = here * plan->replicates;
	return true;
}

void ct_adaptive_free(struct ct_adaptive *adaptive)
{
	free(adaptive->sequential.cells);
	free(adaptive->given);
	free(adaptive->empty);
	free(adaptive->visits);
	*adaptive = (struct ct_adaptive){0};
}

/* The quantile of a side of the block; NaN where its samples do not carry it. */
static bool side_quantile(const struct ct_block_record *record, enum ct_role role, double q,
			  double *value, struct ct_error *err)
{
	struct ct_hist hist;
	bool good = ct_hist_init(&hist, err);

	if (!good)
		return false;
	for (size_t i = 0; good && i < record->n_phases; i++) {
		const struct ct_phase_record *phase = &record->phases[i];

		if (phase->role == role)
			good = ct_hist_merge_sparse(&hist, phase->buckets, phase->n_buckets, err);
	}
	*value = good && ct_hist_carries(&hist, q) ? ct_hist_quantile(&hist, q) : NAN;
	ct_hist_free(&hist);
	return good;
}

bool ct_adaptive_take(struct ct_adaptive *adaptive, const struct ct_block_record *record,
		      struct ct_error *err)
{
	const double q = adaptive->plan->until.q;
	const uint32_t cell = record->cell;
	double baseline = NAN, treatment = NAN, ratio;

	if (record->status == CT_BLOCK_OK &&
	    (!side_quantile(record, CT_ROLE_BASELINE, q, &baseline, err) ||
	     !side_quantile(record, CT_ROLE_TREATMENT, q, &treatment, err)))
		return false;
	ratio = baseline > 0 && treatment > 0 ? log(treatment / baseline) : NAN;
	ct_sequential_add(&adaptive->sequential, cell, ratio);
	adaptive->given[cell]++;
	adaptive->empty[cell] += isnan(ratio);
	if (adaptive->empty[cell] >= EMPTY_BLOCKS && adaptive->sequential.cells[cell].n == 0)
		ct_sequential_close(&adaptive->sequential, cell);
	return true;
}

/* The earliest visit of the plan whose cell wants a block: rounds over the cells still open. */
bool ct_adaptive_next(const struct ct_adaptive *adaptive, uint32_t *visit)
{
	bool any = false;

	for (size_t c = 0; c < adaptive->plan->n_cells; c++) {
		uint32_t next;

		if (adaptive->given[c] >= adaptive->per_cell ||
		    !ct_sequential_wants(&adaptive->sequential, c, false))
			continue;
		next = adaptive->visits[c * adaptive->per_cell + adaptive->given[c]];
		if (!any || next < *visit)
			*visit = next;
		any = true;
	}
	return any;
}

const char *ct_adaptive_text(const struct ct_adaptive *adaptive, char *out, size_t size)
{
	size_t counts[CT_SEQUENTIAL_CLOSED + 1] = {0};
	const struct ct_sequential *sequential = &adaptive->sequential;

	for (size_t c = 0; c < sequential->n_cells; c++)
		counts[sequential->cells[c].verdict]++;
	snprintf(out, size,
		 "until %s: decided %zu of %zu cells (%zu below the margin, %zu above) in %zu "
		 "blocks of %zu (%.0f %%)",
		 adaptive->plan->until.text,
		 counts[CT_SEQUENTIAL_BELOW] + counts[CT_SEQUENTIAL_ABOVE], sequential->n_cells,
		 counts[CT_SEQUENTIAL_BELOW], counts[CT_SEQUENTIAL_ABOVE], sequential->spent,
		 sequential->budget,
		 sequential->budget ? 100 * (double)sequential->spent / (double)sequential->budget
				    : 0);
	return out;
}
