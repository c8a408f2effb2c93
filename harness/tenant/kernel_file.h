/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of /proc or /sys that is read every epoch: kept open, read into memory that is kept, since
 * to open it and to find the memory would cost more than to read it.
 */
#ifndef COTENANT_TENANT_KERNEL_FILE_H
#define COTENANT_TENANT_KERNEL_FILE_H

#include <stddef.h>

enum { CT_KERNEL_FILE_MAX = 4 << 20 };

struct ct_kernel_file { /* end with ct_kernel_file_close */
	int fd;         /* -1: it can't be read, now or ever */
	char *text;
	size_t room;
};

void ct_kernel_file_open(struct ct_kernel_file *file, const char *path);
void ct_kernel_file_close(struct ct_kernel_file *file);
/* All of it as it is now, until the next read; the caller may change it. NULL when it can't be read
 * or not whole: half a file would look like a machine at rest. */
char *ct_kernel_file_read(struct ct_kernel_file *file);

#endif
