/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever is in a spec or an SLO, it is refused with a one-line message or every
 * requirement has a metric, a limit and a confidence that mean something.
 *
 * Input: the spec; its first line is tried as an SLO as well. Corpus: tests/fuzz/corpus/spec/.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/decide/evidence.h"
#include "harness/decide/spec.h"
#include "harness/decide/strategy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_message(const struct ct_error *err)
{
	require(err->kind == CT_ERR_USAGE);
	require(err->text[0] != '\0' && strchr(err->text, '\n') == NULL);
}

static void check_requirement(const struct ct_requirement *one)
{
	require(one->name[0] != '\0' && one->victim && one->aggressor && one->config && one->why);
	require(one->k < CT_QUANTILES);
	require(one->limit >= 0);
	require(one->confidence >= 0.5 && one->confidence < 1);
	require(one->intensity <= 100);
}

static void try_slo(char *text)
{
	struct ct_error err = {0};
	struct ct_slo slo;

	text[strcspn(text, "\n")] = '\0';
	if (ct_slo_parse(text, &slo, &err))
		require(slo.k < CT_QUANTILES && slo.limit_ns >= 0);
	else
		check_message(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct ct_error err = {0};
	struct ct_spec spec;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (ct_spec_parse(&spec, "spec.ini", text, &err)) {
		require(spec.n > 0);
		for (size_t i = 0; i < spec.n; i++)
			check_requirement(&spec.requirements[i]);
		ct_spec_free(&spec);
	} else {
		check_message(&err);
	}
	try_slo(text);
	free(text);
	return 0;
}
