/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports of a result: CSV (a row a phase), JSON (results-schema/export.schema.json), the
 * percentile format of HdrHistogram, which its plotter draws, OpenMetrics and Markdown. Each writes
 * to `out` as it goes and returns false when the file can't be read; the caller checks that `out`
 * took it all.
 */
#ifndef COTENANT_REPORT_EXPORT_H
#define COTENANT_REPORT_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/core/error.h"
#include "harness/store/results.h"

/* Which phases are meant; NULL or negative: any. */
struct ct_selection {
	const char *config, *victim, *aggressor;
	double intensity; /* percent; negative: any */
	int role;         /* enum ct_role; negative: any */
};
bool ct_selected(const struct ct_results_tables *tables, const struct ct_selection *selection,
		 const struct ct_phase_info *phase);

/* RFC 4180 with a header line; latencies in ns, empty where there is none. */
bool ct_export_csv(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		   struct ct_error *err);
bool ct_export_json(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		    struct ct_error *err);
/*
 * One histogram for every (config, victim, aggressor, intensity, role) that is selected, blocks
 * that count merged. Latencies in ns. The first group stands at the beginning of the output, so a
 * selection of one gives a file that the plotter takes.
 */
bool ct_export_hgrm(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		    struct ct_error *err);
/* One histogram in that format; `max_ns` is the exact maximum or NaN. */
void ct_hgrm_write(const struct ct_hist *hist, double max_ns, FILE *out);
/* The analysis (decide/analysis.h) at 95 % confidence, as metrics and as a summary with tables. */
bool ct_export_openmetrics(struct ct_results *results, const struct ct_selection *selection,
			   FILE *out, struct ct_error *err);
bool ct_export_markdown(struct ct_results *results, const struct ct_selection *selection, FILE *out,
			struct ct_error *err);

#endif
