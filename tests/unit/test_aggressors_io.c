/* SPDX-License-Identifier: Apache-2.0 */
/* Aggressors on disks and networks: no file is left, and nobody is flooded who did not consent. */
#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/net/tcp.h"
#include "tests/unit/aggressor_trial.h"

static const char token[] = "0123456789abcdef0123456789abcdef";

/* Disk */

struct disk_place {
	char path[64];
	bool usable;
};

static void make_directory(struct disk_place *place)
{
	char why[256];

	strcpy(place->path, "./test-disk-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->usable = ct_aggressor_find("disk")->available(why, sizeof why);
	if (!place->usable)
		print_message("disk: %s\n", why);
}

static unsigned files_in(const char *path)
{
	DIR *directory = opendir(path);
	unsigned n = 0;

	assert_non_null(directory);
	for (const struct dirent *entry; (entry = readdir(directory));)
		n += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
	closedir(directory);
	return n;
}

static void disk_moves_bytes_and_leaves_no_file(void **state)
{
	static const char *const ops[] = {"read", "write", "randread", "randwrite"};
	struct disk_place place;

	(void)state;
	make_directory(&place);
	for (size_t i = 0; i < 4 && place.usable; i++) {
		struct ct_error err = {0};
		struct trial trial;
		uint64_t units;

		trial_begin(&trial, "disk", i == 2 && cpus_allowed() > 1 ? 2 : 1, 1);
		trial_set(&trial, "path", place.path);
		trial_set(&trial, "file_size", "1M");
		trial_set(&trial, "depth", "5");
		trial_set(&trial, "op", ops[i]);
		if (!trial_setup(&trial, &err) || !trial_run(&trial, &units, &err)) {
			/* The tree may lie on a file system without direct I/O. */
			assert_non_null(strstr(err.text, "disk"));
			print_message("%s\n", err.text);
		} else {
			assert_true(units > 0);
			assert_int_equal(units % 16384, 0);
		}
		assert_int_equal(files_in(place.path), 0);
		if (trial.state)
			trial_teardown(&trial);
		trial_end(&trial);
	}
	assert_int_equal(rmdir(place.path), 0);
}

static void disk_refuses_memory_and_too_much(void **state)
{
	struct statvfs space;
	struct trial trial;

	(void)state;
	trial_begin(&trial, "disk", 1, 1);
	trial_set(&trial, "block_size", "1000");
	assert_refused(&trial, CT_ERR_USAGE, "multiple of 512");
	trial_set(&trial, "block_size", "4K");
	trial_set(&trial, "path", "./no/such/directory");
	assert_refused(&trial, CT_ERR_ENVIRONMENT, "./no/such/directory");
	trial_set(&trial, "path", ".");
	assert_int_equal(statvfs(".", &space), 0);
	if ((uint64_t)space.f_bavail * space.f_frsize < UINT64_C(1) << 40) {
		trial_set(&trial, "file_size", "1T");
		assert_refused(&trial, CT_ERR_USAGE, "reserve");
	}
	trial_set(&trial, "file_size", "1M");
	if (access("/dev/shm", W_OK) == 0) {
		trial_set(&trial, "path", "/dev/shm");
		assert_refused(&trial, CT_ERR_USAGE, "in memory");
	}
	trial_end(&trial);
}

/* Flood */

struct running_sink {
	const struct ct_peer_ops *ops;
	struct ct_place place;
	struct ct_peer_env env;
	atomic_bool stop;
	void *state;
	char endpoint[CT_ENDPOINT_MAX];
	pthread_t thread;
};

static void *serve_sink(void *opaque)
{
	struct running_sink *sink = opaque;

	sink->ops->serve(sink->state, NULL);
	return NULL;
}

static void sink_start(struct running_sink *sink)
{
	struct ct_error err = {0};

	memset(sink, 0, sizeof *sink);
	sink->ops = ct_aggressor_find("tcp_flood")->peer;
	assert_non_null(sink->ops);
	assert_true(ct_place_init(&sink->place, &err));
	use_cpus(&sink->place, 1);
	sink->env = (struct ct_peer_env){
		.place = &sink->place, .address = "127.0.0.1", .token = token, .stop = &sink->stop};
	if (!sink->ops->setup(&sink->env, NULL, &sink->state, sink->endpoint, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&sink->thread, NULL, serve_sink, sink), 0);
}

static void sink_stop(struct running_sink *sink)
{
	uint64_t begin = ct_monotonic_ns();

	atomic_store(&sink->stop, true);
	pthread_join(sink->thread, NULL);
	assert_true(ct_monotonic_ns() - begin < UINT64_C(1000000000));
	sink->ops->teardown(sink->state);
	ct_place_free(&sink->place);
}

static void flood_reaches_a_consenting_sink(void **state)
{
	struct running_sink sink;

	(void)state;
	sink_start(&sink);
	for (unsigned threads = 1; threads <= 2; threads++) {
		struct trial trial;

		trial_begin(&trial, "tcp_flood", threads, 1);
		trial_set(&trial, "flows", "3");
		trial.env.endpoint = sink.endpoint;
		trial.env.token = token;
		trial.bursts = 40;
		assert_true(live(&trial) >= 1 << 20);
		trial_end(&trial);
	}
	sink_stop(&sink);
}

static void flood_refuses_a_sink_with_another_token(void **state)
{
	struct running_sink sink;
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units;

	(void)state;
	sink_start(&sink);
	trial_begin(&trial, "tcp_flood", 1, 1);
	trial.env.endpoint = sink.endpoint;
	trial.env.token = "fedcba9876543210fedcba9876543210";
	assert_true(trial_setup(&trial, &err));
	assert_false(trial_run(&trial, &units, &err));
	assert_int_equal(units, 0);
	assert_non_null(strstr(err.text, sink.endpoint));
	trial_teardown(&trial);
	trial_end(&trial);
	sink_stop(&sink);
}

static void flood_without_a_sink_is_refused(void **state)
{
	struct trial trial;

	(void)state;
	trial_begin(&trial, "tcp_flood", 1, 1);
	assert_refused(&trial, CT_ERR_USAGE, "sink");
	trial_end(&trial);
}

static void flood_ends_with_a_message_when_the_sink_dies(void **state)
{
	struct running_sink sink;
	struct ct_error err = {0};
	struct trial trial;
	void *thread_state;
	uint64_t units = 0;
	bool good = true;

	(void)state;
	sink_start(&sink);
	trial_begin(&trial, "tcp_flood", 1, 1);
	trial.env.endpoint = sink.endpoint;
	trial.env.token = token;
	assert_true(trial_setup(&trial, &err));
	if (!trial.ops->thread_setup(trial.state, 0, &thread_state, &err))
		fail_msg("%s", err.text);
	assert_true(trial.ops->burst(thread_state, &units, &err));
	sink_stop(&sink);
	for (int i = 0; good && i < 100; i++)
		good = trial.ops->burst(thread_state, &units, &err);
	assert_false(good);
	assert_non_null(strstr(err.text, "is gone"));
	trial.ops->thread_teardown(thread_state);
	trial_teardown(&trial);
	trial_end(&trial);
}

struct deaf_sink {
	int listener;
	int connection;
};

static void *accept_and_ignore(void *opaque)
{
	struct deaf_sink *sink = opaque;

	sink->connection = accept(sink->listener, NULL, NULL);
	ct_consent_give(sink->connection, token, NULL);
	return NULL;
}

static void flood_does_not_hang_on_a_sink_that_stops_reading(void **state)
{
	char endpoint[CT_ENDPOINT_MAX];
	struct ct_error err = {0};
	struct deaf_sink sink;
	struct trial trial;
	void *thread_state;
	pthread_t thread;

	(void)state;
	assert_true(ct_tcp_listen("127.0.0.1", &sink.listener, endpoint, &err));
	assert_int_equal(pthread_create(&thread, NULL, accept_and_ignore, &sink), 0);
	trial_begin(&trial, "tcp_flood", 1, 1);
	trial.env.endpoint = endpoint;
	trial.env.token = token;
	assert_true(trial_setup(&trial, &err));
	assert_true(trial.ops->thread_setup(trial.state, 0, &thread_state, &err));
	pthread_join(thread, NULL);
	for (uint64_t units = 1, bursts = 0; units > 0 && bursts < 1000; bursts++) {
		uint64_t begin = ct_monotonic_ns();

		units = 0;
		assert_true(trial.ops->burst(thread_state, &units, &err));
		assert_true(ct_monotonic_ns() - begin < UINT64_C(1000000000));
	}
	trial.ops->thread_teardown(thread_state);
	trial_teardown(&trial);
	trial_end(&trial);
	close(sink.connection);
	close(sink.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_moves_bytes_and_leaves_no_file),
		cmocka_unit_test(disk_refuses_memory_and_too_much),
		cmocka_unit_test(flood_reaches_a_consenting_sink),
		cmocka_unit_test(flood_refuses_a_sink_with_another_token),
		cmocka_unit_test(flood_without_a_sink_is_refused),
		cmocka_unit_test(flood_ends_with_a_message_when_the_sink_dies),
		cmocka_unit_test(flood_does_not_hang_on_a_sink_that_stops_reading),
	};

	return cmocka_run_group_tests_name("aggressors_io", tests, NULL, NULL);
}
