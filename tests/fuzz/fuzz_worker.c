/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever a controller says, the worker answers in frames that a controller can read,
 * or ends with a reason; it never crashes and never goes on after the conversation is over.
 *
 * Input: lines "TYPE JSON" (TYPE: the number of a message), sent as frames. A SETUP is kept from
 * doing harm to this machine: no limits, no workload but `null`, no long calibration. Corpus:
 * tests/fuzz/corpus/worker/.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/core/frame.h"
#include "harness/tenant/protocol.h"
#include "harness/tenant/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The text to be sent for `text`; the caller frees it. */
static char *tamed(const char *text)
{
	json_t *body = json_loads(text, 0, NULL);
	json_t *kind = json_object_get(body, "kind");
	const double seconds = json_number_value(json_object_get(body, "seconds"));
	char *safe;

	if (!json_is_object(body)) {
		json_decref(body);
		return strdup(text);
	}
	json_object_del(body, "limits");
	/* A calibration takes what it is told, up to 100 s; beyond is refused. */
	if (seconds > 0.1 && seconds < 100)
		json_object_set_new(body, "seconds", json_real(0.1));
	if (json_is_string(kind))
		json_object_set_new(body, "kind", json_string("null"));
	safe = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return safe;
}

static void send_lines(int fd, char *lines)
{
	struct ct_error err;
	uint16_t number = 0;

	for (char *rest = lines, *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *end, *text;
		unsigned long type = strtoul(line, &end, 10);

		text = tamed(*end == ' ' ? end + 1 : end);
		require(text != NULL);
		require(ct_frame_send(fd, &number, (uint16_t)type, text, strlen(text), "fuzz",
				      &err));
		free(text);
	}
}

static void check_answers(int fd)
{
	struct ct_frame_reader reader = {.numbered = true};
	struct ct_frame_header header;
	struct ct_error err = {0};
	const void *payload;
	int got = 0, n = 0;

	lseek(fd, 0, SEEK_SET);
	while (!reader.at_end) {
		require(ct_frame_reader_fill(&reader, fd, "fuzz", &err));
		while ((got = ct_frame_reader_next(&reader, &header, &payload, "fuzz", &err)) ==
		       1) {
			require(n++ > 0 || header.type == CT_MSG_HELLO);
			require(ct_message_name(header.type)[0] != '?');
		}
		require(got == 0);
	}
	require(n > 0 && reader.used == reader.start);
	ct_frame_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	char *lines = strndup((const char *)data, size);
	struct ct_error err = {0};

	require(lines && in >= 0 && out >= 0);
	send_lines(in, lines);
	lseek(in, 0, SEEK_SET);
	if (!ct_worker_serve(in, out, &err))
		require(err.text[0] && !strchr(err.text, '\n'));
	check_answers(out);
	free(lines);
	close(in);
	close(out);
	return 0;
}
