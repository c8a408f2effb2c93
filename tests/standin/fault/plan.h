/* SPDX-License-Identifier: Apache-2.0 */
/* What COTENANT_FAULT asks for. */
#ifndef COTENANT_TESTS_FAULT_PLAN_H
#define COTENANT_TESTS_FAULT_PLAN_H

#include <stdbool.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_MALLOC,
	FAULT_FORK,
	FAULT_THREAD,
	FAULT_WRITE,
	FAULT_FSYNC,
	FAULT_CLOCK,
	FAULT_CORRUPT,
	/* of a worker's frames: */
	FAULT_GARBAGE,
	FAULT_SHORT,
	FAULT_DUPLICATE,
	FAULT_SILENCE,
	FAULT_KILL
};

enum { FAULT_LINE = 48 }; /* every line of the log has this length */

struct fault_plan {
	enum fault_kind kind;
	char name[16], who[16], file[64], when[512], log[400];
	long skip, at, times, by;
	int error; /* 0: a short write */
	unsigned frame;
	bool real_time, in_wait;
};

/* From the environment. False: nothing is asked for, or it is not understood (then it is told). */
bool fault_plan_read(struct fault_plan *plan);

#endif
