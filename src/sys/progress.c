/* SPDX-License-Identifier: MPL-2.0 */
/* Passing progress on to whoever listens. */

#include "sys/progress.h"

#include <stdarg.h>

#include "base/str.h"

void progress_stage(const struct progress *p, const char *fmt, ...)
{
	_cleanup_str_ struct str text = STR_INIT;
	va_list ap;

	if (!p || !p->stage)
		return;
	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	p->stage(p->ctx, str_cstr(&text));
}

void progress_note(const struct progress *p, const char *fmt, ...)
{
	_cleanup_str_ struct str text = STR_INIT;
	va_list ap;

	if (!p || !p->note)
		return;
	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	p->note(p->ctx, str_cstr(&text));
}

void progress_bytes(const struct progress *p, uint64_t done, uint64_t total)
{
	if (p && p->bytes)
		p->bytes(p->ctx, done, total);
}

void progress_count(const struct progress *p, uint64_t done, uint64_t total)
{
	if (p && p->count)
		p->count(p->ctx, done, total);
}

void progress_percent(const struct progress *p, unsigned percent)
{
	if (p && p->percent)
		p->percent(p->ctx, percent);
}

void progress_line(const struct progress *p, const char *line)
{
	if (p && p->line)
		p->line(p->ctx, line);
}
