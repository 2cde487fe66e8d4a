/* SPDX-License-Identifier: MPL-2.0 */
#include "run/quota.h"

#include <sys/statvfs.h>

static bool is_short(const struct quota_look *look)
{
	return look->free_bytes < QUOTA_RESERVE_BYTES || look->free_files < QUOTA_RESERVE_FILES;
}

/* The most that the folder can hold now. */
static uint64_t bound(const struct quota *q, const struct quota_look *look)
{
	/* Less than before: another VMM, of a run that started over, which counts from 0. */
	if (look->written_bytes == UINT64_MAX || look->written_bytes < q->measured_at_written)
		return UINT64_MAX;
	return q->bytes + (look->written_bytes - q->measured_at_written);
}

bool quota_is_due(const struct quota *q, const struct quota_look *look)
{
	return is_short(look) || (q->max_bytes && bound(q, look) > q->max_bytes);
}

enum quota_excess quota_measured(struct quota *q, const struct quota_look *look, const struct fs_usage *usage)
{
	q->bytes = usage->bytes;
	q->files = usage->n;
	q->measured_at_written = look->written_bytes == UINT64_MAX ? 0 : look->written_bytes;
	if (q->max_bytes && usage->bytes > q->max_bytes)
		return QUOTA_TOO_LARGE;
	if (q->max_bytes && (usage->n >= QUOTA_FILES_MAX || !usage->is_complete))
		return QUOTA_TOO_MANY;
	if ((look->free_bytes < QUOTA_RESERVE_BYTES && usage->bytes > QUOTA_RESERVE_BYTES) ||
	    (look->free_files < QUOTA_RESERVE_FILES && usage->n > QUOTA_RESERVE_FILES))
		return QUOTA_HOST_FULL;
	return QUOTA_OK;
}

/* Half the time that is left at the speed of the last interval. */
uint64_t quota_next_ms(struct quota *q, const struct quota_look *look, uint64_t max_ms)
{
	uint64_t elapsed = look->now_ms - q->last_ms, wrote = 0, left = UINT64_MAX, next = max_ms;

	if (look->written_bytes != UINT64_MAX && look->written_bytes > q->last_written)
		wrote = look->written_bytes - q->last_written;
	if (q->max_bytes)
		left = bound(q, look) < q->max_bytes ? q->max_bytes - bound(q, look) : 0;
	if (look->free_bytes < left)
		left = look->free_bytes > QUOTA_RESERVE_BYTES ? look->free_bytes - QUOTA_RESERVE_BYTES : 0;
	if (q->last_ms && wrote && elapsed && left / wrote < max_ms * 2 / elapsed)
		next = left / 2 * elapsed / wrote;
	q->last_written = look->written_bytes == UINT64_MAX ? 0 : look->written_bytes;
	q->last_ms = look->now_ms;
	return next < QUOTA_LOOK_MIN_MS ? QUOTA_LOOK_MIN_MS : next < max_ms ? next : max_ms;
}

void quota_room(const char *dir, struct quota_look *ret)
{
	struct statvfs st;

	ret->free_bytes = ret->free_files = UINT64_MAX;
	if (statvfs(dir, &st) < 0)
		return;
	ret->free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	if (st.f_files) /* btrfs has no number of them */
		ret->free_files = st.f_favail;
}
