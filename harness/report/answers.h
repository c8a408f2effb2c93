/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of each of the four sections in one sentence, computed from the data. */
#ifndef COTENANT_REPORT_ANSWERS_H
#define COTENANT_REPORT_ANSWERS_H

#include "harness/decide/analysis.h"

enum { CT_ANSWER_TEXT = 640, CT_ANSWERS = 4 };

/* Of instability, coupling, decomposition or guarantee (0..3). Writes into `out` and returns it. */
const char *ct_answer(const struct ct_analysis *analysis, size_t section, char out[CT_ANSWER_TEXT]);

#endif
