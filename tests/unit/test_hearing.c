/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Listening, on epochs whose truth is known: who came, when, whom it is like, and when it left. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/rng.h"
#include "harness/listen/hearing.h"
#include "harness/stats/distributions.h"
#include "tests/unit/sample_store.h"

static const uint64_t epoch_ns = 250000000;

static const char job_text[] = "[suite]\nname = t\nreplicates = 2\n"
			       "[tenant listener]\ncpus = core:0\n"
			       "[victim near]\nkind = spin\ntenant = listener\n"
			       "[victim far]\nkind = mem_latency\ntenant = listener\n"
			       "[aggressor nobody]\nkind = null\ntenant = listener\n";

enum {
	VICTIMS = 2,
	HOST_FROM = VICTIMS * CT_LISTEN_CHANNELS,
	FORKS = 1,
	CHANNELS = HOST_FROM + CT_HOST_CHANNELS
};

/* What is known: a streamer slows the far victim by a half, a forker forks and is not felt. */
static double streams[CHANNELS], forks[CHANNELS], spread[CHANNELS], counts[CHANNELS];
static char streamer[] = "streamer", forker[] = "forker", membw[] = "membw", fork_kind[] = "fork";
static struct ct_signature known[] = {{streamer, membw, 100, streams, spread, counts},
				      {forker, fork_kind, 100, forks, spread, counts}};
static const struct ct_signatures signatures = {known, 2, CHANNELS, VICTIMS};

struct heard {
	struct ct_job job;
	struct ct_hearing hearing;
	struct ct_rng rng;
	struct ct_disturbance events[64];
	size_t n;
};

static void keep(void *context, const struct ct_disturbance *disturbance)
{
	struct heard *heard = context;

	assert_true(heard->n < 64);
	heard->events[heard->n++] = *disturbance;
}

static int set_up(void **state)
{
	struct heard *heard = calloc(1, sizeof *heard);
	struct ct_error err = {0};

	streams[1 * CT_LISTEN_CHANNELS + CT_LISTEN_P50] = log(1.5);
	streams[1 * CT_LISTEN_CHANNELS + CT_LISTEN_P99] = log(1.5);
	forks[HOST_FROM + FORKS] = log(50);
	if (!ct_job_parse(&heard->job, "test", job_text, NULL, 0, &err) ||
	    !ct_hearing_open(&heard->hearing, &heard->job, &signatures, keep, heard, &err))
		fail_msg("%s", err.text);
	ct_rng_stream(&heard->rng, 1, 1);
	*state = heard;
	return 0;
}

static int tear_down(void **state)
{
	struct heard *heard = *state;

	ct_hearing_close(&heard->hearing);
	ct_job_free(&heard->job);
	free(heard);
	return 0;
}

static double noise(struct heard *heard, double scale)
{
	return exp(scale * ct_normal_quantile(ct_rng_uniform(&heard->rng)));
}

/* `n` epochs; one in twenty has a p99 far off, as epochs of few samples have. */
static void listen_for(struct heard *heard, unsigned n, double far, double forks_per_s)
{
	for (unsigned i = 0; i < n; i++) {
		const uint64_t begin = heard->hearing.fed * epoch_ns;
		struct ct_epoch_row rows[VICTIMS];
		double host[CT_HOST_CHANNELS];

		for (size_t v = 0; v < VICTIMS; v++) {
			const double level = 100 * (v == 1 ? far : 1) * noise(heard, 0.07);
			const bool off = ct_rng_uniform(&heard->rng) < 0.05;

			rows[v] = (struct ct_epoch_row){.start_ns = begin,
							.end_ns = begin + epoch_ns,
							.count = 7,
							.mean_ns = level,
							.p50_ns = level,
							.p99_ns = level * (off ? 8 : 1.1)};
		}
		for (size_t h = 0; h < CT_HOST_CHANNELS; h++)
			host[h] = h == FORKS ? ct_host_value(h, forks_per_s * noise(heard, 0.1) / 4,
							     0.25)
					     : NAN;
		ct_hearing_feed(&heard->hearing, rows, host);
	}
}

static void assert_told(const struct ct_disturbance *told, enum ct_heard what, unsigned at,
			const char *like)
{
	const double off = (double)told->onset_ns / (double)epoch_ns - at;

	assert_int_equal(told->what, what);
	if (fabs(off) > 2)
		fail_msg("%s is dated %.0f epochs off", like, off);
	assert_non_null(told->likeness.nearest);
	assert_string_equal(told->likeness.nearest->aggressor, like);
}

static void neighbours_are_dated_and_told_apart(void **state)
{
	struct heard *heard = *state;

	listen_for(heard, 300, 1, 1);
	assert_int_equal(heard->n, 0);
	listen_for(heard, 48, 1.5, 1);
	listen_for(heard, 40, 1, 1);
	listen_for(heard, 48, 1, 400);
	listen_for(heard, 40, 1, 1);
	assert_int_equal(heard->n, 4);
	assert_told(&heard->events[0], CT_HEARD_BEGIN, 300, "streamer");
	assert_told(&heard->events[1], CT_HEARD_OVER, 300, "streamer");
	assert_true(fabs((double)heard->events[1].end_ns / (double)epoch_ns - 348) <= 2);
	assert_true(heard->events[1].clear[1][CT_LISTEN_P50]);
	assert_false(heard->events[1].clear[0][CT_LISTEN_P50]);
	assert_false(heard->events[1].host_clear[FORKS]);
	assert_true(fabs(heard->events[1].factor[1][CT_LISTEN_P50] - 1.5) < 0.1);
	assert_told(&heard->events[2], CT_HEARD_BEGIN, 388, "forker");
	assert_told(&heard->events[3], CT_HEARD_OVER, 388, "forker");
	assert_true(heard->events[3].host_clear[FORKS]);
	assert_true(heard->events[3].presses & CT_RES_SCHEDULER);
}

static void an_hour_of_the_usual_is_nobody(void **state)
{
	struct heard *heard = *state;

	listen_for(heard, 4 * 3600, 1, 1);
	assert_true(heard->n <= 2);
	assert_true(fabs(ct_hearing_total_score(&heard->hearing)) < 2);
}

/* The sample campaign's loud aggressor slows its victim 1.5 and 3 times; its idle one is nobody. */
static void a_stored_campaign_gives_the_signatures(void **state)
{
	static const char *const names[] = {"other", "dram"}, *const kinds[] = {"spin",
										"mem_latency"};
	struct ct_signatures loaded;
	struct ct_results *results;
	struct ct_error err = {0};
	struct place *place;

	(void)state;
	store_set_up((void **)&place);
	assert_true(sample_write(place->path, 3, 500, 0, true, &err));
	assert_true(ct_results_open(&results, place->path, &err));
	if (!ct_signatures_load(&loaded, results, names, kinds, 2, &err))
		fail_msg("%s", err.text);
	assert_int_equal(loaded.matched, 1);
	assert_int_equal(loaded.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const double factor =
			loaded.items[i].intensity > 75 ? sample_slowdown[1] : sample_slowdown[0];

		assert_string_equal(loaded.items[i].aggressor, "stream");
		assert_true(isnan(loaded.items[i].shift[CT_LISTEN_P50]));
		assert_true(fabs(loaded.items[i].shift[CT_LISTEN_CHANNELS + CT_LISTEN_P50] -
				 log(factor)) < 1e-3);
		assert_true(isnan(loaded.items[i].shift[2 * CT_LISTEN_CHANNELS + FORKS]));
	}
	ct_signatures_free(&loaded);
	assert_false(ct_signatures_load(&loaded, results, names, kinds, 1, &err));
	assert_non_null(strstr(err.text, "suites/listen.ini"));
	ct_results_close(results);
	store_tear_down((void **)&place);
}

static void assert_same_channels(const double *one, const double *other)
{
	for (size_t c = 0; c < CHANNELS; c++)
		assert_true(one[c] == other[c] || (isnan(one[c]) && isnan(other[c])));
}

/* What crosses from the process that read the file is what was read, to the last bit. */
static void a_matrix_is_read_in_another_process(void **state)
{
	static const char *const names[] = {"other", "dram"}, *const kinds[] = {"spin",
										"mem_latency"};
	struct ct_signatures loaded, read;
	struct ct_results *results;
	struct ct_error err = {0};
	struct place *place;

	(void)state;
	store_set_up((void **)&place);
	assert_true(sample_write(place->path, 3, 500, 0.01, true, &err));
	assert_true(ct_results_open(&results, place->path, &err));
	assert_true(ct_signatures_load(&loaded, results, names, kinds, 2, &err));
	ct_results_close(results);
	if (!ct_signatures_read(&read, place->path, names, kinds, 2, &err))
		fail_msg("%s", err.text);
	assert_int_equal(read.n, loaded.n);
	assert_int_equal(read.channels, loaded.channels);
	assert_int_equal(read.matched, loaded.matched);
	for (size_t i = 0; i < loaded.n; i++) {
		assert_string_equal(read.items[i].aggressor, loaded.items[i].aggressor);
		assert_string_equal(read.items[i].kind, loaded.items[i].kind);
		assert_true(read.items[i].intensity == loaded.items[i].intensity);
		assert_same_channels(read.items[i].shift, loaded.items[i].shift);
		assert_same_channels(read.items[i].spread, loaded.items[i].spread);
		assert_same_channels(read.items[i].count, loaded.items[i].count);
	}
	ct_signatures_free(&read);
	ct_signatures_free(&loaded);
	assert_int_equal(truncate(place->path, 3000), 0);
	assert_false(ct_signatures_read(&read, place->path, names, kinds, 2, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "truncated or damaged"));
	assert_int_equal(read.n, 0);
	store_tear_down((void **)&place);
}

/* One signature for each aggressor and intensity, however long the name is that a file gives it. */
static void a_long_name_is_one_neighbour(void **state)
{
	static const char *const names[] = {"dram"}, *const kinds[] = {"mem_latency"};
	json_t *header = sample_header(9, 42), *aggressors;
	struct ct_signatures loaded;
	struct ct_results *results;
	struct ct_error err = {0};
	struct place *place;
	char name[1001] = "";

	(void)state;
	memset(name, 'x', sizeof name - 1);
	aggressors = json_object_get(json_object_get(header, "plan"), "aggressors");
	json_object_set_new(json_array_get(aggressors, 0), "name", json_string(name));
	store_set_up((void **)&place);
	assert_true(sample_write_of(header, place->path, 9, 100, 0, true, &err));
	assert_true(ct_results_open(&results, place->path, &err));
	assert_true(ct_signatures_load(&loaded, results, names, kinds, 1, &err));
	assert_int_equal(loaded.n, 2);
	assert_string_equal(loaded.items[0].aggressor, name);
	ct_signatures_free(&loaded);
	ct_results_close(results);
	store_tear_down((void **)&place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(neighbours_are_dated_and_told_apart),
		TEST(an_hour_of_the_usual_is_nobody),
		TEST(a_stored_campaign_gives_the_signatures),
		TEST(a_matrix_is_read_in_another_process),
		TEST(a_long_name_is_one_neighbour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
