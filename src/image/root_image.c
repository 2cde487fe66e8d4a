/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. Members of the archive become nodes of a tree in
 * memory while their bytes go straight into the image (image/erofs.h), which
 * gets its folders and inodes last. A few files are kept in memory on the way,
 * because something is to be read from them or changed in them.
 *
 * Hard links are resolved when everything is in: an archive may replace the
 * file that an earlier link named, and a link to a node that is gone would be
 * a dangling pointer.
 */

#include "image/root_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/erofs.h"
#include "image/layer_walk.h"
#include "image/tree.h"
#include "sys/fs.h"

#define READ_BYTES (128u << 10)
#define KEPT_MAX (16u << 20)	   /* of one file that we look into */
#define ENTRIES_MAX 4000000u

/* Files that are read, and perhaps rewritten, on the way. */
enum kept {
	KEPT_STATUS,
	KEPT_OS_RELEASE,
	KEPT_SHADOW,
	N_KEPT,
};

static const char *const kept_paths[N_KEPT] = {
	[KEPT_STATUS] = "var/lib/dpkg/status",
	[KEPT_OS_RELEASE] = "usr/lib/os-release",
	[KEPT_SHADOW] = "etc/shadow",
};

struct hard_link {
	char *path, *to; /* owned; merged-usr */
};

struct maker {
	struct tree_node *top; /* owned */
	struct erofs_writer writer;
	int fd; /* owned */
	struct hard_link *links; /* owned */
	size_t n_links;
	struct str kept[N_KEPT];
	size_t n_entries;
	const struct progress *progress;
};

void root_image_clear(struct root_image *ri)
{
	free(ri->key);
	free(ri->os_id);
	free(ri->os_suite);
	strv_clear(&ri->packages);
	*ri = (struct root_image){ 0 };
}

static int maker_init(struct maker *m, const char *image_path, const struct progress *progress, struct error *err)
{
	*m = (struct maker){ .fd = open(image_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644),
			     .progress = progress };
	if (m->fd < 0)
		return error_sys(err, errno, "create '%s'", image_path);
	m->top = tree_new();
	erofs_init(&m->writer, m->fd);
	return 0;
}

static void maker_clear(struct maker *m)
{
	close_fd(&m->fd);
	tree_free(m->top);
	for (size_t i = 0; i < m->n_links; i++) {
		free(m->links[i].path);
		free(m->links[i].to);
	}
	free(m->links);
	for (size_t i = 0; i < N_KEPT; i++)
		str_clear(&m->kept[i]);
}

/* Below these the machine mounts its own. */
static bool is_left_out(const char *path)
{
	static const char *const tops[] = { "dev/", "proc/", "sys/", "run/", "tmp/", ".dockerenv" };

	for (size_t i = 0; i < ARRAY_SIZE(tops); i++)
		if (str_starts(path, tops[i]))
			return true;
	return false;
}

/* Without "./", leading and trailing slashes. Caller frees. */
static char *clean_path(const char *path)
{
	size_t len;

	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	return mem_strndup(path, len);
}

/* ---- archives ---- */

static int archive_failed(struct archive *a, const char *path, struct error *err)
{
	const char *why = archive_error_string(a);

	return error_set(err, ERROR_UNSUPPORTED, "cannot read archive '%s': %s", path, why ? why : "it is damaged");
}

/* Names in an archive may be UTF-8 while our locale is not. */
static const char *entry_path(struct archive_entry *e)
{
	const char *p = archive_entry_pathname_utf8(e);

	return p ? p : archive_entry_pathname(e);
}

static const char *entry_hard_link(struct archive_entry *e)
{
	const char *p = archive_entry_hardlink_utf8(e);

	return p ? p : archive_entry_hardlink(e);
}

static const char *entry_symlink(struct archive_entry *e)
{
	const char *p = archive_entry_symlink_utf8(e);

	return p ? p : archive_entry_symlink(e);
}

static void take_xattrs(struct tree_node *n, struct archive_entry *e)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		struct tree_xattr *x;

		if (!str_starts(name, "security.") && !str_starts(name, "user."))
			continue; /* trusted.overlay.* of another system would confuse our overlay */
		x = VEC_PUSH(n->xattrs, n->n_xattrs);
		x->name = mem_strdup(name);
		x->value = mem_alloc(size + 1);
		memcpy(x->value, value, size);
		x->n = size;
	}
}

static int keep_index(const char *path)
{
	for (int i = 0; i < N_KEPT; i++)
		if (str_eq(kept_paths[i], path))
			return i;
	return -1;
}

static int copy_data(struct maker *m, struct archive *a, const char *archive, struct tree_node *n, const char *path,
		     struct error *err)
{
	static char buf[READ_BYTES];
	int keep = keep_index(path);
	la_ssize_t got;

	if (keep >= 0)
		str_truncate(&m->kept[keep], 0);
	/* archive_read_data() fills holes with zeros. */
	while (n->fill < n->size && (got = archive_read_data(a, buf, sizeof(buf))) != 0) {
		if (got < 0)
			return archive_failed(a, archive, err);
		if (erofs_append(&m->writer, n, buf, (size_t)got, err) < 0)
			return -1;
		if (keep >= 0 && m->kept[keep].len + (size_t)got <= KEPT_MAX)
			str_add_mem(&m->kept[keep], buf, (size_t)got);
	}
	return 0;
}

static int take_entry(struct maker *m, struct archive *a, const char *archive, struct archive_entry *e, struct error *err)
{
	const char *raw = entry_path(e), *link = entry_hard_link(e);
	uint32_t mode = (uint32_t)archive_entry_mode(e);
	_cleanup_free_ char *path = NULL;
	struct tree_node *n;

	if (!raw)
		return error_set(err, ERROR_UNSUPPORTED, "cannot read archive '%s': a member has no name", archive);
	if (++m->n_entries > ENTRIES_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "cannot use archive '%s': more than %u members", archive, ENTRIES_MAX);
	path = clean_path(raw);
	if (is_left_out(path))
		return 0;
	if (link) {
		_cleanup_free_ char *to = clean_path(link);
		struct hard_link *hl = VEC_PUSH(m->links, m->n_links);

		hl->path = tree_usr_merged(path);
		hl->to = tree_usr_merged(to);
		return 0;
	}
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode) && !S_ISFIFO(mode))
		return 0;
	if (!*path && !S_ISDIR(mode))
		return 0;
	if (S_ISLNK(mode) && !entry_symlink(e))
		return error_set(err, ERROR_UNSUPPORTED, "cannot read archive '%s': link '%s' has no target", archive, path);
	if (tree_put_usr_merged(m->top, path, mode, S_ISLNK(mode) ? entry_symlink(e) : NULL, &n, err) < 0)
		return -1;
	if (!n)
		return 0;
	n->uid = (uint32_t)archive_entry_uid(e);
	n->gid = (uint32_t)archive_entry_gid(e);
	n->mtime = archive_entry_mtime(e);
	n->mtime_nsec = (uint32_t)archive_entry_mtime_nsec(e);
	take_xattrs(n, e);
	if (!S_ISREG(mode))
		return 0;
	if (archive_entry_size(e) < 0)
		return error_set(err, ERROR_UNSUPPORTED, "cannot read archive '%s': '%s' has no size", archive, path);
	n->size = (uint64_t)archive_entry_size(e);
	return copy_data(m, a, archive, n, path, err);
}

static int read_members(struct maker *m, struct archive *a, const char *archive, uint64_t total, struct error *err)
{
	struct archive_entry *e;
	int r;

	while ((r = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			return archive_failed(a, archive, err);
		if (take_entry(m, a, archive, e, err) < 0)
			return -1;
		if (m->n_entries % 64 == 0)
			progress_bytes(m->progress, (uint64_t)archive_filter_bytes(a, -1), total);
	}
	return 0;
}

static int read_archive(struct maker *m, const char *path, struct error *err)
{
	struct archive *a = archive_read_new();
	struct stat st;
	int r;

	archive_read_support_filter_all(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_gnutar(a);
	archive_read_support_format_cpio(a);
	if (stat(path, &st) < 0)
		r = error_sys(err, errno, "open '%s'", path);
	else if (archive_read_open_filename(a, path, READ_BYTES) != ARCHIVE_OK)
		r = archive_failed(a, path, err);
	else
		r = read_members(m, a, path, (uint64_t)st.st_size, err);
	archive_read_free(a);
	return r;
}

/* ---- what comes after the members ---- */

static void resolve_links(struct maker *m)
{
	for (size_t i = 0; i < m->n_links; i++) {
		struct tree_node *to = tree_find(m->top, m->links[i].to);
		struct tree_node *n;

		if (!to || !S_ISREG(to->mode) || to->link || tree_find(m->top, m->links[i].path))
			continue;
		n = tree_put(m->top, m->links[i].path, to->mode, NULL);
		if (n)
			n->link = to;
	}
	/* The way to a later link may have made a folder of what an earlier one names. */
	for (size_t i = 0; i < m->n_links; i++) {
		struct tree_node *n = tree_find(m->top, m->links[i].path);

		if (n && n->link && !S_ISREG(n->link->mode))
			n->link = NULL;
	}
}

/* A file whose content is ours; it keeps the group of one that was there. */
static int put_text(struct maker *m, const char *path, uint32_t mode, const char *text, struct error *err)
{
	struct tree_node *n = tree_find(m->top, path);
	uint32_t gid = n ? n->gid : 0;

	n = tree_put(m->top, path, S_IFREG | mode, err);
	if (!n)
		return -1;
	n->uid = 0;
	n->gid = gid;
	n->mtime = m->top->mtime;
	n->size = strlen(text);
	return erofs_append(&m->writer, n, text, n->size, err);
}

/* root can log in without password: the machine is thrown away, and nothing of it listens anywhere. */
static int open_root_account(struct maker *m, struct error *err)
{
	const char *text = str_cstr(&m->kept[KEPT_SHADOW]), *at = strstr(text, "root:"), *end;
	_cleanup_str_ struct str out = STR_INIT;

	if (!at || (at != text && at[-1] != '\n'))
		return 0;
	end = strchr(at + 5, ':');
	if (!end)
		return 0;
	str_add_mem(&out, text, (size_t)(at + 5 - text));
	str_add(&out, end);
	return put_text(m, "etc/shadow", 0640, out.p, err);
}

static int put_link(struct maker *m, const char *path, const char *target, struct error *err)
{
	struct tree_node *n;

	if (tree_find(m->top, path))
		return 0;
	n = tree_put(m->top, path, S_IFLNK | 0777, err);
	if (!n)
		return -1;
	n->target = mem_strdup(target);
	n->mtime = m->top->mtime;
	return 0;
}

/* What the machine mounts over, and the links of a merged-usr system. */
static int add_skeleton(struct maker *m, struct error *err)
{
	static const struct {
		const char *path;
		uint32_t mode;
	} folders[] = {
		{ "dev", 0755 }, { "proc", 0555 }, { "sys", 0555 },	 { "run", 0755 },
		{ "tmp", 01777 }, { "root", 0700 }, { "shared", 01777 }, { "mnt", 0755 },
	};
	static const char *const merged[] = { "bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct tree_node *n = tree_find(m->top, folders[i].path);

		if (n)
			continue;
		n = tree_put(m->top, folders[i].path, S_IFDIR | folders[i].mode, err);
		if (!n)
			return -1;
		n->mtime = m->top->mtime;
	}
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++) {
		_cleanup_free_ char *target = mem_printf("usr/%s", merged[i]);

		if (tree_find(m->top, target) && put_link(m, merged[i], target, err) < 0)
			return -1;
	}
	return 0;
}

static int add_defaults(struct maker *m, struct error *err)
{
	struct tree_node *host_settings = tree_find(m->top, "etc/apt/apt.conf.d/99mmdebstrap");

	if (host_settings) /* the host's proxy is not the machine's */
		tree_remove(host_settings);
	if (put_text(m, "etc/hostname", 0644, "quiz\n", err) < 0 ||
	    put_text(m, "etc/hosts", 0644, "127.0.0.1\tlocalhost\n127.0.1.1\tquiz\n::1\t\tlocalhost\n", err) < 0 ||
	    put_text(m, "etc/machine-id", 0644, "", err) < 0 || put_link(m, "etc/mtab", "../proc/self/mounts", err) < 0)
		return -1;
	return open_root_account(m, err);
}

static int finish(struct maker *m, const struct root_image_options *opt, struct root_image *ret, struct error *err)
{
	if (!tree_find(m->top, "usr/bin"))
		return error_set(err, ERROR_USAGE, "there is neither /bin nor /usr/bin in it");
	if (add_skeleton(m, err) < 0 || (opt && opt->with_defaults && add_defaults(m, err) < 0))
		return -1;
	resolve_links(m); /* last: from here on no node may go away */
	if (erofs_finish(&m->writer, m->top, &ret->bytes, err) < 0)
		return -1;
	ret->key = erofs_content_key(m->fd, err);
	root_image_packages(str_cstr(&m->kept[KEPT_STATUS]), &ret->packages);
	ret->os_id = root_image_os_release(str_cstr(&m->kept[KEPT_OS_RELEASE]), "ID");
	ret->os_suite = root_image_os_release(str_cstr(&m->kept[KEPT_OS_RELEASE]), "VERSION_CODENAME");
	return ret->key ? 0 : -1;
}

int root_image_from_archive(const char *archive, const char *image_path, const struct root_image_options *opt,
			    const struct progress *progress, struct root_image *ret, struct error *err)
{
	struct maker m;
	int r = maker_init(&m, image_path, progress, err);

	if (r == 0)
		r = read_archive(&m, archive, err);
	if (r == 0 && finish(&m, opt, ret, err) < 0)
		r = error_wrap(err, "cannot make a root of '%s'", archive);
	maker_clear(&m);
	return r;
}

/* ---- folders ---- */

static void read_kept(struct maker *m, const char *dir)
{
	for (size_t i = 0; i < N_KEPT; i++) {
		_cleanup_free_ char *path = fs_join(dir, kept_paths[i]);

		if (i != KEPT_SHADOW)
			fs_read(path, KEPT_MAX, &m->kept[i], NULL);
	}
}

static int copy_tree(struct maker *m, struct tree_node *n, struct error *err)
{
	if (S_ISREG(n->mode) && n->source && n->size) {
		_cleanup_close_ int fd = open(n->source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0) {
			error_sys(err, errno, "read '%s'", n->source);
			return errno == EACCES ? error_hint(err, "run it as root, or give a tarball of it") : -1;
		}
		if (erofs_append_file(&m->writer, n, fd, err) < 0)
			return -1;
		if (++m->n_entries % 64 == 0)
			progress_bytes(m->progress, m->writer.next_block * EROFS_BLOCK, 0);
	}
	for (size_t i = 0; i < n->n_children; i++)
		if (copy_tree(m, n->children[i], err) < 0)
			return -1;
	return 0;
}

static void drop_children_of(struct maker *m, const char *path)
{
	struct tree_node *n = tree_find(m->top, path);

	while (n && n->n_children)
		tree_remove(n->children[n->n_children - 1]);
}

int root_image_from_dir(const char *dir, const char *image_path, const struct progress *progress, struct root_image *ret,
			struct error *err)
{
	static const char *const left_out[] = { "dev", "proc", "sys", "run", "tmp" };
	static const struct layer_pack_options opt = { .keep_owners = true };
	struct maker m;
	int r = maker_init(&m, image_path, progress, err);

	if (r == 0)
		r = layer_pack(m.top, dir, "/", &opt, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(left_out); i++)
		drop_children_of(&m, left_out[i]);
	if (r == 0)
		r = copy_tree(&m, m.top, err);
	if (r == 0) {
		read_kept(&m, dir);
		if (finish(&m, NULL, ret, err) < 0)
			r = error_wrap(err, "cannot make a root of '%s'", dir);
	}
	maker_clear(&m);
	return r;
}

/* ---- what is read from files ---- */

/* Value of a field at the start of a line, up to its end; NULL when the paragraph has none. */
static const char *field_value(const char *line, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	line += strspn(line, " ");
	*ret_len = strcspn(line, "\n");
	return line;
}

void root_image_packages(const char *text, struct strv *ret)
{
	const char *package = NULL, *version = NULL;
	size_t package_len = 0, version_len = 0, len;
	bool is_installed = false;

	for (;;) {
		const char *v;

		if (*text == '\n' || !*text) {
			if (package && version && is_installed)
				strv_addf(ret, "%.*s %.*s", (int)package_len, package, (int)version_len, version);
			package = version = NULL;
			is_installed = false;
			if (!*text)
				break;
		} else if ((v = field_value(text, "Package", &len))) {
			package = v;
			package_len = len;
		} else if ((v = field_value(text, "Version", &len))) {
			version = v;
			version_len = len;
		} else if ((v = field_value(text, "Status", &len))) {
			is_installed = len >= 9 && memcmp(v + len - 9, "installed", 9) == 0 &&
				       !(len >= 13 && memcmp(v + len - 13, "not-installed", 13) == 0);
		}
		text += strcspn(text, "\n");
		if (*text)
			text++;
	}
	strv_sort(ret);
}

char *root_image_os_release(const char *text, const char *key)
{
	size_t n = strlen(key);

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > n && strncmp(text, key, n) == 0 && text[n] == '=') {
			const char *v = text + n + 1;
			size_t v_len = len - n - 1;

			if (v_len >= 2 && (*v == '"' || *v == '\'') && v[v_len - 1] == *v) {
				v++;
				v_len -= 2;
			}
			return mem_strndup(v, v_len);
		}
		text += len;
		if (*text)
			text++;
	}
	return NULL;
}
