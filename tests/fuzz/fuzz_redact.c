/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever a probe or a job file says, a published report does not name the host.
 *
 * Input: a text. Corpus: tests/fuzz/corpus/redact/.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/redact.h"

#define HOST "node-7.lab"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool names_host(const char *text)
{
	for (const char *at = text; (at = strstr(at, HOST)); at++) {
		if ((at == text || !in_word(at[-1])) && !in_word(at[strlen(HOST)]))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char xml[] = "<info name=\"HostName\" value=\"" HOST "\"/>";
	const struct ct_results_tables tables = {.hwloc_xml = xml};
	struct ct_redaction *redaction = ct_redaction_new(&tables);
	char *text = strndup((const char *)data, size), *out;

	require(redaction && text);
	out = ct_redact(redaction, text);
	require(out && !names_host(out));
	free(out);
	free(text);
	ct_redaction_free(redaction);
	return 0;
}
