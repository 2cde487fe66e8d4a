/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Ownership helpers: a local that owns a resource carries a cleanup
 * attribute; what leaves the function is taken, which disarms the attribute.
 * Modules add their own attributes with DEFINE_CLEANUP next to x_free().
 */

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Defines cleanup_<fn>(type *p) for use as _cleanup_(cleanup_<fn>). */
#define DEFINE_CLEANUP(type, fn)                                               \
	static inline void cleanup_##fn(type *p)                               \
	{                                                                      \
		if (*p)                                                        \
			fn(*p);                                                \
	}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

/* Moves a descriptor out of *fd, leaving -1. */
static inline int take_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

/* Moves a pointer out of p, leaving NULL. */
#define take_ptr(p)                                                            \
	({                                                                     \
		__typeof__(p) *take_p_ = &(p);                                 \
		__typeof__(p) take_v_ = *take_p_;                              \
		*take_p_ = NULL;                                               \
		take_v_;                                                       \
	})

/* Closes *fd if open and sets it to -1. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
