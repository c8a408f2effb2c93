/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values: a kind, which decides the exit status, and one line of text built where the
 * context is known. Functions that can fail return bool (true: done) and take a `struct ct_error *`
 * as their last argument; only main() prints it.
 */
#ifndef COTENANT_CORE_ERROR_H
#define COTENANT_CORE_ERROR_H

#include <stdbool.h>

/* Values are the exit statuses of DESIGN: scripts rely on them. */
enum ct_error_kind {
	CT_OK = 0,
	CT_ERR_NEGATIVE = 1,     /* a negative verdict: regression, not qualified */
	CT_ERR_USAGE = 2,        /* usage or bad input: the user can mend it */
	CT_ERR_INCONCLUSIVE = 3, /* inconclusive or not comparable */
	CT_ERR_ENVIRONMENT = 4,  /* a workload or the machine failed at run time */
	CT_ERR_INTERRUPTED = 130 /* SIGINT or SIGTERM; what was measured is saved */
};

struct ct_error {
	enum ct_error_kind kind;
	char text[1024]; /* one line, no trailing newline: what, where, what to do */
};

/* Each returns false, so that `return ct_usage(err, ...)` reads as one step. `err` may be NULL. */
bool ct_usage(struct ct_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool ct_broken(struct ct_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As ct_broken, with ": <strerror(errno)>" appended; errno is read before anything else runs. */
bool ct_broken_errno(struct ct_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool ct_fail(struct ct_error *err, enum ct_error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "<context>: " before the text that is there already. Returns false. */
bool ct_error_in(struct ct_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
