/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of each of the four sections in one sentence, computed from the data. */
#ifndef COTENANT_REPORT_ANSWERS_H
#define COTENANT_REPORT_ANSWERS_H

#include "harness/decide/analysis.h"

enum { CT_ANSWER_TEXT = 640, CT_ANSWERS = 4 };

/* Instability, coupling, decomposition, guarantee. Each writes into `out` and returns it. */
typedef const char *ct_answer_fn(const struct ct_analysis *analysis, char out[CT_ANSWER_TEXT]);
extern ct_answer_fn *const ct_answers[CT_ANSWERS];

#endif
