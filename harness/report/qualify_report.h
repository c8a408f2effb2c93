/* SPDX-License-Identifier: Apache-2.0 */
/* A qualification in the terminal, as JSON (results-schema/qualify.schema.json), as JUnit XML. */
#ifndef COTENANT_REPORT_QUALIFY_REPORT_H
#define COTENANT_REPORT_QUALIFY_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/decide/qualify.h"
#include "harness/report/table.h"

enum { CT_EVIDENCE_TEXT = 512 };

/* One sentence: what was found, where, against which limit, and what is missing. Returns `out`. */
const char *ct_finding_sentence(const struct ct_finding *finding, char out[CT_EVIDENCE_TEXT]);

bool ct_qualification_print(const struct ct_qualification *qualification, FILE *out,
			    const struct ct_style *style, struct ct_error *err);
/* A new reference; NULL when memory ran out. */
json_t *ct_qualification_json(const struct ct_qualification *qualification);
bool ct_qualification_junit(const struct ct_qualification *qualification, FILE *out,
			    struct ct_error *err);

#endif
