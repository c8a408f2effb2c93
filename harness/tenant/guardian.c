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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/core/survivor.h"

enum {
	REMOVE_EVERY_NS = 5000000,
	REMOVE_TRIES = 600, /* a fellow worker may need a group longer: its own guardian stays */
	STALE_AFTER_S = 60, /* younger groups may be about to be joined */
	PREFIX_LENGTH = 9   /* of "cotenant-" */
};

static bool removed_all(const struct ct_groups *groups)
{
	bool all = true;

	for (size_t i = 0; i < groups->n; i++)
		all = (rmdir(groups->folders[i]) == 0 || errno == ENOENT) && all;
	return all;
}

static void remove_all(const struct ct_groups *groups)
{
	const struct timespec pause = {.tv_nsec = REMOVE_EVERY_NS};

	for (int i = 0; i < REMOVE_TRIES && !removed_all(groups); i++)
		nanosleep(&pause, NULL);
}

static _Noreturn void become_guardian(int wait_fd, const struct ct_groups *groups)
{
	if (ct_survive("cotenant-guard", wait_fd))
		remove_all(groups);
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
