/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

void ct_kernel_file_open(struct ct_kernel_file *file, const char *path)
{
	*file = (struct ct_kernel_file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
}

void ct_kernel_file_close(struct ct_kernel_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->text);
	*file = (struct ct_kernel_file){.fd = -1};
}

/* Twice as much, or 4 KiB to begin with. */
static bool grow(struct ct_kernel_file *file)
{
	const size_t room = file->room ? 2 * file->room : 4096;
	char *text = room <= CT_KERNEL_FILE_MAX ? realloc(file->text, room) : NULL;

	if (!text)
		return false;
	file->text = text;
	file->room = room;
	return true;
}

char *ct_kernel_file_read(struct ct_kernel_file *file)
{
	size_t used = 0;

	if (file->fd < 0)
		return NULL;
	for (;;) {
		ssize_t got;

		/* One more for the end of the text. */
		if (used + 1 >= file->room && !grow(file))
			return NULL;
		got = pread(file->fd, file->text + used, file->room - used - 1, (off_t)used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return NULL;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	file->text[used] = '\0';
	return used > 0 ? file->text : NULL;
}
