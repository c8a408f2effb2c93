/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: checksum against the published check value, arrival in pieces, refusal of garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/core/frame.h"

static void crc_has_the_published_check_value(void **state)
{
	(void)state;
	assert_int_equal(ct_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(ct_crc32(ct_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void frames_arrive_whole_however_they_are_cut(void **state)
{
	(void)state;
	unsigned char stream[256];
	struct ct_frame_header header;
	size_t n = 0;

	ct_frame_header_make(&header, 7, 0, "hello", 5);
	memcpy(stream + n, &header, sizeof header);
	memcpy(stream + n + sizeof header, "hello", 5);
	n += sizeof header + 5;
	ct_frame_header_make(&header, 8, 0, "", 0);
	memcpy(stream + n, &header, sizeof header);
	n += sizeof header;

	for (size_t piece = 1; piece <= n; piece++) {
		struct ct_frame_reader reader = {0};
		const void *payload;
		int fds[2], frames = 0;
		struct ct_error err = {0};

		for (size_t at = 0; at < n; at += piece) {
			size_t length = n - at < piece ? n - at : piece;

			assert_int_equal(pipe(fds), 0);
			assert_int_equal(write(fds[1], stream + at, length), length);
			assert_true(ct_frame_reader_fill(&reader, fds[0], "test", &err));
			while (ct_frame_reader_next(&reader, &header, &payload, "test", &err) ==
			       1) {
				assert_int_equal(header.type, 7 + frames);
				if (frames == 0)
					assert_memory_equal(payload, "hello", 5);
				frames++;
			}
			close(fds[0]);
			close(fds[1]);
		}
		assert_int_equal(frames, 2);
		ct_frame_reader_free(&reader);
	}
}

static int first_result(const void *bytes, size_t n, struct ct_error *err)
{
	struct ct_frame_reader reader = {0};
	struct ct_frame_header header;
	const void *payload;
	int fds[2], result;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], bytes, n), n);
	assert_true(ct_frame_reader_fill(&reader, fds[0], "test", err));
	result = ct_frame_reader_next(&reader, &header, &payload, "test", err);
	ct_frame_reader_free(&reader);
	close(fds[0]);
	close(fds[1]);
	return result;
}

static void garbage_is_refused_with_a_message(void **state)
{
	(void)state;
	unsigned char frame[sizeof(struct ct_frame_header) + 4];
	struct ct_frame_header header;
	struct ct_error err = {0};

	assert_int_equal(first_result("Permission denied (publickey).\n", 31, &err), -1);
	assert_non_null(strstr(err.text, "not frames"));

	ct_frame_header_make(&header, 1, 0, "data", 4);
	for (size_t i = 0; i < sizeof frame; i++) {
		memcpy(frame, &header, sizeof header);
		memcpy(frame + sizeof header, "data", 4);
		assert_int_equal(first_result(frame, sizeof frame, &err), 1);
		frame[i] ^= 0x40;
		/* A flipped length may also leave the frame waiting for bytes; it never comes
		 * through. */
		assert_int_not_equal(first_result(frame, sizeof frame, &err), 1);
	}
	header.length = CT_FRAME_MAX + 1;
	assert_int_equal(first_result(&header, sizeof header, &err), -1);
	assert_non_null(strstr(err.text, "too large"));
}

/* Sends five frames through a pipe, of which the n-th is left out or sent twice. */
static int read_numbered(int left_out, int twice, struct ct_error *err)
{
	struct ct_frame_reader reader = {.numbered = true};
	struct ct_frame_header header;
	const void *payload;
	uint16_t number = UINT16_MAX - 2; /* so that it wraps */
	int ends[2], got, n = 0;

	reader.last = number;
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < 5; i++) {
		uint16_t before = number;

		if (i == left_out) {
			number = (uint16_t)(number + 1);
			continue;
		}
		assert_true(ct_frame_send(ends[1], &number, 3, "abc", 3, "test", err));
		if (i == twice)
			assert_true(ct_frame_send(ends[1], &before, 3, "abc", 3, "test", err));
	}
	close(ends[1]);
	assert_true(ct_frame_reader_fill(&reader, ends[0], "test", err));
	while ((got = ct_frame_reader_next(&reader, &header, &payload, "test", err)) == 1)
		n++;
	ct_frame_reader_free(&reader);
	close(ends[0]);
	return got < 0 ? -n : n;
}

static void a_frame_that_comes_twice_or_never_ends_the_conversation(void **state)
{
	(void)state;
	struct ct_error err = {0};

	assert_int_equal(read_numbered(-1, -1, &err), 5);
	assert_int_equal(read_numbered(1, -1, &err), -1);
	assert_non_null(strstr(err.text, "missing"));
	assert_int_equal(read_numbered(-1, 2, &err), -3);
	assert_non_null(strstr(err.text, "twice"));
}

static void a_reader_finds_the_next_frame_behind_damage(void **state)
{
	static const char noise[] = "CTF1 CTF CTF1CT"; /* looks like one, and ends as one begins */
	struct ct_frame_reader reader = {0};
	struct ct_frame_header header;
	struct ct_error err = {0};
	const void *payload;
	size_t passed = 0;
	char path[] = "/tmp/cotenant-frames-XXXXXX";
	int fd = mkstemp(path), got;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, noise, sizeof noise - 1), sizeof noise - 1);
	assert_true(ct_frame_write(fd, 7, "good", 4, "test", &err));
	assert_int_equal(write(fd, "CTF", 3), 3);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(ct_frame_reader_skip(&reader), 0);
	while ((got = ct_frame_reader_next(&reader, &header, &payload, "test", NULL)) < 1) {
		if (got == 0 && !reader.at_end)
			assert_true(ct_frame_reader_fill(&reader, fd, "test", &err));
		else
			passed += ct_frame_reader_skip(&reader);
		assert_true(passed < sizeof noise);
	}
	assert_int_equal(passed, sizeof noise - 1);
	assert_int_equal(header.type, 7);
	assert_memory_equal(payload, "good", 4);
	for (passed = 0; passed < 3;) {
		size_t step = ct_frame_reader_skip(&reader);

		assert_true(step > 0);
		passed += step;
	}
	assert_int_equal(passed, 3);
	assert_int_equal(ct_frame_reader_skip(&reader), 0);
	ct_frame_reader_free(&reader);
	close(fd);
}

static void writing_to_a_closed_pipe_is_an_error(void **state)
{
	(void)state;
	struct ct_error err = {0};

	assert_false(ct_frame_write(-1, 1, "x", 1, "worker 3", &err));
	assert_non_null(strstr(err.text, "worker 3"));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_has_the_published_check_value),
		cmocka_unit_test(frames_arrive_whole_however_they_are_cut),
		cmocka_unit_test(garbage_is_refused_with_a_message),
		cmocka_unit_test(a_frame_that_comes_twice_or_never_ends_the_conversation),
		cmocka_unit_test(a_reader_finds_the_next_frame_behind_damage),
		cmocka_unit_test(writing_to_a_closed_pipe_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
