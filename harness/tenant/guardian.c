/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who removes a worker's groups. The worker may be killed at any instant and then can't; so a
 * process of its own waits for its end (a pipe that closes) and removes the folders. It is in none
 * of the groups itself, and in a session of its own, so that what ends the worker spares it.
 */
#include "harness/tenant/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	REMOVE_EVERY_NS = 5000000,
	REMOVE_TRIES = 600, /* a fellow worker may need a group longer: its own guardian stays */
	STALE_AFTER_S = 60, /* younger groups may be about to be joined */
	PREFIX_LENGTH = 9,  /* of "cotenant-" */
	WAIT_FD = 0
};

static bool removed_all(const struct ct_groups *groups)
{
	bool all = true;

	for (size_t i = 0; i < groups->n; i++)
		all = (rmdir(groups->folders[i]) == 0 || errno == ENOENT) && all;
	return all;
}

static void guard(const struct ct_groups *groups)
{
	const struct timespec pause = {.tv_nsec = REMOVE_EVERY_NS};
	char byte;

	while (read(WAIT_FD, &byte, 1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < REMOVE_TRIES && !removed_all(groups); i++)
		nanosleep(&pause, NULL);
}

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

static _Noreturn void become_guardian(int wait_fd, const struct ct_groups *groups)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGALRM};

	setsid();
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, "cotenant-guard");
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	if (dup2(wait_fd, WAIT_FD) == WAIT_FD) {
		/* Open ends of the controller's pipes would hide the worker's death from it. */
		close_above(WAIT_FD);
		guard(groups);
	}
	_exit(0);
}

bool ct_guardian_start(const struct ct_groups *groups, struct ct_error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return ct_broken_errno(err, "a pipe to the guardian of control groups");
	pid = fork();
	if (pid == 0) {
		/* The end that only the worker may hold. */
		close(ends[1]);
		become_guardian(ends[0], groups);
	}
	close(ends[0]);
	if (pid > 0)
		return true; /* ends[1] stays open until this process ends: that is the signal */
	close(ends[1]);
	return ct_broken_errno(err, "starting the guardian of control groups");
}

bool ct_group_write(const char *folder, const char *file, const char *value, struct ct_error *err)
{
	char path[CT_GROUP_FOLDER + 64];
	ssize_t written;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return ct_broken_errno(err, "%s", path);
	written = write(fd, value, strlen(value));
	if (written != (ssize_t)strlen(value))
		ct_broken_errno(err, "writing '%.100s' to %s", value, path);
	close(fd);
	return written == (ssize_t)strlen(value);
}

/* Empty groups of ours whose guardian was killed as well (a container that was stopped). */
static void sweep(const char *folder)
{
	char parent[CT_GROUP_FOLDER], path[2 * CT_GROUP_FOLDER];
	char *slash;
	struct dirent *entry;
	DIR *dir;

	snprintf(parent, sizeof parent, "%s", folder);
	slash = strrchr(parent, '/');
	if (!slash)
		return;
	*slash = '\0';
	dir = opendir(parent);
	while (dir && (entry = readdir(dir)) != NULL) {
		struct stat status;

		if (strncmp(entry->d_name, "cotenant-", PREFIX_LENGTH) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", parent, entry->d_name);
		if (stat(path, &status) == 0 && status.st_mtime + STALE_AFTER_S < time(NULL))
			rmdir(path); /* one that is in use refuses */
	}
	if (dir)
		closedir(dir);
}

bool ct_group_make(const char *folder, struct ct_error *err)
{
	sweep(folder);
	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		return true;
	if (errno == EACCES || errno == EPERM || errno == EROFS)
		return ct_broken(err,
				 "%s: %s: making control groups needs root, or a group that has "
				 "been delegated to this user (systemd-run --user -p Delegate=yes)",
				 folder, strerror(errno));
	return ct_broken_errno(err, "making %s", folder);
}
