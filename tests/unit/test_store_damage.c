/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* The store where something fails: power, a disk that changes bytes, a disk that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "harness/store/journal.h"
#include "tests/unit/sample_store.h"

/* Whatever byte the power went out at, exactly the blocks committed before it are there. */
static void a_kill_at_any_byte_loses_no_committed_block(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	size_t header_end = file_size(place->journal) / CT_JOURNAL_HEADERS, ends[3], size;
	struct ct_error err = {0};
	unsigned char *bytes;
	int fd;

	for (uint32_t i = 0; i < 3; i++) {
		assert_true(store_put_block(store, i, 1, 3, 1, &err));
		ends[i] = file_size(place->journal);
	}
	ct_store_abandon(store);
	size = file_size(place->journal);
	bytes = malloc(size);
	fd = open(place->journal, O_RDONLY);
	assert_int_equal(read(fd, bytes, size), size);
	close(fd);

	for (size_t cut = 0; cut <= size; cut++) {
		json_t *header = sample_header(2, 42);

		fd = open(place->journal, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		assert_int_equal(write(fd, bytes, cut), cut);
		close(fd);
		if (cut < header_end) {
			assert_false(ct_store_resume(&store, place->path, header, &err));
			assert_int_equal(err.kind, CT_ERR_USAGE);
		} else {
			assert_true(ct_store_resume(&store, place->path, header, &err));
			for (uint32_t i = 0; i < 3; i++)
				assert_int_equal(ct_store_has(store, i, 1), cut >= ends[i]);
			assert_false(ct_store_has(store, 0, 0));
			ct_store_abandon(store);
		}
		json_decref(header);
	}
	free(bytes);
}

static void change_byte(const char *path, size_t offset)
{
	int fd = open(path, O_RDWR);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

static size_t count_block(const struct ct_store *store, uint32_t n)
{
	size_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += ct_store_has(store, i, 1);
	return found;
}

static bool count_replayed(void *context, const struct ct_block_record *record,
			   struct ct_error *err)
{
	(void)record;
	(void)err;
	++*(size_t *)context;
	return true;
}

enum { BLOCKS = 3 };

/* Three blocks of a campaign that was killed then. Returns where its headers end. */
static size_t leave_three_blocks(const struct place *place, size_t ends[BLOCKS])
{
	struct ct_store *store = store_create(place, 2);
	const size_t header_end = file_size(place->journal);
	struct ct_error err = {0};

	for (uint32_t i = 0; i < BLOCKS; i++) {
		assert_true(store_put_block(store, i, 1, 3, 1, &err));
		ends[i] = file_size(place->journal);
	}
	ct_store_abandon(store);
	return header_end;
}

/* What is said to be there is there. */
static void assert_replays(const struct ct_store *store)
{
	struct ct_error err = {0};
	size_t replayed = 0;

	assert_true(ct_store_each_block(store, count_replayed, &replayed, &err));
	assert_int_equal(replayed, count_block(store, BLOCKS));
}

/*
 * Whatever byte a disk changes, only the block it is in is measured again; and the one after it
 * where the damage is in the commit, since that one's first frames might have been in it as well.
 */
static void damage_at_any_byte_costs_two_blocks_at_most(void **state)
{
	enum { EVERY = 7 };
	const struct place *place = *state;
	size_t ends[BLOCKS], header_end = leave_three_blocks(place, ends);
	const size_t size = file_size(place->journal);

	for (size_t at = header_end; at < size; at += EVERY) {
		struct ct_store *store;
		uint32_t hit = 0;
		size_t begin;
		bool cut;

		while (at >= ends[hit])
			hit++;
		begin = hit > 0 ? ends[hit - 1] : header_end;
		change_byte(place->journal, at);
		store = store_resume(place, 2);
		for (uint32_t i = 0; i < BLOCKS; i++) {
			if (i != hit + 1 || at < (begin + ends[hit]) / 2)
				assert_int_equal(ct_store_has(store, i, 1), i != hit);
		}
		assert_true(hit == BLOCKS - 1 || ct_store_damage(store)[0]);
		cut = !ct_store_damage(store)[0];
		assert_replays(store);
		ct_store_abandon(store);
		/* Resuming has added its own frames, behind a last block that it has cut if its
		 * commit was hit: nothing good was behind that. */
		if (cut)
			break;
		assert_int_equal(truncate(place->journal, (off_t)size), 0);
		change_byte(place->journal, at);
	}
}

/* Damage in the first copy costs nothing, in the second at most the block behind it. */
static void a_damaged_header_is_read_from_its_copy(void **state)
{
	enum { EVERY = 7 };
	const struct place *place = *state;
	size_t ends[BLOCKS], header_end = leave_three_blocks(place, ends);
	const size_t size = file_size(place->journal);
	json_t *header = sample_header(2, 42);
	struct ct_error err = {0};
	struct ct_store *store;

	for (size_t at = 0; at < header_end; at += EVERY) {
		change_byte(place->journal, at);
		store = store_resume(place, 2);
		assert_non_null(strstr(ct_store_damage(store), "damaged in 1 place"));
		assert_int_equal(ct_store_has(store, 0, 1), at < header_end / 2);
		for (uint32_t i = 1; i < BLOCKS; i++)
			assert_true(ct_store_has(store, i, 1));
		assert_replays(store);
		ct_store_abandon(store);
		assert_int_equal(truncate(place->journal, (off_t)size), 0);
		change_byte(place->journal, at);
	}
	change_byte(place->journal, 20);
	change_byte(place->journal, header_end - 20);
	assert_false(ct_store_resume(&store, place->path, header, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "no whole header"));
	json_decref(header);
}

static void what_was_damaged_is_measured_again(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	struct ct_results *results;
	struct ct_error err = {0};
	size_t end;

	assert_true(store_put_block(store, 0, 0, 50, 4, &err));
	end = file_size(place->journal);
	for (uint32_t i = 1; i < 3; i++)
		assert_true(store_put_block(store, i, 0, 50, 4, &err));
	/* While it is open: what is finished is no longer what was promised, and nothing is made.
	 */
	change_byte(place->journal, end + 100);
	assert_false(ct_store_finish(store, true, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "1 of 3 finished blocks can't be read back"));
	assert_non_null(strstr(err.text, "--resume"));
	assert_false(file_is_there(place->path));
	assert_true(file_is_there(place->journal));

	store = store_resume(place, 2);
	assert_non_null(strstr(ct_store_damage(store), "damaged in 1 place"));
	for (uint32_t i = 0; i < 3; i++) {
		if (!ct_store_has(store, i, 0))
			assert_true(store_put_block(store, i, 0, 50, 4, &err));
	}
	store_finish(store, true);
	assert_valid_result(place->path);
	assert_true(ct_results_open(&results, place->path, &err));
	assert_int_equal(ct_results_tables(results)->n_blocks, 3);
	assert_int_equal(ct_results_tables(results)->n_raw, 3 * 5 * 2 * 4);
	ct_results_close(results);
}

/* A full disk, as a limit on file sizes makes it: writes fail with EFBIG instead of ENOSPC. */
static void limit_file_size(size_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_keeps_the_blocks_and_says_so(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	struct ct_error err = {0};
	bool ok;

	assert_true(store_put_block(store, 0, 0, 50, 0, &err));
	limit_file_size(file_size(place->journal) + 1000);
	ok = store_put_block(store, 1, 0, 50, 0, &err);
	limit_file_size(0);
	assert_false(ok);
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "1 finished block is safe"));
	assert_non_null(strstr(err.text, "make room"));
	/* There is room again: the same campaign simply goes on. */
	assert_true(store_put_block(store, 1, 0, 50, 0, &err));
	store_finish(store, true);
	assert_valid_result(place->path);
}

static void a_disk_that_fills_while_finishing_leaves_no_half_file(void **state)
{
	const struct place *place = *state;

	for (size_t limit = 4096; limit < 160 << 10; limit += 9973) {
		struct ct_store *store = store_create(place, 2);
		struct ct_error err = {0};
		bool ok;

		assert_true(store_put_block(store, 0, 0, 5, 0, &err));
		limit_file_size(limit);
		ok = ct_store_finish(store, true, &err);
		limit_file_size(0);
		assert_false(file_is_there(place->temporary));
		if (!ok) {
			assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
			assert_non_null(strstr(err.text, "File too large"));
			assert_non_null(strstr(err.text, "--resume"));
			assert_false(file_is_there(place->path));
			store_finish(store_resume(place, 2), true);
		}
		assert_valid_result(place->path);
		assert_int_equal(unlink(place->path), 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_kill_at_any_byte_loses_no_committed_block),
		TEST(damage_at_any_byte_costs_two_blocks_at_most),
		TEST(a_damaged_header_is_read_from_its_copy),
		TEST(what_was_damaged_is_measured_again),
		TEST(a_full_disk_keeps_the_blocks_and_says_so),
		TEST(a_disk_that_fills_while_finishing_leaves_no_half_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
