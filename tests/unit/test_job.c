/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Job files: what they mean, what is filled in, and how each mistake is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/campaign/job.h"

#define LEAST                    \
	"[tenant victim]\n"      \
	"[tenant neighbour]\n"   \
	"[victim mem_latency]\n" \
	"[aggressor membw]\n"

static struct ct_job parsed(const char *text, const char *const *sets, size_t n_sets)
{
	struct ct_error err = {0};
	struct ct_job job;

	if (!ct_job_parse(&job, "job.ini", text, sets, n_sets, &err))
		fail_msg("refused: %s\n%s", err.text, text);
	return job;
}

static struct ct_job with(const char *text, const char *set)
{
	return parsed(text, &set, 1);
}

static void check_parts(const struct ct_error *err, const char *const *parts)
{
	assert_int_equal(err->kind, CT_ERR_USAGE);
	assert_null(strchr(err->text, '\n'));
	for (; *parts; parts++) {
		if (!strstr(err->text, *parts))
			fail_msg("'%s' lacks '%s'", err->text, *parts);
	}
}

static void refused(const char *text, const char *set, const char *const *parts)
{
	struct ct_error err = {0};
	struct ct_job job;

	if (ct_job_parse(&job, "job.ini", text, &set, set ? 1 : 0, &err))
		fail_msg("accepted: %s%s", text, set ? set : "");
	check_parts(&err, parts);
	/* A refused job owns nothing; freeing it again must be harmless. */
	ct_job_free(&job);
}

#define REFUSED(text, ...) refused(text, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define SET_REFUSED(set, ...) \
	refused(LEAST, set, (const char *const[]){"--set " set, __VA_ARGS__, NULL})

/* Value of an own parameter of a workload, as a user would write it. */
static void assert_own(const struct ct_param *params, const void *options, const char *name,
		       const char *expected)
{
	const struct ct_param *param = ct_param_find(params, name);
	char *text;

	assert_non_null(param);
	text = ct_param_get(param, options);
	assert_string_equal(text, expected);
	free(text);
}

static const char *jobs_folder(void)
{
	return access("tests/fixtures/jobs/full.ini", R_OK) == 0 ? "tests/fixtures/jobs"
								 : "../fixtures/jobs";
}

static struct ct_job loaded(const char *name)
{
	struct ct_error err = {0};
	struct ct_job job;
	char path[256];

	snprintf(path, sizeof path, "%s/%s", jobs_folder(), name);
	if (!ct_job_load(&job, path, NULL, 0, &err))
		fail_msg("%s", err.text);
	return job;
}

static void a_full_job_means_what_it_says(void **state)
{
	(void)state;
	struct ct_job job = loaded("full.ini");
	const struct ct_victim_entry *dram;
	const struct ct_aggressor_entry *stream;

	assert_string_equal(job.name, "full");
	assert_string_equal(job.description, "Two configs, two victims, two aggressors");
	assert_int_equal(job.replicates, 3);
	assert_int_equal(job.warmup_ns, 20000000);
	assert_int_equal(job.measure_ns, 200000000);
	assert_int_equal(job.recovery_ns, 150000000);
	assert_int_equal(job.epoch_ns, 50000000);
	assert_int_equal(job.n_tenants, 2);
	assert_int_equal(job.n_victims, 2);
	assert_int_equal(job.n_aggressors, 2);
	assert_int_equal(job.n_configs, 2);

	dram = &job.victims[0];
	assert_string_equal(dram->name, "dram");
	assert_string_equal(dram->ops->name, "mem_latency");
	assert_string_equal(job.tenants[dram->tenant].name, "victim");
	assert_int_equal(dram->peers.n, 0);
	assert_own(dram->ops->params, dram->options, "working_set", "33554432B");
	assert_true(dram->common.rate_hz == 10000);
	assert_int_equal(dram->common.arrival, CT_ARRIVAL_POISSON);
	assert_int_equal(dram->common.raw, 100);

	stream = &job.aggressors[0];
	assert_string_equal(stream->ops->name, "membw");
	assert_string_equal(job.tenants[stream->tenant].name, "neighbour");
	assert_int_equal(stream->n_intensities, 3);
	assert_true(stream->intensities[0] == 25 && stream->intensities[1] == 50 &&
		    stream->intensities[2] == 100);
	assert_int_equal(stream->common.threads, 2);
	assert_int_equal(stream->common.pattern, CT_PATTERN_SQUARE);
	assert_true(stream->common.frequency_hz == 5 && stream->common.duty == 25);
	ct_job_free(&job);
}

static void configs_change_tenants_only_for_themselves(void **state)
{
	(void)state;
	struct ct_job job = loaded("full.ini");

	assert_string_equal(job.configs[0].name, "bare");
	assert_string_equal(job.configs[0].expect, "baremetal");
	assert_string_equal(job.configs[0].tenants[1].cpus, "core:1");
	assert_string_equal(job.configs[0].tenants[1].via, "ip netns exec blue");
	assert_string_equal(job.configs[1].expect, "cgroup");
	assert_string_equal(job.configs[1].tenants[0].cpus, "core:0");
	assert_string_equal(job.configs[1].tenants[1].cpus, "core:0");
	assert_string_equal(job.configs[1].tenants[1].via, "local");
	assert_string_equal(job.configs[1].tenants[1].address, "10.0.0.2");
	assert_true(job.configs[1].tenants[1].shared);
	assert_string_equal(job.tenants[1].cpus, "core:1");
	ct_job_free(&job);
}

static void what_is_left_out_has_a_default(void **state)
{
	(void)state;
	struct ct_job job = loaded("least.ini");

	assert_int_equal(job.replicates, 8);
	assert_int_equal(job.warmup_ns, 300000000);
	assert_int_equal(job.measure_ns, 1000000000);
	assert_int_equal(job.recovery_ns, 500000000);
	assert_int_equal(job.epoch_ns, 100000000);
	assert_string_equal(job.tenants[0].name, "here");
	assert_string_equal(job.tenants[0].cpus, "");
	assert_false(job.tenants[0].shared);
	assert_int_equal(job.victims[0].tenant, 0);
	assert_true(job.victims[0].common.rate_hz == 0);
	assert_int_equal(job.victims[0].common.raw, 0);
	assert_int_equal(job.aggressors[0].tenant, 0);
	assert_int_equal(job.aggressors[0].common.threads, 0);
	assert_int_equal(job.aggressors[0].n_intensities, 1);
	assert_true(job.aggressors[0].intensities[0] == 100);
	assert_int_equal(job.n_configs, 1);
	assert_string_equal(job.configs[0].name, "local");
	assert_string_equal(job.configs[0].expect, "");
	ct_job_free(&job);
}

static void recovery_follows_measure(void **state)
{
	(void)state;
	struct ct_job job = parsed("[suite]\nmeasure = 4s\n" LEAST, NULL, 0);

	assert_int_equal(job.recovery_ns, 2000000000);
	ct_job_free(&job);
	job = with(LEAST, "suite.measure=400ms");
	assert_int_equal(job.recovery_ns, 200000000);
	ct_job_free(&job);
}

static void a_tenant_may_be_left_out_where_it_is_clear(void **state)
{
	(void)state;
	struct ct_job job = parsed("[tenant other]\n" LEAST, NULL, 0);

	assert_string_equal(job.tenants[job.victims[0].tenant].name, "victim");
	assert_string_equal(job.tenants[job.aggressors[0].tenant].name, "neighbour");
	ct_job_free(&job);
	REFUSED("[tenant a]\n[tenant b]\n[victim null]\n[aggressor membw]\ntenant = b\n",
		"job.ini:3: ", "[victim null] needs 'tenant = NAME'", "a, b");
	REFUSED("[tenant victim]\n[tenant b]\n[victim null]\n[aggressor membw]\n",
		"job.ini:4: ", "[aggressor membw] needs 'tenant = NAME'", "victim, b");
}

static void sections_may_stand_in_any_order(void **state)
{
	(void)state;
	struct ct_job job = parsed("[config c]\ntenant.t.cpus = core:1\n[aggressor membw]\n"
				   "[victim null]\n[tenant t]\n[suite]\nreplicates = 2\n",
				   NULL, 0);

	assert_int_equal(job.replicates, 2);
	assert_string_equal(job.configs[0].tenants[0].cpus, "core:1");
	ct_job_free(&job);
}

static void files_of_other_systems_are_read(void **state)
{
	(void)state;
	struct ct_job job = parsed("\xef\xbb\xbf[suite]\r\n  name = d\xc3\xa4mon\r\n\r\n"
				   "\t[tenant t] ; the only one\r\n[victim null]\r\n"
				   "[aggressor membw]\r\nintensity=50",
				   NULL, 0);

	assert_string_equal(job.name, "d\xc3\xa4mon");
	assert_true(job.aggressors[0].intensities[0] == 50);
	ct_job_free(&job);
}

static void the_file_and_its_overrides_are_kept(void **state)
{
	(void)state;
	static const char *const sets[] = {"suite.replicates=4", "suite.name=x"};
	struct ct_job job = parsed(LEAST, sets, 2);

	assert_string_equal(job.path, "job.ini");
	assert_string_equal(job.text, LEAST);
	assert_string_equal(job.overrides, "suite.replicates=4\nsuite.name=x\n");
	ct_job_free(&job);
}

static void set_overrides_the_file(void **state)
{
	(void)state;
	static const char *const sets[] = {
		"suite.replicates=2",
		"tenant.victim.cpus=core:1",
		"victim.dram.working_set=1M",
		"aggressor.stream.intensity=10",
		"config.boxed.expect=container",
		"config.boxed.tenant.neighbour.via=ssh vm2 -o A=b.c",
		"dram.raw=7",
		"boxed.tenant.victim.cpus=core:3",
	};
	static const char text[] = "[suite]\nreplicates = 5\n" LEAST
				   "[victim dram]\nkind = mem_latency\nworking_set = 2M\n"
				   "[aggressor stream]\nkind = membw\nintensity = 1,2,3\n"
				   "[config boxed]\nexpect = vm\n";
	struct ct_job job = parsed(text, sets, sizeof sets / sizeof sets[0]);

	assert_int_equal(job.replicates, 2);
	assert_string_equal(job.tenants[0].cpus, "core:1");
	assert_own(job.victims[1].ops->params, job.victims[1].options, "working_set", "1048576B");
	assert_int_equal(job.victims[1].common.raw, 7);
	assert_int_equal(job.aggressors[1].n_intensities, 1);
	assert_true(job.aggressors[1].intensities[0] == 10);
	assert_string_equal(job.configs[0].expect, "container");
	assert_string_equal(job.configs[0].tenants[1].via, "ssh vm2 -o A=b.c");
	assert_string_equal(job.configs[0].tenants[0].cpus, "core:3");
	ct_job_free(&job);
}

static void the_last_set_wins(void **state)
{
	(void)state;
	static const char *const sets[] = {"suite.replicates=4", "suite.replicates=6"};
	struct ct_job job = parsed(LEAST, sets, 2);

	assert_int_equal(job.replicates, 6);
	ct_job_free(&job);
}

static void a_tenant_called_victim_is_no_obstacle(void **state)
{
	(void)state;
	struct ct_job job = with(LEAST, "victim.cpus=core:5");

	assert_string_equal(job.tenants[0].cpus, "core:5");
	ct_job_free(&job);
	job = with(LEAST, "victim.mem_latency.working_set=1M");
	assert_own(job.victims[0].ops->params, job.victims[0].options, "working_set", "1048576B");
	ct_job_free(&job);
	SET_REFUSED("victim.mem_latenci.working_set=1M", "[victim mem_latenci]",
		    "did you mean 'mem_latency'");
}

static void a_wrong_set_is_refused_by_its_word(void **state)
{
	(void)state;
	SET_REFUSED("replicates=2", "suite.replicates=4");
	SET_REFUSED("suite.replicates", "suite.replicates=4");
	SET_REFUSED("suite.=2", "suite.replicates=4");
	SET_REFUSED(".replicates=2", "suite.replicates=4");
	SET_REFUSED("suite.replicates=1", "replicates = 1", "2 to 10000");
	SET_REFUSED("suite.replicatse=4", "'replicatse'", "did you mean 'replicates'");
	SET_REFUSED("siute.replicates=4", "did you mean 'suite'");
	SET_REFUSED("membw.intensity=101", "101", "100%");
	SET_REFUSED("mem_latency.working_set=12Q", "working_set = 12Q", "'12Q'", "to");
	SET_REFUSED("tenant.victim.cpu=core:1", "'cpu'", "did you mean 'cpus'");
	SET_REFUSED("tenant.nobody.cpus=core:1", "[tenant nobody]", "TYPE.NAME.KEY");
	SET_REFUSED("config.local.expect=vm", "[config local]");
	refused(LEAST, "suite.name=a\nb",
		(const char *const[]){"--set suite.name=a b: ", "control characters", NULL});
	refused(LEAST, "suite.name=\xff",
		(const char *const[]){"--set suite.name=?: ", "UTF-8", NULL});
	refused(LEAST, "suite.name=\xc2\x9b",
		(const char *const[]){"--set suite.name=?\?: ", "control characters", NULL});
	refused(LEAST "[victim null]\n[aggressor null]\n", "null.raw=1",
		(const char *const[]){"--set null.raw=1", "several sections", NULL});
}

static void unknown_sections_and_keys_get_the_nearest(void **state)
{
	(void)state;
	REFUSED("\n[siute]\n" LEAST, "job.ini:2: ", "'siute'", "did you mean 'suite'",
		"suite, tenant, victim, aggressor, config");
	REFUSED("[suite]\n\nreplicate = 3\n" LEAST, "job.ini:3: ", "'replicate'",
		"did you mean 'replicates'", "warmup, measure");
	REFUSED(LEAST "intensty = 50\n", "job.ini:5: ", "'intensty'", "did you mean 'intensity'",
		"threads");
	REFUSED("[tenant t]\ncpu = 1\n[victim null]\n[aggressor null]\n", "job.ini:2: ", "'cpu'",
		"did you mean 'cpus'");
	REFUSED(LEAST "[config c]\nexpct = vm\n", "job.ini:6: ", "'expct'",
		"did you mean 'expect'");
	REFUSED(LEAST "[config c]\nexpect = containr\n", "job.ini:6: ", "'containr'",
		"did you mean 'container'", "baremetal, vm", "passthrough");
	REFUSED(LEAST "[victim dram]\nworking_set = 1M\n", "job.ini:5: ", "no 'kind'", "'dram'",
		"mem_latency");
	REFUSED(LEAST "[victim dram]\nkind = mem_latenzy\n", "job.ini:6: ", "'mem_latenzy'",
		"did you mean 'mem_latency'");
	REFUSED(LEAST "[aggressor x]\nkind = membww\n", "job.ini:6: ", "did you mean 'membw'");
	REFUSED(LEAST "tenant = neigbour\n", "job.ini:5: ", "'neigbour'",
		"did you mean 'neighbour'", "victim, neighbour");
	REFUSED(LEAST "[config c]\ntenant.victm.cpus = core:0\n",
		"job.ini:6: ", "did you mean 'victim'");
	REFUSED(LEAST "[config c]\ntenant.victim.cps = core:0\n",
		"job.ini:6: ", "did you mean 'cpus'");
	REFUSED(LEAST "[config c]\ntenant.victim = core:0\n", "job.ini:6: ", "tenant.NAME.KEY");
}

static void bad_values_are_quoted_with_the_range(void **state)
{
	(void)state;
	REFUSED("[suite]\nreplicates = 1\n" LEAST, "job.ini:2: ", "replicates = 1", "2 to 10000");
	REFUSED("[suite]\nmeasure = 5\n" LEAST, "job.ini:2: ", "measure = 5", "300ms");
	REFUSED("[suite]\nwarmup = -1s\n" LEAST, "job.ini:2: ", "'-1s'");
	REFUSED("[suite]\nreplicates = 4 # four\n" LEAST, "job.ini:2: ", "'4 # four'");
	REFUSED("[suite]\nname =\n" LEAST, "job.ini:1: ", "name", "63");
	REFUSED("[suite]\nname = 0123456789012345678901234567890123456789012345678901234567890123"
		"\n" LEAST,
		"job.ini:1: ", "63");
	REFUSED("[tenant t]\nshared = maybe\n[victim null]\n[aggressor null]\n",
		"job.ini:2: ", "shared", "'maybe'");
	REFUSED("[tenant t]\naddress = host\n[victim null]\n[aggressor null]\n",
		"job.ini:2: ", "host", "10.0.0.2");
	REFUSED("[tenant t]\n[victim mem_latency]\nworking_set = 1\n[aggressor null]\n",
		"job.ini:3: ", "working_set = 1", "out of range");
	REFUSED("[tenant t]\n[victim null]\nrate = 10\n[aggressor null]\n",
		"job.ini:3: ", "rate = 10", "10kHz", "100MHz");
	REFUSED("[tenant t]\n[victim null]\narrival = often\n[aggressor null]\n",
		"job.ini:3: ", "constant, poisson");
	REFUSED("[tenant t]\n[victim null]\nraw = 1000001\n[aggressor null]\n",
		"job.ini:3: ", "1000000");
	REFUSED(LEAST "pattern = sine\n", "job.ini:5: ", "constant, square, poisson, ramp");
	REFUSED(LEAST "peer = victim\n", "job.ini:5: ", "no other end");
}

static void an_epoch_fits_into_a_phase(void **state)
{
	(void)state;
	struct ct_job job = parsed("[suite]\nmeasure = 100ms\n" LEAST, NULL, 0);

	ct_job_free(&job);
	REFUSED("[suite]\nmeasure = 50ms\n" LEAST, "job.ini:1: ", "epoch (100 ms)", "50.0 ms");
}

static void doses_are_percentages_above_0(void **state)
{
	(void)state;
	REFUSED(LEAST "intensity = 0\n", "job.ini:5: ", "intensity", "100%");
	REFUSED(LEAST "intensity = 50,101\n", "job.ini:5: ", "101", "100%");
	REFUSED(LEAST "intensity = 50,-5\n", "job.ini:5: ", "'-5%'");
	REFUSED(LEAST "intensity = 50,nan\n", "job.ini:5: ", "nan");
	REFUSED(LEAST "intensity = 50;60\n", "job.ini:5: ", "50;60");
	REFUSED(LEAST "intensity = 50,50%\n", "job.ini:5: ", "twice");
	REFUSED(LEAST "intensity =\n", "job.ini:5: ", "25,50,100");
	REFUSED(LEAST "intensity = 50%%\n", "job.ini:5: ", "50%");
}

static void nothing_stands_there_twice(void **state)
{
	(void)state;
	REFUSED("[suite]\n" LEAST "[suite]\n", "job.ini:6: ", "[suite]", "line 1");
	REFUSED(LEAST "[tenant victim]\n", "job.ini:5: ", "[tenant victim]", "line 1");
	REFUSED("[suite]\nepoch = 1s\n\nepoch = 1s\n" LEAST, "job.ini:4: ", "'epoch'", "line 2");
}

static void a_job_needs_who_where_and_against_whom(void **state)
{
	(void)state;
	REFUSED("", "job.ini: ", "[tenant NAME]");
	REFUSED("[victim null]\n[aggressor null]\n", "job.ini: ", "[tenant NAME]");
	REFUSED("[tenant t]\n[aggressor null]\n", "job.ini: ", "[victim NAME]");
	REFUSED("[tenant t]\n[victim null]\n", "job.ini: ", "[aggressor NAME]", "cotenant bench");
	REFUSED("[victim]\n" LEAST, "job.ini:1: ", "needs a name");
	REFUSED("[suite quick]\n" LEAST, "job.ini:1: ", "[suite]");
}

static void names_leave_room_for_set(void **state)
{
	(void)state;
	REFUSED("[tenant a.b]\n", "job.ini:1: ", "'a.b'", "letters, digits, '_' and '-'");
	REFUSED("[tenant a=b]\n", "job.ini:1: ", "'a=b'");
	REFUSED("[tenant a/b]\n", "job.ini:1: ", "'a/b'");
	REFUSED("[tenant a b]\n", "job.ini:1: ", "[tenant a b]");
}

static void what_is_no_ini_is_refused_by_line(void **state)
{
	(void)state;
	REFUSED("[suite]\nreplicates\n" LEAST, "job.ini:2: ", "key = value");
	REFUSED("replicates = 2\n" LEAST, "job.ini:1: ", "'replicates'",
		"before the first section");
	REFUSED("[suite\n" LEAST, "job.ini:1: ", "']'");
	REFUSED("[]\n" LEAST, "job.ini:1: ", "[TYPE NAME]");
	REFUSED("[suite] replicates = 2\n" LEAST, "job.ini:1: ", "comment", "']'");
	REFUSED("[suite]\nname = \xfe\n" LEAST, "job.ini:2: ", "UTF-8");
	REFUSED("[suite]\nname = a\x1b[31m\n" LEAST, "job.ini:2: ", "control characters");
}

/* inih would cut a long line and read the rest as another one. */
static void long_lines_are_refused_not_cut(void **state)
{
	(void)state;
	char text[1024];

	for (int length = 150; length <= 400; length += 50) {
		snprintf(text, sizeof text, "[suite]\n\ndescription = %0*d\n" LEAST, length, 0);
		if (length == 150) {
			struct ct_job job = parsed(text, NULL, 0);

			assert_int_equal(strlen(job.description), length);
			ct_job_free(&job);
		} else {
			REFUSED(text, "job.ini:3: ", "characters", "at most 197");
		}
	}
	snprintf(text, sizeof text, "[tenant %060d]\n", 0);
	REFUSED(text, "job.ini:1: ", "49 characters");
}

/* A line that begins with blanks is a key of its own, not more of the line before. */
static void indented_keys_are_keys(void **state)
{
	(void)state;
	struct ct_job job = parsed("[suite]\n  warmup = 1s\n  measure = 2s\n" LEAST, NULL, 0);

	assert_int_equal(job.warmup_ns, 1000000000);
	assert_int_equal(job.measure_ns, 2000000000);
	ct_job_free(&job);
}

static void a_file_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct ct_error err = {0};
	struct ct_job job;

	assert_false(ct_job_load(&job, "no/such/job.ini", NULL, 0, &err));
	check_parts(&err, (const char *const[]){"no/such/job.ini", "No such file", NULL});
	assert_false(ct_job_load(&job, "/", NULL, 0, &err));
	check_parts(&err, (const char *const[]){"/", "directory", NULL});
	assert_false(ct_job_load(&job, "/dev/zero", NULL, 0, &err));
	check_parts(&err, (const char *const[]){"/dev/zero", "no job file", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_job_means_what_it_says),
		cmocka_unit_test(configs_change_tenants_only_for_themselves),
		cmocka_unit_test(what_is_left_out_has_a_default),
		cmocka_unit_test(recovery_follows_measure),
		cmocka_unit_test(a_tenant_may_be_left_out_where_it_is_clear),
		cmocka_unit_test(sections_may_stand_in_any_order),
		cmocka_unit_test(files_of_other_systems_are_read),
		cmocka_unit_test(the_file_and_its_overrides_are_kept),
		cmocka_unit_test(set_overrides_the_file),
		cmocka_unit_test(the_last_set_wins),
		cmocka_unit_test(a_tenant_called_victim_is_no_obstacle),
		cmocka_unit_test(a_wrong_set_is_refused_by_its_word),
		cmocka_unit_test(unknown_sections_and_keys_get_the_nearest),
		cmocka_unit_test(bad_values_are_quoted_with_the_range),
		cmocka_unit_test(an_epoch_fits_into_a_phase),
		cmocka_unit_test(doses_are_percentages_above_0),
		cmocka_unit_test(nothing_stands_there_twice),
		cmocka_unit_test(a_job_needs_who_where_and_against_whom),
		cmocka_unit_test(names_leave_room_for_set),
		cmocka_unit_test(what_is_no_ini_is_refused_by_line),
		cmocka_unit_test(long_lines_are_refused_not_cut),
		cmocka_unit_test(indented_keys_are_keys),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
