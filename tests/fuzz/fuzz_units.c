/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever the text, a quantity is read exactly or refused with a one-line message, and
 * what was read survives being written and read again.
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined
 *         tests/fuzz/fuzz_units.c harness/core/{error,units,param}.c -ljansson -lm
 *
 * Input: a byte that picks the type, then the text. Corpus: tests/fuzz/corpus/units/.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/param.h"
#include "harness/core/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct options {
	uint64_t whole;
	double real;
	bool flag;
	int choice;
	char *text;
};

static const char *const choices[] = {"read", "write", "copy", NULL};

#define PARAM(kind, member, default_text)                                                  \
	{                                                                                  \
		.name = "key", .type = (kind), .offset = offsetof(struct options, member), \
		.fallback = (default_text), .choices = choices, .help = "fuzzed"           \
	}
static const struct ct_param params[] = {
	PARAM(CT_PARAM_COUNT, whole, "0"),    PARAM(CT_PARAM_SIZE, whole, "0"),
	PARAM(CT_PARAM_TIME, whole, "0s"),    PARAM(CT_PARAM_BITRATE, real, "0bit/s"),
	PARAM(CT_PARAM_FREQUENCY, real, "0"), PARAM(CT_PARAM_PERCENT, real, "0%"),
	PARAM(CT_PARAM_BOOL, flag, "no"),     PARAM(CT_PARAM_CHOICE, choice, "read"),
	PARAM(CT_PARAM_TEXT, text, ""),
};
enum { N_PARAMS = sizeof params / sizeof params[0] };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_value(const struct ct_param *param, const struct options *options)
{
	struct options again = {.choice = -1};
	struct ct_error err = {0};
	char *written = ct_param_get(param, options);

	require(written != NULL);
	require(ct_param_set(param, &again, written, &err));
	require(again.whole == options->whole && again.flag == options->flag);
	require(isfinite(options->real) && options->real >= 0);
	/* Below 1e-15 a decimal of 30 places can't name a double; no parameter is that small. */
	require(again.real == options->real || options->real < 1e-15);
	require(param->type != CT_PARAM_CHOICE || again.choice == options->choice);
	require(!options->text || strcmp(again.text, options->text) == 0);
	free(again.text);
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options options = {.choice = -1};
	struct ct_error err = {0};
	const struct ct_param *param;
	char *text;

	if (size == 0)
		return 0;
	param = &params[data[0] % N_PARAMS];
	text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	if (ct_param_set(param, &options, text, &err)) {
		check_value(param, &options);
	} else {
		require(err.kind == CT_ERR_USAGE && err.text[0] != '\0');
		require(strchr(err.text, '\n') == NULL);
		require(options.whole == 0 && options.real == 0 && options.choice == -1);
	}
	ct_nearest(text, choices, 3);
	free(options.text);
	free(text);
	return 0;
}
