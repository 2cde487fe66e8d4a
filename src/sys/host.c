/* SPDX-License-Identifier: MPL-2.0 */
/* Linux says what is available in /proc/meminfo; elsewhere free pages have to do. */

#include "sys/host.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fs.h"

#define MEMINFO_MAX (64 * 1024)

uint64_t host_memory_available(void)
{
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	const char *line;
	uint64_t kib;
	long pages;

	if (fs_read("/proc/meminfo", MEMINFO_MAX, &text, &err) == 0) {
		line = strstr(str_cstr(&text), "MemAvailable:");
		if (line && sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
			return kib * 1024;
	}
	pages = sysconf(_SC_AVPHYS_PAGES);
	return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void host_boot_id(struct str *out)
{
	size_t before = out->len;

	if (fs_read("/proc/sys/kernel/random/boot_id", 64, out, NULL) < 0)
		str_truncate(out, before);
	while (out->len > before && out->p[out->len - 1] == '\n')
		str_truncate(out, out->len - 1);
}

uint64_t host_disk_free(const char *path)
{
	_cleanup_free_ char *at = mem_strdup(path);
	struct statvfs st;

	while (statvfs(at, &st) < 0) {
		char *slash = strrchr(at, '/');

		if (!slash || slash == at)
			return 0;
		*slash = '\0';
	}
	return (uint64_t)st.f_bavail * st.f_frsize;
}

bool host_has_process(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}
