/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Getting source trees. Each unpacked tree is published by a rename, under a
 * lock on its name, so two builds of one version download it once. What a
 * version is checked against comes from the same server over TLS
 * (sha256sums.asc); git and apt check what they fetch themselves.
 */

#include "image/kernel_source.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/apt.h"
#include "image/deb.h"
#include "image/download.h"
#include "image/source_unpack.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"

#define KERNEL_ORG "https://cdn.kernel.org/pub/linux/kernel"
#define KERNEL_GIT "https://git.kernel.org/pub/scm/linux/kernel/git"
#define SUMS_MAX   (8 * 1024 * 1024)

void kernel_source_clear(struct kernel_source *s)
{
	free(s->dir);
	free(s->version);
	free(s->text);
	free(s->key);
	free(s->suffix);
	*s = (struct kernel_source){ 0 };
}

enum kernel_source_kind kernel_source_kind_of(const char *word)
{
	return str_starts(word, "linux-source") ? KERNEL_SOURCE_PACKAGE : KERNEL_SOURCE_VERSION;
}

static const char *env_or(const char *name, const char *fallback)
{
	const char *v = getenv(name);

	return v && *v ? v : fallback;
}

/* ---- The cache of unpacked trees ---- */

struct slot {
	char *dir; /* owned; <cache>/sources/<name> */
	char *tmp; /* owned; to fill when it is not there yet */
	int lock_fd;
	const struct progress *progress;
};

static void slot_clear(struct slot *s)
{
	if (s->tmp)
		fs_remove_tree(s->tmp, NULL, NULL);
	free(s->dir);
	free(s->tmp);
	close_fd(&s->lock_fd);
}
#define _cleanup_slot_ _cleanup_(slot_clear)
#define SLOT_INIT                                                                                                      \
	{                                                                                                              \
		.lock_fd = -1                                                                                          \
	}

static const struct progress *waiting_progress; /* lock_take()'s callback has no context */

static void on_wait(const char *holder)
{
	progress_note(waiting_progress, "waiting for %s", *holder ? holder : "another quiz");
}

/* tmp is set when the tree has to be made. */
static int slot_open(const struct paths *p, const char *name, const struct progress *progress, struct slot *ret,
		     struct error *err)
{
	_cleanup_free_ char *sources = fs_join(p->cache, "sources");
	_cleanup_free_ char *lock = mem_printf("%s/.%s.lock", sources, name);
	_cleanup_free_ char *who = mem_printf("pid %d: getting the source %s\n", (int)getpid(), name);

	ret->dir = fs_join(sources, name);
	ret->progress = progress;
	waiting_progress = progress;
	ret->lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, who, on_wait, err);
	if (ret->lock_fd < 0)
		return -1;
	fs_sweep_temp_dirs(sources, name);
	if (fs_is_dir(ret->dir))
		return 0;
	ret->tmp = fs_temp_dir(sources, name, err);
	return ret->tmp ? 0 : -1;
}

static int slot_publish(struct slot *s, struct error *err)
{
	if (fs_publish_dir(s->tmp, s->dir, err) < 0)
		return -1;
	free(take_ptr(s->tmp));
	return 0;
}

/* ---- Releases ---- */

/* "linux-6.12.7.tar.xz" -> its version. */
static bool parse_file(const char *name, size_t len, struct kernel_version *ret)
{
	static const char prefix[] = "linux-", suffix[] = ".tar.xz";
	_cleanup_free_ char *text = NULL;

	if (len <= strlen(prefix) + strlen(suffix) || strncmp(name, prefix, strlen(prefix)) != 0 ||
	    strncmp(name + len - strlen(suffix), suffix, strlen(suffix)) != 0)
		return false;
	text = mem_strndup(name + strlen(prefix), len - strlen(prefix) - strlen(suffix));
	if (kernel_version_parse(text, ret, NULL) < 0 || *ret->rest)
		return false;
	ret->rest = "";
	return true;
}

static bool is_hex64(const char *s)
{
	return strspn(s, "0123456789abcdefABCDEF") == 64;
}

int kernel_source_pick(const char *sums, const struct kernel_version *want, char **ret_file, char **ret_sha256,
		       struct error *err)
{
	const char *best = NULL, *best_name = NULL;
	struct kernel_version best_version = { 0 };
	size_t best_len = 0;

	for (const char *line = sums; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct kernel_version v;
		const char *name;
		size_t len;

		if (!is_hex64(line) || (line[64] != ' ' && line[64] != '\t'))
			continue;
		name = line + 64 + strspn(line + 64, " \t*");
		len = strcspn(name, " \r\n");
		if (!parse_file(name, len, &v) || v.stage != KERNEL_STAGE_RELEASE ||
		    !kernel_version_matches(want, &v) || (best && kernel_version_compare(&v, &best_version) < 0))
			continue;
		best = line;
		best_name = name;
		best_len = len;
		best_version = v;
	}
	if (!best)
		return error_set(err, ERROR_MISSING, "there is no such release");
	*ret_file = mem_strndup(best_name, best_len);
	*ret_sha256 = mem_strndup(best, 64);
	return 0;
}

static int get_release(const struct paths *p, const char *what, const struct kernel_version *v,
		       const struct progress *progress, struct kernel_source *ret, struct error *err)
{
	_cleanup_free_ char *base = mem_printf("%s/v%u.x", env_or("QUIZ_KERNEL_ORG", KERNEL_ORG), v->part[0]);
	_cleanup_free_ char *sums_url = mem_printf("%s/sha256sums.asc", base);
	_cleanup_free_ char *file = NULL, *sha = NULL, *url = NULL, *path = NULL, *name = NULL;
	_cleanup_str_ struct str sums = STR_INIT;
	_cleanup_slot_ struct slot slot = SLOT_INIT;

	progress_stage(progress, "looking up Linux %s", what);
	if (download_text(sums_url, SUMS_MAX, &sums, err) < 0) {
		_cleanup_free_ char *first = err && *err->hint ? mem_printf("%s; or ", err->hint) : mem_strdup("");

		error_wrap(err, "cannot look up kernel '%s'", what);
		return error_hint(err, "%sthe distribution's source: quiz kernel build linux-source-%u.%u", first, v->part[0],
				  v->part[1]);
	}
	if (kernel_source_pick(str_cstr(&sums), v, &file, &sha, err) < 0)
		return error_wrap(err, "cannot find kernel '%s' at %s", what, base);
	name = mem_strndup(file, strlen(file) - strlen(".tar.xz"));
	if (slot_open(p, name, progress, &slot, err) < 0)
		return -1;
	if (slot.tmp) {
		url = mem_printf("%s/%s", base, file);
		path = mem_printf("%s/downloads/%s", p->cache, file);
		if (!fs_exists(path)) {
			progress_stage(progress, "downloading %s", file);
			if (download_file(url, path, sha, progress, err) < 0)
				return -1;
		}
		progress_stage(progress, "unpacking %s", file);
		if (source_unpack(path, slot.tmp, progress, err) < 0 || slot_publish(&slot, err) < 0)
			return -1;
	}
	ret->dir = take_ptr(slot.dir);
	ret->text = mem_printf("kernel.org %s", name + strlen("linux-"));
	ret->key = mem_printf("sha256 %s", sha);
	ret->suffix = mem_strdup("");
	return 0;
}

/* ---- git ---- */

void kernel_source_split_git(const char *text, char **ret_url, char **ret_ref)
{
	const char *start = strstr(text, "://"), *at;

	/* Where the host ends: the @ of user@host is before it. */
	if (start) {
		start += 3;
		start += strcspn(start, "/");
	} else {
		const char *colon = strchr(text, ':');

		start = colon && !memchr(text, '/', (size_t)(colon - text)) ? colon : text;
	}
	at = strrchr(start, '@');
	*ret_url = at && at > text ? mem_strndup(text, (size_t)(at - text)) : mem_strdup(text);
	*ret_ref = at && at > text && at[1] ? mem_strdup(at + 1) : NULL;
}

static int run_git(const char *git_dir, const char *const *words, struct str *ret_out, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;

	strv_add(&argv, "git");
	strv_addf(&argv, "--git-dir=%s", git_dir);
	strv_add_all(&argv, (char *const *)words);
	return proc_run((const char *const *)argv.v, ret_out, err);
}

static void on_git_line(void *ctx, const char *line)
{
	progress_line(ctx, line);
}

/* The same for what may take minutes: what git says of its progress is passed on. */
static int run_long_git(const char *git_dir, const char *const *words, const struct progress *progress, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct proc_spec spec = { 0 };

	strv_add(&argv, "git");
	strv_addf(&argv, "--git-dir=%s", git_dir);
	strv_add_all(&argv, (char *const *)words);
	spec.argv = (const char *const *)argv.v;
	return proc_run_lines(&spec, -1, on_git_line, (void *)progress, err);
}

/* What a killed git has left, and what it does not look behind by itself. The folder is ours alone. */
static void remove_git_locks(const char *git_dir)
{
	static const char *const names[] = { "index.lock", "shallow.lock", "config.lock", "HEAD.lock" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = fs_join(git_dir, names[i]);

		unlink(path);
	}
}

/* The commit that ref is now, fetched (without history) into git_dir. */
static int fetch_commit(const char *git_dir, const char *url, const char *ref, const struct progress *progress,
			char **ret_commit, struct error *err)
{
	const char *fetch[] = { "fetch", "--progress", "--depth=1", "--no-tags", "--force", "--", url, ref, NULL };
	const char *parse[] = { "rev-parse", "--verify", "FETCH_HEAD^{commit}", NULL };
	const char *init[] = { "git", "init", "--quiet", "--bare", "--", git_dir, NULL }; /* mends one that was cut short, too */
	_cleanup_str_ struct str out = STR_INIT;

	remove_git_locks(git_dir);
	if (fs_mkdir_parents(git_dir, err) < 0 || proc_run(init, &out, err) < 0)
		return -1;
	if (run_long_git(git_dir, fetch, progress, err) < 0) {
		error_wrap(err, "cannot fetch '%s' from '%s'", ref, url);
		return *err->hint ? -1 : error_hint(err, "what it has: git ls-remote %s", url);
	}
	str_clear(&out);
	if (run_git(git_dir, parse, &out, err) < 0)
		return -1;
	*ret_commit = mem_strndup(str_cstr(&out), strcspn(str_cstr(&out), "\n"));
	return 0;
}

static int checkout(const char *git_dir, const char *commit, const char *dir, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *work_tree = mem_printf("--work-tree=%s", dir);
	const char *words[] = {
		work_tree, "-c", "advice.detachedHead=false", "checkout", "--progress", "--force", commit, "--", ".", NULL
	};

	return run_long_git(git_dir, words, progress, err);
}

static int get_git(const struct paths *p, const char *url, const char *ref, const char *name,
		   const struct progress *progress, struct kernel_source *ret, struct error *err)
{
	_cleanup_free_ char *git_dir =
	    mem_printf("%s/git/%016llx.git", p->cache, (unsigned long long)hash_str(HASH_INIT, url));
	_cleanup_free_ char *lock = mem_printf("%s.lock", git_dir);
	_cleanup_free_ char *who = mem_printf("pid %d: fetching %s\n", (int)getpid(), url);
	_cleanup_free_ char *commit = NULL, *slot_name = NULL;
	_cleanup_slot_ struct slot slot = SLOT_INIT;
	_cleanup_close_ int lock_fd = -1;

	if (!ref)
		ref = "HEAD";
	if (*url == '-' || *ref == '-')
		return error_set(err, ERROR_USAGE, "'%s' is not a git URL", *url == '-' ? url : ref);
	waiting_progress = progress;
	lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, who, on_wait, err);
	if (lock_fd < 0)
		return -1;
	progress_stage(progress, "fetching %s of %s", ref, url);
	if (fetch_commit(git_dir, url, ref, progress, &commit, err) < 0)
		return -1;
	slot_name = mem_printf("%s-%.12s", name, commit);
	if (slot_open(p, slot_name, progress, &slot, err) < 0)
		return -1;
	if (slot.tmp) {
		progress_stage(progress, "checking out %.12s", commit);
		if (checkout(git_dir, commit, slot.tmp, progress, err) < 0 || slot_publish(&slot, err) < 0)
			return -1;
	}
	ret->dir = take_ptr(slot.dir);
	ret->text = mem_printf("%s %s (%.12s)", url, ref, commit);
	ret->key = mem_printf("git %s", commit);
	ret->suffix = mem_printf("-g%.8s", commit);
	return 0;
}

/* Candidates and branches: kernel.org has them in git only. */
static int get_branch(const struct paths *p, const struct kernel_version *v, const struct progress *progress,
		      struct kernel_source *ret, struct error *err)
{
	bool is_next = v->stage == KERNEL_STAGE_NEXT && !v->is_master;
	_cleanup_free_ char *url = mem_printf("%s/%s", env_or("QUIZ_KERNEL_GIT", KERNEL_GIT),
					      is_next ? "next/linux-next.git" : "torvalds/linux.git");
	_cleanup_free_ char *ref = NULL;

	if (v->is_master || (is_next && !v->stage_number))
		ref = mem_strdup("master");
	else if (is_next)
		ref = mem_printf("next-%u", v->stage_number);
	else
		ref = mem_printf("v%u.%u-rc%u", v->part[0], v->part[1], v->stage_number);
	if (get_git(p, url, ref, is_next ? "linux-next" : "linux", progress, ret, err) < 0)
		return -1;
	if (v->stage != KERNEL_STAGE_RELEASE && v->stage_number) { /* a tag: the version says it all */
		free(ret->suffix);
		ret->suffix = mem_strdup("");
	}
	return 0;
}

/* ---- The distribution ---- */

static char *place_tarball(void *ctx, const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return str_starts(path, "usr/src/linux-source-") && strstr(name, ".tar.") ? mem_strdup("linux.tar") : NULL;
}

/*
 * What linux-source means: an empty package that depends on linux-source-N.M,
 * the one of the suite's own kernel (a suite may have newer ones beside it).
 */
static int resolve_source(const struct apt *apt, char **ret, struct error *err)
{
	_cleanup_apt_packages_ struct apt_packages found = { 0 };
	_cleanup_strv_ struct strv name = STRV_INIT, depends = STRV_INIT;

	strv_add(&name, "linux-source");
	if (apt_show(apt, &name, &found, err) < 0)
		return -1;
	if (found.n)
		apt_depends(found.v[0].depends, "linux-source-", &depends);
	if (!depends.n)
		return error_set(err, ERROR_MISSING, "cannot find package 'linux-source' in suite '%s'", apt->suite);
	*ret = mem_strdup(depends.v[0]);
	return 0;
}

static int unpack_package(const struct apt *apt, const struct apt_package *pkg, struct slot *slot, struct error *err)
{
	_cleanup_free_ char *work = NULL, *tar = NULL;
	_cleanup_strv_ struct strv specs = STRV_INIT, debs = STRV_INIT;
	int rc = -1;

	fs_sweep_temp_dirs(apt->dir, "source"); /* the folder is ours alone while apt is open */
	work = fs_temp_dir(apt->dir, "source", err);
	if (!work)
		return -1;
	tar = fs_join(work, "linux.tar");
	strv_addf(&specs, "%s=%s", pkg->name, pkg->version);
	progress_stage(slot->progress, "downloading %s %s", pkg->name, pkg->version);
	if (apt_download(apt, &specs, pkg->size_bytes, work, slot->progress, err) < 0 || fs_list(work, &debs, err) < 0)
		goto out;
	progress_stage(slot->progress, "unpacking %s", pkg->name);
	for (size_t i = 0; i < debs.n; i++) {
		_cleanup_free_ char *deb = fs_join(work, debs.v[i]);

		if (str_ends(deb, ".deb") && deb_unpack(deb, work, place_tarball, NULL, err) < 0)
			goto out;
	}
	if (!fs_exists(tar)) {
		error_set(err, ERROR_UNSUPPORTED,
			  "cannot use package '%s' %s: it holds no /usr/src/linux-source-*.tar.*", pkg->name,
			  pkg->version);
		goto out;
	}
	rc = source_unpack(tar, slot->tmp, slot->progress, err);
out:
	fs_remove_tree(work, NULL, NULL);
	return rc;
}

/* "linux-source-6.12/trixie": package and suite, as apt-get writes it. */
static int get_package(const struct paths *p, const char *what, const struct progress *progress,
		       struct kernel_source *ret, struct error *err)
{
	const char *slash = strchr(what, '/');
	_cleanup_free_ char *name = mem_strndup(what, slash ? (size_t)(slash - what) : strlen(what));
	_cleanup_apt_packages_ struct apt_packages found = { 0 };
	_cleanup_slot_ struct slot slot = SLOT_INIT;
	_cleanup_strv_ struct strv names = STRV_INIT;
	_cleanup_free_ char *slot_name = NULL;
	_cleanup_apt_ struct apt apt = { .lock_fd = -1 };
	struct apt_spec spec = { .suite = slash ? slash + 1 : NULL };

	if (apt_open(p, &spec, progress, &apt, err) < 0 || apt_update(&apt, progress, err) < 0)
		return -1;
	if (str_eq(name, "linux-source")) {
		char *meant = NULL;

		if (resolve_source(&apt, &meant, err) < 0)
			return -1;
		free(name);
		name = meant;
	}
	strv_add(&names, name);
	if (apt_show(&apt, &names, &found, err) < 0)
		return -1;
	if (!found.n) {
		error_set(err, ERROR_MISSING, "cannot find package '%s' in suite '%s'", name, apt.suite);
		return error_hint(err, "another suite: quiz kernel build %s/SUITE", name);
	}
	slot_name = mem_printf("%s_%s", name, found.v[0].version);
	for (char *c = slot_name; *c; c++)
		if (strchr("/:~", *c))
			*c = '_';
	if (slot_open(p, slot_name, progress, &slot, err) < 0)
		return -1;
	if (slot.tmp && (unpack_package(&apt, &found.v[0], &slot, err) < 0 || slot_publish(&slot, err) < 0))
		return -1;
	ret->dir = take_ptr(slot.dir);
	ret->text = mem_printf("%s %s", name, found.v[0].version);
	ret->key = mem_strdup(ret->text);
	ret->suffix = mem_strdup("");
	return 0;
}

/* ---- Folders ---- */

static int get_tree(const char *what, struct kernel_source *ret, struct error *err)
{
	const char *base;

	ret->dir = fs_real_path(what, err);
	if (!ret->dir)
		return error_wrap(err, "kernel tree '%s'", what);
	if (!fs_is_dir(ret->dir))
		return error_set(err, ERROR_USAGE, "cannot build '%s': it is not a folder", ret->dir);
	if (kernel_source_check_clean(ret->dir, err) < 0)
		return -1;
	base = strrchr(ret->dir, '/') + 1;
	ret->text = mem_printf("folder %s", ret->dir);
	ret->key = mem_strdup(ret->text);
	ret->suffix = *base ? mem_printf("-%s", base) : mem_strdup("");
	/* It becomes part of a folder's name and of uname -r. */
	for (char *c = ret->suffix; *c; c++)
		if (!strchr("-._", *c) &&
		    !((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
			*c = '_';
	return 0;
}

/* What stands behind a version would be passed over: "6.1+kasan" is not 6.1. */
static int refuse_rest(const char *what, const struct kernel_version *v, struct error *err)
{
	int len = (int)(strlen(what) - strlen(v->rest));

	error_set(err, ERROR_USAGE, "cannot build '%s': kernel.org has versions without '%s'", what, v->rest);
	if (str_eq(v->rest, "-rc"))
		return error_hint(err, "a candidate has a number: %.*s-rc1", len, what);
	if (*v->rest == '+' && !str_starts(v->rest, "+deb"))
		return error_hint(err, "a flavour: quiz kernel build %.*s --flavour %s", len, what, v->rest + 1);
	return error_hint(err, "the distribution's source: quiz kernel build linux-source-%u.%u; its kernel: quiz kernel fetch debian",
			  v->part[0], v->part[1]);
}

int kernel_source_get(const struct paths *p, enum kernel_source_kind kind, const char *what,
		      const struct progress *progress, struct kernel_source *ret, struct error *err)
{
	_cleanup_kernel_source_ struct kernel_source s = { .kind = kind };
	_cleanup_free_ char *url = NULL, *ref = NULL;
	struct kernel_version v;
	int rc = -1;

	switch (kind) {
	case KERNEL_SOURCE_VERSION:
		if (kernel_version_parse(what, &v, err) < 0) {
			if (fs_is_dir(what))
				return error_hint(err, "a folder: quiz kernel build --tree %s", what);
			if (isdigit((unsigned char)*what) && strchr(what, '/'))
				return error_hint(err, "a suite's: quiz kernel build linux-source-%s", what);
			return error_hint(
			    err, "a version (6.1, 6.12.7, 6.18-rc3, next-20250721, master) or linux-source-6.1");
		}
		if (*v.rest)
			return refuse_rest(what, &v, err);
		if (v.is_master || v.stage != KERNEL_STAGE_RELEASE)
			rc = get_branch(p, &v, progress, &s, err);
		else
			rc = get_release(p, what, &v, progress, &s, err);
		break;
	case KERNEL_SOURCE_PACKAGE:
		rc = get_package(p, what, progress, &s, err);
		break;
	case KERNEL_SOURCE_TREE:
		rc = get_tree(what, &s, err);
		break;
	case KERNEL_SOURCE_GIT:
		kernel_source_split_git(what, &url, &ref);
		rc = get_git(p, url, ref, "git", progress, &s, err);
		break;
	}
	if (rc < 0)
		return -1;
	s.version = kernel_source_version(s.dir, err);
	if (!s.version)
		return -1;
	*ret = s;
	s = (struct kernel_source){ 0 };
	return 0;
}
