/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/survivor.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAIT_FD = 0 };

/* close_range() came with glibc 2.34 and Linux 5.9. */
static void close_above(int fd)
{
	struct rlimit limit;

#ifdef __NR_close_range
	if (syscall(__NR_close_range, (unsigned)fd + 1, ~0u, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	for (int other = fd + 1; other < (int)limit.rlim_cur; other++)
		close(other);
}

bool ct_survive(const char *name, int wait_fd)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGALRM};
	char byte;

	setsid();
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, name);
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	if (dup2(wait_fd, WAIT_FD) != WAIT_FD)
		return false;
	/* Open ends of the maker's other pipes would hide a death from those who wait for it. */
	close_above(WAIT_FD);
	while (read(WAIT_FD, &byte, 1) < 0 && errno == EINTR)
		;
	return true;
}
