/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/standin/fault/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/tenant/protocol.h"

struct word {
	const char *name;
	int value;
};

static const struct word kinds[] = {{"malloc", FAULT_MALLOC},
				    {"fork", FAULT_FORK},
				    {"thread", FAULT_THREAD},
				    {"write", FAULT_WRITE},
				    {"fsync", FAULT_FSYNC},
				    {"clock", FAULT_CLOCK},
				    {"garbage", FAULT_GARBAGE},
				    {"short", FAULT_SHORT},
				    {"silence", FAULT_SILENCE},
				    {"duplicate", FAULT_DUPLICATE},
				    {"kill", FAULT_KILL},
				    {"corrupt", FAULT_CORRUPT},
				    {NULL, 0}};
static const struct word errors[] = {{"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EIO", EIO},
				     {"EAGAIN", EAGAIN}, {"short", 0},       {NULL, 0}};
static const struct word frames[] = {{"HELLO", CT_MSG_HELLO},
				     {"READY", CT_MSG_READY},
				     {"LOADED", CT_MSG_LOADED},
				     {"NOISE", CT_MSG_NOISE},
				     {"EPOCH", CT_MSG_EPOCH},
				     {"DONE", CT_MSG_DONE},
				     {NULL, 0}};

static bool look_up(const struct word *words, const char *name, int *value)
{
	for (; words->name; words++) {
		if (strcmp(words->name, name) == 0) {
			*value = words->value;
			return true;
		}
	}
	return false;
}

static bool set(struct fault_plan *plan, const char *key, const char *value)
{
	int number = 0;

	if (strcmp(key, "who") == 0)
		return snprintf(plan->who, sizeof plan->who, "%s", value) > 0;
	if (strcmp(key, "file") == 0)
		return snprintf(plan->file, sizeof plan->file, "%s", value) > 0;
	if (strcmp(key, "when") == 0)
		return snprintf(plan->when, sizeof plan->when, "%s", value) > 0;
	if (strcmp(key, "error") == 0)
		return look_up(errors, value, &plan->error);
	if (strcmp(key, "clock") == 0) {
		plan->real_time = strcmp(value, "real") == 0;
		return true;
	}
	if (strcmp(key, "in") == 0) {
		plan->in_wait = strcmp(value, "wait") == 0;
		return plan->in_wait;
	}
	if (strcmp(key, "frame") == 0) {
		if (!look_up(frames, value, &number))
			return false;
		plan->frame = (unsigned)number;
		return true;
	}
	if (strcmp(key, "skip") == 0)
		plan->skip = atol(value);
	else if (strcmp(key, "at") == 0)
		plan->at = atol(value);
	else if (strcmp(key, "times") == 0)
		plan->times = atol(value);
	else if (strcmp(key, "by") == 0)
		plan->by = atol(value);
	else
		return false;
	return true;
}

bool fault_plan_read(struct fault_plan *plan)
{
	const char *asked = getenv("COTENANT_FAULT"), *log = getenv("COTENANT_FAULT_LOG");
	char text[1024], *save, *word;
	int kind;

	if (!asked || !log)
		return false;
	*plan = (struct fault_plan){.at = 1, .times = 1, .by = 3600, .error = EIO};
	snprintf(plan->log, sizeof plan->log, "%s", log);
	snprintf(text, sizeof text, "%s", asked);
	word = strtok_r(text, " ", &save);
	if (!word || !look_up(kinds, word, &kind))
		goto refuse;
	snprintf(plan->name, sizeof plan->name, "%s", word);
	while ((word = strtok_r(NULL, " ", &save)) != NULL) {
		char *equals = strchr(word, '=');

		if (!equals)
			goto refuse;
		*equals = '\0';
		if (!set(plan, word, equals + 1))
			goto refuse;
	}
	plan->kind = (enum fault_kind)kind;
	return true;
refuse:
	fprintf(stderr, "COTENANT_FAULT: not understood: %s\n", asked);
	_Exit(99);
}
