/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads with several other ends: what the ranks get to know of each other over the workers'
 * control channels, and what happens when one of them does not come. The workloads are this test's
 * own (it brings its own registries), all between them is real: this program is controller and
 * worker.
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
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/bench.h"
#include "harness/campaign/adhoc.h"
#include "harness/campaign/crew.h"
#include "harness/campaign/ground.h"
#include "harness/campaign/phase.h"
#include "harness/tenant/link.h"
#include "harness/tenant/protocol.h"
#include "harness/tenant/worker.h"
#include "noise/noise.h"

static struct ct_links links;

struct options {
	uint64_t refuses, dies; /* the rank that does so in its connect step; 0: none */
};

static const struct ct_param params[] = {
	{.name = "refuses",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct options, refuses),
	 .fallback = "0",
	 .help = "rank"},
	{.name = "dies",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct options, dies),
	 .fallback = "0",
	 .help = "rank"},
	{0},
};

/* A rank: it shows that it has come by listening on a name that the others can connect to. */
struct rank {
	struct options options;
	char token[CT_TOKEN_LENGTH + 1];
	const atomic_bool *stop;
	unsigned rank, n_ranks;
	int listener;
	unsigned long long calls;
};

static void sleep_ms(long ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static socklen_t name_of_rank(const struct rank *self, unsigned rank, struct sockaddr_un *name)
{
	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(name->sun_path + 1, sizeof name->sun_path - 1, "cotenant-%s-%u", self->token,
		 rank);
	return sizeof *name;
}

static bool has_come(const struct rank *self, unsigned rank)
{
	struct sockaddr_un name;
	socklen_t length = name_of_rank(self, rank, &name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool there = connect(fd, (struct sockaddr *)&name, length) == 0;

	close(fd);
	return there;
}

/* Only possible when all ranks are asked to connect at the same time. */
static bool meet_all(struct rank *self, struct ct_error *err)
{
	struct sockaddr_un name;
	socklen_t length = name_of_rank(self, self->rank, &name);

	self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(self->listener, (struct sockaddr *)&name, length) != 0 ||
	    listen(self->listener, 128) != 0)
		return ct_broken_errno(err, "rank %u: listening", self->rank);
	for (unsigned rank = 0; rank < self->n_ranks; rank++) {
		for (int tries = 0; !has_come(self, rank); tries++) {
			if (tries == 1000 || atomic_load(self->stop))
				return ct_broken(err, "rank %u waited in vain for rank %u",
						 self->rank, rank);
			sleep_ms(10);
		}
	}
	return true;
}

static struct rank *make_rank(const void *options, const char *token, const atomic_bool *stop,
			      unsigned rank, unsigned n_ranks)
{
	struct rank *self = calloc(1, sizeof *self);

	if (!self)
		abort();
	self->options = *(const struct options *)options;
	snprintf(self->token, sizeof self->token, "%s", token);
	self->stop = stop;
	self->rank = rank;
	self->n_ranks = n_ranks;
	self->listener = -1;
	return self;
}

static void teardown(void *state)
{
	struct rank *self = state;

	if (self->listener >= 0)
		close(self->listener);
	free(self);
}

/* A long text, to show that there is room for one. */
static void fill(char *text, char letter, unsigned rank, size_t size)
{
	memset(text, letter, size - 1);
	text[size - 1] = '\0';
	text[snprintf(text, size, "%c%u", letter, rank)] = letter;
}

static bool is_filled(const char *text, char letter, unsigned rank)
{
	char expected[CT_ENDPOINT_MAX];

	fill(expected, letter, rank, sizeof expected);
	return strcmp(text, expected) == 0;
}

static bool peer_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	(void)err;
	*state = make_rank(options, env->token, env->stop, env->rank, env->n_ranks);
	fill(endpoint, 'e', env->rank, CT_ENDPOINT_MAX);
	return true;
}

static bool peer_connect(void *state, const struct ct_peer_links *all, struct ct_error *err)
{
	struct rank *self = state;

	if (self->options.refuses == self->rank)
		return ct_broken(err, "rank %u does not want to", self->rank);
	if (self->options.dies == self->rank)
		raise(SIGKILL);
	if (all->rank != self->rank || all->n_ranks != self->n_ranks)
		return ct_broken(err, "rank %u is called %u", self->rank, all->rank);
	if (!is_filled(all->texts[0], 'a', 0))
		return ct_broken(err, "rank %u did not get the answer", self->rank);
	for (unsigned rank = 1; rank < all->n_ranks; rank++) {
		if (!is_filled(all->texts[rank], 'e', rank))
			return ct_broken(err, "rank %u did not get rank %u's endpoint", self->rank,
					 rank);
	}
	return meet_all(self, err);
}

static bool peer_serve(void *state, struct ct_error *err)
{
	const struct rank *self = state;

	if (self->listener < 0)
		return ct_broken(err, "rank %u serves before it is connected", self->rank);
	while (!atomic_load(self->stop))
		sleep_ms(5);
	return true;
}

static bool check_endpoints(const char *first, const char *const *texts, unsigned n,
			    struct ct_error *err)
{
	if (first != texts[1] || texts[0][0] != '\0')
		return ct_broken(err, "the first endpoint is not that of rank 1");
	for (unsigned rank = 1; rank < n; rank++) {
		if (!is_filled(texts[rank], 'e', rank))
			return ct_broken(err, "rank 0 did not get rank %u's endpoint", rank);
	}
	return true;
}

static bool victim_setup(struct ct_victim_env *env, const void *options, void **state,
			 struct ct_error *err)
{
	if (!check_endpoints(env->endpoint, env->endpoints, env->n_ranks, err))
		return false;
	*state = make_rank(options, env->token, env->stop, 0, env->n_ranks);
	fill(env->answer, 'a', 0, CT_ANSWER_MAX);
	return true;
}

static bool aggressor_setup(const struct ct_aggressor_env *env, const void *options, void **state,
			    struct ct_error *err)
{
	if (!check_endpoints(env->endpoint, env->endpoints, env->n_ranks, err))
		return false;
	*state = make_rank(options, env->token, env->stop, 0, env->n_ranks);
	fill(env->answer, 'a', 0, CT_ANSWER_MAX);
	return true;
}

static bool meet(void *state, struct ct_error *err)
{
	return meet_all(state, err);
}

static bool operate(void *state)
{
	struct rank *self = state;

	self->calls++;
	return self->listener >= 0;
}

static bool burst(void *state, uint64_t *units, struct ct_error *err)
{
	struct rank *self = state;

	sleep_ms(1);
	*units += 1;
	return self->listener >= 0 || ct_broken(err, "loads before it is connected");
}

static const struct ct_peer_ops several = {
	.setup = peer_setup,
	.connect = peer_connect,
	.serve = peer_serve,
	.teardown = teardown,
	.max_peers = 4,
};

static const struct ct_peer_ops one = {
	.setup = peer_setup,
	.connect = peer_connect,
	.serve = peer_serve,
	.teardown = teardown,
};

#define VICTIM(word, peers)                                                                     \
	{                                                                                       \
		.name = word, .summary = word, .unit = "ns", .sample = word, .params = params,  \
		.options_size = sizeof(struct options), .setup = victim_setup, .connect = meet, \
		.operate = operate, .teardown = teardown, .peer = peers                         \
	}

static const struct ct_victim_ops ranks = VICTIM("ranks", &several), pair = VICTIM("pair", &one),
				  alone = VICTIM("alone", NULL);
static const struct ct_aggressor_ops crowd = {
	.name = "crowd",
	.summary = "crowd",
	.unit = "op",
	.params = params,
	.options_size = sizeof(struct options),
	.setup = aggressor_setup,
	.connect = meet,
	.burst = burst,
	.teardown = teardown,
	.blocks = true,
	.max_threads = 1,
	.peer = &several,
};

/* These take the place of the registries in the library. */
const struct ct_victim_ops *const ct_victims[] = {&ranks, &pair, &alone, NULL};
const struct ct_aggressor_ops *const ct_aggressors[] = {&crowd, NULL};

const struct ct_victim_ops *ct_victim_find(const char *name)
{
	for (size_t i = 0; ct_victims[i]; i++) {
		if (strcmp(ct_victims[i]->name, name) == 0)
			return ct_victims[i];
	}
	return NULL;
}

const struct ct_aggressor_ops *ct_aggressor_find(const char *name)
{
	return strcmp(name, crowd.name) == 0 ? &crowd : NULL;
}

static bool open_crew(struct ct_crew *crew, const char *victim, const char *aggressor,
		      const char *const *words, size_t n_words, struct ct_error *err)
{
	struct ct_crew_setup setup = {.avoid_cpus = ""};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc;
	bool good;

	if (!ct_adhoc_make(&adhoc, victim, aggressor, words, n_words, err)) {
		ct_adhoc_free(&adhoc);
		return false;
	}
	good = ct_ground_place(&ground, &links, &adhoc.job, err);
	setup.token = ground.token;
	if (good && victim)
		setup.victim = ct_actor_of_victim(&adhoc.victim, adhoc.tenants,
						  ground.configs[0].placements);
	if (good && aggressor) {
		setup.n_aggressors = 1;
		setup.aggressors[0] = ct_actor_of_aggressor(&adhoc.aggressor, adhoc.tenants,
							    ground.configs[0].placements);
	}
	good = good && ct_crew_open(crew, &links, &setup, err);
	ct_ground_free(&ground);
	ct_adhoc_free(&adhoc);
	return good;
}

static void all_ranks_know_and_meet_each_other_before_anything_runs(void **state)
{
	(void)state;
	static const char *const words[] = {"peers=3", "shared=yes", "peer.shared=yes"};
	const struct ct_phase_plan plan = {
		.role = CT_ROLE_BASELINE, .measure_ns = 100000000, .epoch_ns = 50000000};
	struct ct_block_record block = {.n_phases = 1};
	struct ct_error err = {0};
	struct ct_crew crew;

	if (!open_crew(&crew, "ranks", NULL, words, 3, &err))
		fail_msg("%s", err.text);
	assert_int_equal(links.n, 4);
	assert_non_null(strstr(crew.peers[2].name, "victim_peer3"));
	if (!ct_phase_run(&crew, &plan, &block.phases[0], &err))
		fail_msg("%s", err.text);
	assert_true(block.phases[0].count > 0);
	ct_block_record_free(&block);
	ct_crew_close(&crew);
	assert_int_equal(links.n, 0);
}

/*
 * A launcher that lets the four pass that are asked where their tenants are, one after the other,
 * and holds everybody after that until all four of a crew are there.
 */
static const char *const turnstile = "echo >>$0.log\n"
				     "n=$(wc -l <$0.log)\n"
				     "[ $n -le 4 ] || until [ $(wc -l <$0.log) -ge 8 ]; do\n"
				     "sleep 0.01; done\n"
				     "exec \"$@\"\n";

static void nobody_is_awaited_before_all_are_on_their_way(void **state)
{
	(void)state;
	char script[] = "/tmp/cotenant-turnstile-XXXXXX", log[64], via[2][80];
	const char *const words[] = {"peers=3", "shared=yes", "peer.shared=yes", via[0], via[1]};
	struct ct_error err = {0};
	struct ct_crew crew;
	int fd = mkstemp(script);
	bool good;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, turnstile, strlen(turnstile)), strlen(turnstile));
	close(fd);
	snprintf(log, sizeof log, "%s.log", script);
	snprintf(via[0], sizeof via[0], "via=sh %s", script);
	snprintf(via[1], sizeof via[1], "peer.via=sh %s", script);
	good = open_crew(&crew, "ranks", NULL, words, 5, &err);
	if (good)
		ct_crew_close(&crew);
	unlink(script);
	unlink(log);
	if (!good)
		fail_msg("%s", err.text);
}

static void an_aggressor_has_ranks_too(void **state)
{
	(void)state;
	static const char *const words[] = {"peers=2"};
	struct ct_error err = {0};
	json_t *reply = NULL;
	struct ct_crew crew;

	if (!open_crew(&crew, NULL, "crowd", words, 1, &err))
		fail_msg("%s", err.text);
	if (!ct_link_ask(&links, &crew.aggressors[0], CT_MSG_CALIBRATE,
			 json_pack("{s:f}", "seconds", 0.1), CT_MSG_CALIBRATED,
			 UINT64_C(10000000000), &reply, &err))
		fail_msg("%s", err.text);
	assert_true(json_number_value(json_object_get(reply, "rate")) > 0);
	json_decref(reply);
	ct_crew_close(&crew);
}

static void expect_failure(const char *const *words, size_t n, const char *const *parts)
{
	struct ct_error err = {0};
	struct ct_crew crew;

	assert_false(open_crew(&crew, "ranks", NULL, words, n, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	for (; *parts; parts++) {
		if (!strstr(err.text, *parts))
			fail_msg("'%s' lacks '%s'", err.text, *parts);
	}
	assert_int_equal(links.n, 0);
}

static void a_rank_that_refuses_ends_the_setup_with_its_words(void **state)
{
	(void)state;
	static const char *const words[] = {"peers=3", "refuses=2"};
	static const char *const parts[] = {"peer 2 of victim 'ranks'", "rank 2 does not want to",
					    NULL};

	expect_failure(words, 2, parts);
}

static void a_rank_that_dies_is_named_and_nobody_waits_for_it(void **state)
{
	(void)state;
	static const char *const words[] = {"peers=3", "dies=3"};
	static const char *const parts[] = {"peer 3 of victim 'ranks'", "signal 9", NULL};

	expect_failure(words, 2, parts);
}

static void workers_under_one_kernel_have_one_clock(void **state)
{
	struct ct_link first = {.hello = json_pack("{s:s}", "boot_id", "a kernel")};
	struct ct_link same = {.hello = json_pack("{s:s}", "boot_id", "a kernel")};
	struct ct_link other = {.hello = json_pack("{s:s}", "boot_id", "another")};
	struct ct_link silent = {.hello = json_object()};

	(void)state;
	assert_true(ct_link_same_clock(&first, &same));
	assert_false(ct_link_same_clock(&first, &other));
	assert_false(ct_link_same_clock(&first, &silent));
	assert_false(ct_link_same_clock(&silent, &silent));
	json_decref(first.hello);
	json_decref(same.hello);
	json_decref(other.hello);
	json_decref(silent.hello);
}

static void keys_place_all_peers_or_one(void **state)
{
	(void)state;
	static const char *const words[] = {"peer.address=127.0.0.2", "peers=3",
					    "peer2.address=127.0.0.7"};
	struct ct_error err = {0};
	struct ct_adhoc adhoc;

	if (!ct_adhoc_make(&adhoc, "ranks", NULL, words, 3, &err))
		fail_msg("%s", err.text);
	assert_int_equal(adhoc.victim.peers.n, 3);
	assert_string_equal(adhoc.tenants[adhoc.victim.peers.tenants[0]].address, "127.0.0.2");
	assert_string_equal(adhoc.tenants[adhoc.victim.peers.tenants[1]].address, "127.0.0.7");
	assert_string_equal(adhoc.tenants[adhoc.victim.peers.tenants[2]].address, "127.0.0.2");
	ct_adhoc_free(&adhoc);
}

static void expect_bad_word(const char *victim, const char *word, const char *part)
{
	struct ct_error err = {0};
	struct ct_adhoc adhoc;

	assert_false(ct_adhoc_make(&adhoc, victim, NULL, &word, 1, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, part))
		fail_msg("'%s' lacks '%s'", err.text, part);
	ct_adhoc_free(&adhoc);
}

static void words_about_peers_that_can_not_be_are_refused(void **state)
{
	(void)state;
	expect_bad_word("ranks", "peers=5", "1 to 4");
	expect_bad_word("ranks", "peers=0", "1 to 4");
	expect_bad_word("ranks", "peers=two", "1 to 4");
	expect_bad_word("pair", "peers=2", "1 to 1");
	expect_bad_word("alone", "peers=1", "no other end");
	expect_bad_word("alone", "peer.cpus=core:0", "no other end");
	expect_bad_word("ranks", "peer2.cpus=core:0", "1 other ends");
	expect_bad_word("ranks", "peer.colour=red", "no parameter 'peer.colour'");
}

#define TENANTS "[tenant a]\n[tenant b]\n[tenant c]\n[aggressor crowd]\ntenant = a\n"

static void peers_are_listed_in_a_job(void **state)
{
	(void)state;
	struct ct_error err = {0};
	struct ct_job job;

	if (!ct_job_parse(&job, "job.ini",
			  TENANTS "peer = b\n[victim ranks]\ntenant = a\npeers = c, b,c\n", NULL, 0,
			  &err))
		fail_msg("%s", err.text);
	assert_int_equal(job.aggressors[0].peers.n, 1);
	assert_int_equal(job.aggressors[0].peers.tenants[0], 1);
	assert_int_equal(job.victims[0].peers.n, 3);
	assert_int_equal(job.victims[0].peers.tenants[0], 2);
	assert_int_equal(job.victims[0].peers.tenants[1], 1);
	assert_int_equal(job.victims[0].peers.tenants[2], 2);
	ct_job_free(&job);
}

static void expect_bad_job(const char *text, const char *part)
{
	struct ct_error err = {0};
	struct ct_job job;

	if (ct_job_parse(&job, "job.ini", text, NULL, 0, &err))
		fail_msg("accepted: %s", text);
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, part) || !strstr(err.text, "job.ini:8: "))
		fail_msg("'%s' lacks '%s' or its line", err.text, part);
}

static void lists_that_can_not_be_are_refused(void **state)
{
	(void)state;
	expect_bad_job(TENANTS "[victim ranks]\ntenant = a\npeers = b,d\n", "'d'");
	expect_bad_job(TENANTS "[victim ranks]\ntenant = a\npeers = ,\n", "empty");
	expect_bad_job(TENANTS "[victim ranks]\ntenant = a\npeers = a,b,c,b,c\n", "more than 4");
	expect_bad_job(TENANTS "[victim ranks]\npeer = b\npeers = b\ntenant = a\n", "same key");
	expect_bad_job(TENANTS "[victim pair]\ntenant = a\npeers = b,c\n", "more than 1");
	expect_bad_job(TENANTS "[victim alone]\ntenant = a\npeers = b\n", "no other end");
}

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ranks_know_and_meet_each_other_before_anything_runs),
		cmocka_unit_test(nobody_is_awaited_before_all_are_on_their_way),
		cmocka_unit_test(an_aggressor_has_ranks_too),
		cmocka_unit_test(a_rank_that_refuses_ends_the_setup_with_its_words),
		cmocka_unit_test(a_rank_that_dies_is_named_and_nobody_waits_for_it),
		cmocka_unit_test(workers_under_one_kernel_have_one_clock),
		cmocka_unit_test(keys_place_all_peers_or_one),
		cmocka_unit_test(words_about_peers_that_can_not_be_are_refused),
		cmocka_unit_test(peers_are_listed_in_a_job),
		cmocka_unit_test(lists_that_can_not_be_are_refused),
	};
	struct ct_error err = {0};

	if (argc == 2 && strcmp(argv[1], "worker") == 0)
		return ct_worker_serve(STDIN_FILENO, STDOUT_FILENO, &err) ? 0 : 4;
	signal(SIGPIPE, SIG_IGN); /* as main() does */
	return cmocka_run_group_tests(tests, open_links, close_links);
}
