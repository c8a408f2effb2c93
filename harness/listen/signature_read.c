/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix is a file that anybody may have made: its signatures are made in a process of its own,
 * which hands them over as JSON in memory that both have.
 */
#include "harness/listen/signature.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/store/guard.h"

struct reading {
	const char *path;
	const char *const *victims, *const *kinds;
	size_t n;
	int fd;
};

/* NaN has no number in JSON. */
static json_t *channels_json(const double *values, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      isfinite(values[i]) ? json_real(values[i]) : json_null());
	return list;
}

static json_t *signatures_json(const struct ct_signatures *signatures)
{
	const size_t n = signatures->channels;
	json_t *items = json_array();

	for (size_t i = 0; i < signatures->n; i++) {
		const struct ct_signature *item = &signatures->items[i];

		json_array_append_new(items, json_pack("{s:s, s:s, s:f, s:o, s:o, s:o}",
						       "aggressor", item->aggressor, "kind",
						       item->kind, "intensity", item->intensity,
						       "shift", channels_json(item->shift, n),
						       "spread", channels_json(item->spread, n),
						       "count", channels_json(item->count, n)));
	}
	return json_pack("{s:I, s:o}", "matched", (json_int_t)signatures->matched, "items", items);
}

static bool load(void *context, struct ct_error *err)
{
	const struct reading *reading = context;
	struct ct_signatures signatures;
	struct ct_results *matrix;
	json_t *json;
	bool good;

	if (!ct_results_open(&matrix, reading->path, err))
		return false;
	good = ct_signatures_load(&signatures, matrix, reading->victims, reading->kinds, reading->n,
				  err);
	if (good) {
		json = signatures_json(&signatures);
		good = (json && json_dumpfd(json, reading->fd, JSON_REAL_PRECISION(17)) == 0) ||
		       ct_broken_errno(err, "memory for the signatures of %s", reading->path);
		json_decref(json);
		ct_signatures_free(&signatures);
	}
	ct_results_close(matrix);
	return good;
}

static double *take_channels(const json_t *item, const char *key, size_t n)
{
	const json_t *list = json_object_get(item, key);
	double *values = malloc(n * sizeof *values);

	for (size_t i = 0; values && i < n; i++) {
		const json_t *value = json_array_get(list, i);

		values[i] = json_is_number(value) ? json_number_value(value) : NAN;
	}
	return values;
}

static char *take_text(const json_t *item, const char *key)
{
	const char *text = json_string_value(json_object_get(item, key));

	return strdup(text ? text : "");
}

static bool take(struct ct_signatures *signatures, const json_t *json)
{
	const json_t *items = json_object_get(json, "items");
	const size_t n = json_array_size(items);

	signatures->matched = (size_t)json_integer_value(json_object_get(json, "matched"));
	signatures->items = calloc(n + 1, sizeof *signatures->items);
	while (signatures->items && signatures->n < n) {
		const json_t *item = json_array_get(items, signatures->n);
		struct ct_signature *at = &signatures->items[signatures->n++];

		at->aggressor = take_text(item, "aggressor");
		at->kind = take_text(item, "kind");
		at->intensity = json_number_value(json_object_get(item, "intensity"));
		at->shift = take_channels(item, "shift", signatures->channels);
		at->spread = take_channels(item, "spread", signatures->channels);
		at->count = take_channels(item, "count", signatures->channels);
		if (!at->aggressor || !at->kind || !at->shift || !at->spread || !at->count)
			return false;
	}
	return signatures->items != NULL;
}

bool ct_signatures_read(struct ct_signatures *signatures, const char *path,
			const char *const *victims, const char *const *kinds, size_t n,
			struct ct_error *err)
{
	struct reading reading = {path, victims, kinds, n, memfd_create("signatures", MFD_CLOEXEC)};
	json_t *json = NULL;
	bool good;

	*signatures = (struct ct_signatures){.channels = n * CT_LISTEN_CHANNELS + CT_HOST_CHANNELS};
	if (reading.fd < 0)
		return ct_broken_errno(err, "%s: memory to read its signatures through", path);
	good = ct_guarded(load, &reading, path, err);
	if (good) {
		if (lseek(reading.fd, 0, SEEK_SET) == 0)
			json = json_loadfd(reading.fd, 0, NULL);
		good = (json && take(signatures, json)) ||
		       ct_broken_errno(err, "memory for the signatures of %s", path);
	}
	json_decref(json);
	close(reading.fd);
	if (!good)
		ct_signatures_free(signatures);
	return good;
}
