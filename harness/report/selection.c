/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/export.h"

#include <math.h>
#include <string.h>

bool ct_selected(const struct ct_results_tables *tables, const struct ct_selection *selection,
		 const struct ct_phase_info *phase)
{
	const struct ct_cell_info *cell = &tables->cells[phase->cell];

	return (!selection->config || strcmp(selection->config, cell->config) == 0) &&
	       (!selection->victim ||
		strcmp(selection->victim, tables->victims[cell->victim].name) == 0) &&
	       (!selection->aggressor ||
		strcmp(selection->aggressor, tables->aggressors[cell->aggressor].name) == 0) &&
	       (selection->intensity < 0 || fabs(selection->intensity - cell->intensity) < 1e-9) &&
	       (selection->role < 0 || selection->role == (int)phase->role);
}
