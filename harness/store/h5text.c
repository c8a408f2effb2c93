/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/h5text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/error.h"
#include "harness/store/h5.h"

enum { MAX_TEXT_BYTES = 64 << 20 };

static void drop(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(texts[i]);
		texts[i] = NULL;
	}
}

/* Memory for the strings of a file: what it announces is only taken up to a limit. */
static void *take_within(size_t size, void *context)
{
	size_t *left = context;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void give_back(void *memory, void *context)
{
	(void)context;
	free(memory);
}

static bool read_variable(hid_t dataset, hid_t type, hid_t space, size_t n, char **texts)
{
	hsize_t count = n;
	size_t left = MAX_TEXT_BYTES;
	hid_t memory = H5Screate_simple(1, &count, NULL);
	hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
	bool ok = H5Pset_vlen_mem_manager(transfer, take_within, &left, give_back, NULL) >= 0 &&
		  H5Dread(dataset, type, memory, space, transfer, texts) >= 0;

	for (size_t i = 0; ok && i < n; i++) {
		if (!texts[i])
			texts[i] = strdup("");
		ok = texts[i] != NULL;
	}
	ct_h5_close(transfer);
	ct_h5_close(memory);
	if (!ok)
		drop(texts, n);
	return ok;
}

/* Fixed strings are padded with NUL (h5py, C) or with spaces (Fortran). */
static char *copy_padded(const char *text, size_t size, bool spaces)
{
	size_t n = strnlen(text, size);

	while (spaces && n > 0 && text[n - 1] == ' ')
		n--;
	return strndup(text, n);
}

static bool read_fixed(hid_t dataset, hid_t type, hid_t space, size_t n, char **texts)
{
	const size_t size = H5Tget_size(type);
	const bool spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
	hsize_t count = n;
	hid_t memory = H5Screate_simple(1, &count, NULL);
	char *found = size > 0 && n <= MAX_TEXT_BYTES / size ? malloc(n * size) : NULL;
	bool ok = found && H5Dread(dataset, type, memory, space, H5P_DEFAULT, found) >= 0;

	for (size_t i = 0; ok && i < n; i++) {
		texts[i] = copy_padded(found + i * size, size, spaces);
		ok = texts[i] != NULL;
	}
	free(found);
	ct_h5_close(memory);
	if (!ok)
		drop(texts, n);
	return ok;
}

bool ct_h5_read_texts(hid_t dataset, hid_t type, hid_t space, size_t n, char **texts)
{
	return H5Tis_variable_str(type) > 0 ? read_variable(dataset, type, space, n, texts)
					    : read_fixed(dataset, type, space, n, texts);
}

bool ct_h5_get_text_attribute(hid_t object, const char *name, char **text, struct ct_error *err)
{
	hid_t attribute, type, space;
	char *found = NULL;
	bool ok = true;

	*text = NULL;
	if (H5Aexists(object, name) <= 0)
		return true;
	attribute = H5Aopen(object, name, H5P_DEFAULT);
	type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
	space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
	if (type < 0 || space < 0 || H5Tget_class(type) != H5T_STRING ||
	    H5Sget_simple_extent_npoints(space) != 1) {
		ok = ct_usage(err, "attribute '%s' is not one string", name);
	} else if (H5Tis_variable_str(type) > 0) {
		ok = H5Aread(attribute, type, &found) >= 0;
		*text = ok ? strdup(found ? found : "") : NULL;
		H5free_memory(found);
	} else if (H5Tget_size(type) <= MAX_TEXT_BYTES) {
		found = calloc(1, H5Tget_size(type) + 1);
		if (found && H5Aread(attribute, type, found) >= 0)
			*text = copy_padded(found, H5Tget_size(type),
					    H5Tget_strpad(type) == H5T_STR_SPACEPAD);
		free(found);
	}
	if (ok && !*text)
		ok = ct_usage(err, "attribute '%s' can't be read", name);
	ct_h5_close(space);
	ct_h5_close(type);
	ct_h5_close(attribute);
	return ok;
}

bool ct_h5_get_u64_attribute(hid_t object, const char *name, uint64_t *value, bool *found,
			     struct ct_error *err)
{
	hid_t attribute, type, space;
	H5T_class_t class;
	bool ok;

	*found = H5Aexists(object, name) > 0;
	if (!*found)
		return true;
	attribute = H5Aopen(object, name, H5P_DEFAULT);
	type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
	space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
	class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
	/* h5py stores a bool as an enumeration. */
	ok = space >= 0 && (class == H5T_INTEGER || class == H5T_ENUM) &&
	     H5Sget_simple_extent_npoints(space) == 1 &&
	     H5Aread(attribute, H5T_NATIVE_UINT64, value) >= 0;
	H5Eclear2(H5E_DEFAULT);
	ct_h5_close(space);
	ct_h5_close(type);
	ct_h5_close(attribute);
	return ok || ct_usage(err, "attribute '%s' is not one integer", name);
}

static bool read_scalar_text(hid_t dataset, const char *group, const char *name, char **text,
			     struct ct_error *err)
{
	hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
	hid_t list = H5Dget_create_plist(dataset);
	char reason[CT_H5_REASON];
	bool ok;

	if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1 ||
	    H5Pget_layout(list) == H5D_VIRTUAL || H5Pget_external_count(list) > 0) {
		ok = ct_usage(err, "/%s/%s is not one string", group, name);
	} else {
		ok = ct_h5_read_texts(dataset, type, space, 1, text) ||
		     ct_usage(err, "/%s/%s can't be read: %s", group, name, ct_h5_reason(reason));
	}
	ct_h5_close(list);
	ct_h5_close(space);
	ct_h5_close(type);
	return ok;
}

bool ct_h5_is_here(hid_t at, const char *name)
{
	H5L_info_t info;

	return H5Lexists(at, name, H5P_DEFAULT) > 0 &&
	       H5Lget_info(at, name, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

bool ct_h5_get_text(hid_t file, const char *group_name, const char *name, char **text,
		    struct ct_error *err)
{
	H5O_info_t object;
	hid_t group, dataset;
	bool ok = true;

	*text = NULL;
	if (!ct_h5_is_here(file, group_name))
		return true;
	group = H5Gopen2(file, group_name, H5P_DEFAULT);
	if (group < 0)
		return ct_usage(err, "/%s is not a group", group_name);
	if (ct_h5_is_here(group, name)) {
		dataset = H5Oget_info_by_name1(group, name, &object, H5P_DEFAULT) >= 0 &&
					  object.type == H5O_TYPE_DATASET
				  ? H5Dopen2(group, name, H5P_DEFAULT)
				  : H5I_INVALID_HID;
		ok = dataset >= 0 ? read_scalar_text(dataset, group_name, name, text, err)
				  : ct_usage(err, "/%s/%s is not a dataset", group_name, name);
		ct_h5_close(dataset);
	}
	ct_h5_close(group);
	return ok;
}
