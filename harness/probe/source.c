/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files that a kernel, or a recording of one, shows. See source.h. */
#include "harness/probe/source.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/gpu/nvml.h"

const struct ct_probe_source ct_probe_live = {.root = "/", .live = true};

static const char nvml_variable[] = "COTENANT_NVML";

struct ct_probe_source ct_probe_this_machine(void)
{
	struct ct_probe_source source = ct_probe_live;

	source.nvml = ct_nvml_library();
	return source;
}

struct ct_probe_source ct_probe_recorded(const char *root)
{
	const char *named = getenv(nvml_variable);

	return (struct ct_probe_source){.root = root, .nvml = named && named[0] ? named : NULL};
}

static bool __attribute__((format(printf, 2, 0)))
make_path(char path[CT_SOURCE_PATH], const char *format, va_list args)
{
	int n = vsnprintf(path, CT_SOURCE_PATH, format, args);

	return n > 0 && n < CT_SOURCE_PATH;
}

enum { OPEN_TRIES = 1000 };

/*
 * Opens a path below the root. RESOLVE_IN_ROOT (Linux 5.6) keeps the absolute links of a recorded
 * machine from telling about this one; where it is missing, links are not followed at all.
 */
static int open_in(const struct ct_probe_source *source, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	int root, fd, tries = OPEN_TRIES;

	if (strcmp(source->root, "/") == 0)
		return open(path, flags | O_CLOEXEC);
	root = open(source->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	/* EAGAIN: something was renamed or mounted meanwhile, anywhere, and the kernel can't be
	 * sure of a "..". */
	do
		fd = (int)syscall(__NR_openat2, root, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && --tries > 0);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(root, path + strspn(path, "/"), flags | O_CLOEXEC | O_NOFOLLOW);
	close(root);
	return fd;
}

/* Reads to the end of the file or of the room. */
static size_t read_bytes(const struct ct_probe_source *source, const char *path, void *out,
			 size_t size, bool *there)
{
	struct stat status;
	size_t used = 0;
	/* A fifo or a tape where a file should be must not keep us. */
	int fd = open_in(source, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	*there = false;
	if (fd < 0)
		return 0;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		while (used < size) {
			ssize_t n = read(fd, (char *)out + used, size - used);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && used == 0)
				goto out;
			if (n <= 0)
				break;
			used += (size_t)n;
		}
		*there = true;
	}
out:
	close(fd);
	return used;
}

/* Makes text of bytes, in place. */
static void clean(char *text, size_t used)
{
	size_t begin = 0;

	for (size_t i = 0; i < used; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\0' || c == '\r')
			text[i] = ' ';
		else if ((c < 0x20 && c != '\n' && c != '\t') || c > 0x7e)
			text[i] = '?';
	}
	while (used > 0 && isspace((unsigned char)text[used - 1]))
		used--;
	while (begin < used && isspace((unsigned char)text[begin]))
		begin++;
	memmove(text, text + begin, used - begin);
	text[used - begin] = '\0';
}

static bool read_text(const struct ct_probe_source *source, char *out, size_t size,
		      const char *path)
{
	bool there;
	size_t used = read_bytes(source, path, out, size - 1, &there);

	clean(out, used);
	return there;
}

bool ct_source_text(const struct ct_probe_source *source, char *out, size_t size, const char *path,
		    ...)
{
	char full[CT_SOURCE_PATH];
	va_list args;
	bool good;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	out[0] = '\0';
	return good && read_text(source, out, size, full);
}

char *ct_source_file(const struct ct_probe_source *source, const char *path, ...)
{
	char full[CT_SOURCE_PATH];
	char *text;
	va_list args;
	bool good;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	text = good ? malloc(CT_SOURCE_FILE) : NULL;
	if (!text || !read_text(source, text, CT_SOURCE_FILE, full)) {
		free(text);
		return NULL;
	}
	return text;
}

size_t ct_source_bytes(const struct ct_probe_source *source, void *out, size_t size,
		       const char *path, ...)
{
	char full[CT_SOURCE_PATH];
	va_list args;
	bool good;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	return good ? read_bytes(source, full, out, size, &good) : 0;
}

bool ct_text_number(const char *text, int64_t *value)
{
	bool hex = strncmp(text, "0x", 2) == 0;
	char *end;

	errno = 0;
	*value = strtoll(text, &end, hex ? 16 : 10);
	if (end == text || errno != 0)
		return false;
	end += strspn(end, " \t");
	return *end == '\0' || *end == '\n' || strncmp(end, "kB", 2) == 0;
}

bool ct_source_number(const struct ct_probe_source *source, int64_t *value, const char *path, ...)
{
	char full[CT_SOURCE_PATH], text[64];
	va_list args;
	bool good;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	*value = 0;
	return good && read_text(source, text, sizeof text, full) && ct_text_number(text, value);
}

bool ct_source_exists(const struct ct_probe_source *source, const char *path, ...)
{
	char full[CT_SOURCE_PATH];
	va_list args;
	bool good;
	int fd;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	fd = good ? open_in(source, full, O_PATH) : -1;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool ct_source_link(const struct ct_probe_source *source, char *out, size_t size, const char *path,
		    ...)
{
	char full[CT_SOURCE_PATH], target[CT_SOURCE_PATH];
	const char *base;
	ssize_t n = -1;
	va_list args;
	bool good;
	int fd;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	out[0] = '\0';
	fd = good ? open_in(source, full, O_PATH | O_NOFOLLOW) : -1;
	if (fd >= 0) {
		n = readlinkat(fd, "", target, sizeof target - 1);
		close(fd);
	}
	if (n <= 0)
		return false;
	clean(target, (size_t)n);
	base = strrchr(target, '/');
	snprintf(out, size, "%s", base ? base + 1 : target);
	return out[0] != '\0';
}

/* The kernel knows where an open file lies; what it calls the root is taken off. */
static bool real_path_of(int fd, char out[CT_SOURCE_PATH])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, out, CT_SOURCE_PATH - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 && n < CT_SOURCE_PATH - 1;
}

bool ct_source_real_path(const struct ct_probe_source *source, char *out, size_t size,
			 const char *path, ...)
{
	char full[CT_SOURCE_PATH], real[CT_SOURCE_PATH], root[CT_SOURCE_PATH];
	size_t skip = 0;
	va_list args;
	bool good;
	int fd;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	out[0] = '\0';
	fd = good ? open_in(source, full, O_PATH) : -1;
	if (fd < 0)
		return false;
	good = real_path_of(fd, real);
	close(fd);
	if (strcmp(source->root, "/") != 0) {
		fd = open(source->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		good = good && fd >= 0 && real_path_of(fd, root);
		if (fd >= 0)
			close(fd);
		skip = good ? strlen(root) : 0;
		good = good && strncmp(real, root, skip) == 0;
	}
	if (good)
		snprintf(out, size, "%s", real + skip);
	return good && out[0] == '/';
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

struct ct_names ct_source_list(const struct ct_probe_source *source, const char *path, ...)
{
	struct ct_names list = {0};
	char full[CT_SOURCE_PATH];
	struct dirent **entries;
	va_list args;
	bool good;
	int fd, n;

	va_start(args, path);
	good = make_path(full, path, args);
	va_end(args);
	fd = good ? open_in(source, full, O_RDONLY | O_DIRECTORY) : -1;
	if (fd < 0)
		return list;
	n = scandirat(fd, ".", &entries, is_shown, versionsort);
	close(fd);
	if (n < 0)
		return list;
	list.names = calloc((size_t)n + 1, sizeof(char *));
	for (int i = 0; i < n; i++) {
		char *name =
			list.names && list.n < CT_SOURCE_NAMES ? strdup(entries[i]->d_name) : NULL;

		if (name) {
			clean(name, strlen(name));
			list.names[list.n++] = name;
		}
		free(entries[i]);
	}
	free(entries);
	return list;
}

void ct_names_free(struct ct_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct ct_names){0};
}

/* Where the name of a line ends: at its colon, else behind its first word. */
static const char *name_end(const char *line, const char *end)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));

	if (colon) {
		while (colon > line && isspace((unsigned char)colon[-1]))
			colon--;
		return colon;
	}
	while (line < end && !isspace((unsigned char)*line))
		line++;
	return line;
}

bool ct_text_field(const char *text, const char *name, char *out, size_t size)
{
	size_t length = strlen(name);

	out[0] = '\0';
	while (text && *text) {
		const char *end = strchrnul(text, '\n');
		const char *at = name_end(text, end);

		if ((size_t)(at - text) == length && memcmp(text, name, length) == 0) {
			at += strspn(at, " \t");
			at += *at == ':';
			at += strspn(at, " \t");
			snprintf(out, size, "%.*s", (int)(at < end ? end - at : 0), at);
			return true;
		}
		text = *end ? end + 1 : end;
	}
	return false;
}
