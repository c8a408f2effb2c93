/* SPDX-License-Identifier: Apache-2.0 */
/* What machine the stand-in is, and which calls fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/standin/cuda/standin.h"

enum { MAX_RULES = 32, MAX_CALLS = 128, NAME = 64 };

struct machine machine;

static struct {
	pthread_mutex_t lock;
	struct {
		char call[NAME];
		unsigned at;
		int status;
	} rules[MAX_RULES];
	struct {
		const char *call;
		unsigned n;
	} counts[MAX_CALLS];
	size_t n_rules, n_counts;
	int lost;
} failures = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void set(const char *key, long value)
{
	const struct {
		const char *key;
		int *field;
	} fields[] = {
		{"gpus", &machine.gpus},
		{"cuda", &machine.cuda},
		{"cc", &machine.cc},
		{"sms", &machine.sms},
		{"mps", &machine.mps},
		{"mps_sms", &machine.mps_sms},
		{"mig", &machine.mig},
		{"peers", &machine.peers},
		{"dma_buf", &machine.dma_buf},
		{"rdma_order", &machine.rdma_order},
		{"rdma_flush", &machine.rdma_flush},
	};

	if (strcmp(key, "memory_mib") == 0) {
		machine.memory_bytes = (uint64_t)value << 20;
		return;
	}
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		if (strcmp(fields[i].key, key) == 0) {
			*fields[i].field = (int)value;
			return;
		}
	}
	fprintf(stderr, "cuda stand-in: no key '%s'\n", key);
	abort();
}

static void read_rules(const char *text)
{
	failures.n_rules = failures.n_counts = 0;
	failures.lost = SUCCESS;
	while (text && *text && failures.n_rules < MAX_RULES) {
		int used = 0;

		if (sscanf(text, "%63[^:]:%u:%d%n", failures.rules[failures.n_rules].call,
			   &failures.rules[failures.n_rules].at,
			   &failures.rules[failures.n_rules].status, &used) != 3) {
			fprintf(stderr, "cuda stand-in: '%s' is no failure\n", text);
			abort();
		}
		failures.n_rules++;
		text += used;
		text += *text == ',';
	}
}

void machine_read(void)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	const char *text = getenv("COTENANT_CUDA_STANDIN");
	char key[32];
	long value;
	int used;

	machine = (struct machine){.gpus = 1,
				   .cuda = 13000,
				   .cc = 90,
				   .sms = 132,
				   .memory_bytes = UINT64_C(1) << 30,
				   .peers = 1,
				   .dma_buf = 1,
				   .rdma_flush = 1};
	while (text && sscanf(text, " %31[^= ]=%ld%n", key, &value, &used) == 2) {
		set(key, value);
		text += used;
	}
	snprintf(machine.visible, sizeof machine.visible, "%s", visible ? visible : "");
	if (machine.mig)
		machine.gpus = strncmp(machine.visible, "MIG-", 4) == 0;
	pthread_mutex_lock(&failures.lock);
	read_rules(getenv("COTENANT_CUDA_FAIL"));
	pthread_mutex_unlock(&failures.lock);
}

static bool is_sticky(int status)
{
	return status == 214 || (status >= 700 && status < 720 && status != PEER_ALREADY);
}

/* Names are literals of one file: their addresses identify them. */
static unsigned count(const char *call)
{
	for (size_t i = 0; i < failures.n_counts; i++) {
		if (strcmp(failures.counts[i].call, call) == 0)
			return ++failures.counts[i].n;
	}
	if (failures.n_counts < MAX_CALLS) {
		failures.counts[failures.n_counts].call = call;
		failures.counts[failures.n_counts++].n = 1;
	}
	return 1;
}

int enter(const char *call)
{
	int status;
	unsigned n;

	pthread_mutex_lock(&failures.lock);
	status = failures.lost;
	n = count(call);
	for (size_t i = 0; status == SUCCESS && i < failures.n_rules; i++) {
		if (strcmp(failures.rules[i].call, call) == 0 &&
		    (failures.rules[i].at == n || failures.rules[i].at == 0))
			status = failures.rules[i].status;
	}
	if (is_sticky(status))
		failures.lost = status;
	pthread_mutex_unlock(&failures.lock);
	return status;
}

int lost(void)
{
	int status;

	pthread_mutex_lock(&failures.lock);
	status = failures.lost;
	pthread_mutex_unlock(&failures.lock);
	return status;
}

void lose(int status)
{
	pthread_mutex_lock(&failures.lock);
	failures.lost = failures.lost ? failures.lost : status;
	pthread_mutex_unlock(&failures.lock);
}
