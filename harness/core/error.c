/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/core/text.h"

static void __attribute__((format(printf, 3, 0)))
set(struct ct_error *err, enum ct_error_kind kind, const char *format, va_list args)
{
	if (!err)
		return;
	err->kind = kind;
	vsnprintf(err->text, sizeof err->text, format, args);
	/* A message is one line of UTF-8, whatever a peer or a file put into it. */
	ct_text_clean(err->text);
}

bool ct_fail(struct ct_error *err, enum ct_error_kind kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, kind, format, args);
	va_end(args);
	return false;
}

bool ct_usage(struct ct_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, CT_ERR_USAGE, format, args);
	va_end(args);
	return false;
}

bool ct_broken(struct ct_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, CT_ERR_ENVIRONMENT, format, args);
	va_end(args);
	return false;
}

bool ct_broken_errno(struct ct_error *err, const char *format, ...)
{
	int saved = errno;
	va_list args;
	size_t used;

	if (!err)
		return false;
	va_start(args, format);
	set(err, CT_ERR_ENVIRONMENT, format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved));
	ct_text_clean(err->text);
	return false;
}

bool ct_error_in(struct ct_error *err, const char *format, ...)
{
	char inner[sizeof err->text];
	va_list args;
	size_t used;

	if (!err)
		return false;
	memcpy(inner, err->text, sizeof inner);
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	used = strlen(err->text);
	/* Cutting a message at the size of the buffer is wanted here, so the result is not needed.
	 */
	if (snprintf(err->text + used, sizeof err->text - used, ": %s", inner) < 0)
		err->text[used] = '\0';
	ct_text_clean(err->text);
	return false;
}
