/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a block, as fibers of one CPU thread: who waits for others lets them run. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

struct dim {
	uint32_t x;
};
/* Of the fiber that runs. */
extern dim threadIdx, blockIdx, blockDim, gridDim;

void block_sync();
void warp_sync();
uint64_t emulated_clock();
unsigned char *emulated_shared();
void emulated_copy(void *to, const void *from, size_t bytes);
void emulated_commit();
void emulated_wait(unsigned pending);
/* Room for 32 lanes of up to 64 bytes: of the warp that runs. */
void *warp_room();

/* What all lanes of the warp give; it is gone when the last lane leaves. */
template <class T> class exchange
{
      public:
	explicit exchange(const T &mine)
	{
		static_assert(sizeof(T) <= 64, "see warp_room");
		all = static_cast<T *>(warp_room());
		all[threadIdx.x % 32] = mine;
		warp_sync();
	}
	~exchange()
	{
		warp_sync();
	}
	exchange(const exchange &) = delete;
	exchange &operator=(const exchange &) = delete;
	const T &operator[](uint32_t lane) const
	{
		return all[lane];
	}

      private:
	T *all;
};

/* Runs `kernel` in every thread of the grid, block after block. `late`: see emulate.h. */
void emulated_launch(unsigned grid, unsigned block, bool late, const std::function<void()> &kernel);
