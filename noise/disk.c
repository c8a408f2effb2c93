/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct I/O by io_uring, `depth` requests in flight per thread, past the page cache. Each thread
 * has a file of its own that has no name from the first moment on, so nothing is left behind
 * however the program ends. The file is written in full before the load starts: reading blocks
 * that were never written would not reach the device.
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "harness/core/rng.h"
#include "harness/core/units.h"

enum op { OP_READ, OP_WRITE, OP_RANDREAD, OP_RANDWRITE };

#define WAIT_NS     20000000 /* one wait for a completion: stop is noticed after it */
#define DRAIN_TRIES 500      /* such waits for what is in flight at the end */
#define SPACE_LEFT  (UINT64_C(256) << 20)
#define FILL_BYTES  (UINT64_C(1) << 20)

struct options {
	char *path;
	uint64_t file_size;
	uint64_t block_size;
	uint64_t depth;
	int op;
};

struct disk {
	const struct ct_aggressor_env *env;
	const struct options *options;
};

struct disk_thread {
	const struct ct_aggressor_env *env;
	struct io_uring ring;
	bool ring_made;
	int fd;
	struct ct_memory memory; /* one block for each request in flight */
	struct ct_rng rng;
	enum op op;
	uint64_t block_size, n_blocks, next_block;
	unsigned depth, in_flight;
	unsigned *idle; /* requests not in flight: a stack of depth - in_flight numbers */
};

static bool available(char *why, size_t size)
{
	struct io_uring ring;
	int result = io_uring_queue_init(2, &ring, 0);

	if (result == 0) {
		io_uring_queue_exit(&ring);
		return true;
	}
	if (result == -EPERM || result == -EACCES)
		snprintf(why, size,
			 "io_uring is not permitted here (sysctl kernel.io_uring_disabled, or a "
			 "seccomp filter of the container)");
	else
		snprintf(why, size, "io_uring does not work here: %s", strerror(-result));
	return false;
}

static bool check_file_system(const struct options *options, unsigned threads, struct ct_error *err)
{
	const uint64_t wanted = options->file_size * threads;
	char need[CT_UNIT_TEXT], have[CT_UNIT_TEXT];
	struct statfs type;
	struct statvfs space;
	uint64_t free_bytes, reserve;

	if (statfs(options->path, &type) != 0 || statvfs(options->path, &space) != 0)
		return ct_broken_errno(err, "disk: path = %s", options->path);
	if (type.f_type == TMPFS_MAGIC || type.f_type == RAMFS_MAGIC)
		return ct_usage(err,
				"disk: path = %s is in memory, not on a disk; set path to a "
				"directory on the device that is to be loaded",
				options->path);
	free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	reserve = free_bytes / 20 > SPACE_LEFT ? free_bytes / 20 : SPACE_LEFT;
	if (wanted + reserve <= free_bytes)
		return true;
	return ct_usage(err,
			"disk: %u files would need %s and %s has %s free, of which a reserve stays "
			"free; make file_size smaller or set path to another directory",
			threads, ct_format_size((double)wanted, need), options->path,
			ct_format_size((double)free_bytes, have));
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct disk *disk;

	if (options->block_size % 512 != 0)
		return ct_usage(err, "disk: block_size = %llu: direct I/O needs a multiple of 512",
				(unsigned long long)options->block_size);
	if (options->file_size < options->block_size)
		return ct_usage(err, "disk: file_size is smaller than block_size");
	if (!check_file_system(options, env->threads, err))
		return false;
	disk = calloc(1, sizeof *disk);
	if (!disk)
		return ct_broken_errno(err, "disk: memory for its state");
	disk->env = env;
	disk->options = options;
	*state = disk;
	return true;
}

/* Not every file system makes files without a name; there it loses its name at once. */
static bool open_file(struct disk_thread *self, const char *directory, struct ct_error *err)
{
	const int flags = O_RDWR | O_DIRECT | O_CLOEXEC;
	char name[4096];

	self->fd = open(directory, O_TMPFILE | flags, 0600);
	if (self->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		snprintf(name, sizeof name, "%s/.cotenant-disk-XXXXXX", directory);
		self->fd = mkostemp(name, O_DIRECT | O_CLOEXEC);
		if (self->fd >= 0)
			unlink(name);
	}
	if (self->fd >= 0)
		return true;
	if (errno == EINVAL)
		return ct_usage(err,
				"disk: the file system of path = %s has no direct I/O; set "
				"path to a directory on a disk",
				directory);
	return ct_broken_errno(err, "disk: making a file in path = %s", directory);
}

/* Random content: some devices compress, or drop zeros. */
static bool fill_file(struct disk_thread *self, struct ct_error *err)
{
	const uint64_t bytes = self->n_blocks * self->block_size;
	const size_t span = self->memory.bytes;
	uint64_t *words = self->memory.base;

	for (size_t i = 0; i < span / sizeof *words; i++)
		words[i] = ct_rng_next(&self->rng);
	for (uint64_t at = 0; at < bytes;) {
		size_t part = bytes - at < span ? (size_t)(bytes - at) : span;
		ssize_t done = pwrite(self->fd, words, part, (off_t)at);

		if (done < 0 && errno == EINVAL)
			return ct_usage(err,
					"disk: block_size = %llu: the device needs larger blocks "
					"for direct I/O; try 4K",
					(unsigned long long)self->block_size);
		if (done <= 0)
			return ct_broken_errno(err, "disk: writing the file to be loaded");
		if (atomic_load(self->env->stop))
			return ct_broken(err, "disk: stopped while its file was being written");
		at += (uint64_t)done;
	}
	if (fdatasync(self->fd) != 0)
		return ct_broken_errno(err, "disk: writing the file to be loaded");
	return true;
}

static bool make_ring(struct disk_thread *self, struct ct_error *err)
{
	int result = io_uring_queue_init(self->depth, &self->ring, 0);

	if (result != 0) {
		errno = -result;
		return ct_broken_errno(err, "disk: making an io_uring of depth %u", self->depth);
	}
	self->ring_made = true;
	return true;
}

static bool map_blocks(struct disk_thread *self, struct ct_error *err)
{
	uint64_t bytes = self->block_size * self->depth;

	/* Filling the file goes through the same memory and should not be slow for small blocks. */
	if (bytes < FILL_BYTES)
		bytes = FILL_BYTES / self->block_size * self->block_size;
	return ct_memory_map(&self->memory, self->env->place, bytes, CT_PAGES_BASE, err) ||
	       ct_error_in(err, "disk: buffers");
}

/* Takes one completion off the ring. Returns false when its request failed. */
static bool reap(struct disk_thread *self, struct io_uring_cqe *cqe, uint64_t *units,
		 struct ct_error *err)
{
	const int result = cqe->res;

	self->idle[self->depth - self->in_flight] = (unsigned)(uintptr_t)io_uring_cqe_get_data(cqe);
	self->in_flight--;
	io_uring_cqe_seen(&self->ring, cqe);
	if (result > 0) {
		*units += (uint64_t)result;
		return true;
	}
	errno = result < 0 ? -result : EIO;
	return ct_broken_errno(err, "disk: %s of %llu bytes",
			       self->op == OP_READ || self->op == OP_RANDREAD ? "reading"
									      : "writing",
			       (unsigned long long)self->block_size);
}

static int wait_for_one(struct disk_thread *self, struct io_uring_cqe **cqe)
{
	struct __kernel_timespec wait = {.tv_nsec = WAIT_NS};

	return io_uring_wait_cqe_timeout(&self->ring, cqe, &wait);
}

/* The kernel may still write into the buffers until the last request has ended. */
static void drain(struct disk_thread *self)
{
	struct io_uring_cqe *cqe;
	uint64_t ignored = 0;

	for (int i = 0; self->in_flight > 0 && i < DRAIN_TRIES;) {
		if (wait_for_one(self, &cqe) == 0)
			reap(self, cqe, &ignored, NULL);
		else
			i++;
	}
}

static void thread_teardown(void *thread_state)
{
	struct disk_thread *self = thread_state;

	if (self->ring_made) {
		drain(self);
		io_uring_queue_exit(&self->ring);
	}
	if (self->memory.base)
		ct_memory_unmap(&self->memory);
	if (self->fd >= 0)
		close(self->fd);
	free(self->idle);
	free(self);
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct disk *disk = state;
	const struct options *options = disk->options;
	struct disk_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "disk: memory for thread %u", thread);
	self->env = disk->env;
	self->fd = -1;
	self->op = (enum op)options->op;
	self->block_size = options->block_size;
	self->n_blocks = options->file_size / options->block_size;
	self->depth = (unsigned)options->depth;
	ct_rng_stream(&self->rng, disk->env->seed, thread);
	self->idle = calloc(self->depth, sizeof *self->idle);
	if (!self->idle) {
		ct_broken_errno(err, "disk: memory for thread %u", thread);
		goto fail;
	}
	for (unsigned i = 0; i < self->depth; i++)
		self->idle[i] = i;
	if (!open_file(self, options->path, err) || !map_blocks(self, err) ||
	    !fill_file(self, err) || !make_ring(self, err))
		goto fail;
	*thread_state = self;
	return true;
fail:
	thread_teardown(self);
	return false;
}

static uint64_t choose_block(struct disk_thread *self)
{
	uint64_t block = self->next_block;

	if (self->op == OP_RANDREAD || self->op == OP_RANDWRITE)
		return ct_rng_below(&self->rng, self->n_blocks);
	self->next_block = block + 1 == self->n_blocks ? 0 : block + 1;
	return block;
}

static bool submit_all(struct disk_thread *self, struct ct_error *err)
{
	int result;

	for (; self->in_flight < self->depth; self->in_flight++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
		unsigned slot = self->idle[self->depth - self->in_flight - 1];
		void *block = (char *)self->memory.base + slot * self->block_size;
		uint64_t at;

		if (!sqe)
			break;
		at = choose_block(self) * self->block_size;
		if (self->op == OP_READ || self->op == OP_RANDREAD)
			io_uring_prep_read(sqe, self->fd, block, (unsigned)self->block_size, at);
		else
			io_uring_prep_write(sqe, self->fd, block, (unsigned)self->block_size, at);
		io_uring_sqe_set_data(sqe, (void *)(uintptr_t)slot);
	}
	result = io_uring_submit(&self->ring);
	if (result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY)
		return true;
	errno = -result;
	return ct_broken_errno(err, "disk: submitting requests");
}

/* Refills the queue, waits for one completion and takes those that are there. */
static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct disk_thread *self = thread_state;
	struct io_uring_cqe *cqe;
	int result;

	if (!submit_all(self, err))
		return false;
	result = wait_for_one(self, &cqe);
	if (result == -ETIME || result == -EINTR || result == -EAGAIN)
		return true;
	if (result != 0) {
		errno = -result;
		return ct_broken_errno(err, "disk: waiting for a request");
	}
	do {
		if (!reap(self, cqe, units, err))
			return false;
	} while (io_uring_peek_cqe(&self->ring, &cqe) == 0);
	return true;
}

#define FIELD(name) offsetof(struct options, name)

static const char *const op_names[] = {"read", "write", "randread", "randwrite", NULL};

static const struct ct_param params[] = {
	{.name = "path",
	 .type = CT_PARAM_TEXT,
	 .offset = FIELD(path),
	 .fallback = ".",
	 .help = "directory on the device to load; its file there has no name and vanishes"},
	{.name = "file_size",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(file_size),
	 .fallback = "128M",
	 .min = "1M",
	 .max = "1T",
	 .help = "bytes of each thread's file, written once before the load starts"},
	{.name = "block_size",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(block_size),
	 .fallback = "16K",
	 .min = "512",
	 .max = "16M",
	 .help = "bytes of one request, a multiple of the device's logical block"},
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(op),
	 .fallback = "randread",
	 .choices = op_names,
	 .help = "in order or at random; writing wears flash"},
	{.name = "depth",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(depth),
	 .fallback = "32",
	 .min = "1",
	 .max = "4096",
	 .help = "requests in flight of each thread"},
	{0}};

const struct ct_aggressor_ops ct_noise_disk = {
	.name = "disk",
	.summary = "direct I/O to a file by io_uring, many requests in flight",
	.unit = "B",
	.stresses =
		CT_RES_STORAGE | CT_RES_PCIE | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct options),
	.available = available,
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = free,
	.blocks = true,
};
