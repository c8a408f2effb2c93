/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory latency by pointer chase. Every node of a ring holds the address of the next one, so a
 * load can't begin before the one in front of it has returned: no out-of-order core overlaps two of
 * them and the time per load is the latency of the level that holds the ring. The ring is one
 * random cycle over all nodes (Sattolo 1986), so strides repeat for no prefetcher, and nearly every
 * load is in another page than the last. lmbench's lat_mem_rd and Google's multichase do the same.
 */
#include "bench/victims.h"

#include <stdlib.h>

#include "harness/core/rng.h"

enum { LINE = 64, UNROLL = 16 };

struct latency_options {
	uint64_t working_set;
	uint64_t stride;
	uint64_t accesses;
	int pages;
};

struct latency_state {
	void **at; /* where the next sample goes on */
	uint64_t rounds, rest;
	struct ct_memory memory;
};

/* The nodes of the ring: one in every stride-sized cell of the working set. */
struct cells {
	char *base;
	uint64_t count, stride, seed;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/*
 * A node lies on a random line of its cell. On the first line always, a stride of a power of two
 * would use a few cache sets only and measure conflict misses in a cache that is nearly empty.
 */
static void **node(const struct cells *cells, uint64_t i)
{
	uint64_t line = mix(cells->seed + i) % (cells->stride / LINE);

	return (void **)(cells->base + i * cells->stride + line * LINE);
}

/* Sattolo's shuffle in place: the values are the ring itself, so no second array is needed. */
static void make_ring(const struct cells *cells, struct ct_rng *rng)
{
	for (uint64_t i = 0; i < cells->count; i++)
		*node(cells, i) = node(cells, i);
	for (uint64_t i = cells->count - 1; i > 0; i--) {
		void **a = node(cells, i);
		void **b = node(cells, ct_rng_below(rng, i));
		void *swap = *a;

		*a = *b;
		*b = swap;
	}
}

static bool check_options(const struct latency_options *asked, struct ct_error *err)
{
	if (asked->stride % LINE != 0)
		return ct_usage(err,
				"stride = %llu: a node is a cache line, so give a multiple of 64",
				(unsigned long long)asked->stride);
	if (asked->working_set / asked->stride < 2)
		return ct_usage(err,
				"working_set = %llu holds fewer than two nodes at stride = %llu: "
				"raise working_set or lower stride",
				(unsigned long long)asked->working_set,
				(unsigned long long)asked->stride);
	return true;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct latency_options *asked = options;
	struct latency_state *chase;
	struct ct_rng rng;
	struct cells cells;

	if (!check_options(asked, err))
		return false;
	chase = calloc(1, sizeof *chase);
	if (!chase)
		return ct_broken_errno(err, "mem_latency: no memory for its state");
	if (!ct_memory_map(&chase->memory, env->place, asked->working_set,
			   (enum ct_pages)asked->pages, err)) {
		free(chase);
		return ct_error_in(err, "mem_latency: working_set");
	}
	ct_rng_stream(&rng, env->seed, 0);
	cells = (struct cells){.base = chase->memory.base,
			       .count = asked->working_set / asked->stride,
			       .stride = asked->stride,
			       .seed = ct_rng_next(&rng)};
	make_ring(&cells, &rng);
	chase->at = node(&cells, 0);
	chase->rounds = asked->accesses / UNROLL;
	chase->rest = asked->accesses % UNROLL;
	env->operations_per_sample = asked->accesses;
	*state = chase;
	return true;
}

/*
 * Sixteen loads for one decrement and one branch, and those two don't depend on the loads: they
 * run in their shadow. The empty asm takes `p` and may change it, so no load can be dropped,
 * hoisted or joined with one of the next round. The last address is stored for the next sample:
 * the ring is walked on and on, never the same 256 nodes again.
 */
#define HOP  p = *p
#define HOP4 HOP, HOP, HOP, HOP
static bool operate(void *state)
{
	struct latency_state *chase = state;
	void **p = chase->at;

	for (uint64_t i = chase->rounds; i > 0; i--) {
		HOP4, HOP4, HOP4, HOP4;
		__asm__ volatile("" : "+r"(p));
	}
	for (uint64_t i = chase->rest; i > 0; i--) {
		HOP;
		__asm__ volatile("" : "+r"(p));
	}
	chase->at = p;
	return true;
}

static void teardown(void *state)
{
	struct latency_state *chase = state;

	ct_memory_unmap(&chase->memory);
	free(chase);
}

static const struct ct_param params[] = {
	{.name = "working_set",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct latency_options, working_set),
	 .fallback = "64M",
	 .min = "4K",
	 .max = "1T",
	 .help = "size of the ring; what holds it decides which cache or memory is measured"},
	{.name = "stride",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct latency_options, stride),
	 .fallback = "64",
	 .min = "64",
	 .max = "1G",
	 .help = "one node for so many bytes; 4K touches one line a page and stresses the TLB"},
	{.name = "accesses",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct latency_options, accesses),
	 .fallback = "256",
	 .min = "1",
	 .max = "1000000",
	 .help = "dependent loads in one sample; fewer show shorter stalls, but more of the clock"},
	{.name = "pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct latency_options, pages),
	 .fallback = "base",
	 .choices = ct_pages_names,
	 .help = "page size; with base pages a large ring also measures page walks"},
	{0},
};

const struct ct_victim_ops ct_bench_mem_latency = {
	.name = "mem_latency",
	.summary = "dependent loads over a random ring: latency of a cache level or of memory",
	.unit = "ns",
	.sample = "one dependent load, averaged over `accesses` of them",
	.stresses = CT_RES_L1 | CT_RES_L2 | CT_RES_LLC | CT_RES_MEMORY | CT_RES_TLB |
		    CT_RES_INTERCONNECT,
	.params = params,
	.options_size = sizeof(struct latency_options),
	.setup = setup,
	.operate = operate,
	.teardown = teardown,
};
