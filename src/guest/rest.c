/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/rest.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/clock.h"
#include "guest/file.h"

#define MAPS_MAX 8192 /* a static program has a dozen mappings */

/* Entries of /proc/self/pagemap (pagemap.txt): 8 bytes per page. */
#define PAGE_PRESENT   (UINT64_C(1) << 63)
#define PAGE_EXCLUSIVE (UINT64_C(1) << 56)
#define ENTRIES	       512

/* Some ticks at any HZ from 100 up. */
#define AWAKE_NS 30000000u
/* For the kernel's threads that the ticks have woken. */
#define ASLEEP_NS 5000000

static bool hex(const char **p, uintptr_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *start = *p, *d;

	for (*ret = 0; **p && (d = strchr(digits, **p)); ++*p)
		*ret = *ret << 4 | (uintptr_t)(d - digits);
	return *p != start;
}

/* Pages that were never touched stay so: the agent has megabytes of buffers that it hardly ever needs. */
static void own_pages(int pagemap, uintptr_t from, uintptr_t to)
{
	static uint64_t entries[ENTRIES];
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	while (from < to) {
		ssize_t n = pread(pagemap, entries, sizeof(entries), (off_t)(from / page * sizeof(*entries))) / (ssize_t)sizeof(*entries);

		if (n <= 0)
			return;
		for (ssize_t i = 0; i < n && from < to; i++, from += page) {
			volatile char *p = (volatile char *)from;

			if ((entries[i] & PAGE_PRESENT) && !(entries[i] & PAGE_EXCLUSIVE))
				*p = *p; // cppcheck-suppress selfAssignment
		}
	}
}

void rest_own_pages(void)
{
	static char maps[MAPS_MAX];
	_cleanup_close_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char *line = maps, *end;

	if (pagemap < 0 || file_read("/proc/self/maps", maps, sizeof(maps)) <= 0)
		return;
	for (; (end = strchr(line, '\n')); line = end + 1) { /* one that was cut has no end */
		const char *p = line;
		uintptr_t from, to;

		/* "from-to perms ...", proc_pid_maps(5) */
		if (hex(&p, &from) && *p++ == '-' && hex(&p, &to) && strncmp(p, " rw-p", 5) == 0)
			own_pages(pagemap, from, to);
	}
}

void rest_run_deferred(void)
{
	const struct timespec asleep = { .tv_nsec = ASLEEP_NS };
	uint64_t until = clock_mono_ns() + AWAKE_NS;

	while (clock_mono_ns() < until)
		;
	nanosleep(&asleep, NULL);
}
