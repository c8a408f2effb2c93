/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/h5.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void ct_h5_quiet(void)
{
	H5open();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	H5PLset_loading_state(0);
}

static herr_t take_innermost(unsigned n, const H5E_error2_t *entry, void *context)
{
	const char *detail;
	char *out = context;

	(void)n;
	if (out[0] || !entry->desc || !entry->desc[0])
		return 0;
	/* The file driver buries the system's own words in a line of addresses. */
	detail = strstr(entry->desc, "error message = '");
	if (detail) {
		detail += strlen("error message = '");
		snprintf(out, CT_H5_REASON, "%.*s", (int)strcspn(detail, "'"), detail);
	} else {
		snprintf(out, CT_H5_REASON, "%s", entry->desc);
	}
	return 0;
}

const char *ct_h5_reason(char out[CT_H5_REASON])
{
	out[0] = '\0';
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, out);
	H5Eclear2(H5E_DEFAULT);
	if (!out[0])
		snprintf(out, CT_H5_REASON, "no reason given by HDF5");
	return out;
}

hid_t ct_h5_text_type(void)
{
	hid_t type = H5Tcopy(H5T_C_S1);

	H5Tset_size(type, H5T_VARIABLE);
	H5Tset_cset(type, H5T_CSET_UTF8);
	return type;
}

static hid_t choice_type(const struct ct_column *column, hid_t base, size_t width)
{
	hid_t type = H5Tenum_create(base);

	for (int32_t i = 0; column->names[i]; i++) {
		const uint8_t narrow = (uint8_t)i;

		H5Tenum_insert(type, column->names[i],
			       width == 1 ? (const void *)&narrow : (const void *)&i);
	}
	return type;
}

hid_t ct_h5_file_type(const struct ct_column *column)
{
	switch (column->type) {
	case CT_COLUMN_U32:
		return H5Tcopy(H5T_STD_U32LE);
	case CT_COLUMN_U64:
		return H5Tcopy(H5T_STD_U64LE);
	case CT_COLUMN_I64:
		return H5Tcopy(H5T_STD_I64LE);
	case CT_COLUMN_F64:
		return H5Tcopy(H5T_IEEE_F64LE);
	case CT_COLUMN_CHOICE:
		return choice_type(column, H5T_STD_U8LE, 1);
	case CT_COLUMN_TEXT:
		break;
	}
	return ct_h5_text_type();
}

hid_t ct_h5_memory_type(const struct ct_column *column)
{
	switch (column->type) {
	case CT_COLUMN_U32:
		return H5Tcopy(H5T_NATIVE_UINT32);
	case CT_COLUMN_U64:
		return H5Tcopy(H5T_NATIVE_UINT64);
	case CT_COLUMN_I64:
		return H5Tcopy(H5T_NATIVE_INT64);
	case CT_COLUMN_F64:
		return H5Tcopy(H5T_NATIVE_DOUBLE);
	case CT_COLUMN_CHOICE:
		return choice_type(column, H5T_NATIVE_INT32, 4);
	case CT_COLUMN_TEXT:
		break;
	}
	return ct_h5_text_type();
}

static bool set_attribute(hid_t object, const char *name, hid_t file_type, hid_t memory_type,
			  const void *value)
{
	hid_t space = H5Screate(H5S_SCALAR);
	hid_t attribute = H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
	bool ok = attribute >= 0 && H5Awrite(attribute, memory_type, value) >= 0;

	ct_h5_close(attribute);
	ct_h5_close(space);
	return ok;
}

bool ct_h5_set_text(hid_t object, const char *name, const char *text)
{
	hid_t type = ct_h5_text_type();
	bool ok = set_attribute(object, name, type, type, &text);

	ct_h5_close(type);
	return ok;
}

bool ct_h5_set_u64(hid_t object, const char *name, uint64_t value)
{
	return set_attribute(object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value);
}

bool ct_h5_set_f64(hid_t object, const char *name, double value)
{
	return set_attribute(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

void ct_h5_close(hid_t id)
{
	hid_t errors;

	if (id < 0)
		return;
	/* Every call clears the error stack; the reason of an earlier failure has to outlive this.
	 */
	errors = H5Eget_current_stack();
	switch (H5Iget_type(id)) {
	case H5I_FILE:
		H5Fclose(id);
		break;
	case H5I_GROUP:
		H5Gclose(id);
		break;
	case H5I_DATATYPE:
		H5Tclose(id);
		break;
	case H5I_DATASPACE:
		H5Sclose(id);
		break;
	case H5I_DATASET:
		H5Dclose(id);
		break;
	case H5I_ATTR:
		H5Aclose(id);
		break;
	case H5I_GENPROP_LST:
		H5Pclose(id);
		break;
	default:
		break;
	}
	H5Eset_current_stack(errors);
}
