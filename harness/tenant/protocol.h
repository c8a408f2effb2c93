/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What controller and worker say to each other: frames (core/frame.h) over the worker's standard
 * input and output. Control messages carry JSON; epochs carry the structs below, byte for byte,
 * which is safe because a worker of another build id is refused at HELLO.
 *
 *   the controller says                    the worker answers
 *
 *                                          HELLO {version, build_id, pid, boot_id}
 *   SETUP {role, kind, ...}                READY {cpus, nodes, endpoint, answer, ...}
 *   CONNECT {texts}                        CONNECTED
 *   REHEARSE                               REHEARSED
 *   CALIBRATE {seconds}                    CALIBRATED {rate}
 *   LOAD {intensity, solo_rate}            LOADED {share}, then NOISE until UNLOADED
 *   RUN {warmup_ns, measure_ns}            EPOCH or ALIVE, again and again, then DONE
 *   STAY {ns}                              nothing: it has nothing to do in a phase of that length
 *   UNLOAD                                 UNLOADED
 *   QUIT, or end of file                   exits
 *   anything                               FAILED {kind, text}, then exits
 *
 * CONNECT goes to a workload and all its peers at once, where one of them has a connect step, and
 * once all have answered REHEARSE does, where the workload's kind has such a step. While a phase
 * runs, a victim's worker is never quiet for longer than CT_ALIVE_EVERY_S.
 */
#ifndef COTENANT_TENANT_PROTOCOL_H
#define COTENANT_TENANT_PROTOCOL_H

#include <stdint.h>

#include "harness/core/hist.h"
#include "harness/core/measurement.h"

enum { CT_PROTOCOL_VERSION = 2, CT_ALIVE_EVERY_S = 1, CT_SILENT_AFTER_S = 20 };

enum ct_message {
	CT_MSG_SETUP = 1,
	CT_MSG_CALIBRATE,
	CT_MSG_LOAD,
	CT_MSG_UNLOAD,
	CT_MSG_RUN,
	CT_MSG_CLOCK,
	CT_MSG_QUIT,
	CT_MSG_CONNECT,
	CT_MSG_STAY,
	CT_MSG_REHEARSE,

	CT_MSG_HELLO = 64,
	CT_MSG_READY,
	CT_MSG_CALIBRATED,
	CT_MSG_LOADED,
	CT_MSG_NOISE,
	CT_MSG_EPOCH,
	CT_MSG_DONE,
	CT_MSG_UNLOADED,
	CT_MSG_CLOCK_IS,
	CT_MSG_FAILED,
	CT_MSG_CONNECTED,
	CT_MSG_ALIVE,
	CT_MSG_REHEARSED
};

/* "SETUP", "EPOCH", ...; "?" for a number that is none. */
const char *ct_message_name(unsigned type);

/*
 * CT_MSG_EPOCH: this, then n_buckets ct_bucket_wire, n_slow ct_slow_sample, n_raw ct_raw_sample,
 * n_counters double: a value for each entry of READY's `counters`, NaN where it could not be read.
 * row.counted and the aggressor's columns are the controller's to fill.
 */
struct ct_epoch_wire {
	uint32_t n_buckets, n_slow, n_raw, n_counters;
	uint64_t raw_dropped;
	struct ct_epoch_row row;
};

struct ct_bucket_wire {
	uint32_t index, count;
};

/* CT_MSG_NOISE: one or more struct ct_noise_row. */

#endif
