/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/core/units.h"

enum { BAR_WIDTH = 24, REDRAW_NS = 200000000 };

void ct_progress_init(struct ct_progress *progress, enum ct_progress_style style)
{
	const char *terminal = getenv("TERM");

	*progress = (struct ct_progress){.style = style};
	if (style != CT_PROGRESS_AUTO)
		return;
	progress->style = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0
				  ? CT_PROGRESS_BAR
				  : CT_PROGRESS_LINES;
}

static void clear_bar(struct ct_progress *progress)
{
	if (progress->on_screen)
		fputs("\r\033[K", stderr);
	progress->on_screen = false;
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

static void draw_bar(struct ct_progress *progress, const struct ct_epoch_row *row)
{
	size_t filled = progress->total ? BAR_WIDTH * progress->done / progress->total : 0;
	char bar[BAR_WIDTH + 1], eta[32], p50[CT_UNIT_TEXT], p99[CT_UNIT_TEXT];

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';
	format_clock(remaining_ns(progress), eta, sizeof eta);
	fprintf(stderr, "\r\033[K[%s] %zu/%zu  ETA %s  %s", bar, progress->done, progress->total,
		eta, progress->now);
	if (row && row->count)
		fprintf(stderr, "  p50 %s  p99 %s", ct_format_ns(row->p50_ns, p50),
			ct_format_ns(row->p99_ns, p99));
	fflush(stderr);
	progress->on_screen = true;
	progress->shown_ns = ct_monotonic_ns();
}

void ct_progress_step(struct ct_progress *progress, const char *text)
{
	if (progress->style == CT_PROGRESS_BAR) {
		clear_bar(progress);
		fprintf(stderr, "%s ...", text);
		fflush(stderr);
		progress->on_screen = true;
	} else if (progress->style == CT_PROGRESS_JSON) {
		emit_json(json_pack("{s:s, s:s}", "event", "step", "text", text));
	}
}

void ct_progress_begin(struct ct_progress *progress, size_t total, size_t per_replicate,
		       uint64_t planned_ns)
{
	clear_bar(progress);
	progress->total = total;
	progress->per_replicate = per_replicate;
	progress->planned_ns = planned_ns;
	progress->begun_ns = ct_monotonic_ns();
}

void ct_progress_block(struct ct_progress *progress, const char *text)
{
	snprintf(progress->now, sizeof progress->now, "%s", text);
	if (progress->style == CT_PROGRESS_BAR)
		draw_bar(progress, NULL);
}

void ct_progress_epoch(struct ct_progress *progress, const struct ct_epoch_row *row)
{
	if (progress->style == CT_PROGRESS_BAR &&
	    ct_monotonic_ns() - progress->shown_ns >= REDRAW_NS)
		draw_bar(progress, row);
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
	clear_bar(progress);
	if (progress->style == CT_PROGRESS_JSON)
		emit_json(json_pack("{s:s, s:s, s:s}", "event", "message", "level", level, "text",
				    text));
	else if (progress->style != CT_PROGRESS_NONE)
		fprintf(stderr, "%s: %s\n", level, text);
}

void ct_progress_end(struct ct_progress *progress)
{
	clear_bar(progress);
}
