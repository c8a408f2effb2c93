/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What aggressors on a GPU share: the device, the size of a burst, and how bursts are submitted.
 *
 * A burst is work of about 100 us for the device, or as long as the aggressor asks for. Its size is
 * found by the clock when the aggressor is set up. At most two bursts are under way: one is
 * submitted while the other one runs, so the device never waits for the host, and a pause of the
 * pacer takes effect within one burst. Units are counted when the device has finished them.
 */
#ifndef COTENANT_NOISE_GPU_LOAD_H
#define COTENANT_NOISE_GPU_LOAD_H

#include "harness/gpu/device.h"
#include "harness/gpu/kernel.h"
#include "noise/noise.h"

/* Bursts under way on one stream; zero before ct_gpu_queue_open. */
struct ct_gpu_queue {
	struct ct_cu_stream *stream;
	struct {
		struct ct_cu_event *done;
		bool pending;
		uint64_t units;
	} bursts[2];
	unsigned next; /* the one to submit into; where it is pending, the older of two */
};

bool ct_gpu_queue_open(struct ct_gpu_queue *queue, const struct ct_gpu *gpu,
		       struct ct_cu_stream *stream, struct ct_error *err);
/* Waits for all that is under way and forgets it; what failed has been reported or will be. */
void ct_gpu_queue_drain(struct ct_gpu_queue *queue, const struct ct_gpu *gpu);
/* Fine on one that failed to open. Nothing may be under way. */
void ct_gpu_queue_close(struct ct_gpu_queue *queue, const struct ct_gpu *gpu);
/* No further burst may be submitted. */
bool ct_gpu_queue_is_full(const struct ct_gpu_queue *queue);
/* What has been given to the stream since the last one is a burst of `units`. */
bool ct_gpu_queue_add(struct ct_gpu_queue *queue, const struct ct_gpu *gpu, uint64_t units,
		      struct ct_error *err);
/* Waits for the older of two bursts and adds its units. One that is not full has nothing to wait
 * for. */
bool ct_gpu_queue_wait(struct ct_gpu_queue *queue, const struct ct_gpu *gpu, uint64_t *units,
		       struct ct_error *err);
/* The same without waiting: `*done` says whether there was one that is over. */
bool ct_gpu_queue_poll(struct ct_gpu_queue *queue, const struct ct_gpu *gpu, bool *done,
		       uint64_t *units, struct ct_error *err);

struct ct_gpu_load;

/* Gives the device `size` steps of work, on load->gpu.stream, and says how many units they are. */
typedef bool ct_gpu_submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units,
			   struct ct_error *err);

/* Stands first in an aggressor's state; zero before ct_gpu_load_open. */
struct ct_gpu_load {
	const char *name; /* of the aggressor, for errors */
	const struct ct_aggressor_env *env;
	struct ct_gpu gpu;
	ct_gpu_submit *submit;
	uint64_t size;
	double burst_ns;           /* how long a burst is made; 0: 100 us */
	struct ct_gpu_queue queue; /* on load->gpu.stream */
};

/* On failure nothing is left behind. */
bool ct_gpu_load_open(struct ct_gpu_load *load, const char *name,
		      const struct ct_aggressor_env *env, ct_gpu_submit *submit,
		      struct ct_error *err);
/* Waits for what is under way; fine on one that failed to open. */
void ct_gpu_load_close(struct ct_gpu_load *load);
/* Finds the size of a burst, a multiple of `step` and at most `most`. */
bool ct_gpu_load_find_size(struct ct_gpu_load *load, uint64_t step, uint64_t most,
			   struct ct_error *err);

/* For the descriptor of an aggressor that has no state of its own for a thread. */
bool ct_gpu_load_thread_setup(void *state, unsigned thread, void **thread_state,
			      struct ct_error *err);
bool ct_gpu_load_burst(void *state, uint64_t *units, struct ct_error *err);
void ct_gpu_load_thread_teardown(void *state);

/* The number of multiprocessors to make blocks for; `limit` 0: all that this context has. */
unsigned ct_gpu_load_sms(const struct ct_gpu_load *load, uint64_t limit);
/* Device memory with pseudo-random words in it. */
bool ct_gpu_load_memory(struct ct_gpu_load *load, uint64_t bytes, ct_cu_address *address,
			struct ct_error *err);

/* The parameter `sms` of those that launch kernels. */
#define CT_GPU_PARAM_SMS(field)                                                                \
	{                                                                                      \
		.name = "sms", .type = CT_PARAM_COUNT, .offset = (field), .fallback = "0",     \
		.max = "4096",                                                                 \
		.help = "blocks for so many multiprocessors (the GPU picks which); 0: all of " \
			"the tenant's"                                                         \
	}

#endif
