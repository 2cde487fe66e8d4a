/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. mmdebstrap makes a tar archive of the root; as an
 * ordinary user it does so in a user namespace with the user's subordinate
 * ids, as root in a mount namespace. The archive is turned into an EROFS
 * image by root_image.c, which needs no privileges, and is thrown away.
 *
 * Packages come from where the host's own come from (image/apt.h writes the
 * sources for any suite); the host's proxies and other Acquire settings are
 * passed on, because mmdebstrap gives its apt a configuration of its own.
 * Packages that were downloaded are kept in <cache>/downloads and offered
 * again the next time.
 *
 * An architecture's security or update lists may be out of step or not there
 * at all, and mmdebstrap insists on every list. Then it is tried once more
 * with the suite alone, and that is told.
 *
 * mmdebstrap's working folder has files of the subordinate ids in it, which
 * the user can not remove. It is told about our signals and cleans up after
 * itself; what a kill -9 leaves is swept by the next build.
 */

#include "image/root_build.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/apt.h"
#include "image/apt_sources.h"
#include "image/root.h"
#include "image/root_check.h"
#include "image/root_draft.h"
#include "image/root_finish.h"
#include "image/root_foreign.h"
#include "image/root_hooks.h"
#include "image/root_image.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define PACKAGE_AGE_S (30 * 24 * 3600) /* of a downloaded package that nobody asked for again */
#define ERROR_LINES 4
#define MERGED_USR_HOOKS "/usr/share/mmdebstrap/hooks/merged-usr"

/* Who runs the programs of packages. */
enum way {
	BY_HOST,      /* its own architecture, or one that is registered */
	BY_NAMESPACE, /* with a binfmt_misc of its own: root_foreign.h */
	BY_MACHINE,   /* after everything is unpacked: root_finish.h */
};

struct build {
	const struct paths *paths;
	const struct root_build_options *opt;
	const struct progress *progress;
	const struct arch *arch;
	const struct root_set *set;
	enum way way;
	struct strv packages;	/* all that are asked for */
	char *suite, *sources;	/* owned; file for mmdebstrap */
	char *log_path, *work_dir, *deb_dir; /* owned */
	struct strv complaints; /* the last "E:" lines */
	bool is_full;		/* "No space left on device" was seen */
	bool lacks_updates;	/* only lists of -updates or -security could not be had */
	bool lacks_base;
};

static void build_clear(struct build *b)
{
	strv_clear(&b->packages);
	strv_clear(&b->complaints);
	free(b->suite);
	free(b->sources);
	free(b->log_path);
	free(b->work_dir);
	free(b->deb_dir);
}

char *root_build_id(const char *os, const char *suite, const char *set, const struct strv *packages, const struct arch *arch)
{
	struct str id = STR_INIT;
	size_t i;

	str_addf(&id, "%s-%s-%s", os, suite, set);
	for (i = 0; packages && i < packages->n && id.len + strlen(packages->v[i]) < 70; i++)
		str_addf(&id, "+%s", packages->v[i]);
	if (packages && i < packages->n)
		str_addf(&id, "+%zu", packages->n - i);
	if (arch != arch_native())
		str_addf(&id, "-%s", arch->name);
	return str_take(&id);
}

/* ---- what is asked for ---- */

static void add_set(struct strv *out, const struct root_set *set)
{
	if (set->based_on)
		add_set(out, root_set_find(set->based_on));
	strv_split(out, set->packages, " ");
}

static bool is_package_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.:");

	return n >= 2 && !s[n] && *s != '-' && *s != '+';
}

static int choose_packages(struct build *b, struct error *err)
{
	const char *name = b->opt->set ? b->opt->set : "minimal";
	_cleanup_str_ struct str known = STR_INIT;
	size_t n;
	const struct root_set *sets = root_sets(&n);

	b->set = root_set_find(name);
	if (!b->set) {
		for (size_t i = 0; i < n; i++)
			str_addf(&known, "%s%s", i ? ", " : "", sets[i].name);
		error_set(err, ERROR_USAGE, "unknown package set '%s'", name);
		return error_hint(err, "known are %s", str_cstr(&known));
	}
	add_set(&b->packages, b->set);
	for (size_t i = 0; b->opt->packages && i < b->opt->packages->n; i++) {
		if (!is_package_name(b->opt->packages->v[i]))
			return error_set(err, ERROR_USAGE, "'%s' can not be the name of a package", b->opt->packages->v[i]);
		strv_add(&b->packages, b->opt->packages->v[i]);
	}
	return 0;
}

static int choose_sources(struct build *b, struct error *err)
{
	_cleanup_free_ char *host = apt_host_suite();
	_cleanup_apt_ struct apt apt = { .lock_fd = -1 };
	struct apt_spec spec = { .debian_arch = b->arch->debian };

	if (b->opt->mirror) {
		if (!b->opt->suite && !host)
			return error_set(err, ERROR_USAGE, "cannot build a root: a mirror needs --suite");
		b->suite = b->opt->suite ? mem_strdup(b->opt->suite) : apt_suite_for(b->arch);
		b->sources = mem_printf("deb %s %s main", b->opt->mirror, b->suite);
		return 0;
	}
	if (!host) {
		error_set(err, ERROR_UNSUPPORTED, "cannot build a root: this host's distribution has no apt or no release name");
		return error_hint(err, "quiz root build --suite SUITE --mirror URL, or quiz root add");
	}
	b->suite = b->opt->suite ? mem_strdup(b->opt->suite) : apt_suite_for(b->arch);
	spec.suite = b->suite;
	if (apt_open(b->paths, &spec, b->progress, &apt, err) < 0)
		return -1;
	b->sources = fs_join(apt.dir, "quiz.sources");
	return 0;
}

/* ---- mmdebstrap's command line ---- */

/* Settings of the host's apt that decide whether and how it reaches its sources. */
static void add_apt_settings(struct strv *argv)
{
	static const char *const command[] = { "apt-config", "dump", NULL };
	static const char *const kept[] = { "Acquire::http", "Acquire::ftp", "Acquire::Check-", "Acquire::Force", "Acquire::Retries" };
	_cleanup_str_ struct str out = STR_INIT;
	_cleanup_strv_ struct strv lines = STRV_INIT;

	if (proc_run(command, &out, NULL) < 0)
		return;
	strv_split(&lines, str_cstr(&out), "\n");
	for (size_t i = 0; i < lines.n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kept); k++)
			if (str_starts(lines.v[i], kept[k]) && !str_ends(lines.v[i], " \"\";"))
				strv_addf(argv, "--aptopt=%s", lines.v[i]);
}

/* No script of a package was run: links to busybox, an account, and the list of packages that dpkg would have written. */
static void add_bare_hooks(struct strv *argv, bool has_links)
{
	static const char *const hooks[] = {
		"mkdir -p \"$1\"/bin \"$1\"/sbin \"$1\"/usr/bin \"$1\"/usr/sbin && chroot \"$1\" /bin/busybox --install -s",
		"printf 'root:x:0:0:root:/root:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/false\\n' >\"$1\"/etc/passwd",
		"printf 'root:x:0:\\ntty:x:5:\\nnogroup:x:65534:\\n' >\"$1\"/etc/group",
		"mkdir -p \"$1\"/var/lib/dpkg && for deb in \"$1\"/var/cache/apt/archives/*.deb; do "
		"dpkg-deb --field \"$deb\" && printf 'Status: install ok installed\\n\\n'; done >\"$1\"/var/lib/dpkg/status",
	};

	for (size_t i = has_links ? 0 : 1; i < ARRAY_SIZE(hooks); i++)
		root_hook(argv, "extract", hooks[i], NULL, "");
}

static void add_hooks(struct strv *argv, const struct build *b)
{
	/* Without it the essential packages bring usrmerge, and with it 50 MB of Perl. */
	if (fs_is_dir(MERGED_USR_HOOKS) && !str_eq(b->suite, "bullseye"))
		strv_add(argv, "--hook-dir=" MERGED_USR_HOOKS);
	if (b->set->is_bare) {
		add_bare_hooks(argv, b->way != BY_MACHINE);
		return;
	}
	if (b->way == BY_MACHINE)
		return;
	root_hook_packages(argv, b->deb_dir, "customize");
	/* A user that is not root, for programs that care. */
	root_hook(argv, "customize", "chroot \"$1\" useradd --create-home --shell /bin/bash --uid 1000 quiz", NULL, "");
	root_hook(argv, "customize",
		  "if test -d \"$1\"/etc/sudoers.d; then echo 'quiz ALL=(ALL) NOPASSWD: ALL' >\"$1\"/etc/sudoers.d/quiz; fi", NULL, "");
}

static void make_command(struct strv *argv, const struct build *b, const char *tar)
{
	static const char *const fixed[] = {
		"--format=tar",
		"--verbose",
		"--skip=essential/unlink", /* downloaded packages are kept until they are copied out */
		"--aptopt=APT::Install-Recommends \"false\"",
		"--aptopt=Acquire::Languages \"none\"",
		"--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		"--dpkgopt=path-exclude=/usr/share/lintian/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/bash-completion/*",
	};
	_cleanup_str_ struct str include = STR_INIT;

	strv_add(argv, "mmdebstrap");
	strv_addf(argv, "--mode=%s", geteuid() == 0 || b->way == BY_NAMESPACE ? "root" : "unshare");
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		strv_add(argv, fixed[i]);
	strv_addf(argv, "--architectures=%s", b->arch->debian);
	if (b->way == BY_MACHINE) {
		root_finish_options(argv, b->set, &b->packages, b->deb_dir);
	} else {
		strv_addf(argv, "--variant=%s", b->set->is_bare ? "extract" : "minbase");
		for (size_t i = 0; i < b->packages.n; i++)
			str_addf(&include, "%s%s", i ? "," : "", b->packages.v[i]);
		strv_addf(argv, "--include=%s", str_cstr(&include));
	}
	add_apt_settings(argv);
	add_hooks(argv, b);
	strv_add(argv, b->suite);
	strv_add(argv, tar);
	strv_add(argv, b->sources);
}

/* ---- running it ---- */

/* mmdebstrap's words for what it does, and ours. */
static const struct {
	const char *line, *stage;
} stages[] = {
	{ "I: running apt-get update", "getting package lists" },
	{ "I: downloading packages", "downloading essential packages" },
	{ "I: extracting archives", "unpacking essential packages" },
	{ "I: installing essential packages", "installing essential packages" },
	{ "I: installing remaining packages", "downloading and installing the other packages" },
	{ "I: cleaning package lists", "cleaning up" },
	{ "I: creating tarball", "packing the result" },
};

void root_build_base_sources(const char *text, const char *suite, struct str *out)
{
	_cleanup_apt_sources_ struct apt_sources s = { 0 };

	apt_sources_parse(&s, "quiz.sources", text);
	for (size_t i = 0; i < s.n; i++) {
		_cleanup_strv_ struct strv suites = STRV_INIT;

		strv_split(&suites, s.v[i].suites, " ");
		if (strv_has(&suites, suite))
			str_addf(out, "%sTypes: deb\nURIs: %s\nSuites: %s\nComponents: %s\n%s", out->len ? "\n" : "", s.v[i].uris,
				 suite, s.v[i].components, s.v[i].options);
	}
}

bool root_build_lacks_updates(const char *line, const char *suite)
{
	static const char *const extras[] = { "updates", "security" };

	for (size_t i = 0; str_starts(line, "E: Failed to fetch ") && i < ARRAY_SIZE(extras); i++) {
		_cleanup_free_ char *part = mem_printf("/dists/%s-%s/", suite, extras[i]);

		if (strstr(line, part))
			return true;
	}
	return false;
}

static void on_line(void *ctx, const char *line)
{
	struct build *b = ctx;

	if (root_build_lacks_updates(line, b->suite))
		b->lacks_updates = true;
	else if (str_starts(line, "E: Failed to fetch "))
		b->lacks_base = true;
	if (strstr(line, "No space left on device"))
		b->is_full = true;
	if (str_starts(line, "E: ")) {
		if (b->complaints.n == ERROR_LINES) {
			free(b->complaints.v[0]);
			memmove(b->complaints.v, b->complaints.v + 1, ERROR_LINES * sizeof(char *));
			b->complaints.n--;
		}
		strv_add(&b->complaints, line);
	}
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (str_starts(line, stages[i].line)) {
			progress_stage(b->progress, "%s", stages[i].stage);
			return;
		}
	progress_line(b->progress, line);
}

/* Folders of subordinate ids have to be removed by them. */
static void remove_work_dir(const char *dir)
{
	const char *const helper[] = { "mmdebstrap", "--unshare-helper", "rm", "-rf", "--", dir, NULL };

	if (fs_remove_tree(dir, NULL, NULL) == 0 || geteuid() == 0)
		return;
	proc_run(helper, NULL, NULL);
	fs_remove_tree(dir, NULL, NULL);
}

static const char *temporary_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp && *tmp == '/' ? tmp : "/tmp";
}

/* $TMPDIR/quiz-root-<uid>-<pid>; those of killed builds are removed. */
static int make_work_dir(struct build *b, struct error *err)
{
	const char *tmp = temporary_folder();
	_cleanup_free_ char *prefix = mem_printf("quiz-root-%u-", (unsigned)geteuid());
	_cleanup_strv_ struct strv names = STRV_INIT;

	fs_list(tmp, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(tmp, names.v[i]);
		pid_t pid = str_starts(names.v[i], prefix) ? (pid_t)atoi(names.v[i] + strlen(prefix)) : 0;
		struct stat st;

		if (pid > 1 && kill(pid, 0) < 0 && errno == ESRCH && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		    st.st_uid == geteuid())
			remove_work_dir(path);
	}
	b->work_dir = mem_printf("%s/%s%d", tmp, prefix, (int)getpid());
	if (mkdir(b->work_dir, 0755) < 0) /* the subordinate ids must get through */
		return error_sys(err, errno, "make folder '%s'", b->work_dir);
	if (chmod(b->work_dir, 0755) < 0)
		return error_sys(err, errno, "change the mode of '%s'", b->work_dir);
	return 0;
}

static int explain_failure(const struct build *b, struct error *err)
{
	_cleanup_str_ struct str why = STR_INIT;

	if (err->kind == ERROR_SYSTEM && err->errnum == EINTR)
		return -1;
	if (b->is_full) {
		error_set(err, ERROR_SYSTEM, "cannot build a root: the disk of '%s' or of '%s' is full",
			  temporary_folder(), b->paths->data);
		return error_hint(err, "TMPDIR=/some/where/else quiz root build, quiz clean, or quiz root rm NAME");
	}
	for (size_t i = 0; i < b->complaints.n; i++)
		str_addf(&why, "\n%s", b->complaints.v[i]);
	if (why.len)
		error_set(err, ERROR_CHILD, "cannot build a root: mmdebstrap failed:%s", why.p);
	else
		error_wrap(err, "cannot build a root");
	return error_hint(err, "the whole story is in %s", b->log_path);
}

static int run_mmdebstrap(struct build *b, const char *tar, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT, env = STRV_INIT;
	_cleanup_close_ int log = -1;
	struct proc_spec spec = { .pass_signals = true };

	log = open(b->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (log < 0)
		return error_sys(err, errno, "create '%s'", b->log_path);
	if (b->way == BY_NAMESPACE && root_foreign_command(b->paths, b->arch, &argv, err) < 0)
		return -1;
	make_command(&argv, b, tar);
	if (b->way == BY_NAMESPACE)
		strv_add(&argv, "--skip=check/qemu");
	strv_addf(&env, "TMPDIR=%s", b->work_dir);
	strv_add(&env, "LC_ALL=C.UTF-8");
	strv_add(&env, "DEBIAN_FRONTEND=noninteractive");
	for (char **e = environ; *e; e++)
		if (!str_starts(*e, "TMPDIR=") && !str_starts(*e, "LC_") && !str_starts(*e, "LANG"))
			strv_add(&env, *e);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	if (proc_run_lines(&spec, log, on_line, b, err) < 0)
		return explain_failure(b, err);
	return 0;
}

/* Packages that nobody used for long. */
static void prune_downloads(const char *dir)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	time_t now = time(NULL);

	fs_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);
		struct stat st;

		if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    (!str_ends(path, ".deb") || now - st.st_mtime > PACKAGE_AGE_S))
			unlink(path);
	}
}

/* ---- the whole ---- */

static int make_folders(struct build *b, const char *id, struct error *err)
{
	b->log_path = mem_printf("%s/logs/root-%s.log", b->paths->state, id);
	b->deb_dir = mem_printf("%s/downloads/debs/%s-%s", b->paths->cache, b->suite, b->arch->debian);
	if (fs_mkdir_parents(b->log_path, err) < 0 || fs_mkdir_p(b->deb_dir, 0755, err) < 0)
		return -1;
	prune_downloads(b->deb_dir);
	return 0;
}

/* One run of mmdebstrap in a working folder of its own. */
static int make_tar(struct build *b, const char *tar, struct error *err)
{
	int r;

	if (make_work_dir(b, err) < 0)
		return -1;
	r = run_mmdebstrap(b, tar, err);
	remove_work_dir(b->work_dir);
	free(b->work_dir);
	b->work_dir = NULL;
	return r;
}

static int make_tar_without_updates(struct build *b, const char *dir, const char *tar, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, "base.sources");
	_cleanup_str_ struct str text = STR_INIT, base = STR_INIT;
	int r;

	if (fs_read(b->sources, 1 << 20, &text, err) < 0)
		return -1;
	root_build_base_sources(str_cstr(&text), b->suite, &base);
	if (fs_write_atomic(path, str_cstr(&base), base.len, 0644, false, err) < 0)
		return -1;
	progress_note(b->progress, "the update lists of %s for %s can not be had: building without updates", b->suite,
		      b->arch->name);
	free(b->sources);
	b->sources = mem_strdup(path);
	strv_clear(&b->complaints);
	r = make_tar(b, tar, err);
	unlink(path);
	return r;
}

static int finish_in_machine(struct build *b, const char *dir, const char *tar, struct error *err)
{
	const struct root_finish f = {
		.paths = b->paths, .arch = b->arch, .set = b->set, .progress = b->progress, .dir = dir,
		.log_path = b->log_path, .line = on_line, .ctx = b,
	};

	return root_finish(&f, tar, err);
}

static int build_image(struct build *b, struct root_draft *d, struct error *err)
{
	static const struct root_image_options with_defaults = { .with_defaults = true };
	_cleanup_free_ char *tar = fs_join(d->at.dir, "root.tar");
	_cleanup_free_ char *image = fs_join(d->at.dir, "root.erofs");
	_cleanup_root_image_ struct root_image ri = { 0 };
	int r;

	r = make_tar(b, tar, err);
	if (r < 0 && b->lacks_updates && !b->lacks_base && !b->opt->mirror) {
		if (err)
			error_clear(err);
		r = make_tar_without_updates(b, d->at.dir, tar, err);
	}
	if (r == 0 && b->way == BY_MACHINE)
		r = finish_in_machine(b, d->at.dir, tar, err);
	if (r < 0)
		return -1;
	progress_stage(b->progress, "making the image");
	if (root_image_from_archive(tar, image, &with_defaults, b->progress, &ri, err) < 0)
		return -1;
	unlink(tar);
	d->root.arch = mem_strdup(b->arch->name);
	d->root.suite = mem_strdup(b->suite);
	d->root.set = mem_strdup(b->set->name);
	d->root.origin_text = mem_printf("mmdebstrap %s, set %s", b->suite, b->set->name);
	d->root.image = mem_strdup("root.erofs");
	d->root.fstype = mem_strdup("erofs");
	d->root.key = take_ptr(ri.key);
	strv_add_all(&d->root.packages, ri.packages.v);
	return root_draft_finish(d, err);
}

/* A name of its own: the id, or the id with a number where that is taken by an earlier build. */
static char *free_id(const struct paths *p, const char *id)
{
	_cleanup_free_ char *store = store_path(&root_store, p);

	for (unsigned i = 1;; i++) {
		char *name = i == 1 ? mem_strdup(id) : mem_printf("%s.%u", id, i);
		_cleanup_free_ char *path = fs_join(store, name);

		if (!fs_exists(path))
			return name;
		free(name);
	}
}

static int choose_way(struct build *b, struct error *err)
{
	struct error why = ERROR_INIT;

	if (b->opt->in_machine)
		b->way = BY_MACHINE;
	else if (!root_foreign_needed(b->arch))
		b->way = BY_HOST;
	else if (root_foreign_works(b->paths, b->arch, &why))
		b->way = BY_NAMESPACE;
	else
		b->way = BY_MACHINE;
	if (b->way != BY_MACHINE)
		return 0;
	if (!b->opt->in_machine)
		progress_note(b->progress, "programs of %s can not be run here: its packages will be installed in a machine",
			      b->arch->name);
	return root_finish_check(b->paths, b->arch, err);
}

static int build(struct build *b, struct root *ret, struct error *err)
{
	_cleanup_root_draft_ struct root_draft d = ROOT_DRAFT_INIT;
	_cleanup_free_ char *base = NULL;
	_cleanup_free_ char *id = NULL;
	_cleanup_free_ char *doing = NULL;

	if (choose_packages(b, err) < 0 || root_check_all(b->paths, err) < 0 || choose_way(b, err) < 0 ||
	    choose_sources(b, err) < 0)
		return -1;
	base = root_build_id("debian", b->suite, b->set->name, b->opt->packages, b->arch);
	id = b->opt->id ? mem_strdup(b->opt->id) : free_id(b->paths, base);
	doing = mem_printf("building root %s", id);
	if (root_draft_begin(b->paths, id, doing, b->progress, &d, err) < 0 || make_folders(b, id, err) < 0 ||
	    build_image(b, &d, err) < 0)
		return -1;
	*ret = d.root;
	d.root = (struct root){ 0 };
	return 0;
}

int root_build(const struct paths *p, const struct root_build_options *opt, const struct progress *progress,
	       struct root *ret, struct error *err)
{
	struct build b = { .paths = p, .opt = opt, .progress = progress, .arch = opt->arch ? opt->arch : arch_native() };
	int r = build(&b, ret, err);

	build_clear(&b);
	return r;
}
