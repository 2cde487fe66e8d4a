/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. The tree is laid out in a folder beside the image, as
 * reflinks or copies (a hard link would change the inode's time, and with it
 * the stamp of the user's tree), and given to the program that makes the file
 * system. Owners come out right by
 * mksquashfs' -all-root; mke2fs knows no such option, so debugfs sets them
 * afterwards, one command per name on its standard input.
 *
 * ext4 is made without a journal and without reserved blocks: it is mounted
 * read-only, and "noload" is not needed then.
 */

#include "image/layer_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fs.h"
#include "sys/proc.h"

struct stage {
	uint64_t bytes;	   /* of contents, each rounded up to a block */
	uint64_t n_nodes;
};

static int stage_file(const struct tree_node *n, const char *to, struct error *err)
{
	struct stat st;

	if (!n->size) {
		_cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		return fd < 0 ? error_sys(err, errno, "create '%s'", to) : 0;
	}
	if (stat(n->source, &st) < 0)
		return error_set(err, ERROR_BUSY, "cannot read '%s': it went away meanwhile", n->source);
	if ((uint64_t)st.st_size != n->size)
		return error_set(err, ERROR_BUSY, "cannot pack '%s': it changed meanwhile", n->source);
	return fs_copy_file(n->source, to, 0600, err);
}

static int stage_node(struct stage *s, const struct tree_node *n, const char *to, struct error *err)
{
	int r = 0;

	if (S_ISDIR(n->mode))
		r = mkdir(to, 0700) < 0 && errno != EEXIST ? error_sys(err, errno, "make folder '%s'", to) : 0;
	else if (S_ISLNK(n->mode))
		r = symlink(n->target, to) < 0 ? error_sys(err, errno, "make link '%s'", to) : 0;
	else if (S_ISFIFO(n->mode))
		r = mkfifo(to, 0600) < 0 ? error_sys(err, errno, "make pipe '%s'", to) : 0;
	else
		r = stage_file(n, to, err);
	s->n_nodes++;
	s->bytes += (n->size + 4095) / 4096 * 4096 + 4096;
	for (size_t i = 0; r == 0 && i < n->n_children; i++) {
		_cleanup_free_ char *child = mem_printf("%s/%s", to, n->children[i]->name);

		r = stage_node(s, n->children[i], child, err);
	}
	/* Modes last: a folder without w would refuse its children. */
	if (r == 0 && !S_ISLNK(n->mode) && chmod(to, n->mode & 07777) < 0)
		r = error_sys(err, errno, "change the mode of '%s'", to);
	return r;
}

static int add_owners(struct str *out, const struct tree_node *n, struct error *err)
{
	_cleanup_free_ char *path = tree_path(n);

	if (strpbrk(path, "\"\n\\"))
		return error_set(err, ERROR_UNSUPPORTED, "cannot pack '%s' as ext4: its name has quotes in it", path);
	str_addf(out, "sif \"%s\" uid %u\nsif \"%s\" gid %u\n", path, n->uid, path, n->gid);
	for (size_t i = 0; i < n->n_children; i++)
		if (add_owners(out, n->children[i], err) < 0)
			return -1;
	return 0;
}

static int run_with_input(const char *const *argv, const char *dir, const struct str *input, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s.commands", dir);
	_cleanup_close_ int fd = -1;
	_cleanup_str_ struct str out = STR_INIT;
	struct proc_fd in = { .child_fd = 0 };
	struct proc_spec spec = { .argv = argv, .fds = &in, .n_fds = 1 };

	if (fs_write_atomic(path, str_cstr(input), input->len, 0600, false, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		error_sys(err, errno, "open '%s'", path);
	unlink(path);
	if (fd < 0)
		return -1;
	in.fd = fd;
	return proc_run_spec(&spec, &out, err);
}

static int make_ext4(const struct stage *s, const struct tree_node *top, const char *dir, const char *path, struct error *err)
{
	char size_text[32], inodes_text[32];
	const char *const make[] = { "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-b", "4096", "-N",
				     inodes_text, "-d", dir, path, size_text, NULL };
	const char *const own[] = { "debugfs", "-w", "-f", "-", path, NULL };
	_cleanup_str_ struct str commands = STR_INIT, out = STR_INIT;
	/* Inodes of 256 bytes, group tables and extents: a tenth and some MiB are ample. */
	uint64_t bytes = s->bytes + s->bytes / 10 + s->n_nodes * 512 + (4u << 20);

	snprintf(size_text, sizeof(size_text), "%" PRIu64 "k", bytes / 1024);
	snprintf(inodes_text, sizeof(inodes_text), "%" PRIu64, s->n_nodes + 64);
	if (add_owners(&commands, top, err) < 0 || proc_run(make, &out, err) < 0)
		return -1;
	return run_with_input(own, dir, &commands, err);
}

static int make_squashfs(const char *dir, const char *path, struct error *err)
{
	const char *const argv[] = { "mksquashfs", dir, path, "-all-root", "-noappend", "-quiet", "-no-progress", "-noI", "-noD",
				     "-noF", "-noX", NULL };
	_cleanup_str_ struct str out = STR_INIT;

	return proc_run(argv, &out, err);
}

int layer_stage_make(struct tree_node *top, const char *fstype, const char *path, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *dir = mem_printf("%s.d", path);
	bool is_squashfs = str_eq(fstype, "squashfs");
	struct stage s = { 0 };
	struct stat st;
	int r;

	if (fs_remove_tree(dir, NULL, err) < 0)
		return -1;
	unlink(path);
	r = stage_node(&s, top, dir, err);
	if (r == 0)
		r = is_squashfs ? make_squashfs(dir, path, err) : make_ext4(&s, top, dir, path, err);
	if (r < 0 && err && err->kind == ERROR_MISSING)
		error_hint(err, "sudo apt-get install %s", is_squashfs ? "squashfs-tools" : "e2fsprogs");
	fs_remove_tree(dir, NULL, NULL);
	if (r < 0)
		return -1;
	if (stat(path, &st) < 0)
		return error_sys(err, errno, "look at '%s'", path);
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}
