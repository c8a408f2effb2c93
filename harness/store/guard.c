/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child tells; smaller than PIPE_BUF, so it arrives whole or not at all. */
struct outcome {
	bool ok;
	struct ct_error error;
};
_Static_assert(sizeof(struct outcome) <= 4096, "one atomic write to a pipe");

static void run_child(bool (*work)(void *context, struct ct_error *err), void *context, int fd)
{
	const struct rlimit no_core = {0, 0};
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	struct outcome outcome = {0};

	/* A handler of the caller's would carry on in the child with the caller's work. */
	for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
		signal(fatal[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	outcome.ok = work(context, &outcome.error);
	if (outcome.ok && (fflush(stdout) != 0 || ferror(stdout)))
		outcome.ok = ct_broken_errno(&outcome.error, "writing to standard output");
	else
		fflush(stdout);
	if (write(fd, &outcome, sizeof outcome) != sizeof outcome)
		_exit(1);
	/* No exit handlers: HDF5's would walk what a bad file has left behind. */
	_exit(0);
}

bool ct_guarded(bool (*work)(void *context, struct ct_error *err), void *context, const char *path,
		struct ct_error *err)
{
	struct outcome outcome;
	int fds[2], status = 0;
	ssize_t got;
	pid_t child;

	fflush(NULL);
	if (pipe(fds) != 0)
		return ct_broken_errno(err, "%s: a pipe to read it through", path);
	child = fork();
	if (child < 0) {
		close(fds[0]);
		close(fds[1]);
		return ct_broken_errno(err, "%s: a process to read it in", path);
	}
	if (child == 0) {
		close(fds[0]);
		run_child(work, context, fds[1]);
	}
	close(fds[1]);
	do
		got = read(fds[0], &outcome, sizeof outcome);
	while (got < 0 && errno == EINTR);
	close(fds[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (got == sizeof outcome) {
		if (err && !outcome.ok)
			*err = outcome.error;
		return outcome.ok;
	}
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM))
		return ct_fail(err, CT_ERR_INTERRUPTED, "interrupted");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return ct_broken(err, "%s: reading it was killed (not enough memory?)", path);
	return ct_usage(err,
			"%s is damaged, or made to do harm: HDF5 crashed on it (%s); take it from "
			"a backup or measure again",
			path, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
}
