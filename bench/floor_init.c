/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PID 1 of the floor that quiz is measured against: as little as a machine
 * can do. Alone it ends the machine at once. With "floor=wait" on the kernel
 * command line it loads the modules that the kernel's initrd brings, opens
 * the agent port, says READY, and on the first byte does what a clone's job
 * is at the least: one fork, one execve, one wait, one answer. What is executed
 * is itself, or, with "floor=true", `true` of the root image on disk "root",
 * which it has executed once before READY, so that its pages are there.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void load_modules(void)
{
	char path[512] = "/quiz/modules/";
	size_t base = strlen(path);
	FILE *f = fopen("/quiz/modules/order", "re");

	while (f && fgets(path + base, (int)(sizeof(path) - base), f)) {
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
	if (f)
		fclose(f);
}

static int open_port(void)
{
	for (int i = 0; i < 5000; i++) {
		char path[] = "/dev/vport00p1"; /* the device's number among the virtio devices */

		for (int n = 0; n < 32; n++) {
			int fd;

			snprintf(path, sizeof(path), "/dev/vport%dp1", n);
			fd = open(path, O_RDWR | O_CLOEXEC);
			if (fd >= 0)
				return fd;
		}
		usleep(1000);
	}
	return -1;
}

static int has_word(const char *word)
{
	char line[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && strstr(line, word);
}

static int executes_root;

/* One fork, one execve, one wait. */
static int execute(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		if (!executes_root)
			execl("/init", "true", (char *)NULL);
		else if (chroot("/root") == 0 && chdir("/") == 0)
			execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* The disk whose serial is "root". */
static int mount_root(void)
{
	mkdir("/root", 0755);
	mkdir("/sys", 0755);
	mount("sysfs", "/sys", "sysfs", 0, "");
	for (char c = 'a'; c <= 'z'; c++) {
		char path[] = "/sys/block/vdX/serial", dev[] = "/dev/vdX", serial[32] = "";
		FILE *f;

		path[13] = dev[7] = c;
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(serial, sizeof(serial), f))
			serial[0] = '\0';
		fclose(f);
		if (!strncmp(serial, "root", 4))
			return mount(dev, "/root", "erofs", MS_RDONLY, "");
	}
	return -1;
}

static void serve(void)
{
	int port = open_port(), status;
	char c;

	executes_root = has_word("floor=true");
	if (executes_root) {
		if (mount_root() < 0 || execute() != 0)
			return;
	}
	/*
	 * On a busy host the kernel may have got no timer (src/guest/boot.c). Such a machine has no ticks, and a clone of it
	 * a fifth less to do than any that works: it must not be what others are measured against.
	 */
	usleep(1000);
	if (port < 0 || write(port, "R", 1) != 1)
		return;
	while (read(port, &c, 1) != 1) /* 0: no host end at the moment */
		usleep(200);
	status = execute();
	c = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 'D' : 'E';
	if (write(port, &c, 1) == 1)
		pause();
}

int main(void)
{
	if (getpid() != 1)
		return 0;
	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, "");
	if (has_word("floor=wait")) {
		mount("devtmpfs", "/dev", "devtmpfs", 0, "");
		load_modules();
		serve();
	}
	reboot(RB_AUTOBOOT);
	return 1;
}
