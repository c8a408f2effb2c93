/* SPDX-License-Identifier: Apache-2.0 */
/* A child process that is asked once. See aside.h. */
#include "harness/probe/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A child that sits in a driver does not die at once; it is not waited for longer than this. */
enum { ANSWER_MAX = 16 << 20, LAST_WAIT_MS = 500 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		length -= (size_t)n;
	}
	return true;
}

static void __attribute__((noreturn))
child(int answer, json_t *(*work)(const void *context), const void *context)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	json_t *value;
	char *text;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Handlers are the parent's: one that jumps would go on as a second parent. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	/* What a library prints is not ours. */
	if (nowhere >= 0) {
		dup2(nowhere, STDIN_FILENO);
		dup2(nowhere, STDOUT_FILENO);
	}
	value = work(context);
	text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	_exit(text && write_all(answer, text, strlen(text)) ? 0 : 1);
}

/* Reads until the end or the limit; true at the end. */
static bool read_all(int fd, int64_t until, char **text, size_t *used)
{
	size_t room = 0;

	*text = NULL;
	*used = 0;
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left = until - now_ms();
		ssize_t n;

		if (left <= 0 || *used >= ANSWER_MAX)
			return false;
		if (poll(&wait, 1, (int)left) <= 0)
			continue; /* interrupted, or the limit: seen above */
		if (*used == room) {
			char *more = realloc(*text, room = room ? 2 * room : 65536);

			if (!more)
				return false;
			*text = more;
		}
		n = read(fd, *text + *used, room - *used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		*used += (size_t)n;
	}
}

/* Its exit status, or -1 when it does not end. */
static int end(pid_t pid, bool kill_it)
{
	const int64_t until = now_ms() + LAST_WAIT_MS;
	int status;

	if (kill_it)
		kill(pid, SIGKILL);
	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			return status;
		if ((ended < 0 && errno != EINTR) || now_ms() > until)
			return -1;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static json_t *understand(const char *text, size_t used, int status, char *why, size_t size)
{
	json_t *value = used > 0 ? json_loadb(text, used, 0, NULL) : NULL;

	if (value)
		return value;
	if (status >= 0 && WIFSIGNALED(status))
		snprintf(why, size, "it crashed (%s)", strsignal(WTERMSIG(status)));
	else
		snprintf(why, size, "it ended without an answer (exit status %d)",
			 status >= 0 ? WEXITSTATUS(status) : -1);
	return NULL;
}

json_t *ct_aside(json_t *(*work)(const void *context), const void *context, int limit_ms, char *why,
		 size_t size)
{
	json_t *value = NULL;
	int ends[2], status;
	char *text = NULL;
	size_t used;
	bool done;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		snprintf(why, size, "no pipe: %s", strerror(errno));
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		child(ends[1], work, context);
	close(ends[1]);
	if (pid < 0) {
		snprintf(why, size, "no process: %s", strerror(errno));
	} else {
		done = read_all(ends[0], now_ms() + limit_ms, &text, &used);
		status = end(pid, !done);
		if (done)
			value = understand(text, used, status, why, size);
		else
			snprintf(why, size, "no answer within %.3g s", limit_ms / 1e3);
	}
	free(text);
	close(ends[0]);
	return value;
}
