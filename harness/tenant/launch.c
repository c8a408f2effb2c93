/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/tenant/aside.h"
#include "harness/tenant/link.h"

enum { MAX_WORDS = 64 };

struct command {
	char *text; /* the words, cut in place */
	char self[PATH_MAX];
	char *words[MAX_WORDS + 3];
};

bool ct_via_is_local(const char *via)
{
	return via == NULL || via[0] == '\0' || strcmp(via, "local") == 0;
}

static const char *base_name(const char *word)
{
	const char *slash = strrchr(word, '/');

	return slash ? slash + 1 : word;
}

/*
 * What a launcher needs so that frames can pass: an open standard input, and no question that
 * nobody would answer. It goes behind the words that select its action.
 */
static const struct {
	const char *program, *action; /* action "": none */
	const char *words[3];
} manners[] = {
	{"ssh", "", {"-T", "-oBatchMode=yes"}},
	{"docker", "exec", {"-i"}},
	{"podman", "exec", {"-i"}},
	{"nerdctl", "exec", {"-i"}},
	{"kubectl", "exec", {"-i"}},
	{"oc", "exec", {"-i"}},
};

static bool add_word(struct command *command, size_t *n, const char *word, struct ct_error *err)
{
	if (*n == MAX_WORDS)
		return ct_usage(err, "via has more than %d words", MAX_WORDS);
	command->words[(*n)++] = (char *)(uintptr_t)word;
	return true;
}

/* After `word`, the n-th one: adds what its launcher needs. */
static bool add_manners(struct command *command, size_t *n, struct ct_error *err)
{
	const char *word = command->words[*n - 1];
	const char *before = *n > 1 ? command->words[*n - 2] : "";

	for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++) {
		bool has_action = manners[i].action[0] != '\0';

		if (strcmp(base_name(has_action ? before : word), manners[i].program) != 0 ||
		    (has_action && strcmp(word, manners[i].action) != 0))
			continue;
		for (const char *const *more = manners[i].words; *more; more++) {
			if (!add_word(command, n, *more, err))
				return false;
		}
		return true;
	}
	return true;
}

static bool make_command(struct command *command, const char *via, const char *program,
			 struct ct_error *err)
{
	ssize_t length = readlink("/proc/self/exe", command->self, sizeof command->self - 1);
	size_t n = 0;
	char *save;

	if (length < 0)
		return ct_broken_errno(err, "finding this program (/proc/self/exe)");
	command->self[length] = '\0';
	command->text = strdup(ct_via_is_local(via) ? "" : via);
	if (!command->text)
		return ct_broken_errno(err, "memory for a command");
	for (char *word = strtok_r(command->text, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		if (!add_word(command, &n, word, err) || !add_manners(command, &n, err))
			return false;
	}
	command->words[n++] = program && program[0] ? (char *)(uintptr_t)program : command->self;
	command->words[n++] = (char *)(uintptr_t) "worker";
	command->words[n] = NULL;
	return true;
}

/* execvp's own search, so that a missing tool is told before anything has been measured. */
static bool can_run(const char *program)
{
	const char *path = getenv("PATH");
	char candidate[PATH_MAX];

	if (strchr(program, '/'))
		return access(program, X_OK) == 0;
	for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
		size_t length = strcspn(at, ":");

		snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, at, program);
		if (access(candidate, X_OK) == 0)
			return true;
		at += length + (at[length] == ':');
	}
	return false;
}

bool ct_via_check(const char *via, struct ct_error *err)
{
	char program[256];

	if (ct_via_is_local(via))
		return true;
	if (sscanf(via, "%255s", program) != 1 || can_run(program))
		return true;
	return ct_usage(err, "via = %s: there is no program '%s' to run; install it or mend PATH",
			via, program);
}

/* Between fork and exec: only calls that are safe there. Tells errno through `report` on failure.
 */
static void become_worker(struct command *command, hwloc_const_bitmap_t home, const int pipes[3][2],
			  int report, pid_t controller)
{
	struct ct_error ignored;
	sigset_t none;
	int reason;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != controller) /* it died before the line above */
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	ct_affinity_set(home, &ignored);
	if (dup2(pipes[0][0], STDIN_FILENO) >= 0 && dup2(pipes[1][1], STDOUT_FILENO) >= 0 &&
	    dup2(pipes[2][1], STDERR_FILENO) >= 0)
		execvp(command->words[0], command->words);
	reason = errno;
	if (write(report, &reason, sizeof reason) != (ssize_t)sizeof reason)
		_exit(126);
	_exit(127);
}

static void close_pipes(int pipes[4][2])
{
	for (int i = 0; i < 4; i++) {
		for (int end = 0; end < 2; end++) {
			if (pipes[i][end] >= 0)
				close(pipes[i][end]);
		}
	}
}

static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

bool ct_launch(const char *via, const char *program, hwloc_const_bitmap_t home,
	       struct ct_child *child, struct ct_error *err)
{
	struct command command = {0};
	int pipes[4][2] = {
		{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}}; /* in, out, error, exec's errno */
	pid_t self = getpid();
	int reason = 0;
	bool good = false;

	if (!make_command(&command, via, program, err))
		goto out;
	for (int i = 0; i < 4; i++) {
		if (pipe2(pipes[i], O_CLOEXEC) != 0) {
			ct_broken_errno(err, "pipes to a worker");
			goto out;
		}
	}
	child->pid = fork();
	if (child->pid < 0) {
		ct_broken_errno(err, "starting a worker");
		goto out;
	}
	if (child->pid == 0)
		become_worker(&command, home, (const int(*)[2])pipes, pipes[3][1], self);
	close(take(&pipes[3][1]));
	if (read(pipes[3][0], &reason, sizeof reason) == (ssize_t)sizeof reason) {
		waitpid(child->pid, NULL, 0);
		errno = reason;
		ct_broken_errno(err, "running '%s'", command.words[0]);
		goto out;
	}
	child->to = take(&pipes[0][1]);
	child->from = take(&pipes[1][0]);
	child->errors = take(&pipes[2][0]);
	good = true;
out:
	close_pipes(pipes);
	free(command.text);
	return good;
}
