/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer and the reader of result files share: HDF5 types, quiet errors with a reason. */
#ifndef COTENANT_STORE_H5_H
#define COTENANT_STORE_H5_H

#include <stdbool.h>
#include <stdint.h>

#include <hdf5.h>

#include "harness/store/column.h"

/*
 * Keeps HDF5 from printing its error stack (the reason goes into our message) and from loading
 * filter plugins that a file asks for. Cheap; every entry point calls it.
 */
void ct_h5_quiet(void);

enum { CT_H5_REASON = 200 };
/* The innermost reason on HDF5's error stack, as a clause; clears the stack. Returns `out`. */
const char *ct_h5_reason(char out[CT_H5_REASON]);

/* A variable-length UTF-8 string, as h5py writes and reads str. Close with H5Tclose. */
hid_t ct_h5_text_type(void);
/* Type of a column in the file and in memory. Close with H5Tclose. */
hid_t ct_h5_file_type(const struct ct_column *column);
hid_t ct_h5_memory_type(const struct ct_column *column);

/* Attributes of an object; false on failure, with the reason on HDF5's error stack. */
bool ct_h5_set_text(hid_t object, const char *name, const char *text);
bool ct_h5_set_u64(hid_t object, const char *name, uint64_t value);
bool ct_h5_set_f64(hid_t object, const char *name, double value);

/* Closes what H5I knows it to be; negative ids are left alone. */
void ct_h5_close(hid_t id);

#endif
