/* SPDX-License-Identifier: MPL-2.0 */
/* Walking host trees. Relative to open folders throughout, so that no path grows with depth and no link is followed. */

#include "image/layer_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sys/fs.h"

struct walk {
	const char *host;
	layer_walk_fn *fn;
	void *ctx;
	struct str path; /* of the entry in hand, relative */
	size_t n_entries;
};

static int walk_failed(const struct walk *w, const char *what, struct error *err)
{
	int e = errno;

	if (e == ENOENT || e == ENOTDIR)
		return error_set(err, ERROR_BUSY, "cannot %s '%s/%s': it went away meanwhile", what, w->host, str_cstr(&w->path));
	return error_sys(err, e, "%s '%s/%s'", what, w->host, str_cstr(&w->path));
}

static int walk_dir(struct walk *w, int fd_consumed, int depth, struct error *err);

static int walk_entry(struct walk *w, int dir_fd, const char *name, int depth, struct error *err)
{
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return walk_failed(w, "look at", err);
	if (++w->n_entries > LAYER_ENTRIES_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "cannot make a layer of '%s': it has more than %u entries", w->host,
				 LAYER_ENTRIES_MAX);
	if (w->fn(w->ctx, str_cstr(&w->path), dir_fd, name, &st, err) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return walk_failed(w, "open", err);
	return walk_dir(w, fd, depth + 1, err);
}

static int walk_dir(struct walk *w, int fd_consumed, int depth, struct error *err)
{
	DIR *d = fdopendir(fd_consumed);
	size_t len = w->path.len;
	struct dirent *e;
	int r = 0;

	if (!d) {
		close(fd_consumed);
		return walk_failed(w, "open", err);
	}
	if (depth > LAYER_DEPTH_MAX)
		r = error_set(err, ERROR_UNSUPPORTED, "cannot make a layer of '%s': folders are nested deeper than %d", w->host,
			      LAYER_DEPTH_MAX);
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (len)
			str_add_char(&w->path, '/');
		str_add(&w->path, e->d_name);
		r = walk_entry(w, dirfd(d), e->d_name, depth, err);
		str_truncate(&w->path, len);
	}
	if (r == 0 && errno)
		r = walk_failed(w, "list", err);
	closedir(d);
	return r;
}

int layer_walk(const char *host, layer_walk_fn *fn, void *ctx, struct error *err)
{
	struct walk w = { .host = host, .fn = fn, .ctx = ctx };
	struct stat st;
	int r;

	if (stat(host, &st) < 0)
		return error_sys(err, errno, "look at '%s'", host);
	r = fn(ctx, "", AT_FDCWD, host, &st, err);
	if (r == 0 && S_ISDIR(st.st_mode)) {
		int fd = open(host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = fd < 0 ? error_sys(err, errno, "open '%s'", host) : walk_dir(&w, fd, 0, err);
	}
	str_clear(&w.path);
	return r;
}

struct pack {
	struct tree_node *top;
	const char *host, *guest;
	const struct layer_pack_options *opt;
};

/*
 * Folders that every system has. A layer's folder decides over the root's in
 * an overlay, and a working folder of a user with umask 077 must not make /
 * or /tmp of the machine useless to everybody but root.
 */
static uint32_t standard_mode(const char *guest_path, uint32_t mode)
{
	static const struct {
		const char *path;
		uint32_t mode;
	} table[] = {
		{ "", 0755 },	    { "usr", 0755 },	 { "usr/bin", 0755 },  { "usr/sbin", 0755 }, { "usr/lib", 0755 },
		{ "usr/share", 0755 }, { "usr/local", 0755 }, { "etc", 0755 },	  { "var", 0755 },     { "opt", 0755 },
		{ "home", 0755 },   { "root", 0700 },	 { "tmp", 01777 },     { "var/tmp", 01777 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (str_eq(table[i].path, guest_path))
			return S_IFDIR | table[i].mode;
	return mode;
}

static void read_xattrs(struct tree_node *n, int dir_fd, const char *name)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char value[4096];
	ssize_t len = fd >= 0 ? fgetxattr(fd, "security.capability", value, sizeof(value)) : -1;
	struct tree_xattr *x;

	if (len <= 0)
		return;
	x = VEC_PUSH(n->xattrs, n->n_xattrs);
	x->name = mem_strdup("security.capability");
	x->value = mem_alloc((size_t)len);
	memcpy(x->value, value, (size_t)len);
	x->n = (size_t)len;
}

/* Caller frees; NULL when it is no link any more. */
static char *read_link(int dir_fd, const char *name)
{
	char target[TREE_PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	return n < 0 ? NULL : mem_strndup(target, (size_t)n);
}

static int pack_entry(void *ctx, const char *path, int dir_fd, const char *name, const struct stat *st, struct error *err)
{
	struct pack *p = ctx;
	_cleanup_free_ char *at = mem_printf("%s%s%s", p->guest, *path ? "/" : "", path);
	_cleanup_free_ char *merged = tree_usr_merged(at);
	_cleanup_free_ char *target = NULL;
	uint32_t mode = st->st_mode;
	struct tree_node *n;

	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		return 0; /* of the host: of no use in a machine */
	if (S_ISLNK(mode)) {
		target = read_link(dir_fd, name);
		if (!target)
			return error_set(err, ERROR_BUSY, "cannot read link '%s/%s': it went away meanwhile", p->host, path);
	}
	/* The mount point of a source: what is there already stays as it is. */
	n = S_ISDIR(mode) && !*path ? tree_find(p->top, merged) : NULL;
	if (n && S_ISDIR(n->mode) && !p->opt->keep_owners)
		return 0;
	if (S_ISDIR(mode) && !p->opt->keep_owners)
		mode = standard_mode(merged, mode);
	if (tree_put_usr_merged(p->top, at, mode, target, &n, err) < 0)
		return -1;
	if (!n)
		return 0;
	/* What an ordinary user unpacked belongs to that user: in the machine it is root's. */
	if (p->opt->keep_owners && st->st_uid != geteuid())
		n->uid = st->st_uid;
	if (p->opt->keep_owners && st->st_gid != getegid())
		n->gid = st->st_gid;
	n->mtime = st->st_mtim.tv_sec;
	n->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
	if (S_ISREG(mode)) {
		n->size = (uint64_t)st->st_size;
		n->source = *path ? fs_join(p->host, path) : mem_strdup(p->host);
		if (st->st_mode & 0111)
			read_xattrs(n, dir_fd, name);
	}
	return 0;
}

int layer_pack(struct tree_node *top, const char *host, const char *guest, const struct layer_pack_options *opt,
	       struct error *err)
{
	_cleanup_free_ char *real = fs_real_path(host, err); /* files are opened without following links later */
	_cleanup_free_ char *at = mem_strdup(guest ? guest : "/");
	size_t len = strlen(at);

	if (!real)
		return -1;
	while (len && at[len - 1] == '/')
		at[--len] = '\0';
	return layer_walk(real, pack_entry, &(struct pack){ top, real, at + strspn(at, "/"), opt }, err);
}
