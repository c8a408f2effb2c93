/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and attributes of a file that anybody may have written: any length, any bytes. */
#ifndef COTENANT_STORE_H5TEXT_H
#define COTENANT_STORE_H5TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hdf5.h>

#include "harness/core/error.h"

/*
 * `n` strings of the selection `space` into `texts`, each in memory of its own; on failure none are
 * left and the reason is on HDF5's error stack.
 */
bool ct_h5_read_texts(hid_t dataset, hid_t type, hid_t space, size_t n, char **texts);

/* A text attribute or scalar text dataset. *text is NULL when there is none; the caller frees it.
 */
bool ct_h5_get_text_attribute(hid_t object, const char *name, char **text, struct ct_error *err);
bool ct_h5_get_text(hid_t file, const char *group, const char *name, char **text,
		    struct ct_error *err);
/* *found tells whether it is there. */
bool ct_h5_get_u64_attribute(hid_t object, const char *name, uint64_t *value, bool *found,
			     struct ct_error *err);

/* Whether `name` is in the group itself: a link to elsewhere could make us read any file. */
bool ct_h5_is_here(hid_t group, const char *name);

#endif
