/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on request, for tests: a library that is preloaded into cotenant and its workers.
 *
 *   COTENANT_FAULT="KIND key=value ..."   which fault, where and how often
 *   COTENANT_FAULT_LOG=FILE               a line for every fault injected; also counts them
 *
 * KIND   malloc     an allocation fails
 *        fork       fork() fails
 *        thread     pthread_create() fails
 *        write      write() and pwrite() fail, or write half (error=short); file= says of which
 *        fsync      fsync() and fdatasync() fail
 *        clock      CLOCK_MONOTONIC jumps by by= seconds (CLOCK_REALTIME with clock=real)
 *        corrupt    a float32 that recv() has got is another one (of messages of 1 KiB and more)
 *        garbage    a frame is replaced by noise
 *        short      half of a frame is sent
 *        duplicate  a frame is sent twice
 *        silence    instead of a frame the worker says no more
 *        kill       the worker dies with the frame
 *
 * who=   controller, victim, aggressor, peer: whose process (a worker is one once SETUP said so)
 * when=  armed only once this file is there (the journal: blocks are being measured)
 * skip=  this many processes are spared first
 * at=    the first call that is hit in a process, 1 by default
 * times= faults in all, over all processes; 0: no limit
 * file=  the end of a file's name;  error= the errno by name
 * frame= the type of a frame; a clock jumps as the worker sends that frame
 * in=wait a clock jumps within a wait of a second or more, which therefore is over at once
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/core/frame.h"
#include "tests/standin/fault/plan.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static struct fault_plan plan;
static atomic_bool armed;        /* this process is one of those that are hit */
static atomic_bool is_candidate; /* it has the role, and waits for `when` and its turn */
static atomic_int calls;
static atomic_bool jumped;   /* the clock has */
static __thread bool inside; /* our own calls are not hit */

static void *real(const char *name)
{
	void *found;

	inside = true;
	found = dlsym(RTLD_NEXT, name);
	inside = false;
	if (!found)
		abort();
	return found;
}

/* Takes a ticket of the file `LOG.suffix`: how many were taken before. */
static long take_ticket(const char *suffix, const char *line)
{
	char path[512];
	struct stat status;
	long ticket = -1;
	int fd;

	snprintf(path, sizeof path, "%s%s", plan.log, suffix);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX) == 0 && fstat(fd, &status) == 0) {
		ssize_t (*const write_it)(int, const void *, size_t) = real("write");

		ticket = status.st_size / FAULT_LINE;
		if (line && write_it(fd, line, FAULT_LINE) != FAULT_LINE)
			ticket = -1;
	}
	close(fd);
	return ticket;
}

static void make_line(char line[FAULT_LINE + 1], const char *text)
{
	snprintf(line, FAULT_LINE + 1, "%-*.*s", FAULT_LINE - 1, FAULT_LINE - 1, text);
	line[FAULT_LINE - 1] = '\n';
}

/* The turn of this process, once the campaign is where the plan wants it. */
static void try_to_arm(void)
{
	char line[FAULT_LINE + 1];

	if (!atomic_load(&is_candidate) || atomic_load(&armed))
		return;
	if (plan.when[0] && access(plan.when, F_OK) != 0)
		return;
	if (!atomic_exchange(&is_candidate, false))
		return;
	make_line(line, plan.who);
	if (take_ticket(".seen", line) >= plan.skip)
		atomic_store(&armed, true);
}

/* Whether this call is hit; tells the log, which also limits how many are. */
static bool strike(enum fault_kind kind)
{
	char text[FAULT_LINE + 1], line[FAULT_LINE + 1];
	int saved = errno;
	bool hit = false;

	if (inside || plan.kind != kind)
		return false;
	inside = true;
	try_to_arm();
	if (atomic_load(&armed) && atomic_fetch_add(&calls, 1) + 1 >= plan.at) {
		snprintf(text, sizeof text, "%s %s pid %d", plan.name, plan.who, (int)getpid());
		make_line(line, text);
		/* The count is read before the line is added: two at a time may both be let in only
		 * when they are within the limit. */
		hit = plan.times == 0 || take_ticket("", NULL) < plan.times;
		if (hit && plan.times > 0)
			hit = take_ticket("", line) < plan.times;
		else if (hit)
			take_ticket("", line);
		if (!hit)
			atomic_store(&armed, false);
	}
	inside = false;
	errno = saved;
	return hit;
}

__attribute__((constructor)) static void read_plan(void)
{
	char line[4096], name[4096];
	ssize_t length = readlink("/proc/self/exe", name, sizeof name - 1);
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
	bool worker;

	if (fd >= 0)
		close(fd);
	if (got <= 0 || length <= 0 || !fault_plan_read(&plan))
		return;
	name[length] = '\0';
	line[got] = '\0';
	/* Launchers and other programs on the way are left alone. */
	if (strncmp(strrchr(name, '/') + 1, "cotenant", 8) != 0)
		return;
	worker = got > 7 && strcmp(line + got - 7, "worker") == 0;
	if (!worker)
		atomic_store(&is_candidate, strcmp(plan.who, "controller") == 0);
}

void *malloc(size_t size)
{
	if (strike(FAULT_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	if (strike(FAULT_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	if (strike(FAULT_MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(old, size);
}

pid_t fork(void)
{
	if (strike(FAULT_FORK)) {
		errno = plan.error;
		return -1;
	}
	return ((pid_t(*)(void))real("fork"))();
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int (*const create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		real("pthread_create");

	if (strike(FAULT_THREAD))
		return plan.error;
	return create(thread, attr, run, arg);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	int (*const get)(clockid_t, struct timespec *) = real("clock_gettime");
	const clockid_t hit = plan.real_time ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	int rc = get(id, now);

	if (rc == 0 && plan.kind == FAULT_CLOCK && id == hit) {
		if (plan.frame == 0 && !plan.in_wait && !atomic_load(&jumped) &&
		    strike(FAULT_CLOCK))
			atomic_store(&jumped, true);
		if (atomic_load(&jumped))
			now->tv_sec += plan.by;
	}
	return rc;
}

/* Calls of clock_gettime() between two frames differ from run to run; a long wait is always one. */
int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (plan.kind == FAULT_CLOCK && plan.in_wait && timeout_ms >= 1000 &&
	    !atomic_load(&jumped) && strike(FAULT_CLOCK)) {
		atomic_store(&jumped, true);
		return 0;
	}
	return ((int (*)(struct pollfd *, nfds_t, int))real("poll"))(fds, n, timeout_ms);
}

/* Which files a plan means: by the end of the name. */
static bool is_meant(int fd)
{
	char link[64], path[4096];
	size_t wanted = strlen(plan.file);
	ssize_t length;

	if (plan.file[0] == '\0')
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof path);
	return length >= (ssize_t)wanted && memcmp(path + length - wanted, plan.file, wanted) == 0;
}

int fsync(int fd)
{
	if (plan.kind == FAULT_FSYNC && is_meant(fd) && strike(FAULT_FSYNC)) {
		errno = plan.error;
		return -1;
	}
	return ((int (*)(int))real("fsync"))(fd);
}

int fdatasync(int fd)
{
	if (plan.kind == FAULT_FSYNC && is_meant(fd) && strike(FAULT_FSYNC)) {
		errno = plan.error;
		return -1;
	}
	return ((int (*)(int))real("fdatasync"))(fd);
}

/* How much of a write is to be done: all, half of it, or none (-1, errno set). */
static ssize_t allowed(int fd, size_t n)
{
	if (plan.kind != FAULT_WRITE || n == 0 || !is_meant(fd) || !strike(FAULT_WRITE))
		return (ssize_t)n;
	if (plan.error == 0)
		return (ssize_t)(n > 1 ? n / 2 : n);
	errno = plan.error;
	return -1;
}

static bool is_frame_fault(void)
{
	return plan.kind >= FAULT_GARBAGE;
}

/* A worker writes a frame as header and payload; the fault is in what comes out of the two. */
static ssize_t spoil_frame(int fd, const void *data, size_t n)
{
	static struct ct_frame_header header;
	static bool spoiling;
	ssize_t (*const put)(int, const void *, size_t) = real("write");
	unsigned char noise[16];

	if (n == sizeof header && !spoiling && memcmp(data, "CTF1", 4) == 0) {
		memcpy(&header, data, sizeof header);
		spoiling = (plan.frame == 0 || header.type == plan.frame) && strike(plan.kind);
		if (spoiling && plan.kind == FAULT_SILENCE) {
			for (;;)
				pause();
		}
		if (spoiling && plan.kind == FAULT_KILL)
			kill(getpid(), SIGKILL);
		if (!spoiling || plan.kind != FAULT_GARBAGE)
			return put(fd, data, n);
		memset(noise, 0x5a, sizeof noise);
		return put(fd, noise, sizeof noise) == (ssize_t)sizeof noise ? (ssize_t)n : -1;
	}
	if (!spoiling)
		return put(fd, data, n);
	spoiling = false;
	if (plan.kind == FAULT_SHORT)
		return n < 2 || put(fd, data, n / 2) >= 0 ? (ssize_t)n : -1;
	if (put(fd, data, n) != (ssize_t)n)
		return -1;
	if (plan.kind == FAULT_DUPLICATE)
		return put(fd, &header, sizeof header) >= 0 ? put(fd, data, n) : -1;
	return (ssize_t)n;
}

ssize_t write(int fd, const void *data, size_t n)
{
	ssize_t (*const put)(int, const void *, size_t) = real("write");
	ssize_t now;

	/* A jump in the middle of a phase: with a frame that only then is sent. */
	if (plan.kind == FAULT_CLOCK && plan.frame != 0 && n == sizeof(struct ct_frame_header) &&
	    memcmp(data, "CTF1", 4) == 0 &&
	    ((const struct ct_frame_header *)data)->type == plan.frame && strike(FAULT_CLOCK))
		atomic_store(&jumped, true);
	if (fd == STDOUT_FILENO && !inside && is_frame_fault())
		return spoil_frame(fd, data, n);
	now = allowed(fd, n);
	return now < 0 ? now : put(fd, data, (size_t)now);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
	ssize_t (*const put)(int, const void *, size_t, off_t) = real("pwrite");
	ssize_t now = allowed(fd, n);

	return now < 0 ? now : put(fd, data, (size_t)now, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset)
{
	ssize_t (*const put)(int, const void *, size_t, off64_t) = real("pwrite64");
	ssize_t now = allowed(fd, n);

	return now < 0 ? now : put(fd, data, (size_t)now, offset);
}

/* The byte with the exponent: whatever is added to that number later can't hide the change. */
ssize_t recv(int fd, void *data, size_t n, int flags)
{
	ssize_t got = ((ssize_t(*)(int, void *, size_t, int))real("recv"))(fd, data, n, flags);

	if (plan.kind == FAULT_CORRUPT && got >= 1024 && strike(FAULT_CORRUPT))
		*(unsigned char *)(((uintptr_t)data + (size_t)got / 2) | 3) ^= 0x40;
	return got;
}

/* SETUP tells a worker what it is. */
ssize_t read(int fd, void *data, size_t n)
{
	ssize_t got = ((ssize_t(*)(int, void *, size_t))real("read"))(fd, data, n);
	char role[64];
	int length;

	if (fd != STDIN_FILENO || got <= 0 || plan.kind == FAULT_NONE)
		return got;
	length = snprintf(role, sizeof role, "\"role\":\"%s\"", plan.who);
	if (memmem(data, (size_t)got, role, (size_t)length)) {
		atomic_store(&is_candidate, true);
		inside = true;
		try_to_arm();
		inside = false;
		atomic_store(&is_candidate, false); /* too early: never */
	}
	return got;
}
