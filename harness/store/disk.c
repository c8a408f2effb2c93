/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool ct_disk_has(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* What the user can mend is a usage error; a full or failing disk is not. */
bool ct_disk_open_failed(const char *path, struct ct_error *err)
{
	switch (errno) {
	case EACCES:
	case EPERM:
	case EROFS:
		return ct_usage(err, "%s: %s: write to a directory of yours (-o)", path,
				strerror(errno));
	case ENOENT:
	case ENOTDIR:
		return ct_usage(err, "%s: %s: make the directory first, or write elsewhere (-o)",
				path, strerror(errno));
	case EISDIR:
	case ENAMETOOLONG:
	case ELOOP:
		return ct_usage(err, "%s: %s: give another name (-o)", path, strerror(errno));
	case ENOSPC:
	case EDQUOT:
		return ct_broken(err, "%s: %s: make room, or write elsewhere (-o)", path,
				 strerror(errno));
	default:
		return ct_broken_errno(err, "%s", path);
	}
}

bool ct_disk_sync_file(const char *path, struct ct_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		ct_broken_errno(err, "%s: writing to the disk", path);
	if (fd >= 0)
		close(fd);
	return ok;
}

void ct_disk_sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}
