/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler reads the fatbin, as it does the pages of the report. */
#include "kernels/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CT_KERNELS_FILE
#define CT_KERNELS_FILE "/dev/null"
#endif

/* ELF readers of the driver want it aligned. */
__asm__(".pushsection .rodata\n"
	".balign 64\n"
	".global ct_kernels_begin, ct_kernels_end\n"
	"ct_kernels_begin:\n.incbin \"" CT_KERNELS_FILE "\"\n"
	"ct_kernels_end:\n.byte 0\n.popsection\n");
extern const char ct_kernels_begin[], ct_kernels_end[];

static const char variable[] = "COTENANT_KERNELS";

static bool embedded(struct ct_error *err)
{
	return &ct_kernels_end[0] != &ct_kernels_begin[0] ||
	       ct_broken(err, "built without GPU kernels: nvcc was not found when this binary was "
			      "built");
}

bool ct_kernels_present(char *why, size_t size)
{
	const char *file = getenv(variable);
	struct ct_error err = {0};
	bool present;

	if (file)
		present =
			access(file, R_OK) == 0 || ct_broken_errno(&err, "%s = %s", variable, file);
	else
		present = embedded(&err);
	if (!present)
		snprintf(why, size, "%s", err.text);
	return present;
}

/* Terminated by a zero: PTX is text to the driver. */
static char *read_all(FILE *file)
{
	struct stat status;
	char *bytes;

	if (fstat(fileno(file), &status) != 0)
		return NULL;
	bytes = malloc((size_t)status.st_size + 1);
	if (!bytes)
		return NULL;
	if (fread(bytes, 1, (size_t)status.st_size, file) != (size_t)status.st_size) {
		free(bytes);
		errno = EIO;
		return NULL;
	}
	bytes[status.st_size] = '\0';
	return bytes;
}

bool ct_kernels_open(const void **image, struct ct_error *err)
{
	const char *name = getenv(variable);
	FILE *file;

	if (!name) {
		*image = ct_kernels_begin;
		return embedded(err);
	}
	file = fopen(name, "rbe");
	if (!file)
		return ct_broken_errno(err, "%s = %s", variable, name);
	*image = read_all(file);
	if (!*image)
		ct_broken_errno(err, "%s = %s: reading it", variable, name);
	fclose(file);
	return *image != NULL;
}

void ct_kernels_release(const void *image)
{
	if (image != ct_kernels_begin)
		free((void *)image);
}
