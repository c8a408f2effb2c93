/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a published report must not carry: the name of the measuring machine, its file names, its
 * addresses, and where its tenants are reached.
 */
#ifndef COTENANT_REPORT_REDACT_H
#define COTENANT_REPORT_REDACT_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/store/results.h"

struct ct_redaction; /* what to look for in one result */

/* NULL when memory ran out. Free with ct_redaction_free. */
struct ct_redaction *ct_redaction_new(const struct ct_results_tables *tables);
void ct_redaction_free(struct ct_redaction *redaction);

/*
 * A copy of `text` with host names, absolute file names, IP and MAC addresses, UUIDs and the words
 * behind `via = COMMAND` replaced by a word in brackets; the caller frees it. NULL when memory ran
 * out.
 */
char *ct_redact(const struct ct_redaction *redaction, const char *text);

/* The same for every string value below `value`, in place; names of members stay. */
bool ct_redact_json(const struct ct_redaction *redaction, json_t *value);

#endif
