/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the last-level cache: touches one word of each line over a footprint of twice its size, so
 * that every access brings a line in which pushes another one out. What counts is lines per second.
 *
 * sweep goes through the footprint in order, in several lanes side by side, and lets the hardware
 * prefetchers help: the fastest turnover. random takes lines in an order that no prefetcher
 * follows; no access waits for another, so as many misses as the core has buffers for are under
 * way at once. Written lines are dirty when they are evicted and cost a write to memory as well.
 */
#include "noise/aggressors.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/core/rng.h"

enum {
	LINE = 64,
	LANES = 4, /* prefetchers stop at the end of a page; several lanes hide that */
	PAGE = 4096,
	BURST_LINES = 8192,       /* 20 us to 250 us, by hit or miss and order */
	UNKNOWN_CACHE = 32 << 20, /* where the kernel does not tell the size */
	SMALLEST = 1 << 20
};

enum op { OP_READ, OP_WRITE, OP_MODIFY };
enum order { ORDER_SWEEP, ORDER_RANDOM };

struct options {
	uint64_t footprint;
	int op;
	int order;
	int pages;
};

struct llc {
	const struct ct_aggressor_env *env;
	struct options options;
};

struct llc_thread {
	struct ct_memory memory;
	enum op op;
	enum order order;
	uint64_t n_lines, state; /* random: lines in all, and state of the generator */
	size_t lane, at;         /* sweep: bytes of a lane, and where it has come to */
	uint64_t seen;           /* what the reads returned; so that they can't be left out */
};

static const char *const op_names[] = {"read", "write", "modify", NULL};
static const char *const order_names[] = {"sweep", "random", NULL};

static bool read_sysfs(int cpu, int index, const char *file, char *text, int size)
{
	char path[128];
	FILE *stream;
	bool good;

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index,
		 file);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	good = fgets(text, size, stream) != NULL;
	fclose(stream);
	return good;
}

/* Size of the last cache before memory as seen from a CPU, and the CPUs that share it. sysconf()
 * is no help: it knows nothing of CPUs that share, and is wrong on several makes. */
static uint64_t last_level_cache(int cpu, hwloc_bitmap_t sharers)
{
	uint64_t bytes = UNKNOWN_CACHE;
	int highest = 0;
	char text[512];

	hwloc_bitmap_only(sharers, (unsigned)cpu);
	for (int index = 0; read_sysfs(cpu, index, "level", text, sizeof text); index++) {
		int level = atoi(text);
		unsigned long kib;

		if (level <= highest || !read_sysfs(cpu, index, "type", text, sizeof text) ||
		    text[0] == 'I')
			continue;
		if (!read_sysfs(cpu, index, "size", text, sizeof text) ||
		    sscanf(text, "%luK", &kib) != 1)
			continue;
		highest = level;
		bytes = (uint64_t)kib << 10;
		if (read_sysfs(cpu, index, "shared_cpu_list", text, sizeof text))
			hwloc_bitmap_list_sscanf(sharers, text);
	}
	return bytes;
}

/* Threads under one cache cover the footprint together; on caches of their own each covers it. */
static bool thread_footprint(const struct llc *llc, unsigned thread, uint64_t *bytes,
			     struct ct_error *err)
{
	const struct ct_place *place = llc->env->place;
	hwloc_bitmap_t sharers = hwloc_bitmap_alloc();
	uint64_t cache;
	unsigned companions = 0;

	if (!sharers)
		return ct_broken_errno(err, "llc: memory for a set of CPUs");
	cache = last_level_cache(ct_place_cpu(place, thread), sharers);
	for (unsigned i = 0; i < llc->env->threads; i++)
		companions += hwloc_bitmap_isset(sharers, (unsigned)ct_place_cpu(place, i)) != 0;
	hwloc_bitmap_free(sharers);
	*bytes = (llc->options.footprint ? llc->options.footprint : 2 * cache) /
		 (companions ? companions : 1);
	if (*bytes < SMALLEST)
		*bytes = SMALLEST;
	return true;
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct llc *llc = calloc(1, sizeof *llc);

	if (!llc)
		return ct_broken_errno(err, "llc: memory for its state");
	llc->env = env;
	llc->options = *(const struct options *)options;
	*state = llc;
	return true;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct llc *llc = state;
	struct llc_thread *self = calloc(1, sizeof *self);
	struct ct_rng rng;
	uint64_t bytes = 0;

	if (!self)
		return ct_broken_errno(err, "llc: memory for thread %u", thread);
	if (!thread_footprint(llc, thread, &bytes, err))
		goto fail;
	if (!ct_memory_map(&self->memory, llc->env->place, bytes, (enum ct_pages)llc->options.pages,
			   err)) {
		ct_error_in(err, "llc: footprint of thread %u", thread);
		goto fail;
	}
	ct_rng_stream(&rng, llc->env->seed, thread);
	self->state = ct_rng_next(&rng);
	self->n_lines = bytes / LINE;
	/* Not a multiple of a page: else the lanes would share a few sets of each cache. */
	self->lane = bytes / LANES / PAGE * PAGE - PAGE + PAGE / LANES;
	self->op = (enum op)llc->options.op;
	self->order = (enum order)llc->options.order;
	*thread_state = self;
	return true;
fail:
	free(self);
	return false;
}

static inline uint64_t touch(char *line, enum op op, uint64_t value)
{
	volatile uint64_t *word = (volatile uint64_t *)line;

	if (op == OP_READ)
		return *word;
	*word = op == OP_WRITE ? value : *word + 1;
	return 0;
}

static inline uint64_t sweep(struct llc_thread *self, enum op op)
{
	const size_t lane = self->lane, step = (size_t)BURST_LINES / LANES * LINE;
	uint64_t seen = 0;
	char *at;

	if (self->at + step > lane)
		self->at = 0;
	at = (char *)self->memory.base + self->at;
	for (int i = 0; i < BURST_LINES / LANES; i++, at += LINE) {
		_Pragma("GCC unroll 4") for (int k = 0; k < LANES; k++)
		{
			seen += touch(at + (size_t)k * lane, op, (uint64_t)i);
		}
	}
	self->at += step;
	return seen;
}

/*
 * Knuth's linear congruential generator, top 32 bits scaled to the number of lines: one multiply
 * and one add in the chain from line to line (4 cycles), so that addresses are known long before
 * the loads before them have returned.
 */
static inline uint64_t jump_about(struct llc_thread *self, enum op op)
{
	uint64_t state = self->state, seen = 0;

	for (int i = 0; i < BURST_LINES; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		seen += touch((char *)self->memory.base +
				      ((state >> 32) * self->n_lines >> 32) * LINE,
			      op, state);
	}
	self->state = state;
	return seen;
}

/* With the operation a constant, each loop holds nothing but that operation. */
static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct llc_thread *self = thread_state;
	const bool in_order = self->order == ORDER_SWEEP;

	(void)err;
	switch (self->op) {
	case OP_READ:
		self->seen += in_order ? sweep(self, OP_READ) : jump_about(self, OP_READ);
		break;
	case OP_WRITE:
		self->seen += in_order ? sweep(self, OP_WRITE) : jump_about(self, OP_WRITE);
		break;
	case OP_MODIFY:
		self->seen += in_order ? sweep(self, OP_MODIFY) : jump_about(self, OP_MODIFY);
		break;
	}
	*units += BURST_LINES;
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct llc_thread *self = thread_state;

	ct_memory_unmap(&self->memory);
	free(self);
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "footprint",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(footprint),
	 .fallback = "0",
	 .min = "0",
	 .max = "128G",
	 .help = "bytes that the threads under one last-level cache cover together; 0: twice its "
		 "size"},
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(op),
	 .fallback = "write",
	 .choices = op_names,
	 .help = "what is done to each line; evicted written lines also cost a write to memory"},
	{.name = "order",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(order),
	 .fallback = "sweep",
	 .choices = order_names,
	 .help = "in order with the help of prefetchers, or at random"},
	{.name = "pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(pages),
	 .fallback = "thp",
	 .choices = ct_pages_names,
	 .help = "page size of the footprint; huge pages keep the TLB out of it"},
	{0}};

const struct ct_aggressor_ops ct_noise_llc = {
	.name = "llc",
	.summary = "touches a word of every line over a footprint of twice the last-level cache",
	.unit = "op",
	.stresses = CT_RES_LLC | CT_RES_L2 | CT_RES_INTERCONNECT | CT_RES_MEMORY,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = free,
};
