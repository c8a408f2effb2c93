/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_result(const char *path)
{
	size_t length = strlen(path);

	return length > 3 && strcmp(path + length - 3, ".h5") == 0;
}

static bool failed(const char *path, int cause, struct ct_error *err)
{
	if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG || cause == EIO)
		return ct_broken(err, "%s: %s: make room, or write elsewhere", path,
				 strerror(cause));
	return ct_usage(err, "%s: %s: write elsewhere", path, strerror(cause));
}

static bool write_through(const char *path, const char *temporary, ct_output_fn *write,
			  void *context, struct ct_error *err)
{
	FILE *out;
	bool ok;

	unlink(temporary); /* somebody's link is never written through */
	out = fopen(temporary, "wxe");

	if (!out)
		return failed(path, errno, err);
	ok = write(context, out, err);
	errno = 0;
	if (ok && (fflush(out) != 0 || ferror(out)))
		ok = failed(path, errno ? errno : EIO, err);
	if (fclose(out) != 0 && ok)
		ok = failed(path, errno, err);
	if (ok && rename(temporary, path) != 0)
		ok = failed(path, errno, err);
	if (!ok)
		unlink(temporary);
	return ok;
}

bool ct_output_write(const char *path, ct_output_fn *write, void *context, struct ct_error *err)
{
	char *temporary;
	bool ok;

	if (strcmp(path, "-") == 0)
		return write(context, stdout, err);
	if (is_result(path))
		return ct_usage(err,
				"%s: a result is not overwritten by a report: give another "
				"name, or '-' for standard output",
				path);
	if (access(path, F_OK) == 0 && access(path, W_OK) != 0)
		return failed(path, errno, err);
	if (asprintf(&temporary, "%s.tmp.%ld", path, (long)getpid()) < 0)
		return ct_broken_errno(err, "memory for %s", path);
	ok = write_through(path, temporary, write, context, err);
	free(temporary);
	return ok;
}

static bool write_json(void *context, FILE *out, struct ct_error *err)
{
	json_t *value = context;

	if (!value)
		return ct_broken(err, "memory for JSON");
	if (json_dumpf(value, out, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) != 0 && !ferror(out))
		return ct_broken(err, "memory for JSON");
	fputc('\n', out);
	return true;
}

bool ct_output_json(const char *path, json_t *value, struct ct_error *err)
{
	bool ok = ct_output_write(path, write_json, value, err);

	json_decref(value);
	return ok;
}

void ct_output_explicit_json(int argc, char **argv)
{
	static char explicit_json[] = "--json=-";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--json") != 0)
			continue;
		if (!next || is_result(next) || (next[0] == '-' && next[1] != '\0'))
			argv[i] = explicit_json;
	}
}
