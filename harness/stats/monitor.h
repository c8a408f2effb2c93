/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching several series at once for a change of level, value by value, with bounded memory.
 *
 * Each channel keeps its last CT_MONITOR_WINDOW quiet values. A new value is scored by its rank
 * among them (van der Waerden 1952, the normal score), so that neither the shape nor the tail of
 * their distribution matters: a series of which one value in twenty is a hundred times larger is
 * as quiet as any. A two-sided CUSUM of the scores (Page 1954, Biometrika 41:100) raises the alarm,
 * and the change is dated where the likelihood of all channels together is the greatest. The end is
 * found by a CUSUM of the likelihood ratio of the quiet level against the disturbance's own, over
 * all channels that tell the two apart. A change within a disturbance, found in the same way as its
 * beginning, ends it, and another begins there with the next value. Values of a disturbance never
 * enter the quiet window; one that stays is accepted as a new level in the end, and said to be one.
 */
#ifndef COTENANT_STATS_MONITOR_H
#define COTENANT_STATS_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CT_MONITOR_WINDOW = 240, /* quiet values that a new one is compared with */
	CT_MONITOR_LEARN = 40,   /* values before anything is judged */
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
/* Quiet level and scale of a channel: median and 1.4826 times the median absolute deviation, 0.005
 * at least. NaN while learning, and for a channel that has had too few values. */
double ct_monitor_level(const struct ct_monitor *monitor, size_t channel);
double ct_monitor_scale(const struct ct_monitor *monitor, size_t channel);
/* Median of the disturbance at hand or just over, less the quiet level, and how many values are
 * behind it. NaN for a channel without values. */
double ct_monitor_shift(const struct ct_monitor *monitor, size_t channel, uint64_t *n);

#endif
