/* SPDX-License-Identifier: Apache-2.0 */
/* A survivor acts when its maker ends, also when the whole group is killed, and holds nothing open.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/core/survivor.h"

enum { PATIENCE_MS = 10000 };

/* Of a maker: what its survivor says, what both hold open, and what keeps the survivor waiting. */
struct pipes {
	int said[2], held[2], maker[2];
};

/* The survivor's last word goes to a descriptor that it opens anew: all others are closed. */
static _Noreturn void be_survivor(const struct pipes *pipes, const char *path)
{
	const bool woken = ct_survive("survivor", pipes->maker[0]);
	const int out = open(path, O_WRONLY);

	_exit(out >= 0 && write(out, woken ? "a" : "n", 1) == 1 ? 0 : 1);
}

static _Noreturn void be_maker(const struct pipes *pipes, const char *path)
{
	setpgid(0, 0);
	if (fork() == 0) {
		close(pipes->maker[1]);
		be_survivor(pipes, path);
	}
	close(pipes->held[1]);
	for (;;)
		pause();
}

static bool ends_or_speaks(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, PATIENCE_MS) == 1;
}

static void it_outlives_its_makers_group_and_acts(void **state)
{
	char path[64], byte = 0;
	struct pipes pipes;
	pid_t maker;

	(void)state;
	assert_int_equal(pipe(pipes.said) | pipe(pipes.held) | pipe(pipes.maker), 0);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), pipes.said[1]);
	maker = fork();
	if (maker == 0)
		be_maker(&pipes, path);
	close(pipes.held[1]);
	close(pipes.maker[1]);
	/* Only when it has closed what it was born with does this end. */
	assert_true(ends_or_speaks(pipes.held[0]));
	assert_int_equal(read(pipes.held[0], &byte, 1), 0);
	assert_int_equal(kill(-maker, SIGTERM) | kill(-maker, SIGKILL), 0);
	assert_int_equal(waitpid(maker, NULL, 0), maker);
	assert_true(ends_or_speaks(pipes.said[0]));
	assert_int_equal(read(pipes.said[0], &byte, 1), 1);
	assert_int_equal(byte, 'a');
	close(pipes.said[0]);
	close(pipes.said[1]);
	close(pipes.held[0]);
	close(pipes.maker[0]);
}

static void without_a_pipe_it_does_not_wait(void **state)
{
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(ct_survive("survivor", -1) ? 0 : 7);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_outlives_its_makers_group_and_acts),
		cmocka_unit_test(without_a_pipe_it_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
