/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controller and worker, for real: this program is both. Started with "worker" it serves; else it
 * runs the tests, whose links start it again.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/campaign/adhoc.h"
#include "harness/campaign/crew.h"
#include "harness/campaign/ground.h"
#include "harness/campaign/phase.h"
#include "harness/tenant/link.h"
#include "harness/tenant/protocol.h"
#include "harness/tenant/worker.h"

static struct ct_links links;

static int open_links(void **state)
{
	struct ct_error err = {0};

	(void)state;
	return ct_links_init(&links, &err) ? 0 : -1;
}

static int close_links(void **state)
{
	(void)state;
	ct_links_free(&links);
	return 0;
}

static bool process_exists(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static void a_worker_says_hello_and_goes_when_asked(void **state)
{
	(void)state;
	struct ct_link link = {.name = "test"};
	struct ct_error err = {0};
	pid_t pid;

	assert_true(ct_link_open(&links, &link, "", "", &err));
	assert_int_equal(json_integer_value(json_object_get(link.hello, "pid")), link.pid);
	assert_int_equal(link.clock_offset_ns, 0);
	pid = link.pid;
	ct_link_close(&links, &link);
	assert_false(process_exists(pid));
}

static void via_words_run_in_front_of_the_worker(void **state)
{
	(void)state;
	struct ct_link link = {.name = "test"};
	struct ct_error err = {0};

	assert_true(ct_link_open(&links, &link, "env COTENANT_TEST=1", "", &err));
	ct_link_close(&links, &link);
}

static void a_launcher_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct ct_link link = {.name = "tenant 'blue'"};
	struct ct_error err = {0};

	assert_false(ct_via_check("no-such-launcher vm2", &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "no-such-launcher"));
	assert_false(ct_link_open(&links, &link, "no-such-launcher vm2", "", &err));
	assert_non_null(strstr(err.text, "tenant 'blue'"));
	assert_non_null(strstr(err.text, "no-such-launcher"));
	assert_int_equal(links.n, 0);
}

static void a_launcher_that_fails_is_quoted(void **state)
{
	(void)state;
	struct ct_link link = {.name = "tenant 'blue'"};
	struct ct_error err = {0};

	/* ls complains on standard error and exits with 2. */
	assert_false(ct_link_open(&links, &link, "ls /no/such/boundary", "", &err));
	assert_non_null(strstr(err.text, "/no/such/boundary"));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	/* echo prints what is not a frame. */
	link = (struct ct_link){.name = "tenant 'blue'"};
	assert_false(ct_link_open(&links, &link, "echo what is this, a shell?", "", &err));
	assert_non_null(strstr(err.text, "not frames"));
}

static void a_killed_worker_is_reported_with_its_signal(void **state)
{
	(void)state;
	struct ct_link link = {.name = "victim 'v'"};
	struct ct_error err = {0};

	assert_true(ct_link_open(&links, &link, "", "", &err));
	kill(link.pid, SIGKILL);
	assert_false(ct_link_await(&links, &link, CT_MSG_DONE, UINT64_C(30000000000), NULL, &err));
	assert_non_null(strstr(err.text, "victim 'v'"));
	assert_non_null(strstr(err.text, "signal 9"));
	assert_int_equal(links.n, 0);
}

static void a_silent_worker_runs_into_the_timeout(void **state)
{
	(void)state;
	struct ct_link link = {.name = "victim 'v'"};
	struct ct_error err = {0};

	assert_true(ct_link_open(&links, &link, "", "", &err));
	assert_false(ct_link_await(&links, &link, CT_MSG_DONE, 100000000, NULL, &err));
	assert_non_null(strstr(err.text, "hangs"));
	ct_link_close(&links, &link);
}

/* The controller was stopped, suspended, or held up by who reads its output. */
static void an_answer_that_waits_is_heard_however_late_we_are(void **state)
{
	(void)state;
	struct ct_link link = {.name = "victim 'v'"};
	struct ct_error err = {0};

	assert_true(ct_link_open(&links, &link, "", "", &err));
	assert_true(ct_link_send(&link, CT_MSG_CLOCK, NULL, &err));
	usleep(300000);
	if (!ct_link_await(&links, &link, CT_MSG_CLOCK_IS, 0, NULL, &err))
		fail_msg("%s", err.text);
	assert_false(ct_link_await(&links, &link, CT_MSG_CLOCK_IS, 0, NULL, &err));
	assert_non_null(strstr(err.text, "hangs"));
	ct_link_close(&links, &link);
}

/* Frames that it takes until a worker's clock is known, if the way to it was this short before. */
static unsigned questions(const char *via, uint64_t shortest_ns)
{
	struct ct_link link = {.name = "guest"};
	struct ct_error err = {0};
	unsigned asked;

	if (links.n_reaches > 0)
		links.reaches[0].shortest_ns = shortest_ns;
	if (!ct_link_open(&links, &link, via, "", &err))
		fail_msg("%s", err.text);
	asked = link.sent;
	/* It is really this host's clock, only its kernel's name is another. */
	assert_true(link.clock_error_ns > 0);
	assert_true(llabs(link.clock_offset_ns) <= link.clock_error_ns);
	ct_link_close(&links, &link);
	return asked;
}

static void a_clock_is_asked_until_the_way_to_it_was_short_once(void **state)
{
	(void)state;
	static const char mask[] = "echo another-kernel >$0.id\n"
				   "mount --bind $0.id /proc/sys/kernel/random/boot_id\n"
				   "exec \"$@\"\n";
	char script[] = "/tmp/cotenant-kernel-XXXXXX", id[64], via[80];
	int fd;

	if (geteuid() != 0)
		skip(); /* who may mount */
	fd = mkstemp(script);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, mask, strlen(mask)), strlen(mask));
	close(fd);
	snprintf(id, sizeof id, "%s.id", script);
	snprintf(via, sizeof via, "unshare -m sh %s", script);
	assert_int_equal(questions(via, 0), 32); /* nothing is known of it */
	assert_int_equal(links.n_reaches, 1);
	assert_true(links.reaches[0].shortest_ns < UINT64_MAX);
	assert_int_equal(questions(via, UINT64_C(1000000000)), 4);
	assert_int_equal(questions(via, 1), 32);
	assert_int_equal(links.n_reaches, 1);
	unlink(script);
	unlink(id);
}

static void a_bad_setup_is_refused_by_the_worker_in_words(void **state)
{
	(void)state;
	struct ct_link link = {.name = "victim 'v'"};
	struct ct_error err = {0};

	assert_true(ct_link_open(&links, &link, "", "", &err));
	assert_false(ct_link_ask(&links, &link, CT_MSG_SETUP,
				 json_pack("{s:s, s:s}", "role", "victim", "kind", "nonsense"),
				 CT_MSG_READY, UINT64_C(30000000000), NULL, &err));
	assert_non_null(strstr(err.text, "nonsense"));
	ct_link_close(&links, &link);
}

static void a_tenant_may_be_placed_after_hundreds_of_others(void **state)
{
	(void)state;
	enum { OTHERS = 300 };
	struct ct_link link = {.name = "tenant 'last'"};
	json_t *others = json_object(), *ready = NULL;
	struct ct_error err = {0};
	char name[16];

	for (int i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof name, "t%d", i);
		json_object_set_new(others, name, json_string("0"));
	}
	assert_true(ct_link_open(&links, &link, "", "", &err));
	assert_true(ct_link_ask(
		&links, &link, CT_MSG_SETUP,
		json_pack("{s:s, s:s, s:o}", "role", "place", "cpus", "pu:0", "others", others),
		CT_MSG_READY, UINT64_C(30000000000), &ready, &err));
	assert_string_equal(json_string_value(json_object_get(ready, "cpus")), "0");
	json_decref(ready);
	ct_link_close(&links, &link);
}

/* A controller that dies without a word must take its workers along. */
static void workers_die_with_their_controller(void **state)
{
	(void)state;
	int pipe_fds[2];
	pid_t worker = 0, controller;

	assert_int_equal(pipe(pipe_fds), 0);
	controller = fork();
	if (controller == 0) {
		struct ct_link link = {.name = "orphan"};
		struct ct_error err = {0};
		struct ct_links own;

		if (!ct_links_init(&own, &err) || !ct_link_open(&own, &link, "", "", &err))
			_exit(1);
		if (write(pipe_fds[1], &link.pid, sizeof link.pid) != (ssize_t)sizeof link.pid)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipe_fds[0], &worker, sizeof worker), sizeof worker);
	assert_true(process_exists(worker));
	kill(controller, SIGKILL);
	waitpid(controller, NULL, 0);
	for (int i = 0; i < 200 && process_exists(worker); i++)
		sleep_ms(10);
	assert_false(process_exists(worker));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* A crew of null workloads, placed where this machine has room. */
static void open_null_crew(struct ct_adhoc *adhoc, struct ct_ground *ground, struct ct_crew *crew)
{
	static const char *const words[] = {"shared=yes", "delay=20us", "with.cpus=core:0",
					    "with.shared=yes"};
	struct ct_crew_setup setup = {0};
	struct ct_error err = {0};

	assert_true(ct_adhoc_make(adhoc, "null", "null", words, 4, &err));
	assert_true(ct_ground_place(ground, &links, &adhoc->job, &err));
	setup.avoid_cpus = ground->configs[0].victim_cpus;
	setup.token = ground->token;
	setup.victim =
		ct_actor_of_victim(&adhoc->victim, adhoc->tenants, ground->configs[0].placements);
	setup.aggressors[setup.n_aggressors++] = ct_actor_of_aggressor(
		&adhoc->aggressor, adhoc->tenants, ground->configs[0].placements);
	if (!ct_crew_open(crew, &links, &setup, &err))
		fail_msg("%s", err.text);
}

static void close_null_crew(struct ct_adhoc *adhoc, struct ct_ground *ground, struct ct_crew *crew)
{
	ct_crew_close(crew);
	ct_ground_free(ground);
	ct_adhoc_free(adhoc);
}

static void a_phase_yields_epochs_that_add_up(void **state)
{
	(void)state;
	const struct ct_phase_plan plan = {.role = CT_ROLE_BASELINE,
					   .warmup_ns = 50000000,
					   .measure_ns = 300000000,
					   .epoch_ns = 50000000};
	struct ct_block_record block = {.n_phases = 1};
	struct ct_phase_record *phase = &block.phases[0];
	struct ct_error err = {0};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc;
	struct ct_crew crew;
	uint64_t samples = 0, in_buckets = 0;

	open_null_crew(&adhoc, &ground, &crew);
	if (!ct_phase_run(&crew, &plan, phase, &err))
		fail_msg("%s", err.text);
	assert_true(phase->n_epochs >= 1);
	for (size_t i = 0; i < phase->n_epochs; i++) {
		const struct ct_epoch_row *epoch = &phase->epochs[i];

		assert_int_equal(epoch->counted, 1);
		assert_true(epoch->end_ns > epoch->start_ns);
		if (i > 0)
			assert_true(epoch->start_ns + 1000 >= phase->epochs[i - 1].end_ns);
		samples += epoch->count;
	}
	for (size_t i = 0; i < phase->n_buckets; i++)
		in_buckets += phase->buckets[i].count;
	assert_int_equal(samples, phase->count);
	assert_int_equal(in_buckets, phase->count);
	/* The planted delay of 20 us is in every sample. */
	assert_true(phase->min_ns >= 19900);
	assert_true(phase->n_slowest > 0);
	assert_true(phase->slowest[0].latency_ns == phase->max_ns);
	/* A warm-up that was preempted at its end takes some milliseconds from the phase. */
	assert_true((double)(phase->end_ns - phase->start_ns) >= 0.5 * 300e6);
	ct_block_record_free(&block);
	close_null_crew(&adhoc, &ground, &crew);
}

static void an_aggressor_outlives_the_phase_it_loads(void **state)
{
	(void)state;
	struct ct_phase_plan plan = {.role = CT_ROLE_TREATMENT,
				     .warmup_ns = 50000000,
				     .measure_ns = 300000000,
				     .epoch_ns = 50000000,
				     .loads = {{.intensity = 50, .solo_rate = 900, .blocks = true}},
				     .n_loads = 1};
	struct ct_block_record block = {.n_phases = 1};
	struct ct_phase_record *phase = &block.phases[0];
	struct ct_error err = {0};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc;
	struct ct_crew crew;

	open_null_crew(&adhoc, &ground, &crew);
	if (!ct_phase_run(&crew, &plan, phase, &err))
		fail_msg("%s", err.text);
	assert_true(phase->n_noise >= 2);
	assert_true(phase->noise[0].start_ns <= phase->start_ns);
	assert_true(phase->noise[phase->n_noise - 1].end_ns >= phase->end_ns);
	assert_true(phase->asked_rate > 0.99 * 450 && phase->asked_rate < 1.01 * 450);
	ct_block_record_free(&block);
	close_null_crew(&adhoc, &ground, &crew);
}

static void a_load_beyond_reach_is_not_called_a_treatment(void **state)
{
	(void)state;
	/* The null aggressor does 1000 operations a second at most; a million is asked. */
	struct ct_phase_plan plan = {
		.role = CT_ROLE_TREATMENT,
		.measure_ns = 200000000,
		.epoch_ns = 50000000,
		.loads = {{.intensity = 100, .solo_rate = 1e6, .blocks = true}},
		.n_loads = 1};
	struct ct_block_record block = {.n_phases = 1};
	struct ct_phase_record *phase = &block.phases[0];
	struct ct_error err = {0};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc;
	struct ct_crew crew;

	open_null_crew(&adhoc, &ground, &crew);
	if (!ct_phase_run(&crew, &plan, phase, &err))
		fail_msg("%s", err.text);
	assert_int_equal(phase->load, CT_LOAD_ABSENT);
	assert_int_equal(phase->count, 0);
	assert_int_equal(phase->n_buckets, 0);
	ct_block_record_free(&block);
	close_null_crew(&adhoc, &ground, &crew);
}

static void a_victim_killed_in_mid_phase_fails_the_phase(void **state)
{
	(void)state;
	const struct ct_phase_plan plan = {.role = CT_ROLE_BASELINE,
					   .measure_ns = UINT64_C(20000000000),
					   .epoch_ns = 50000000};
	struct ct_block_record block = {.n_phases = 1};
	struct ct_error err = {0};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc;
	struct ct_crew crew;
	pid_t killer;

	open_null_crew(&adhoc, &ground, &crew);
	killer = fork();
	if (killer == 0) {
		sleep_ms(300);
		if (crew.victim.pid > 0)
			kill(crew.victim.pid, SIGKILL);
		_exit(0);
	}
	assert_false(ct_phase_run(&crew, &plan, &block.phases[0], &err));
	assert_non_null(strstr(err.text, "signal 9"));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	waitpid(killer, NULL, 0);
	ct_block_record_free(&block);
	close_null_crew(&adhoc, &ground, &crew);
}

static void places_that_overlap_are_refused_by_name(void **state)
{
	(void)state;
	static const char *const words[] = {"cpus=core:0", "with.cpus=core:0"};
	struct ct_error err = {0};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc;

	assert_true(ct_adhoc_make(&adhoc, "null", "null", words, 2, &err));
	assert_false(ct_ground_place(&ground, &links, &adhoc.job, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "'victim'"));
	assert_non_null(strstr(err.text, "'neighbour'"));
	ct_ground_free(&ground);
	ct_adhoc_free(&adhoc);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_says_hello_and_goes_when_asked),
		cmocka_unit_test(via_words_run_in_front_of_the_worker),
		cmocka_unit_test(a_launcher_that_is_not_there_is_named),
		cmocka_unit_test(a_launcher_that_fails_is_quoted),
		cmocka_unit_test(a_killed_worker_is_reported_with_its_signal),
		cmocka_unit_test(an_answer_that_waits_is_heard_however_late_we_are),
		cmocka_unit_test(a_silent_worker_runs_into_the_timeout),
		cmocka_unit_test(a_clock_is_asked_until_the_way_to_it_was_short_once),
		cmocka_unit_test(a_bad_setup_is_refused_by_the_worker_in_words),
		cmocka_unit_test(a_tenant_may_be_placed_after_hundreds_of_others),
		cmocka_unit_test(workers_die_with_their_controller),
		cmocka_unit_test(a_phase_yields_epochs_that_add_up),
		cmocka_unit_test(an_aggressor_outlives_the_phase_it_loads),
		cmocka_unit_test(a_load_beyond_reach_is_not_called_a_treatment),
		cmocka_unit_test(a_victim_killed_in_mid_phase_fails_the_phase),
		cmocka_unit_test(places_that_overlap_are_refused_by_name),
	};
	struct ct_error err = {0};

	if (argc == 2 && strcmp(argv[1], "worker") == 0)
		return ct_worker_serve(STDIN_FILENO, STDOUT_FILENO, &err) ? 0 : 4;
	signal(SIGPIPE, SIG_IGN); /* as main() does */
	return cmocka_run_group_tests(tests, open_links, close_links);
}
