/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/fibers.h"

#include <cstring>
#include <ctime>
#include <memory>
#include <ucontext.h>
#include <vector>

dim threadIdx, blockIdx, blockDim, gridDim;

namespace
{

constexpr size_t stack_bytes = 64 << 10;
constexpr size_t shared_bytes = 228 << 10;

struct copy {
	void *to;
	const void *from;
	size_t bytes;
};

struct fiber {
	ucontext_t context;
	std::unique_ptr<char[]> stack;
	bool done;
	std::vector<copy> open;                /* not yet committed */
	std::vector<std::vector<copy>> groups; /* committed and not yet arrived */
};

struct barrier {
	unsigned arrived = 0, generation = 0;
};

ucontext_t scheduler;
std::vector<fiber> fibers;
std::vector<barrier> warps;
barrier all;
alignas(128) unsigned char shared[shared_bytes];
alignas(64) unsigned char rooms[32][32 * 64];
bool copies_are_late;
const std::function<void()> *body;

void yield()
{
	const uint32_t me = threadIdx.x;

	swapcontext(&fibers[me].context, &scheduler);
}

void wait(barrier &where, unsigned expected)
{
	const unsigned generation = where.generation;

	if (++where.arrived == expected) {
		where.arrived = 0;
		where.generation++;
		return;
	}
	while (where.generation == generation)
		yield();
}

void arrive(const std::vector<copy> &group)
{
	for (const copy &one : group)
		memcpy(one.to, one.from, one.bytes);
}

void run()
{
	const uint32_t me = threadIdx.x;

	(*body)();
	fibers[me].done = true;
	swapcontext(&fibers[me].context, &scheduler);
}

void start(fiber &one)
{
	if (!one.stack)
		one.stack.reset(new char[stack_bytes]);
	one.done = false;
	one.open.clear();
	one.groups.clear();
	getcontext(&one.context);
	one.context.uc_stack.ss_sp = one.stack.get();
	one.context.uc_stack.ss_size = stack_bytes;
	one.context.uc_link = nullptr;
	makecontext(&one.context, run, 0);
}

/* Lets every thread run in turn until all are through. */
void run_block()
{
	memset(shared, 0xff, sizeof shared);
	for (fiber &one : fibers)
		start(one);
	for (bool busy = true; busy;) {
		busy = false;
		for (uint32_t i = 0; i < fibers.size(); i++) {
			if (fibers[i].done)
				continue;
			threadIdx.x = i;
			swapcontext(&scheduler, &fibers[i].context);
			busy = true;
		}
	}
}

} // namespace

void block_sync()
{
	wait(all, blockDim.x);
}

void warp_sync()
{
	wait(warps[threadIdx.x / 32], 32);
}

void *warp_room()
{
	return rooms[threadIdx.x / 32];
}

uint64_t emulated_clock()
{
	timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

unsigned char *emulated_shared()
{
	return shared;
}

void emulated_copy(void *to, const void *from, size_t bytes)
{
	if (copies_are_late)
		fibers[threadIdx.x].open.push_back({to, from, bytes});
	else
		memcpy(to, from, bytes);
}

void emulated_commit()
{
	fiber &me = fibers[threadIdx.x];

	me.groups.push_back(std::move(me.open));
	me.open.clear();
}

void emulated_wait(unsigned pending)
{
	fiber &me = fibers[threadIdx.x];

	while (me.groups.size() > pending) {
		arrive(me.groups.front());
		me.groups.erase(me.groups.begin());
	}
}

void emulated_launch(unsigned grid, unsigned block, bool late, const std::function<void()> &kernel)
{
	copies_are_late = late;
	body = &kernel;
	fibers.resize(block);
	warps.assign((block + 31) / 32, barrier());
	all = barrier();
	gridDim.x = grid;
	blockDim.x = block;
	for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++)
		run_block();
}
