/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libnccl.so.2 on machines without GPUs, loaded by the same dlopen, on top of the
 * stand-in for the driver. Its ranks are processes of one machine that share a memory; an
 * all-reduce is a function in the stream that gives its part to the others, waits for theirs and
 * adds them. No figure that comes out of it says anything about NCCL.
 *
 * COTENANT_NCCL_STANDIN=version=22703 says how old it is. STANDIN_OLD builds 2.10.3, which has no
 * ncclCommInitRankConfig and no ncclGetLastError, and where joining blocks.
 *
 * COTENANT_NCCL_FAIL makes things fail: "ncclAllReduce@0:5:3" makes rank 0's fifth call return 3;
 * without "@0" every rank's does; several are separated by commas. "ncclCommGetAsyncError" is what
 * the communicator says from then on. Beside the functions there are
 *
 *   absent@1:1:0   rank 1 joins, but never comes
 *   hang@1:5:0     its fifth all-reduce never ends
 *   wrong@0:5:0    an element of the fifth result is wrong
 *   die@1:5:9      its process ends by signal 9 in the fifth all-reduce
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { SUCCESS = 0, CUDA_ERROR = 1, SYSTEM_ERROR = 2, BAD_ARGUMENT = 4, BAD_USAGE = 5 };
enum { REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { HALF = 6, FLOAT = 7, BFLOAT = 9, SUM = 0 };
enum { MAX_RANKS = 16, PART = 1 << 18, PCI = 32, MAX_RULES = 16, NO_RANK = -1 };
#ifdef STANDIN_OLD
enum { VERSION = 21003 };
#else
enum { VERSION = 22703 };
#endif

struct id {
	char text[128];
};

/* What the ranks share; made by who makes the id, and mapped by all through its /proc. */
struct shared {
	atomic_bool here[MAX_RANKS];
	char pci[MAX_RANKS][PCI];
	atomic_ulong step[MAX_RANKS]; /* barriers that this rank has come to */
	unsigned char data[MAX_RANKS][PART];
};

struct ncclComm {
	struct shared *shared;
	int rank, n_ranks;
	unsigned long step;
	atomic_bool abort;
	atomic_int status;    /* of the communicator: ncclCommGetAsyncError */
	atomic_uint pending;  /* all-reduces in the stream */
	unsigned calls;       /* of ncclAllReduce */
	unsigned unconnected; /* looks until the first all-reduce has been begun */
	bool blocking, joining;
	pthread_t joiner;
};

struct ncclConfig {
	size_t size;
	unsigned magic, version;
	int blocking, cga;
};

/* ---- failures ---- */

static int own_rank = NO_RANK;
static char last_error[128];

static bool asked(const char *name, unsigned n, int *status)
{
	const char *text = getenv("COTENANT_NCCL_FAIL");
	char call[64];
	unsigned at;
	int used;

	for (; text && *text; text += used + (text[used] == ',')) {
		char *of_rank;

		if (sscanf(text, "%63[^:]:%u:%d%n", call, &at, status, &used) != 3) {
			fprintf(stderr, "nccl stand-in: '%s' is no failure\n", text);
			abort();
		}
		of_rank = strchr(call, '@');
		if (of_rank)
			*of_rank++ = '\0';
		if (strcmp(call, name) == 0 && at == n && (!of_rank || atoi(of_rank) == own_rank))
			return true;
	}
	return false;
}

/* ---- the driver ---- */

static struct {
	int (*device)(int *device);
	int (*pci)(char *address, int size, int device);
	int (*host_function)(void *stream, void (*function)(void *), void *argument);
} driver;

static bool find_driver(void)
{
	static const struct {
		const char *name;
		void *function;
	} wanted[] = {
		{"cuCtxGetDevice", &driver.device},
		{"cuDeviceGetPCIBusId", &driver.pci},
		{"cuLaunchHostFunc", &driver.host_function},
	};
	const char *name = getenv("COTENANT_CUDA");
	int (*find)(const char *, void **, int, uint64_t, int *);
	void *library = dlopen(name ? name : "libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
	void *found = library ? dlsym(library, "cuGetProcAddress_v2") : NULL;

	if (!found)
		return false;
	memcpy(&find, &found, sizeof found);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		if (find(wanted[i].name, &found, 12000, 0, NULL) != 0)
			return false;
		memcpy(wanted[i].function, &found, sizeof found);
	}
	return true;
}

/* ---- numbers ---- */

static float half_to_float(uint16_t half)
{
	const int exponent = half >> 10 & 31;
	const float mantissa = (float)(half & 1023) / 1024;
	float value = exponent == 0 ? mantissa * 2 : 1 + mantissa;

	for (int i = 15; i < exponent; i++)
		value *= 2;
	for (int i = exponent == 0 ? 1 : exponent; i < 15; i++)
		value /= 2;
	return half >> 15 ? -value : value;
}

/* Of the numbers that occur: normal ones that fit, and zero. */
static uint16_t float_to_half(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	if (value == 0)
		return 0;
	return (uint16_t)((bits >> 31) << 15 | ((bits >> 23 & 255) - 112) << 10 |
			  (bits >> 13 & 1023));
}

static size_t size_of(int type)
{
	return type == FLOAT ? 4 : 2;
}

static float get(const unsigned char *at, int type)
{
	uint32_t bits = 0;
	float value;

	memcpy(&bits, at, size_of(type));
	if (type == HALF)
		return half_to_float((uint16_t)bits);
	bits = type == BFLOAT ? bits << 16 : bits;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static void put(unsigned char *at, int type, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	bits = type == HALF ? float_to_half(value) : type == BFLOAT ? bits >> 16 : bits;
	memcpy(at, &bits, size_of(type));
}

/* ---- ranks ---- */

static void rest(void)
{
	const struct timespec slice = {.tv_nsec = 20000};

	nanosleep(&slice, NULL);
}

/* False: aborted. */
static bool barrier(struct ncclComm *comm)
{
	atomic_store(&comm->shared->step[comm->rank], ++comm->step);
	for (int rank = 0; rank < comm->n_ranks; rank++) {
		while (atomic_load(&comm->shared->step[rank]) < comm->step) {
			if (atomic_load(&comm->abort))
				return false;
			rest();
		}
	}
	return true;
}

static int all_different(const struct ncclComm *comm)
{
	for (int a = 0; a < comm->n_ranks; a++) {
		for (int b = a + 1; b < comm->n_ranks; b++) {
			if (strcmp(comm->shared->pci[a], comm->shared->pci[b]) != 0)
				continue;
			snprintf(last_error, sizeof last_error,
				 "one device for two ranks, %d and %d:\n%s", a, b,
				 comm->shared->pci[a]);
			return BAD_USAGE;
		}
	}
	return SUCCESS;
}

/* Waits for all ranks. */
static void *join_all(void *argument)
{
	struct ncclComm *comm = argument;
	int status;

	if (asked("absent", 1, &status)) {
		while (!atomic_load(&comm->abort))
			rest();
	}
	atomic_store(&comm->shared->here[comm->rank], true);
	for (int rank = 0; rank < comm->n_ranks; rank++) {
		while (!atomic_load(&comm->shared->here[rank])) {
			if (atomic_load(&comm->abort))
				return NULL;
			rest();
		}
	}
	status = IN_PROGRESS;
	atomic_compare_exchange_strong(&comm->status, &status, all_different(comm));
	return NULL;
}

static bool map_shared(struct ncclComm *comm, const struct id *id)
{
	char path[64];
	void *map;
	int fd;

	snprintf(path, sizeof path, "/proc/%.40s", id->text);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	map = mmap(NULL, sizeof *comm->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	comm->shared = map == MAP_FAILED ? NULL : map;
	return comm->shared != NULL;
}

static int begin_joining(struct ncclComm **out, int n_ranks, const struct id *id, int rank,
			 bool blocking)
{
	struct ncclComm *comm = calloc(1, sizeof *comm);
	int device;

	if (!comm)
		return SYSTEM_ERROR;
	comm->rank = rank;
	comm->n_ranks = n_ranks;
	comm->blocking = blocking;
	comm->unconnected = blocking ? 0 : 3;
	atomic_init(&comm->status, IN_PROGRESS);
	if (!find_driver() || driver.device(&device) != 0 || !map_shared(comm, id) ||
	    driver.pci(comm->shared->pci[rank], PCI, device) != 0) {
		free(comm);
		return SYSTEM_ERROR;
	}
	*out = comm;
	return SUCCESS;
}

/* ---- an all-reduce ---- */

struct operation {
	struct ncclComm *comm;
	const unsigned char *from;
	unsigned char *to;
	size_t count;
	int type;
	unsigned number;
};

static void add_part(const struct operation *op, size_t at, size_t n)
{
	const size_t size = size_of(op->type);

	for (size_t i = 0; i < n; i++) {
		float sum = 0;

		for (int rank = 0; rank < op->comm->n_ranks; rank++)
			sum += get(op->comm->shared->data[rank] + i * size, op->type);
		put(op->to + (at + i) * size, op->type, sum);
	}
}

static void reduce(const struct operation *op)
{
	const size_t size = size_of(op->type), most = PART / size;
	struct ncclComm *comm = op->comm;
	size_t n;

	for (size_t at = 0; at < op->count; at += n) {
		n = op->count - at < most ? op->count - at : most;
		memcpy(comm->shared->data[comm->rank], op->from + at * size, n * size);
		if (!barrier(comm))
			return;
		add_part(op, at, n);
		if (!barrier(comm))
			return;
	}
}

/* In the stream. */
static void run(void *argument)
{
	struct operation *op = argument;
	struct ncclComm *comm = op->comm;
	int value;

	if (asked("die", op->number, &value))
		raise(value);
	while (asked("hang", op->number, &value) && !atomic_load(&comm->abort))
		rest();
	reduce(op);
	if (asked("wrong", op->number, &value))
		put(op->to, op->type, 250);
	free(op);
	atomic_fetch_sub(&comm->pending, 1);
}

/* ---- the library's functions ---- */

EXPORT int ncclGetVersion(int *version);
EXPORT int ncclGetUniqueId(struct id *id);
EXPORT int ncclCommInitRank(struct ncclComm **comm, int n_ranks, struct id id, int rank);
EXPORT int ncclCommInitRankConfig(struct ncclComm **comm, int n_ranks, struct id id, int rank,
				  struct ncclConfig *config);
EXPORT int ncclCommAbort(struct ncclComm *comm);
EXPORT int ncclCommGetAsyncError(struct ncclComm *comm, int *status);
EXPORT int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
			 struct ncclComm *comm, void *stream);
EXPORT const char *ncclGetErrorString(int status);
EXPORT const char *ncclGetLastError(struct ncclComm *comm);

/* As the library does, to standard output unless told otherwise. */
static void tell(const char *words)
{
	const char *name = getenv("NCCL_DEBUG_FILE");
	FILE *file = name ? fopen(name, "we") : stdout;

	if (!file || !getenv("NCCL_DEBUG"))
		return;
	fprintf(file, "NCCL stand-in: %s\n", words);
	fflush(file);
	if (file != stdout)
		fclose(file);
}

int ncclGetVersion(int *version)
{
	const char *text = getenv("COTENANT_NCCL_STANDIN");

	*version = VERSION;
	tell("this is a version");
	return text && *text && sscanf(text, "version=%d", version) != 1 ? BAD_ARGUMENT : SUCCESS;
}

/* The descriptor stays open as long as the process, so that others can reach it. */
int ncclGetUniqueId(struct id *id)
{
	int status, fd;

	if (asked("ncclGetUniqueId", 1, &status))
		return status;
	fd = memfd_create("nccl-standin", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
		return SYSTEM_ERROR;
	memset(id, 0, sizeof *id);
	snprintf(id->text, sizeof id->text, "%d/fd/%d", (int)getpid(), fd);
	return SUCCESS;
}

int ncclCommInitRank(struct ncclComm **comm, int n_ranks, struct id id, int rank)
{
	int status;

	own_rank = rank;
	*comm = NULL;
	if (asked("ncclCommInitRank", 1, &status))
		return status;
	status = begin_joining(comm, n_ranks, &id, rank, true);
	if (status != SUCCESS)
		return status;
	join_all(*comm);
	return atomic_load(&(*comm)->status);
}

#ifndef STANDIN_OLD
int ncclCommInitRankConfig(struct ncclComm **comm, int n_ranks, struct id id, int rank,
			   struct ncclConfig *config)
{
	int status;

	own_rank = rank;
	*comm = NULL;
	if (config->size != 24 || config->magic != 0xcafebeef || config->version != 21400 ||
	    config->blocking != 0 || config->cga != INT_MIN)
		return BAD_ARGUMENT;
	if (asked("ncclCommInitRankConfig", 1, &status))
		return status;
	status = begin_joining(comm, n_ranks, &id, rank, false);
	if (status != SUCCESS)
		return status;
	(*comm)->joining = pthread_create(&(*comm)->joiner, NULL, join_all, *comm) == 0;
	return (*comm)->joining ? IN_PROGRESS : SYSTEM_ERROR;
}

const char *ncclGetLastError(struct ncclComm *comm)
{
	(void)comm;
	return last_error;
}
#endif

int ncclCommAbort(struct ncclComm *comm)
{
	atomic_store(&comm->abort, true);
	if (comm->joining)
		pthread_join(comm->joiner, NULL);
	while (atomic_load(&comm->pending) > 0)
		rest();
	munmap(comm->shared, sizeof *comm->shared);
	free(comm);
	return SUCCESS;
}

int ncclCommGetAsyncError(struct ncclComm *comm, int *status)
{
	static unsigned calls;
	int injected;

	if (asked("ncclCommGetAsyncError", ++calls, &injected)) {
		snprintf(last_error, sizeof last_error, "told so at look %u", calls);
		atomic_store(&comm->status, injected);
	}
	*status = atomic_load(&comm->status);
	if (*status == SUCCESS && comm->calls == 1 && comm->unconnected > 0) {
		comm->unconnected--;
		*status = IN_PROGRESS;
	}
	return SUCCESS;
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
		  struct ncclComm *comm, void *stream)
{
	struct operation *op;
	int status;

	if (asked("ncclAllReduce", ++comm->calls, &status))
		return status;
	if (operation != SUM || (type != HALF && type != FLOAT && type != BFLOAT))
		return BAD_ARGUMENT;
	op = malloc(sizeof *op);
	if (!op)
		return SYSTEM_ERROR;
	*op = (struct operation){comm, from, to, count, type, comm->calls};
	atomic_fetch_add(&comm->pending, 1);
	if (driver.host_function(stream, run, op) != 0) {
		atomic_fetch_sub(&comm->pending, 1);
		free(op);
		return CUDA_ERROR;
	}
	return comm->calls == 1 && !comm->blocking ? IN_PROGRESS : SUCCESS;
}

const char *ncclGetErrorString(int status)
{
	static const char *const words[] = {"no error",
					    "unhandled cuda error",
					    "unhandled system error",
					    "internal error",
					    "invalid argument",
					    "invalid usage",
					    "remote process exited",
					    "in progress"};

	return status >= 0 && status <= IN_PROGRESS ? words[status] : NULL;
}
