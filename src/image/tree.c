/* SPDX-License-Identifier: MPL-2.0 */
/* The tree in memory. Children are sorted, so that finding is a bisection and the writer needs no sorting. */

#include "image/tree.h"

#include <string.h>

struct tree_node *tree_new(void)
{
	struct tree_node *n = mem_alloc(sizeof(*n));

	n->name = mem_strdup("");
	n->mode = S_IFDIR | 0755;
	return n;
}

static void clear_content(struct tree_node *n)
{
	for (size_t i = 0; i < n->n_xattrs; i++) {
		free(n->xattrs[i].name);
		free(n->xattrs[i].value);
	}
	free(n->xattrs);
	free(n->target);
	free(n->source);
	free(n->tail);
	n->xattrs = NULL;
	n->n_xattrs = 0;
	n->target = n->source = NULL;
	n->tail = NULL;
	n->n_tail = n->first_block = 0;
	n->fill = n->size = n->content_hash = 0;
	n->link = NULL;
}

static void drop_children(struct tree_node *n)
{
	for (size_t i = 0; i < n->n_children; i++)
		tree_free(n->children[i]);
	free(n->children);
	n->children = NULL;
	n->n_children = 0;
}

void tree_free(struct tree_node *n)
{
	if (!n)
		return;
	drop_children(n);
	clear_content(n);
	free(n->name);
	free(n);
}

/* Index of `name` (len bytes) among the children, or where it belongs. */
static bool child_index(const struct tree_node *dir, const char *name, size_t len, size_t *ret)
{
	size_t lo = 0, hi = dir->n_children;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strncmp(dir->children[mid]->name, name, len);

		if (c == 0 && dir->children[mid]->name[len])
			c = 1;
		if (c == 0) {
			*ret = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret = lo;
	return false;
}

static struct tree_node *insert_child(struct tree_node *dir, size_t at, const char *name, size_t len)
{
	struct tree_node *n = mem_alloc(sizeof(*n));

	n->name = mem_strndup(name, len);
	n->parent = dir;
	VEC_PUSH(dir->children, dir->n_children);
	memmove(dir->children + at + 1, dir->children + at, (dir->n_children - 1 - at) * sizeof(*dir->children));
	dir->children[at] = n;
	return n;
}

/* Next component of *path; false at the end. Drops empty ones and ".". */
static bool next_component(const char **path, const char **ret_name, size_t *ret_len)
{
	for (;;) {
		*path += strspn(*path, "/");
		if (!**path)
			return false;
		*ret_name = *path;
		*ret_len = strcspn(*path, "/");
		*path += *ret_len;
		if (*ret_len != 1 || **ret_name != '.')
			return true;
	}
}

static bool is_dotdot(const char *name, size_t len)
{
	return len == 2 && name[0] == '.' && name[1] == '.';
}

struct tree_node *tree_put(struct tree_node *top, const char *path, uint32_t mode, struct error *err)
{
	struct tree_node *n = top;
	const char *name, *p = path;
	size_t len, at;

	if (strlen(path) > TREE_PATH_MAX) {
		error_set(err, ERROR_UNSUPPORTED, "cannot pack '%.80s...': the path is longer than %d bytes", path, TREE_PATH_MAX);
		return NULL;
	}
	while (next_component(&p, &name, &len)) {
		if (is_dotdot(name, len) || len > 255) {
			error_set(err, ERROR_UNSUPPORTED, "cannot pack '%s': %s", path,
				  len > 255 ? "a name is longer than 255 bytes" : "it has '..' in it");
			return NULL;
		}
		if (!S_ISDIR(n->mode)) {
			/* Something that was a file below is a folder here. */
			clear_content(n);
			n->mode = S_IFDIR | 0755;
			n->uid = n->gid = 0;
		}
		if (child_index(n, name, len, &at)) {
			n = n->children[at];
		} else {
			int64_t mtime = n->mtime;

			n = insert_child(n, at, name, len);
			n->mode = S_IFDIR | 0755;
			n->mtime = mtime;
		}
	}
	if (n == top && !S_ISDIR(mode)) {
		error_set(err, ERROR_UNSUPPORTED, "cannot pack '%s': the top of a tree must be a folder", path);
		return NULL;
	}
	clear_content(n);
	if (!S_ISDIR(mode))
		drop_children(n);
	n->mode = mode;
	return n;
}

struct tree_node *tree_find(struct tree_node *top, const char *path)
{
	struct tree_node *n = top;
	const char *name;
	size_t len, at;

	while (next_component(&path, &name, &len)) {
		if (!child_index(n, name, len, &at))
			return NULL;
		n = n->children[at];
	}
	return n;
}

void tree_remove(struct tree_node *node)
{
	struct tree_node *dir = node->parent;
	size_t at;

	if (child_index(dir, node->name, strlen(node->name), &at)) {
		memmove(dir->children + at, dir->children + at + 1, (dir->n_children - 1 - at) * sizeof(*dir->children));
		dir->n_children--;
	}
	tree_free(node);
}

char *tree_path(const struct tree_node *node)
{
	_cleanup_free_ char *dir = NULL;

	if (!node->parent)
		return mem_strdup("/");
	dir = tree_path(node->parent);
	return mem_printf("%s%s%s", dir, dir[1] ? "/" : "", node->name);
}

/* True when the first component is one of those that merged-usr systems have as links. */
static bool is_merged_name(const char *name, size_t len)
{
	static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

char *tree_usr_merged(const char *path)
{
	const char *name, *p = path;
	size_t len;

	if (!next_component(&p, &name, &len))
		return mem_strdup("");
	return mem_printf("%s%s", is_merged_name(name, len) ? "usr/" : "", name);
}

/*
 * Where a link's target lies, by the text of both alone: "a/b" + "../c" is
 * "c". *ret_climbed: it went through the top. Caller frees.
 */
static char *resolve_text(const char *path, const char *target, bool *ret_climbed)
{
	_cleanup_strv_ struct strv at = STRV_INIT;
	struct str out = STR_INIT;
	const char *name, *p;
	size_t len, depth = 0;

	*ret_climbed = *target == '/';
	if (*target != '/') {
		strv_split(&at, path, "/");
		depth = at.n ? at.n - 1 : 0;
	}
	/* at.v[0..depth) is a stack; what lies beyond is left from earlier and overwritten. */
	for (p = target; next_component(&p, &name, &len);) {
		if (is_dotdot(name, len)) {
			if (depth)
				depth--;
			if (!depth)
				*ret_climbed = true;
			continue;
		}
		if (depth < at.n) {
			free(at.v[depth]);
			at.v[depth] = mem_strndup(name, len);
		} else {
			strv_add_take(&at, mem_strndup(name, len));
		}
		depth++;
	}
	for (size_t i = 0; i < depth; i++)
		str_addf(&out, "%s%s", i ? "/" : "", at.v[i]);
	return str_take(&out);
}

char *tree_usr_merged_target(const char *path, const char *target)
{
	_cleanup_free_ char *to = NULL;
	const char *name, *p = path;
	bool climbed;
	size_t len;

	if (*target == '/' || !next_component(&p, &name, &len) || !is_merged_name(name, len))
		return mem_strdup(target);
	to = resolve_text(path, target, &climbed);
	return climbed ? mem_printf("/%s", to) : mem_strdup(target);
}

int tree_put_usr_merged(struct tree_node *top, const char *path, uint32_t mode, const char *target,
			struct tree_node **ret, struct error *err)
{
	_cleanup_free_ char *merged = tree_usr_merged(path);

	*ret = NULL;
	if (target) {
		const char *from = path + strspn(path, "/");
		_cleanup_free_ char *to = NULL;
		_cleanup_free_ char *to_merged = NULL;
		bool climbed;

		if (!strchr(from, '/') && is_merged_name(from, strlen(from)))
			return 0;
		to = resolve_text(from, target, &climbed);
		to_merged = tree_usr_merged(to);
		if (str_eq(to_merged, merged))
			return 0;
		*ret = tree_put(top, merged, mode, err);
		if (!*ret)
			return -1;
		(*ret)->target = tree_usr_merged_target(from, target);
		return 0;
	}
	*ret = tree_put(top, merged, mode, err);
	return *ret ? 0 : -1;
}
