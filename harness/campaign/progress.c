/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/core/json.h"
#include "harness/store/column.h"

enum { BAR_WIDTH = 24, REDRAW_NS = 200000000 };

void ct_progress_init(struct ct_progress *progress, enum ct_progress_style style)
{
	const char *terminal = getenv("TERM");

	*progress = (struct ct_progress){.style = style};
	ct_live_init(&progress->live, 0);
	if (style != CT_PROGRESS_AUTO)
		return;
	progress->style = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0
				  ? CT_PROGRESS_BAR
				  : CT_PROGRESS_LINES;
}

/* Until blocks have been timed the plan's estimate is all there is. */
static uint64_t remaining_ns(const struct ct_progress *progress)
{
	size_t run = progress->done - progress->resumed;
	size_t left = progress->total - progress->done;
	uint64_t elapsed = ct_monotonic_ns() - progress->begun_ns;

	if (progress->total == 0)
		return 0;
	if (run == 0)
		return progress->planned_ns / progress->total * left;
	return elapsed / run * left;
}

static void format_clock(uint64_t ns, char *out, size_t size)
{
	unsigned long long s = (ns + 500000000u) / 1000000000u;

	if (s >= 3600)
		snprintf(out, size, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%llu:%02llu", s / 60, s % 60);
}

static void emit_json(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (text)
		fprintf(stderr, "%s\n", text);
	free(text);
	json_decref(object);
}

static void draw(struct ct_progress *progress)
{
	size_t filled = progress->total ? BAR_WIDTH * progress->done / progress->total : 0;
	char bar[BAR_WIDTH + 1], eta[32], head[128];

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';
	format_clock(remaining_ns(progress), eta, sizeof eta);
	snprintf(head, sizeof head, "[%s] %zu/%zu blocks  ETA %s", bar, progress->done,
		 progress->total, eta);
	ct_live_draw(&progress->live, head);
}

void ct_progress_step(struct ct_progress *progress, const char *text)
{
	if (progress->style == CT_PROGRESS_BAR) {
		char line[256];

		snprintf(line, sizeof line, "%.240s ...", text);
		ct_live_line(&progress->live, line);
	} else if (progress->style == CT_PROGRESS_JSON) {
		emit_json(json_pack("{s:s, s:s}", "event", "step", "text", text));
	}
}

void ct_progress_begin(struct ct_progress *progress, size_t total, size_t per_replicate,
		       uint64_t planned_ns)
{
	ct_live_clear(&progress->live);
	if (progress->style == CT_PROGRESS_BAR)
		ct_live_init(&progress->live, per_replicate);
	progress->total = total;
	progress->per_replicate = per_replicate;
	progress->planned_ns = planned_ns;
	progress->begun_ns = ct_monotonic_ns();
}

void ct_progress_block(struct ct_progress *progress, const struct ct_live_block *block)
{
	snprintf(progress->now, sizeof progress->now, "%.80s: %.70s x %.70s %.4g %%", block->config,
		 block->victim, block->aggressor, block->intensity);
	progress->live.block = *block;
	progress->live.in_phase = false;
	/* Blocks that are in the journal already go by at once. */
	if (progress->style == CT_PROGRESS_BAR &&
	    ct_monotonic_ns() - progress->live.shown_ns >= REDRAW_NS)
		draw(progress);
}

/*
 * The view changes here, before the workers are told to start, and not again until they are done. A
 * short phase does not redraw a view that has just been drawn.
 */
void ct_progress_phase(struct ct_progress *progress, enum ct_role role, uint32_t order,
		       uint64_t expected_ns)
{
	progress->live.role = role;
	progress->live.order = order;
	progress->live.in_phase = true;
	if (progress->style == CT_PROGRESS_BAR &&
	    (expected_ns >= REDRAW_NS || ct_monotonic_ns() - progress->live.shown_ns >= REDRAW_NS))
		draw(progress);
}

static void report_phase(const struct ct_progress *progress, const struct ct_phase_record *phase)
{
	const struct ct_live_block *block = &progress->live.block;
	const struct ct_live_quantiles found = ct_live_phase(phase);

	emit_json(json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:s, s:s, s:I, s:o, s:o, "
		"s:o, s:o}",
		"event", "phase", "cell", progress->now, "config", block->config, "victim",
		block->victim, "aggressor", block->aggressor, "intensity", block->intensity,
		"block", (json_int_t)block->block, "blocks", (json_int_t)block->blocks, "role",
		ct_role_names[phase->role], "load", ct_load_names[phase->load], "samples",
		(json_int_t)phase->count, "p50_ns", ct_json_number(found.p50), "p99_ns",
		ct_json_number(found.p99), "asked_rate", ct_json_number(phase->asked_rate),
		"achieved_rate", ct_json_number(phase->achieved_rate)));
}

void ct_progress_phase_done(struct ct_progress *progress, const struct ct_phase_record *phase)
{
	if (progress->style == CT_PROGRESS_BAR)
		ct_live_add(&progress->live, phase);
	else if (progress->style == CT_PROGRESS_JSON)
		report_phase(progress, phase);
}

static void report_block(struct ct_progress *progress, const char *message)
{
	emit_json(json_pack("{s:s, s:I, s:I, s:s, s:s?, s:f}", "event", "block", "done",
			    (json_int_t)progress->done, "total", (json_int_t)progress->total,
			    "cell", progress->now, "message", message, "eta_s",
			    (double)remaining_ns(progress) / 1e9));
}

void ct_progress_block_done(struct ct_progress *progress, const char *message, bool resumed)
{
	progress->done++;
	progress->resumed += resumed;
	progress->failed += message != NULL;
	if (progress->style == CT_PROGRESS_JSON) {
		report_block(progress, message);
	} else if (progress->style == CT_PROGRESS_LINES && !resumed && progress->per_replicate &&
		   progress->done % progress->per_replicate == 0) {
		char eta[32];

		format_clock(remaining_ns(progress), eta, sizeof eta);
		fprintf(stderr, "%zu of %zu blocks, %s to go\n", progress->done, progress->total,
			eta);
	}
	if (message && !resumed) {
		char text[700];

		snprintf(text, sizeof text, "%s: %s", progress->now, message);
		ct_progress_say(progress, "warning", text);
	}
}

void ct_progress_say(struct ct_progress *progress, const char *level, const char *text)
{
	ct_live_clear(&progress->live);
	if (progress->style == CT_PROGRESS_JSON)
		emit_json(json_pack("{s:s, s:s, s:s}", "event", "message", "level", level, "text",
				    text));
	else if (progress->style != CT_PROGRESS_NONE)
		fprintf(stderr, "%s: %s\n", level, text);
}

void ct_progress_end(struct ct_progress *progress)
{
	ct_live_clear(&progress->live);
	ct_live_free(&progress->live);
}
