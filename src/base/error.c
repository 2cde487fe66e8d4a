/* SPDX-License-Identifier: MPL-2.0 */
/* Formatting into fixed buffers only: an error must be reportable when memory is not to be had. */

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Names in parentheses: for static analysis the header has macros of the same names. */

int (error_set)(struct error *err, enum error_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->kind = kind;
	err->errnum = 0;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -1;
}

int (error_sys)(struct error *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	err->kind = ERROR_SYSTEM;
	err->errnum = errnum;
	err->hint[0] = '\0';
	n = (size_t)snprintf(err->text, sizeof(err->text), "cannot ");
	va_start(ap, fmt);
	vsnprintf(err->text + n, sizeof(err->text) - n, fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", strerror(errnum));
	return -1;
}

int (error_wrap)(struct error *err, const char *fmt, ...)
{
	char old[ERROR_TEXT_MAX];
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", old);
	return -1;
}

int (error_hint)(struct error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

void error_clear(struct error *err)
{
	if (!err)
		return;
	err->kind = ERROR_NONE;
	err->errnum = 0;
	err->text[0] = '\0';
	err->hint[0] = '\0';
}
