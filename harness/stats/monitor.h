/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching several series at once for a change of level, value by value, with bounded memory.
 *
 * Each channel has a quiet level and scale: median and 1.4826 MAD of its last CT_MONITOR_WINDOW
 * quiet values, so that slow drift is followed. A two-sided CUSUM (Page 1954, Biometrika 41:100) of
 * the standardised values raises the alarm: each is clipped at CLIP scales, so a single outlier
 * never does, however large. The change is dated where the sum that crossed began to rise, the
 * maximum likelihood estimate. Values of a disturbance never enter the quiet level; one that stays
 * is accepted as a new level in the end, and said to be one.
 */
#ifndef COTENANT_STATS_MONITOR_H
#define COTENANT_STATS_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CT_MONITOR_WINDOW = 240, /* quiet values that make the level */
	CT_MONITOR_LEARN = 20,   /* values before anything is judged */
	CT_MONITOR_SETTLE = 3,   /* quiet values in a row that end a disturbance */
	CT_MONITOR_ACCEPT = 240  /* values after which a disturbance is the new level */
};

enum ct_monitor_state {
	CT_MONITOR_LEARNING,
	CT_MONITOR_QUIET,
	CT_MONITOR_ONSET, /* this value raised the alarm; the change began at `onset` */
	CT_MONITOR_DISTURBED,
	CT_MONITOR_OVER,     /* this value ended it; it was quiet again from `settled` on */
	CT_MONITOR_NEW_LEVEL /* it stayed: what it was is quiet from now on */
};

struct ct_monitor;

/* NULL: no memory. */
struct ct_monitor *ct_monitor_new(size_t channels);
void ct_monitor_free(struct ct_monitor *monitor);

/* One value a channel, in the order of time; NaN for one that is missing. */
enum ct_monitor_state ct_monitor_feed(struct ct_monitor *monitor, const double *values);

/* Numbers of values (from 0, as fed) at which the last disturbance began and was over. */
uint64_t ct_monitor_onset(const struct ct_monitor *monitor);
uint64_t ct_monitor_settled(const struct ct_monitor *monitor);
/* Quiet level and scale of a channel; NaN while learning. */
double ct_monitor_level(const struct ct_monitor *monitor, size_t channel);
double ct_monitor_scale(const struct ct_monitor *monitor, size_t channel);
/* Mean of (value - level) since the onset of the disturbance at hand or just over, and how many
 * values are behind it. NaN for a channel without values. */
double ct_monitor_shift(const struct ct_monitor *monitor, size_t channel, uint64_t *n);

#endif
