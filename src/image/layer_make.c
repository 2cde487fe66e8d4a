/* SPDX-License-Identifier: MPL-2.0 */
/* EROFS is written by ourselves, squashfs and ext4 by programs (layer_stage.c). */

#include "image/layer_make.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image/erofs.h"
#include "image/layer_stage.h"
#include "sys/fs.h"

/* Copies what the tree's files name, in the tree's order: neighbours in a folder are neighbours in the image. */
static int copy_sources(struct erofs_writer *w, struct tree_node *n, struct error *err)
{
	if (S_ISREG(n->mode) && !n->link && n->size) {
		_cleanup_close_ int fd = open(n->source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			return error_set(err, ERROR_BUSY, "cannot read '%s': it went away meanwhile", n->source);
		if (fd < 0)
			return error_sys(err, errno, "read '%s'", n->source);
		if (erofs_append_file(w, n, fd, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n->n_children; i++)
		if (copy_sources(w, n->children[i], err) < 0)
			return -1;
	return 0;
}

static int make_erofs(struct tree_node *top, int fd, uint64_t *ret_bytes, struct error *err)
{
	struct erofs_writer w;

	erofs_init(&w, fd);
	if (copy_sources(&w, top, err) < 0)
		return -1;
	return erofs_finish(&w, top, ret_bytes, err);
}

int layer_make(struct tree_node *top, const char *fstype, const char *path, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (str_eq(fstype, "squashfs") || str_eq(fstype, "ext4"))
		return layer_stage_make(top, fstype, path, ret_bytes, err);
	if (!str_eq(fstype, "erofs"))
		return error_set(err, ERROR_UNSUPPORTED, "cannot make a layer as '%s'", fstype);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return error_sys(err, errno, "create '%s'", path);
	if (make_erofs(top, fd, ret_bytes, err) < 0)
		return error_wrap(err, "'%s'", path);
	if (fs_close_written(&fd) < 0)
		return error_sys(err, errno, "write '%s'", path);
	return 0;
}

char *layer_make_key(int fd, const char *path, const char *fstype)
{
	const char *name = strrchr(path, '/');

	/* The others have no hash of their content in them: what names the image has to do. */
	if (!str_eq(fstype, "erofs"))
		return mem_strdup(name ? name + 1 : path);
	return erofs_content_key(fd, NULL);
}
