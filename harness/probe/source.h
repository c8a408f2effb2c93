/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way in which files of /sys, /proc, /etc and /dev are read. `root` is "/" for this
 * machine, or a folder that holds another machine's files under the same paths (a recorded
 * machine, a test). Absolute links inside such a folder stay inside it.
 *
 * Files of a kernel may be missing, empty, half there or nonsense; every reader is bounded and says
 * false instead. Text comes back as printable ASCII: other bytes become '?', NUL becomes a blank.
 * Paths are given as a format and its arguments.
 */
#ifndef COTENANT_PROBE_SOURCE_H
#define COTENANT_PROBE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ct_probe_source {
	const char *root;  /* "/" or a folder */
	bool live;         /* root is this machine: processor instructions and system calls count */
	bool identify;     /* names that identify the machine are wanted: host name, MAC addresses,
			    * GIDs, UUIDs of GPUs */
	const char *nvml;  /* the NVML library as dlopen() takes it; NULL: GPUs are not asked */
	int nvml_limit_ms; /* how long all its answers may take; 0: CT_SOURCE_NVML_MS */
};

enum { CT_SOURCE_PATH = 512, CT_SOURCE_NAMES = 4096, CT_SOURCE_FILE = 256 << 10 };

/* Opening an idle GPU without persistence takes a second or two, and a node may have eight. */
enum { CT_SOURCE_NVML_MS = 30000 };

/* This machine's files, anonymous; GPUs are not asked. */
extern const struct ct_probe_source ct_probe_live;
/*
 * The same with GPUs: by the library that the environment variable COTENANT_NVML names, else by
 * libnvidia-ml.so.1. Set to nothing, GPUs are not asked.
 */
struct ct_probe_source ct_probe_this_machine(void);
/* A recorded machine below `root`. GPUs are asked only when COTENANT_NVML names a library. */
struct ct_probe_source ct_probe_recorded(const char *root);

/* The file's text without leading and trailing blanks, cut at size - 1 bytes. */
bool ct_source_text(const struct ct_probe_source *source, char *out, size_t size, const char *path,
		    ...) __attribute__((format(printf, 4, 5)));
/* The same for larger files, at most CT_SOURCE_FILE bytes. The caller frees it; NULL: unreadable.
 */
char *ct_source_file(const struct ct_probe_source *source, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
/* A file that holds one whole number, decimal or 0x hexadecimal. */
bool ct_source_number(const struct ct_probe_source *source, int64_t *value, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* Up to `size` bytes as they are; returns how many. */
size_t ct_source_bytes(const struct ct_probe_source *source, void *out, size_t size,
		       const char *path, ...) __attribute__((format(printf, 4, 5)));
bool ct_source_exists(const struct ct_probe_source *source, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
/* The last component of a symbolic link's target: the driver, the device, the function. */
bool ct_source_link(const struct ct_probe_source *source, char *out, size_t size, const char *path,
		    ...) __attribute__((format(printf, 4, 5)));

/* Where a path leads when all its links are followed, from the root of the machine on. */
bool ct_source_real_path(const struct ct_probe_source *source, char *out, size_t size,
			 const char *path, ...) __attribute__((format(printf, 4, 5)));

/* Names in a folder, in natural order (cpu2 before cpu10), without dot files. */
struct ct_names {
	char **names;
	size_t n;
};
/* An unreadable folder is an empty one. Free with ct_names_free. */
struct ct_names ct_source_list(const struct ct_probe_source *source, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
void ct_names_free(struct ct_names *names);

/*
 * The value of "name: value" or "name value" in a text of such lines (/proc/meminfo, /proc/cpuinfo,
 * memory.stat): the first line whose name is exactly `name`.
 */
bool ct_text_field(const char *text, const char *name, char *out, size_t size);
/* A whole number, and nothing behind it but a unit such as "kB". */
bool ct_text_number(const char *text, int64_t *value);

#endif
