/* SPDX-License-Identifier: MPL-2.0 */
#include "lib/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

/* An ordinary user may mount in a user namespace, and own files there once his id is mapped. */
static int own_user_namespace(void)
{
	_cleanup_free_ char *uids = mem_printf("%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
	_cleanup_free_ char *gids = mem_printf("%u %u 1", (unsigned)getegid(), (unsigned)getegid());
	const char *const files[][2] = {
		{ "/proc/self/setgroups", "deny" }, { "/proc/self/uid_map", uids }, { "/proc/self/gid_map", gids },
	};

	if (unshare(CLONE_NEWUSER) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_close_ int fd = open(files[i][0], O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, files[i][1], strlen(files[i][1])) < 0)
			return -1;
	}
	return 0;
}

int small_disk_mount(const char *mount_point, const char *options)
{
	if ((geteuid() && own_user_namespace() < 0) || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("quiz-test", mount_point, "tmpfs", 0, options) < 0)
		return -1;
	return 0;
}
