/* SPDX-License-Identifier: Apache-2.0 */
/* NCCL by dlopen. See nccl.h. */
#include "harness/gpu/nccl.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/core/clock.h"

#define LIBRARY "libnccl.so.2"

/* ncclResult_t, ncclRedOp_t: the values that somebody here asks for. */
enum { SUCCESS = 0, REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { SUM = 0 };

/* 2.10 is the first with bfloat16. */
enum { OLDEST = 21000, NON_BLOCKING_SINCE = 21400 };

/*
 * ncclConfig_t as 2.14 introduced it. Later ones are longer, and take what this version did not
 * have from their defaults: they go by `version`.
 */
struct config {
	size_t size;
	unsigned magic, version;
	int blocking;
	int padding; /* lies where 2.17 has cgaClusterSize: "undefined" to be safe */
};
_Static_assert(sizeof(struct config) == 24, "the ABI of ncclConfig_t");
enum { CONFIG_MAGIC = 0xcafebeef, CONFIG_VERSION = 21400, CONFIG_UNDEFINED = INT_MIN };

struct communicator;
struct functions {
	int (*GetVersion)(int *version);
	int (*GetUniqueId)(struct ct_nccl_id *id);
	int (*CommInitRank)(struct communicator **comm, int n_ranks, struct ct_nccl_id id,
			    int rank);
	int (*CommInitRankConfig)(struct communicator **comm, int n_ranks, struct ct_nccl_id id,
				  int rank, struct config *config);
	int (*CommAbort)(struct communicator *comm);
	int (*CommGetAsyncError)(struct communicator *comm, int *status);
	int (*AllReduce)(const void *from, void *to, size_t count, int type, int operation,
			 struct communicator *comm, struct ct_cu_stream *stream);
	const char *(*GetErrorString)(int status);
	const char *(*GetLastError)(const struct communicator *comm);
};

struct ct_nccl {
	void *library;
	int version;
	struct functions call;
	struct communicator *comm; /* NULL until it has joined one */
};

/* ---- loading ---- */

static const char *library_name(void)
{
	const char *name = getenv("COTENANT_NCCL");

	return name ? name : LIBRARY;
}

/* It keeps threads of its own, and does not survive being unloaded while they run. */
static void *load(void)
{
	return dlopen(library_name(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

static bool not_found(struct ct_error *err)
{
	const char *reason = dlerror();

	if (strcmp(library_name(), LIBRARY) == 0 && (!reason || strstr(reason, "No such file")))
		return ct_broken(err, "no NCCL: " LIBRARY " not found; install NVIDIA's NCCL, or "
				      "name its library in COTENANT_NCCL");
	return ct_broken(err, "no NCCL: %s", reason ? reason : library_name());
}

static bool find(struct ct_nccl *nccl, const char *symbol, void *function, bool needed,
		 struct ct_error *err)
{
	void *found = dlsym(nccl->library, symbol);

	memcpy(function, &found, sizeof found);
	return found || !needed ||
	       ct_broken(err,
			 "%s has no %s: it is not NCCL, or older than 2.10; install a newer one",
			 library_name(), symbol);
}

static bool find_all(struct ct_nccl *nccl, struct ct_error *err)
{
#define FIND(name) find(nccl, "nccl" #name, (void *)&nccl->call.name, true, err)
#define LOOK(name) (void)find(nccl, "nccl" #name, (void *)&nccl->call.name, false, err)
	LOOK(CommInitRankConfig);
	LOOK(GetLastError);
	return FIND(GetVersion) && FIND(GetUniqueId) && FIND(CommInitRank) && FIND(CommAbort) &&
	       FIND(CommGetAsyncError) && FIND(AllReduce) && FIND(GetErrorString);
#undef LOOK
#undef FIND
}

/*
 * With NCCL_DEBUG set the library prints to standard output, where a worker's frames go. A
 * standard error that can't be opened by name (a socket) leaves nowhere.
 */
static bool keep_output_apart(struct ct_error *err)
{
	static const char stderr_name[] = "/dev/stderr";
	const int fd = open(stderr_name, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return setenv("NCCL_DEBUG_FILE", fd >= 0 ? stderr_name : "/dev/null", 0) == 0 ||
	       ct_broken_errno(err, "setting NCCL_DEBUG_FILE");
}

/* The library's own words, as far as it has any, in one line. */
static bool failed(const struct ct_nccl *nccl, int status, const char *call, struct ct_error *err)
{
	const char *words = nccl->call.GetErrorString(status);
	const char *more = nccl->call.GetLastError ? nccl->call.GetLastError(nccl->comm) : NULL;
	char line[256];
	size_t n = 0;

	for (; more && *more && n + 1 < sizeof line; more++)
		line[n++] = *more == '\n' || *more == '\t' ? ' ' : *more;
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	return ct_broken(err, "nccl%s: %s (%d)%s%s", call, words ? words : "error", status,
			 n > 0 ? ": " : "", line);
}

#define NCCL(nccl, name, err, ...) good((nccl), (nccl)->call.name(__VA_ARGS__), #name, (err))

static bool good(const struct ct_nccl *nccl, int status, const char *call, struct ct_error *err)
{
	return status == SUCCESS || failed(nccl, status, call, err);
}

static bool is_new_enough(struct ct_nccl *nccl, struct ct_error *err)
{
	char text[CT_NCCL_VERSION_TEXT];

	return NCCL(nccl, GetVersion, err, &nccl->version) &&
	       (nccl->version >= OLDEST ||
		ct_broken(err, "%s is NCCL %s; 2.10 is the oldest that works: install a newer one",
			  library_name(), ct_nccl_version_text(nccl->version, text)));
}

struct ct_nccl *ct_nccl_open(struct ct_error *err)
{
	struct ct_nccl *nccl = calloc(1, sizeof *nccl);

	if (!nccl) {
		ct_broken_errno(err, "memory for NCCL's functions");
		return NULL;
	}
	if (keep_output_apart(err)) {
		nccl->library = load();
		if (nccl->library ? find_all(nccl, err) && is_new_enough(nccl, err)
				  : not_found(err))
			return nccl;
	}
	ct_nccl_close(nccl);
	return NULL;
}

/*
 * Aborted, not destroyed: ranks leave at different times, most of them in the middle of the next
 * all-reduce, and ncclCommDestroy may wait for ranks that never do the same.
 */
void ct_nccl_close(struct ct_nccl *nccl)
{
	if (!nccl)
		return;
	if (nccl->comm)
		(void)nccl->call.CommAbort(nccl->comm);
	if (nccl->library)
		dlclose(nccl->library);
	free(nccl);
}

bool ct_nccl_present(char *why, size_t size)
{
	void *library = load();
	struct ct_error err = {0};

	if (library) {
		dlclose(library);
		return true;
	}
	not_found(&err);
	snprintf(why, size, "%s", err.text);
	return false;
}

int ct_nccl_version(const struct ct_nccl *nccl)
{
	return nccl->version;
}

/* Up to 2.8 the major version was counted in thousands. */
const char *ct_nccl_version_text(int version, char out[CT_NCCL_VERSION_TEXT])
{
	const int major = version < 10000 ? 1000 : 10000;

	snprintf(out, CT_NCCL_VERSION_TEXT, "%d.%d.%d", version / major, version % major / 100,
		 version % 100);
	return out;
}

/* ---- waiting ---- */

/* A look at communicator and clock after so many at the stream: they must not stand in samples. */
enum { LOOKS = 64, JOIN_SLICE_NS = 1000000 };

/* Whether the communicator is well; `busy`: with something that was only begun. */
static enum ct_nccl_end ask(const struct ct_nccl *nccl, const char *what, bool *busy,
			    struct ct_error *err)
{
	int status = SUCCESS;

	if (!NCCL(nccl, CommGetAsyncError, err, nccl->comm, &status))
		return CT_NCCL_FAILED;
	*busy = status == IN_PROGRESS;
	if (status == SUCCESS || *busy)
		return CT_NCCL_DONE;
	failed(nccl, status, what, err);
	return status == REMOTE_ERROR ? CT_NCCL_REMOTE : CT_NCCL_FAILED;
}

/* Whether to go on waiting: CT_NCCL_DONE. */
static enum ct_nccl_end bear(const struct ct_nccl_wait *wait, uint64_t begin_ns, const char *what,
			     struct ct_error *err)
{
	if (atomic_load_explicit(wait->stop, memory_order_relaxed)) {
		ct_broken(err, "nccl%s: stopped while waiting for the other ranks", what);
		return CT_NCCL_STOPPED;
	}
	if (wait->patience_ns > 0 && ct_monotonic_ns() - begin_ns > wait->patience_ns) {
		ct_broken(err, "nccl%s: not done after %.3g s; another rank hangs or never came",
			  what, (double)wait->patience_ns / 1e9);
		return CT_NCCL_FAILED;
	}
	return CT_NCCL_DONE;
}

/* Until a call that was only begun has been done, on the library's own threads. */
static enum ct_nccl_end settle(const struct ct_nccl *nccl, const struct ct_nccl_wait *wait,
			       const char *what, bool sleeps, struct ct_error *err)
{
	const struct timespec slice = {.tv_nsec = JOIN_SLICE_NS};
	const uint64_t begin_ns = ct_monotonic_ns();
	bool busy;

	for (;;) {
		enum ct_nccl_end end = ask(nccl, what, &busy, err);

		if (end != CT_NCCL_DONE || !busy)
			return end;
		end = bear(wait, begin_ns, what, err);
		if (end != CT_NCCL_DONE)
			return end;
		if (sleeps)
			nanosleep(&slice, NULL);
		else if (wait->yields)
			sched_yield();
	}
}

/* ---- the communicator ---- */

bool ct_nccl_make_id(struct ct_nccl *nccl, struct ct_nccl_id *id, struct ct_error *err)
{
	return NCCL(nccl, GetUniqueId, err, id);
}

static bool join_without_blocking(struct ct_nccl *nccl, const struct ct_nccl_id *id, unsigned rank,
				  unsigned n_ranks, const struct ct_nccl_wait *wait,
				  struct ct_error *err)
{
	struct config config = {.size = sizeof config,
				.magic = CONFIG_MAGIC,
				.version = CONFIG_VERSION,
				.blocking = 0,
				.padding = CONFIG_UNDEFINED};
	const int status =
		nccl->call.CommInitRankConfig(&nccl->comm, (int)n_ranks, *id, (int)rank, &config);

	if (status != SUCCESS && status != IN_PROGRESS)
		return failed(nccl, status, "CommInitRankConfig", err);
	return settle(nccl, wait, "CommInitRankConfig", true, err) == CT_NCCL_DONE;
}

bool ct_nccl_join(struct ct_nccl *nccl, const struct ct_nccl_id *id, unsigned rank,
		  unsigned n_ranks, const struct ct_nccl_wait *wait, struct ct_error *err)
{
	if (nccl->call.CommInitRankConfig && nccl->version >= NON_BLOCKING_SINCE)
		return join_without_blocking(nccl, id, rank, n_ranks, wait, err);
	return NCCL(nccl, CommInitRank, err, &nccl->comm, (int)n_ranks, *id, (int)rank);
}

/* The library may connect ranks at the first call; then the call has only been begun. */
enum ct_nccl_end ct_nccl_all_reduce(struct ct_nccl *nccl, const struct ct_gpu *gpu,
				    ct_cu_address from, ct_cu_address to, size_t count,
				    enum ct_nccl_type type, const struct ct_nccl_wait *wait,
				    struct ct_error *err)
{
	const int status =
		nccl->call.AllReduce((const void *)(uintptr_t)from, (void *)(uintptr_t)to, count,
				     (int)type, SUM, nccl->comm, gpu->stream);

	if (status == IN_PROGRESS)
		return settle(nccl, wait, "AllReduce", false, err);
	if (status == SUCCESS)
		return CT_NCCL_DONE;
	failed(nccl, status, "AllReduce", err);
	return status == REMOTE_ERROR ? CT_NCCL_REMOTE : CT_NCCL_FAILED;
}

enum ct_nccl_end ct_nccl_finish(struct ct_nccl *nccl, const struct ct_gpu *gpu,
				const struct ct_nccl_wait *wait, struct ct_error *err)
{
	const uint64_t begin_ns = ct_monotonic_ns();
	bool busy;

	for (unsigned looks = 1;; looks++) {
		const int status = gpu->cuda->StreamQuery(gpu->stream);
		enum ct_nccl_end end = CT_NCCL_DONE;

		if (status == CT_CU_SUCCESS)
			return CT_NCCL_DONE;
		if (status != CT_CU_NOT_READY) {
			ct_cuda_failed(gpu->cuda, status, "cuStreamQuery", err);
			return CT_NCCL_FAILED;
		}
		if (looks % LOOKS == 0) {
			end = ask(nccl, "AllReduce", &busy, err);
			if (end == CT_NCCL_DONE)
				end = bear(wait, begin_ns, "AllReduce", err);
		}
		if (end != CT_NCCL_DONE)
			return end;
		if (wait->yields)
			sched_yield();
	}
}
