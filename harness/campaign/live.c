/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/live.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/core/units.h"
#include "harness/store/column.h"

enum { SIDES = 2, QUANTILES = 2, LINES = 3, LINE_TEXT = 512 };

/* Values in ascending order. */
struct series {
	double *values;
	size_t n;
};

struct ct_live_cell {
	struct series series[SIDES][QUANTILES];
	double asked_rate, achieved_rate; /* of its last treatment; 0: none yet */
};

void ct_live_init(struct ct_live *live, size_t n_cells)
{
	const char *no_color = getenv("NO_COLOR");

	*live = (struct ct_live){.colour = !(no_color && no_color[0])};
	if (n_cells == 0)
		return;
	live->cells = calloc(n_cells, sizeof *live->cells);
	live->n_cells = live->cells ? n_cells : 0;
}

void ct_live_free(struct ct_live *live)
{
	for (size_t i = 0; i < live->n_cells; i++) {
		for (size_t k = 0; k < (size_t)SIDES * QUANTILES; k++)
			free(live->cells[i].series[k / QUANTILES][k % QUANTILES].values);
	}
	free(live->cells);
	live->cells = NULL;
	live->n_cells = 0;
}

static double quantile_of(const struct ct_phase_record *phase, double q)
{
	uint64_t total = 0, rank;

	for (size_t i = 0; i < phase->n_buckets; i++)
		total += phase->buckets[i].count;
	if ((double)total * (1 - q) < 1 - 1e-9)
		return NAN;
	rank = ct_quantile_rank(total, q);
	for (size_t i = 0; i < phase->n_buckets; i++) {
		if (rank <= phase->buckets[i].count)
			return ct_hist_mid(phase->buckets[i].index) / 1e3;
		rank -= phase->buckets[i].count;
	}
	return NAN;
}

struct ct_live_quantiles ct_live_phase(const struct ct_phase_record *phase)
{
	return (struct ct_live_quantiles){quantile_of(phase, 0.5), quantile_of(phase, 0.99)};
}

/* A view without one of its numbers is better than a campaign that ends: no error. */
static void insert(struct series *series, double value)
{
	double *values;
	size_t at = series->n;

	if (isnan(value))
		return;
	values = realloc(series->values, (series->n + 1) * sizeof *values);
	if (!values)
		return;
	for (; at > 0 && values[at - 1] > value; at--)
		values[at] = values[at - 1];
	values[at] = value;
	series->values = values;
	series->n++;
}

static double median(const struct series *series)
{
	if (series->n == 0)
		return NAN;
	return (series->values[(series->n - 1) / 2] + series->values[series->n / 2]) / 2;
}

void ct_live_add(struct ct_live *live, const struct ct_phase_record *phase)
{
	const struct ct_live_quantiles found = ct_live_phase(phase);
	struct ct_live_cell *cell;

	if (live->block.cell >= live->n_cells || phase->role >= CT_ROLE_RECOVERY)
		return;
	cell = &live->cells[live->block.cell];
	if (phase->role == CT_ROLE_TREATMENT) {
		cell->asked_rate = phase->asked_rate;
		cell->achieved_rate = phase->achieved_rate;
		if (phase->load == CT_LOAD_ABSENT)
			return;
	}
	insert(&cell->series[phase->role][0], found.p50);
	insert(&cell->series[phase->role][1], found.p99);
}

/* Asked anew each time, since windows change. */
static size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (size_t)atoi(columns);
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/*
 * Cuts so that the terminal does not wrap the line. A character beyond ASCII may be two columns
 * wide: it is counted as two.
 */
static void cut(char *text)
{
	size_t width = terminal_width() - 1, used = 0;

	for (char *at = text; *at; at++) {
		const unsigned char c = (unsigned char)*at;

		if ((c & 0xc0) == 0x80)
			continue;
		used += c < 0x80 ? 1 : 2;
		if (used > width) {
			*at = '\0';
			return;
		}
	}
}

static const char *ns_text(double ns, char out[CT_UNIT_TEXT])
{
	if (isnan(ns))
		return "-";
	return ct_format_ns(ns, out);
}

static void block_text(const struct ct_live *live, char out[LINE_TEXT])
{
	const struct ct_live_block *block = &live->block;
	int n = snprintf(out, LINE_TEXT, "%.100s: %.100s x %.100s %.4g %%  block %zu/%zu",
			 block->config, block->victim, block->aggressor, block->intensity,
			 block->block, block->blocks);

	if (live->in_phase)
		snprintf(out + n, LINE_TEXT - (size_t)n, "  phase %u/%d: %s", live->order + 1,
			 CT_PHASES_PER_BLOCK, ct_role_names[live->role]);
}

static void numbers_text(const struct ct_live *live, char out[LINE_TEXT])
{
	static const char *const names[SIDES] = {"alone", "beside"};
	const struct ct_live_cell *cell = &live->cells[live->block.cell];
	char p50[CT_UNIT_TEXT], p99[CT_UNIT_TEXT];
	int n = 0;

	for (size_t side = 0; side < SIDES; side++)
		n += snprintf(out + n, LINE_TEXT - (size_t)n, "%s p50 %s p99 %s  ", names[side],
			      ns_text(median(&cell->series[side][0]), p50),
			      ns_text(median(&cell->series[side][1]), p99));
	if (cell->asked_rate > 0 && isfinite(cell->achieved_rate)) {
		char achieved[CT_UNIT_TEXT], asked[CT_UNIT_TEXT];

		snprintf(out + n, LINE_TEXT - (size_t)n, "load %s of %s (%.0f %%)",
			 ct_format_rate(cell->achieved_rate, live->block.unit, achieved),
			 ct_format_rate(cell->asked_rate, live->block.unit, asked),
			 100 * cell->achieved_rate / cell->asked_rate);
	}
}

/* From the cursor, wherever it stands in the view, to the view's beginning. */
static int go_back(const struct ct_live *live, char *out, size_t size)
{
	if (live->lines > 1)
		return snprintf(out, size, "\r\033[%zuA", live->lines - 1);
	return snprintf(out, size, "%s", live->lines == 1 ? "\r" : "");
}

/* One write for the whole view, so that no half of one is ever seen. */
static void show(struct ct_live *live, char lines[][LINE_TEXT], size_t n)
{
	char screen[LINES * (LINE_TEXT + 16) + 64];
	size_t at = (size_t)go_back(live, screen, sizeof screen);

	for (size_t i = 0; i < n; i++) {
		const bool strong = live->colour && n > 1 && i == 1;

		cut(lines[i]);
		at += (size_t)snprintf(screen + at, sizeof screen - at, "%s%s%s%s\033[K",
				       i > 0 ? "\r\n" : "", strong ? "\033[1m" : "", lines[i],
				       strong ? "\033[0m" : "");
	}
	snprintf(screen + at, sizeof screen - at, "\033[J");
	fputs(screen, stderr);
	fflush(stderr);
	live->lines = n;
	live->shown_ns = ct_monotonic_ns();
}

void ct_live_draw(struct ct_live *live, const char *head)
{
	char lines[LINES][LINE_TEXT];

	snprintf(lines[0], LINE_TEXT, "%s", head);
	block_text(live, lines[1]);
	if (live->block.cell < live->n_cells)
		numbers_text(live, lines[2]);
	show(live, lines, live->block.cell < live->n_cells ? 3 : 2);
}

void ct_live_line(struct ct_live *live, const char *text)
{
	char lines[1][LINE_TEXT];

	snprintf(lines[0], LINE_TEXT, "%s", text);
	show(live, lines, 1);
}

void ct_live_clear(struct ct_live *live)
{
	char back[32];

	if (live->lines == 0)
		return;
	go_back(live, back, sizeof back);
	fprintf(stderr, "%s\033[J", back);
	live->lines = 0;
}
