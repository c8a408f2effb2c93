/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/listen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/campaign/ground.h"
#include "harness/campaign/header.h"
#include "harness/campaign/plan.h"
#include "harness/campaign/selfcheck.h"
#include "harness/listen/ears.h"
#include "harness/listen/hearing.h"
#include "harness/listen/signature.h"
#include "harness/listen/voice.h"
#include "harness/store/store.h"

static const uint64_t second_ns = UINT64_C(1000000000);
static const uint64_t warmup_ns = UINT64_C(100000000), epoch_ns = UINT64_C(250000000);
enum { SEGMENT_S = 60, FILE_S = 3600 /* where neither -t nor --rotate says otherwise */ };

/* Enough to tell the resources of a CPU apart; suites/listen.ini measures the matrix of the same.
 */
static const char *const usual[] = {"memory", "cache", "core", "timer", "faults"};
static const struct {
	const char *name, *text;
} known[] = {
	{"memory", "kind = mem_latency\nworking_set = 64M\naccesses = 64\n"},
	{"cache", "kind = mem_latency\nworking_set = 512K\naccesses = 256\n"},
	{"core", "kind = spin\n"},
	{"timer", "kind = wakeup\nperiod = 200us\n"},
	{"faults", "kind = pagefault\n"},
};

struct listening {
	const struct ct_listen_request *request;
	struct ct_job job;
	struct ct_plan plan;
	struct ct_links links;
	struct ct_ground ground;
	json_t *selfcheck;
	struct ct_ears ears;
	struct ct_signatures signatures;
	struct ct_hearing hearing;
	struct ct_voice voice;
	struct ct_store *store;
	uint64_t segment_ns, file_ns, heard_ns; /* of this file, so far */
	uint32_t segment, file;                 /* of the file; files so far */
	double cpu_before;
};

/* ---- the job ---- */

static const char *settings_of(const char *victim)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(victim, known[i].name) == 0)
			return known[i].text;
	}
	return NULL;
}

/* One of them has to read what the kernel counts. */
static void put_victim(FILE *out, const char *victim, double duty, bool first)
{
	const char *settings = settings_of(victim);

	fprintf(out, "[victim %s]\n", victim);
	if (settings)
		fputs(settings, out);
	else
		fprintf(out, "kind = %s\n", victim);
	fprintf(out, "tenant = listener\nduty = %.4g%%\nhost_counters = %s\n", duty,
		first ? "yes" : "no");
}

static char *job_text(const struct ct_listen_request *request, uint64_t segment_ns,
		      uint64_t segments)
{
	const bool own = request->n_victims > 0;
	const char *const *victims = own ? request->victims : usual;
	const size_t n = own ? request->n_victims : sizeof usual / sizeof usual[0];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out,
		"[suite]\nname = listen\ndescription = Victims alone, listening for neighbours\n"
		"replicates = %" PRIu64 "\nwarmup = %" PRIu64 "ns\nmeasure = %" PRIu64
		"ns\nepoch = %" PRIu64 "ns\n[tenant listener]\nshared = yes\n",
		segments, warmup_ns, segment_ns, epoch_ns);
	for (size_t i = 0; i < request->n_settings; i++)
		fprintf(out, "%s\n", request->settings[i]);
	for (size_t i = 0; i < n; i++)
		put_victim(out, victims[i], request->duty / (double)n, i == 0);
	fprintf(out, "[aggressor nobody]\nkind = null\ntenant = listener\nintensity = 100\n");
	fclose(out);
	return text;
}

static bool has_setting(const struct ct_listen_request *request, const char *key)
{
	for (size_t i = 0; i < request->n_settings; i++) {
		if (strncmp(request->settings[i], key, strlen(key)) == 0)
			return true;
	}
	return false;
}

static uint64_t file_length(const struct ct_listen_request *request)
{
	if (request->rotate_ns)
		return request->rotate_ns;
	return request->duration_ns ? request->duration_ns : FILE_S * second_ns;
}

static bool make_job(struct listening *listening, struct ct_error *err)
{
	const struct ct_listen_request *request = listening->request;
	const char *const sets[] = {"tenant.listener.cpus=core:0"};
	char *text;
	bool good;

	listening->file_ns = file_length(request);
	listening->segment_ns = SEGMENT_S * second_ns;
	/* Two blocks at least, so that what differs between them is seen. */
	if (listening->segment_ns > listening->file_ns / 2)
		listening->segment_ns = listening->file_ns / 2;
	text = job_text(request, listening->segment_ns,
			(listening->file_ns + listening->segment_ns - 1) / listening->segment_ns);
	if (!text)
		return ct_broken_errno(err, "memory for the job");
	good = ct_job_parse(&listening->job, "listen", text, sets,
			    has_setting(request, "cpus=") ? 0 : 1, err);
	free(text);
	if (good && listening->job.n_victims > CT_EARS_MAX)
		good = ct_usage(err, "listen: at most %d victims", CT_EARS_MAX);
	/* One phase a segment, and nobody beside it. */
	good = good && ct_plan_make(&listening->plan, &listening->job, 0, 0, err);
	for (size_t i = 0; good && i < listening->plan.n_cells; i++)
		listening->plan.cells[i].intensity = 0;
	return good;
}

/* ---- what it costs ---- */

/* CPU seconds of a process so far; 0 where /proc does not tell. */
static double cpu_of(pid_t pid)
{
	unsigned long long user = 0, system = 0;
	char path[64], line[1024];
	const char *after_name;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	in = fopen(path, "re");
	if (!in)
		return 0;
	after_name = fgets(line, sizeof line, in) ? strrchr(line, ')') : NULL;
	fclose(in);
	/* proc(5): utime and stime are fields 14 and 15; the name in field 2 may hold anything. */
	if (!after_name ||
	    sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		   &system) != 2)
		return 0;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_so_far(const struct listening *listening)
{
	double sum = cpu_of(getpid());

	for (size_t i = 0; i < listening->ears.n; i++)
		sum += cpu_of(listening->ears.items[i].crew.victim.pid);
	return sum;
}

/* ---- what is heard ---- */

static bool take_epochs(void *context, const struct ct_epoch_row *rows, size_t n,
			const double *host, struct ct_error *err)
{
	struct listening *listening = context;

	(void)n;
	(void)err;
	ct_hearing_feed(&listening->hearing, rows, host);
	return true;
}

static void take_event(void *context, const struct ct_disturbance *disturbance)
{
	struct listening *listening = context;
	char *text = ct_voice_text(&listening->voice, disturbance);
	struct ct_error ignored; /* a full disk shows when the segment is stored */

	ct_voice_event(&listening->voice, disturbance);
	if (text && listening->store)
		ct_store_log(listening->store, "event", text, &ignored);
	free(text);
}

/* ---- setting up ---- */

static bool load_matrix(struct listening *listening, struct ct_error *err)
{
	const char *names[CT_EARS_MAX], *kinds[CT_EARS_MAX];
	const struct ct_job *job = &listening->job;

	if (!listening->request->matrix)
		return true;
	for (size_t i = 0; i < job->n_victims; i++) {
		names[i] = job->victims[i].name;
		kinds[i] = job->victims[i].ops->name;
	}
	return ct_signatures_read(&listening->signatures, listening->request->matrix, names, kinds,
				  job->n_victims, err);
}

static bool all_can_run(const struct listening *listening, struct ct_error *err)
{
	for (size_t i = 0; i < listening->job.n_victims; i++) {
		const char *why_not = listening->ground.configs[0].victims[i].why_not;

		if (why_not)
			return ct_broken(err, "%s", why_not);
	}
	return true;
}

static void start_voice(struct listening *listening)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	listening->voice = (struct ct_voice){
		.job = &listening->job,
		.json = listening->request->json,
		.began_ns = ct_monotonic_ns(),
		.epoch_ns = epoch_ns,
	};
	listening->voice.unix_offset_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec -
					  (int64_t)listening->voice.began_ns;
}

static void tell_step(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "%s\n", text);
}

static bool set_up(struct listening *listening, struct ct_error *err)
{
	if (!make_job(listening, err) || !load_matrix(listening, err) ||
	    !ct_links_init(&listening->links, err) ||
	    !ct_ground_prepare(&listening->ground, &listening->links, &listening->job, tell_step,
			       NULL, err) ||
	    !all_can_run(listening, err) ||
	    !ct_ground_step_aside(&listening->ground, &listening->links, 0, err))
		return false;
	listening->selfcheck = ct_selfcheck(&listening->links, &listening->ground, err);
	if (!listening->selfcheck ||
	    !ct_hearing_open(&listening->hearing, &listening->job,
			     listening->request->matrix ? &listening->signatures : NULL, take_event,
			     listening, err) ||
	    !ct_ears_open(&listening->ears, &listening->links, &listening->ground, take_epochs,
			  listening, err))
		return false;
	start_voice(listening);
	listening->cpu_before = cpu_so_far(listening);
	return true;
}

static void tear_down(struct listening *listening)
{
	if (listening->store)
		ct_store_abandon(listening->store);
	ct_ears_close(&listening->ears);
	ct_hearing_close(&listening->hearing);
	ct_signatures_free(&listening->signatures);
	json_decref(listening->selfcheck);
	ct_ground_free(&listening->ground);
	ct_links_free(&listening->links);
	ct_plan_free(&listening->plan);
	ct_job_free(&listening->job);
}

/* ---- files ---- */

/* "out.h5" is out-000001.h5 and so on where files are rotated. */
static void file_name(const struct listening *listening, char *out, size_t size)
{
	const char *output = listening->request->output;
	const char *dot = strrchr(output, '.');
	const int stem = dot && !strchr(dot, '/') ? (int)(dot - output) : (int)strlen(output);

	if (listening->request->rotate_ns || !listening->request->duration_ns)
		snprintf(out, size, "%.*s-%06" PRIu32 "%s", stem, output, listening->file + 1,
			 output + stem);
	else
		snprintf(out, size, "%s", output);
}

static bool open_file(struct listening *listening, struct ct_error *err)
{
	const struct ct_campaign_request request = {
		.job = &listening->job,
		.plan = &listening->plan,
		.command_line = listening->request->command_line,
	};
	char path[4096];
	json_t *header;
	bool good;

	file_name(listening, path, sizeof path);
	header =
		ct_campaign_header(&request, &listening->ground, json_incref(listening->selfcheck));
	if (!header)
		return ct_broken(err, "memory for the header");
	good = ct_store_create(&listening->store, path, header, err);
	json_decref(header);
	listening->segment = 0;
	listening->heard_ns = 0;
	return good;
}

static bool close_file(struct listening *listening, struct ct_error *err)
{
	struct ct_store *store = listening->store;

	listening->store = NULL;
	listening->file++;
	return ct_store_finish(store, true, err);
}

static bool store_segment(struct listening *listening, struct ct_error *err)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	for (uint32_t i = 0; i < listening->ears.n; i++) {
		struct ct_block_record block = {
			.cell = i,
			.block = listening->segment,
			.visit = listening->segment * (uint32_t)listening->ears.n + i,
			.started_unix_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec,
			.solo_rate = __builtin_nan(""),
			.n_phases = 1,
		};

		/* The ear keeps it, and frees it with the next segment. */
		block.phases[0] = listening->ears.items[i].record;
		if (block.phases[0].count == 0)
			continue;
		if (!ct_store_block(listening->store, &block, err))
			return false;
	}
	listening->segment++;
	return true;
}

static bool publish(const struct listening *listening, struct ct_error *err)
{
	const double cpu = cpu_so_far(listening) - listening->cpu_before;

	return !listening->request->metrics ||
	       ct_voice_metrics(&listening->voice, &listening->hearing, cpu,
				listening->request->metrics, err);
}

/* ---- listening ---- */

static uint64_t time_left(const struct listening *listening)
{
	const uint64_t passed = ct_monotonic_ns() - listening->voice.began_ns;

	if (listening->request->duration_ns == 0)
		return UINT64_MAX;
	return passed < listening->request->duration_ns ? listening->request->duration_ns - passed
							: 0;
}

static uint64_t next_segment(const struct listening *listening)
{
	uint64_t length = listening->segment_ns, left = time_left(listening);

	if (length > listening->file_ns - listening->heard_ns)
		length = listening->file_ns - listening->heard_ns;
	return length < left ? length : left;
}

/* A file's worth. An interruption is no failure: what was heard is stored. */
static bool listen_to_file(struct listening *listening, bool *interrupted, struct ct_error *err)
{
	while (!*interrupted && listening->heard_ns < listening->file_ns) {
		const uint64_t length = next_segment(listening);
		bool good;

		if (length < 2 * epoch_ns)
			return true;
		good = ct_ears_listen(&listening->ears, warmup_ns, length, epoch_ns, err);
		if (!good && err->kind != CT_ERR_INTERRUPTED)
			return false;
		*interrupted = !good;
		listening->heard_ns += length;
		if (!store_segment(listening, err) || !publish(listening, err))
			return false;
	}
	return true;
}

static bool listen_on(struct listening *listening, struct ct_error *err)
{
	bool interrupted = false;

	do {
		if (!open_file(listening, err) || !listen_to_file(listening, &interrupted, err) ||
		    !close_file(listening, err))
			return false;
	} while (!interrupted && time_left(listening) >= 2 * epoch_ns);
	return true;
}

bool ct_listen(const struct ct_listen_request *request, struct ct_error *err)
{
	struct listening listening = {.request = request, .links = {.signal_fd = -1}};
	char first[4096];
	bool good;

	file_name(&listening, first, sizeof first);
	good = ct_store_check(first, false, err) && set_up(&listening, err) &&
	       listen_on(&listening, err);
	if (good) {
		const double seconds = (double)(ct_monotonic_ns() - listening.voice.began_ns) / 1e9;

		ct_voice_summary(&listening.voice, &listening.hearing,
				 (cpu_so_far(&listening) - listening.cpu_before) / seconds);
	}
	tear_down(&listening);
	return good;
}
