/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the probe ask of it. For inclusion behind cmocka.h. */
#ifndef COTENANT_TESTS_PROBE_CHECKS_H
#define COTENANT_TESTS_PROBE_CHECKS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/probe/probe.h"
#include "harness/probe/statement.h"

enum { BUILT_PATH = 600 };

/* What was built beside this program: <build>/tests/<name>, from <build>/tests/unit/test_x. */
static inline const char *built(const char *name, char out[BUILT_PATH])
{
	char self[BUILT_PATH];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	assert_true(n > 0);
	self[n] = '\0';
	for (int up = 0; up < 2; up++)
		*strrchr(self, '/') = '\0';
	snprintf(out, BUILT_PATH, "%.400s/%.150s", self, name);
	if (access(out, F_OK) != 0)
		fail_msg("%s is missing: 'make unit-tests' makes it", out);
	return out;
}

static inline json_t *probe_of(const struct ct_probe_source *source)
{
	struct ct_error err = {0};
	json_t *probe = ct_probe(source, NULL, &err);

	if (!probe)
		fail_msg("%s: %s", source->root, err.text);
	assert_string_equal(json_string_value(json_object_get(probe, "schema")),
			    "cotenant.probe/1");
	return probe;
}

static inline void says(const json_t *probe, const char *section, const char *key, const char *text)
{
	const char *said = ct_said_text(probe, section, key);

	if (!said)
		fail_msg("%s.%s is not known (%s)", section ? section : "", key,
			 ct_evidence(probe, section, key));
	assert_string_equal(said, text);
	assert_true(ct_evidence(probe, section, key)[0] != '\0');
}

static inline void says_number(const json_t *probe, const char *section, const char *key,
			       double number)
{
	double said;

	if (!ct_said_number(probe, section, key, &said))
		fail_msg("%s.%s is not known (%s)", section ? section : "", key,
			 ct_evidence(probe, section, key));
	assert_true(said == number);
}

static inline void does_not_say(const json_t *probe, const char *section, const char *key)
{
	assert_null(ct_said(probe, section, key));
	assert_true(ct_evidence(probe, section, key)[0] != '\0'); /* but what was looked for */
}

/* The entry of a list that has this name. */
static inline const json_t *entry(const json_t *probe, const char *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(probe, list), i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return one;
	}
	return NULL;
}

static inline const char *text_of(const json_t *device, const char *key)
{
	return json_string_value(json_object_get(device, key));
}

static inline long long number_of(const json_t *device, const char *key)
{
	return json_integer_value(json_object_get(device, key));
}

static inline void expects(const json_t *probe, const char *word)
{
	struct ct_error err = {0};

	if (!ct_probe_expect(probe, word, &err))
		fail_msg("%s", err.text);
}

static inline void refuses(const json_t *probe, const char *word, const char *message)
{
	struct ct_error err = {0};

	if (ct_probe_expect(probe, word, &err))
		fail_msg("expect = %s was accepted", word);
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, message))
		fail_msg("got \"%s\", want \"%s\"", err.text, message);
}

static inline bool advises(const json_t *probe, const char *words)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(probe, "advice"), i, one)
	{
		assert_true(text_of(one, "evidence")[0] != '\0');
		if (strstr(text_of(one, "text"), words))
			return true;
	}
	return false;
}

#endif
