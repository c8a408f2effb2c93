/* SPDX-License-Identifier: Apache-2.0 */
/* Several aggressors at once: `kind = mix`, and the mix of all that a campaign by lock-in runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/job_reader.h"
#include "harness/core/units.h"
#include "harness/stats/lockin.h"

static const struct ct_param no_params[] = {{0}};

const struct ct_aggressor_ops ct_mix = {
	.name = "mix",
	.summary = "several aggressors at once",
	.unit = "%", /* of the parts' solo maxima, on average */
	.params = no_params,
};

static const char all_name[] = "all";
/* A period has eight epochs at least, and the slowest load three of the fastest one's. */
static const double epochs_per_period = 8, frequency_span = 3;

size_t ct_job_parts(const struct ct_job *job, unsigned aggressor, unsigned parts[CT_MAX_PARTS])
{
	const struct ct_aggressor_entry *entry = &job->aggressors[aggressor];

	if (entry->n_parts == 0) {
		parts[0] = aggressor;
		return 1;
	}
	memcpy(parts, entry->parts, entry->n_parts * sizeof *parts);
	return entry->n_parts;
}

static int find_aggressor(const struct ct_job *job, const char *name)
{
	for (size_t i = 0; i < job->n_aggressors; i++) {
		if (strcmp(job->aggressors[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static bool add_part(const struct ct_job *job, struct ct_aggressor_entry *mix, const char *name,
		     struct ct_error *err)
{
	const char *names[CT_JOB_MAX_NAMES];
	size_t n = 0;
	int found = find_aggressor(job, name);

	if (found < 0) {
		for (; n < job->n_aggressors && n < CT_JOB_MAX_NAMES; n++)
			names[n] = job->aggressors[n].name;
		return ct_unknown_name("aggressor", name, names, n, err);
	}
	if (job->aggressors[found].ops == &ct_mix)
		return ct_usage(err, "of: '%s' is a mix itself: name its parts", name);
	for (unsigned i = 0; i < mix->n_parts; i++) {
		if (mix->parts[i] == (unsigned)found)
			return ct_usage(err, "of: '%s' stands twice in the list", name);
	}
	if (mix->n_parts == CT_MAX_PARTS)
		return ct_usage(err, "of: more than %d aggressors", CT_MAX_PARTS);
	mix->parts[mix->n_parts++] = (unsigned)found;
	return true;
}

bool ct_job_read_mix(const struct ct_job *job, struct ct_aggressor_entry *mix, const char *list,
		     struct ct_error *err)
{
	char *copy = strdup(list), *save = NULL;
	bool good = copy || ct_broken_errno(err, "memory for the job");

	for (char *name = good ? strtok_r(copy, "+, \t", &save) : NULL; good && name;
	     name = strtok_r(NULL, "+, \t", &save))
		good = add_part(job, mix, name, err);
	free(copy);
	if (!good)
		return false;
	if (mix->n_parts < 2)
		return ct_usage(err, "of: at least two aggressors: of = membw+llc");
	mix->tenant = job->aggressors[mix->parts[0]].tenant;
	return true;
}

/* The nearest of the chosen frequencies makes room for each that the job file names. */
static void take_nearest(double *frequencies, size_t *n, double named)
{
	size_t nearest = 0;

	for (size_t i = 1; i < *n; i++) {
		if (fabs(frequencies[i] - named) < fabs(frequencies[nearest] - named))
			nearest = i;
	}
	memmove(frequencies + nearest, frequencies + nearest + 1,
		(*n - nearest - 1) * sizeof *frequencies);
	(*n)--;
}

static bool choose_frequencies(struct ct_job *job, struct ct_error *err)
{
	const double fastest = 1e9 / ((double)job->epoch_ns * epochs_per_period);
	double frequencies[CT_MAX_PARTS];
	size_t n = job->n_aggressors, next = 0;

	if (!ct_lockin_frequencies(n, fastest / frequency_span, fastest, frequencies))
		return ct_usage(err, "%s: no frequencies for %zu aggressors", job->path, n);
	for (size_t i = 0; i < job->n_aggressors; i++) {
		if (job->aggressors[i].has_frequency)
			take_nearest(frequencies, &n, job->aggressors[i].common.frequency_hz);
	}
	for (size_t i = 0; i < job->n_aggressors; i++) {
		if (!job->aggressors[i].has_frequency)
			job->aggressors[i].common.frequency_hz = frequencies[next++];
	}
	return true;
}

static bool check_one(const struct ct_job *job, struct ct_aggressor_entry *entry,
		      struct ct_error *err)
{
	if (entry->ops == &ct_mix)
		return ct_usage(err,
				"%s: [aggressor %s] is a mix: design = lockin runs all at once",
				job->path, entry->name);
	if (entry->n_intensities != 1)
		return ct_usage(err,
				"%s: [aggressor %s] has %u intensities: design = lockin takes one; "
				"name the aggressor twice for another",
				job->path, entry->name, entry->n_intensities);
	if (entry->common.pattern != CT_PATTERN_CONSTANT &&
	    entry->common.pattern != CT_PATTERN_SQUARE)
		return ct_usage(err, "%s: [aggressor %s]: design = lockin needs pattern = square",
				job->path, entry->name);
	if (!(entry->common.duty < 100))
		return ct_usage(err, "%s: [aggressor %s]: duty 100%% is never off", job->path,
				entry->name);
	entry->common.pattern = CT_PATTERN_SQUARE;
	return true;
}

/* Whether all loads can be told apart in the time, said before anything is measured. */
static bool check_time(const struct ct_job *job, struct ct_error *err)
{
	struct ct_lockin_reference references[CT_MAX_PARTS];
	char measure[CT_UNIT_TEXT], segment[CT_UNIT_TEXT];
	double segment_s, in_phase;

	for (size_t i = 0; i < job->n_aggressors; i++) {
		references[i].frequency_hz = job->aggressors[i].common.frequency_hz;
		if (references[i].frequency_hz * (double)job->epoch_ns * 4 > 1e9)
			return ct_usage(err,
					"%s: [aggressor %s]: %g Hz leave fewer than 4 epochs a "
					"period: lower frequency or epoch",
					job->path, job->aggressors[i].name,
					references[i].frequency_hz);
	}
	segment_s = ct_lockin_segment_s(references, job->n_aggressors);
	in_phase = floor((double)job->measure_ns / 1e9 / segment_s);
	if (in_phase * (double)job->replicates >= CT_LOCKIN_MIN_SEGMENTS)
		return true;
	return ct_usage(err,
			"%s: measure (%s) x %llu replicates are too short for these frequencies: "
			"%d segments of %s are needed to tell them apart",
			job->path, ct_format_ns((double)job->measure_ns, measure),
			(unsigned long long)job->replicates, CT_LOCKIN_MIN_SEGMENTS,
			ct_format_ns(segment_s * 1e9, segment));
}

bool ct_job_finish_lockin(struct ct_job *job, struct ct_error *err)
{
	struct ct_aggressor_entry *all = &job->aggressors[job->n_aggressors];

	if (job->n_aggressors > CT_MAX_PARTS)
		return ct_usage(err, "%s: design = lockin takes at most %d aggressors, not %zu",
				job->path, CT_MAX_PARTS, job->n_aggressors);
	if (find_aggressor(job, all_name) >= 0)
		return ct_usage(err, "%s: with design = lockin '%s' is the name of all together",
				job->path, all_name);
	for (size_t i = 0; i < job->n_aggressors; i++) {
		if (!check_one(job, &job->aggressors[i], err))
			return false;
	}
	if (!choose_frequencies(job, err) || !check_time(job, err))
		return false;
	snprintf(all->name, sizeof all->name, "%s", all_name);
	all->ops = &ct_mix;
	all->tenant = job->aggressors[0].tenant;
	all->peers.n = 0;
	all->intensities[0] = 100;
	all->n_intensities = 1;
	for (unsigned i = 0; i < job->n_aggressors; i++)
		all->parts[all->n_parts++] = i;
	ct_params_init(ct_aggressor_common_params, &all->common);
	job->n_aggressors++;
	return true;
}
