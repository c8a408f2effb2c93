/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter tables. A victim or an aggressor declares its parameters once, as an array that ends
 * with {0}; `list`, `--help`, the job-file parser, the stored result and the docs come from it.
 * Values land in the workload's own options struct at `offset`.
 */
#ifndef COTENANT_CORE_PARAM_H
#define COTENANT_CORE_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/core/error.h"

enum ct_param_type {                     /* C type at `offset`, unit in listings */
		     CT_PARAM_COUNT,     /* uint64_t, "" */
		     CT_PARAM_SIZE,      /* uint64_t, "B" */
		     CT_PARAM_TIME,      /* uint64_t, "ns" */
		     CT_PARAM_BITRATE,   /* double, "bit/s" */
		     CT_PARAM_FREQUENCY, /* double, "Hz" */
		     CT_PARAM_PERCENT,   /* double, "%" */
		     CT_PARAM_BOOL,      /* bool, "" */
		     CT_PARAM_CHOICE,    /* int: index into `choices`, "" */
		     CT_PARAM_TEXT /* char *, owned by the options struct, never NULL once set, ""
				    */
};

struct ct_param {
	const char *name;
	enum ct_param_type type;
	size_t offset;
	const char *fallback;       /* default, as a user would write it */
	const char *min, *max;      /* bounds, as a user would write them; NULL: none */
	const char *const *choices; /* CT_PARAM_CHOICE: names, NULL-terminated */
	const char *help;           /* one line, no full stop */
};

/* Sets every parameter to its default. A default that does not parse is a bug and aborts. */
void ct_params_init(const struct ct_param *table, void *options);
void ct_params_free(const struct ct_param *table, void *options); /* frees CT_PARAM_TEXT values */
const struct ct_param *ct_param_find(const struct ct_param *table, const char *name);
/* Parses, checks the range and stores; errors name the key, the value and the allowed range. */
bool ct_param_set(const struct ct_param *param, void *options, const char *value,
		  struct ct_error *err);
const char *ct_param_unit(const struct ct_param *param);
/* The value in force, as a user would write it. The caller frees the string. */
char *ct_param_get(const struct ct_param *param, const void *options);

/* [{"name","unit","default","min","max","choices","help"}]: numbers are in `unit`. */
json_t *ct_params_describe(const struct ct_param *table);
/* {"name": "value as a user would write it"} for every parameter. */
json_t *ct_params_values(const struct ct_param *table, const void *options);

#endif
