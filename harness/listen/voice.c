/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/voice.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/core/json.h"
#include "harness/core/resource.h"
#include "harness/core/units.h"

enum { TIME_TEXT = 40 };
static const char *const channel_names[CT_LISTEN_CHANNELS] = {"p50", "p99"};

static const char *wall_clock(const struct ct_voice *voice, uint64_t ns, char out[TIME_TEXT])
{
	const int64_t unix_ns = (int64_t)ns + voice->unix_offset_ns;
	const time_t seconds = (time_t)(unix_ns / 1000000000);
	struct tm utc;
	char date[24];

	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
	snprintf(out, TIME_TEXT, "%s.%03dZ", date, (int)(unix_ns / 1000000 % 1000));
	return out;
}

static double seconds_between(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

static void put_resources(FILE *out, uint32_t presses)
{
	const char *separator = "";

	for (uint32_t bit = 1; bit < CT_RES_END; bit <<= 1) {
		if (!(presses & bit))
			continue;
		fprintf(out, "%s%s", separator, ct_resource_name(bit));
		separator = ", ";
	}
	if (!*separator)
		fprintf(out, "what could not be told apart");
}

static void put_factors(const struct ct_voice *voice, const struct ct_disturbance *disturbance,
			FILE *out)
{
	const char *separator = ": ";

	for (size_t i = 0; i < voice->job->n_victims; i++) {
		for (size_t k = 0; k < CT_LISTEN_CHANNELS; k++) {
			if (!disturbance->clear[i][k])
				continue;
			fprintf(out, "%s%s %s x%.3g", separator, voice->job->victims[i].name,
				channel_names[k], disturbance->factor[i][k]);
			separator = ", ";
		}
	}
}

static void put_host_factors(const struct ct_disturbance *disturbance, FILE *out)
{
	const char *separator = "; of all tenants: ";

	for (size_t h = 0; h < CT_HOST_CHANNELS; h++) {
		if (!disturbance->host_clear[h])
			continue;
		fprintf(out, "%s%s x%.3g", separator, ct_host_name(h), disturbance->host_factor[h]);
		separator = ", ";
	}
}

static bool is_relief(const struct ct_disturbance *disturbance, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (disturbance->clear[i][CT_LISTEN_P50])
			sum += log(disturbance->factor[i][CT_LISTEN_P50]);
	}
	return sum < 0;
}

static void put_event(const struct ct_voice *voice, const struct ct_disturbance *disturbance,
		      FILE *out)
{
	const struct ct_likeness *likeness = &disturbance->likeness;
	const double lasted = seconds_between(disturbance->onset_ns, disturbance->end_ns);
	char when[TIME_TEXT];

	fprintf(out, "%s +%.1fs  ", wall_clock(voice, disturbance->onset_ns, when),
		seconds_between(voice->began_ns, disturbance->onset_ns));
	if (disturbance->what == CT_HEARD_NEW_LEVEL)
		fprintf(out, "a new level that stays");
	else if (is_relief(disturbance, voice->job->n_victims))
		fprintf(out, "quieter than before");
	else
		fprintf(out, "a neighbour%s",
			disturbance->what == CT_HEARD_BEGIN ? "" : " was here");
	if (likeness->nearest)
		fprintf(out, ", like %s at %.0f %% (%.0f %% of the likelihood)",
			likeness->nearest->aggressor,
			likeness->nearest->intensity * likeness->strength, 100 * likeness->odds);
	fprintf(out, ", presses ");
	put_resources(out, disturbance->presses);
	put_factors(voice, disturbance, out);
	put_host_factors(disturbance, out);
	if (disturbance->stolen > 0.01)
		fprintf(out, ", %.0f %% stolen by the hypervisor", 100 * disturbance->stolen);
	fprintf(out, disturbance->what == CT_HEARD_BEGIN ? "; going on" : "; lasted %.1f s",
		lasted);
}

char *ct_voice_text(const struct ct_voice *voice, const struct ct_disturbance *disturbance)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_event(voice, disturbance, out);
	fclose(out);
	return text;
}

static json_t *victims_json(const struct ct_voice *voice, const struct ct_disturbance *disturbance)
{
	json_t *list = json_array();

	for (size_t i = 0; i < voice->job->n_victims; i++) {
		const double *factor = disturbance->factor[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:o, s:b}", "victim",
						voice->job->victims[i].name, "p50",
						ct_json_number(factor[CT_LISTEN_P50]), "p99",
						ct_json_number(factor[CT_LISTEN_P99]), "clear",
						disturbance->clear[i][CT_LISTEN_P50] ||
							disturbance->clear[i][CT_LISTEN_P99]));
	}
	return list;
}

/* {"forks": 210.4}: those that are clear. */
static json_t *host_json(const struct ct_disturbance *disturbance)
{
	json_t *factors = json_object();

	for (size_t h = 0; h < CT_HOST_CHANNELS; h++) {
		if (disturbance->host_clear[h])
			json_object_set_new(factors, ct_host_name(h),
					    json_real(disturbance->host_factor[h]));
	}
	return factors;
}

static json_t *likeness_json(const struct ct_likeness *likeness)
{
	if (!likeness->nearest)
		return json_null();
	return json_pack("{s:s, s:s, s:f, s:f, s:f}", "aggressor", likeness->nearest->aggressor,
			 "kind", likeness->nearest->kind, "intensity", likeness->nearest->intensity,
			 "strength", likeness->strength, "odds", likeness->odds);
}

static void print_line(json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));

	if (text)
		puts(text);
	fflush(stdout);
	free(text);
	json_decref(value);
}

static void print_json(const struct ct_voice *voice, const struct ct_disturbance *disturbance)
{
	static const char *const names[] = {"begin", "over", "new_level"};
	char when[TIME_TEXT];

	print_line(json_pack("{s:s, s:s, s:s, s:f, s:f, s:o, s:o, s:o, s:o, s:o}", "event",
			     "neighbour", "state", names[disturbance->what], "at",
			     wall_clock(voice, disturbance->onset_ns, when), "since_start_s",
			     seconds_between(voice->began_ns, disturbance->onset_ns), "lasted_s",
			     seconds_between(disturbance->onset_ns, disturbance->end_ns), "like",
			     likeness_json(&disturbance->likeness), "presses",
			     ct_resources_json(disturbance->presses), "victims",
			     victims_json(voice, disturbance), "host", host_json(disturbance),
			     "stolen", ct_json_number(disturbance->stolen)));
}

void ct_voice_event(const struct ct_voice *voice, const struct ct_disturbance *disturbance)
{
	char *text;

	if (voice->json) {
		print_json(voice, disturbance);
		return;
	}
	text = ct_voice_text(voice, disturbance);
	if (text)
		puts(text);
	fflush(stdout);
	free(text);
}

static json_t *scores_json(const struct ct_voice *voice, const struct ct_hearing *hearing)
{
	json_t *list = json_array();

	for (size_t i = 0; i < voice->job->n_victims; i++) {
		const double level =
			ct_monitor_level(hearing->monitor, i * CT_LISTEN_CHANNELS + CT_LISTEN_P50);
		struct ct_period period;
		json_t *found = json_null();

		if (ct_hearing_period(hearing, i, &period))
			found = json_pack("{s:f, s:f, s:f}", "seconds",
					  period.steps * (double)voice->epoch_ns / 1e9, "share",
					  period.share, "p", period.p);
		json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "victim",
						      voice->job->victims[i].name, "score",
						      ct_json_number(ct_hearing_score(hearing, i)),
						      "quiet_p50_ns", ct_json_number(exp(level)),
						      "period", found));
	}
	return list;
}

static void print_summary(const struct ct_voice *voice, const struct ct_hearing *hearing,
			  double cpu_share)
{
	printf("\n%llu epochs, %llu of them disturbed, in %llu disturbances (%llu stayed)\n",
	       (unsigned long long)hearing->epochs, (unsigned long long)hearing->disturbed,
	       (unsigned long long)hearing->events, (unsigned long long)hearing->levels);
	printf("noise score %.2f %%: the mean operation over the quiet median\n",
	       ct_hearing_total_score(hearing));
	for (size_t i = 0; i < voice->job->n_victims; i++) {
		const double level =
			ct_monitor_level(hearing->monitor, i * CT_LISTEN_CHANNELS + CT_LISTEN_P50);
		struct ct_period period;
		char text[CT_UNIT_TEXT];

		printf("  %-16s %8.2f %%   quiet p50 %s", voice->job->victims[i].name,
		       ct_hearing_score(hearing, i),
		       isnan(level) ? "not known yet" : ct_format_ns(exp(level), text));
		if (ct_hearing_period(hearing, i, &period))
			printf("   a period of %.3g s, p %.1g, %.0f %% of the variance",
			       period.steps * (double)voice->epoch_ns / 1e9, period.p,
			       100 * period.share);
		putchar('\n');
	}
	printf("listening itself took %.2f %% of one CPU\n", 100 * cpu_share);
}

void ct_voice_summary(const struct ct_voice *voice, const struct ct_hearing *hearing,
		      double cpu_share)
{
	if (!voice->json) {
		print_summary(voice, hearing, cpu_share);
		return;
	}
	print_line(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:f}", "schema",
			     "cotenant.listen/1", "event", "summary", "epochs",
			     (json_int_t)hearing->epochs, "disturbed",
			     (json_int_t)hearing->disturbed, "disturbances",
			     (json_int_t)hearing->events, "new_levels", (json_int_t)hearing->levels,
			     "score", ct_json_number(ct_hearing_total_score(hearing)), "stolen_s",
			     ct_json_number(hearing->total_stolen_ns / 1e9), "victims",
			     scores_json(voice, hearing), "cpu_share", cpu_share));
}

static void put_family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void put_metrics(const struct ct_voice *voice, const struct ct_hearing *hearing,
			double cpu_seconds, FILE *out)
{
	put_family(out, "cotenant_listen_noise_ratio", "gauge",
		   "Mean operation over the quiet median, less one.");
	for (size_t i = 0; i < voice->job->n_victims; i++) {
		const double score = ct_hearing_score(hearing, i);

		if (isfinite(score))
			fprintf(out, "cotenant_listen_noise_ratio{victim=\"%s\"} %.6g\n",
				voice->job->victims[i].name, score / 100);
	}
	put_family(out, "cotenant_listen_quiet_seconds", "gauge",
		   "Median latency of the quiet level.");
	for (size_t i = 0; i < voice->job->n_victims; i++) {
		const double level =
			ct_monitor_level(hearing->monitor, i * CT_LISTEN_CHANNELS + CT_LISTEN_P50);

		if (!isnan(level))
			fprintf(out, "cotenant_listen_quiet_seconds{victim=\"%s\"} %.6g\n",
				voice->job->victims[i].name, exp(level) / 1e9);
	}
	put_family(out, "cotenant_listen_epochs", "counter", "Epochs listened to.");
	fprintf(out, "cotenant_listen_epochs_total %llu\n", (unsigned long long)hearing->epochs);
	put_family(out, "cotenant_listen_disturbed_epochs", "counter",
		   "Epochs in which a neighbour was heard.");
	fprintf(out, "cotenant_listen_disturbed_epochs_total %llu\n",
		(unsigned long long)hearing->disturbed);
	put_family(out, "cotenant_listen_disturbances", "counter", "Neighbours that came.");
	fprintf(out, "cotenant_listen_disturbances_total %llu\n",
		(unsigned long long)hearing->events);
	put_family(out, "cotenant_listen_stolen_seconds", "counter",
		   "Time the hypervisor ran somebody else on the listening CPUs.");
	fprintf(out, "cotenant_listen_stolen_seconds_total %.6g\n", hearing->total_stolen_ns / 1e9);
	put_family(out, "cotenant_listen_cpu_seconds", "counter", "CPU time listening took.");
	fprintf(out, "cotenant_listen_cpu_seconds_total %.6g\n# EOF\n", cpu_seconds);
}

bool ct_voice_metrics(const struct ct_voice *voice, const struct ct_hearing *hearing,
		      double cpu_seconds, const char *path, struct ct_error *err)
{
	char beside[4096];
	FILE *out;
	bool good;

	if (snprintf(beside, sizeof beside, "%s.tmp", path) >= (int)sizeof beside)
		return ct_usage(err, "%.64s...: the name is too long", path);
	unlink(beside); /* of an earlier run, or somebody's link: never written through */
	out = fopen(beside, "wxe");
	if (!out)
		return ct_broken_errno(err, "%s", beside);
	put_metrics(voice, hearing, cpu_seconds, out);
	good = !ferror(out);
	if (fclose(out) != 0 || !good || rename(beside, path) != 0) {
		const int cause = errno;

		unlink(beside);
		errno = cause;
		return ct_broken_errno(err, "writing %s", path);
	}
	return true;
}
