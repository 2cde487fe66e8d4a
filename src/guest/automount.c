/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The kernel's side is Documentation/filesystems/autofs.rst: a "direct" mount,
 * protocol 5. Requests come as packets in a pipe and are answered by an ioctl on
 * the mount's root, opened before anything is mounted over it. Who asks waits
 * killably, and holds no lock.
 *
 * One request at a time, by a child: mounting asks the host, and PID 1 must
 * not wait for that.
 */

#include "guest/automount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/abi.h"
#include "guest/file.h"
#include "guest/log.h"

static struct {
	bool is_armed, is_mounted;
	char tag[64], path[256], options[128];
	unsigned long flags;
	int pipe_fd, root_fd; /* of the autofs mount: what it asks, where it is answered */
	dev_t dev;
	pid_t child;	      /* 0: nobody is served at the moment */
	uint32_t token;
} am = { .pipe_fd = -1, .root_fd = -1 };

static bool has_open_tree(void)
{
	return syscall(SYS_open_tree, -1, NULL, 0) < 0 && errno != ENOSYS;
}

bool automount_arm(const struct automount_share *share)
{
	_cleanup_close_ int theirs = -1;
	_cleanup_close_ int ours = -1;
	_cleanup_close_ int root = -1;
	char data[64];
	struct stat st;
	int p[2];

	if (am.is_armed || !has_open_tree() || file_path(am.tag, sizeof(am.tag), "%s", share->tag) < 0 ||
	    file_path(am.path, sizeof(am.path), "%s", share->path) < 0 ||
	    file_path(am.options, sizeof(am.options), "%s", share->options) < 0 || pipe2(p, O_CLOEXEC) < 0)
		return false;
	ours = p[0];
	theirs = p[1];
	fcntl(ours, F_SETFL, fcntl(ours, F_GETFL) | O_NONBLOCK);
	file_path(data, sizeof(data), "fd=%d,minproto=5,maxproto=5,direct", theirs);
	if (mount(share->tag, share->path, "autofs", MS_NOSUID | MS_NODEV, data) < 0)
		return false;
	root = open(share->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fstat(root, &st) < 0) {
		umount2(share->path, MNT_DETACH);
		return false;
	}
	am.flags = share->flags;
	am.dev = st.st_dev;
	am.pipe_fd = take_fd(&ours);
	am.root_fd = take_fd(&root);
	am.is_armed = true;
	return true;
}

bool automount_has(const char *tag, const char *path)
{
	return am.is_armed && strcmp(am.tag, tag) == 0 && strcmp(am.path, path) == 0;
}

static int mount_share(void)
{
	return mount(am.tag, am.path, "9p", am.flags, am.options);
}

int automount_touch(const char *path, struct error *err)
{
	size_t n = strlen(am.path);

	if (!am.is_armed || am.is_mounted || strncmp(path, am.path, n) != 0 || (path[n] && path[n] != '/'))
		return 0;
	/* EBUSY: a child has just mounted it, and is about to say so. */
	if (mount_share() < 0 && errno != EBUSY)
		return error_sys(err, errno, "mount share '%s' on '%s'", am.tag, am.path);
	am.is_mounted = true;
	return 0;
}

int automount_fd(void)
{
	return am.child ? -1 : am.pipe_fd;
}

/* ---- the child ---- */

/*
 * Where pid sees the autofs mount: "ID PARENT MAJOR:MINOR ROOT PATH ..." of
 * its mountinfo, the last such line, which is the uppermost.
 */
static bool find_mount(pid_t pid, char *ret, size_t size)
{
	static char text[256 * 1024];
	char path[64];
	bool is_found = false;
	ssize_t n;

	file_path(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	n = file_read(path, text, sizeof(text));
	for (char *line = text, *next; n > 0 && *line; line = next) {
		unsigned at_major, at_minor;
		int at = 0, end = 0;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (sscanf(line, "%*d %*d %u:%u %*s %n%*s%n", &at_major, &at_minor, &at, &end) < 2 || !end ||
		    makedev(at_major, at_minor) != am.dev || (size_t)(end - at) >= size)
			continue;
		memcpy(ret, line + at, (size_t)(end - at));
		ret[end - at] = '\0';
		is_found = true;
	}
	return is_found;
}

/* What is mounted here is mounted for him too, in his namespace and below his root. */
static int mount_for(pid_t pid)
{
	char path[FILE_PATH_MAX], where[64];
	_cleanup_close_ int tree = syscall(SYS_open_tree, AT_FDCWD, am.path, QOPEN_TREE_CLONE | O_CLOEXEC);
	_cleanup_close_ int ns = -1;
	_cleanup_close_ int root = -1;

	file_path(where, sizeof(where), "/proc/%d/ns/mnt", (int)pid);
	ns = open(where, O_RDONLY | O_CLOEXEC);
	file_path(where, sizeof(where), "/proc/%d/root", (int)pid);
	root = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0 || ns < 0 || root < 0 || !find_mount(pid, path, sizeof(path)) || setns(ns, CLONE_NEWNS) < 0 ||
	    fchdir(root) < 0 || chroot(".") < 0 || syscall(SYS_move_mount, tree, "", AT_FDCWD, path, QMOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -1;
	return 0;
}

static bool is_our_namespace(pid_t pid)
{
	char where[64];
	struct stat his, ours;

	file_path(where, sizeof(where), "/proc/%d/ns/mnt", (int)pid);
	return stat(where, &his) < 0 || stat("/proc/self/ns/mnt", &ours) < 0 ||
	       (his.st_ino == ours.st_ino && his.st_dev == ours.st_dev);
}

static _Noreturn void serve(pid_t pid)
{
	/* EBUSY: it is there already, but not in his namespace; who unmounted it gets it again. */
	if (mount_share() < 0 && errno != EBUSY) {
		log_line("cannot mount share '%s' on '%s': %s", am.tag, am.path, strerror(errno));
		_exit(1);
	}
	if (!is_our_namespace(pid) && mount_for(pid) < 0)
		log_line("cannot mount share '%s' for process %d: %s", am.tag, (int)pid, strerror(errno));
	_exit(0);
}

/* ---- PID 1 ---- */

static void answer(bool is_there)
{
	ioctl(am.root_fd, is_there ? QAUTOFS_IOC_READY : QAUTOFS_IOC_FAIL, am.token);
}

void automount_serve(void)
{
	struct qautofs_v5_packet packet;
	ssize_t n = read(am.pipe_fd, &packet, sizeof(packet));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)offsetof(struct qautofs_v5_packet, name)) {
		close_fd(&am.pipe_fd); /* somebody has unmounted it */
		return;
	}
	if (packet.type != QAUTOFS_MISSING_DIRECT)
		return;
	am.token = packet.token;
	am.child = fork();
	if (am.child == 0)
		serve((pid_t)packet.tgid);
	if (am.child < 0) {
		am.child = 0;
		answer(false);
	}
}

bool automount_reaped(pid_t pid, int wait_status)
{
	bool is_there;

	if (!am.child || am.child != pid)
		return false;
	am.child = 0;
	is_there = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
	am.is_mounted = am.is_mounted || is_there;
	answer(is_there);
	return true;
}
