/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: apt reads the host's whole configuration (proxies,
 * certificates, trusted keys), then ours by -c, which comes last and moves
 * state, caches and sources into a folder of ours. So whatever the host's
 * administrator set up for its mirrors holds here as well. The hooks that
 * distributions and container images hang on updates are cleared: they are
 * meant for the host's own state and would run on it.
 */

#include "image/apt.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/apt_sources.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"

#define SOURCES_MAX (1u << 20)
#define COMPONENTS "main contrib"

/* ---- the host's settings ---- */

char *apt_host_suite(void)
{
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_strv_ struct strv lines = STRV_INIT;

	if (fs_read("/etc/os-release", 1 << 16, &text, NULL) < 0)
		return NULL;
	strv_split(&lines, str_cstr(&text), "\n");
	for (size_t i = 0; i < lines.n; i++) {
		static const char name[] = "VERSION_CODENAME=";
		const char *v = lines.v[i] + sizeof(name) - 1;

		if (!str_starts(lines.v[i], name))
			continue;
		v += *v == '"';
		return mem_strndup(v, strcspn(v, "\""));
	}
	return NULL;
}

char *apt_suite_for(const struct arch *arch)
{
	static const char *const order[] = { "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid" };
	_cleanup_free_ char *host = apt_host_suite();
	size_t first = 0, own = ARRAY_SIZE(order);

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (str_eq(order[i], arch->suite))
			first = i;
		if (str_eq(order[i], host))
			own = i;
	}
	return mem_strdup(own < first ? arch->suite : host);
}

/* One setting of the host's apt: `apt-config shell V KEY` prints V='value'. Caller frees; NULL when unset. */
static char *host_setting(const char *key, struct error *err)
{
	const char *const argv[] = { "apt-config", "shell", "V", key, NULL };
	_cleanup_str_ struct str out = STR_INIT;
	const char *v;

	if (proc_run(argv, &out, err) < 0)
		return NULL;
	v = str_starts(str_cstr(&out), "V='") ? out.p + 3 : "";
	return mem_strndup(v, strcspn(v, "'\n"));
}

static int read_sources(struct apt_sources *s, struct error *err)
{
	_cleanup_free_ char *list = host_setting("Dir::Etc::sourcelist/f", err);
	_cleanup_free_ char *parts = list ? host_setting("Dir::Etc::sourceparts/d", err) : NULL;
	_cleanup_strv_ struct strv names = STRV_INIT;
	_cleanup_str_ struct str text = STR_INIT;

	if (!list || !parts)
		return -1;
	if (fs_read(list, SOURCES_MAX, &text, NULL) == 0)
		apt_sources_parse(s, list, str_cstr(&text));
	if (fs_list(parts, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(parts, names.v[i]);

		if (!str_ends(path, ".list") && !str_ends(path, ".sources"))
			continue;
		str_truncate(&text, 0);
		if (fs_read(path, SOURCES_MAX, &text, err) < 0)
			return -1;
		apt_sources_parse(s, path, str_cstr(&text));
	}
	return 0;
}

/* ---- our configuration ---- */

static int write_sources(const struct apt *a, const struct apt_spec *spec, const char *host, struct error *err)
{
	_cleanup_apt_sources_ struct apt_sources sources = { 0 };
	_cleanup_free_ char *archs = mem_printf("%s%s%s", a->debian_arch, spec->extra_arch ? " " : "",
						spec->extra_arch ? spec->extra_arch : "");
	_cleanup_free_ char *path = fs_join(a->dir, "quiz.sources");
	_cleanup_str_ struct str text = STR_INIT;
	struct apt_sources_query q = {
		.host_suite = host,
		.suite = a->suite,
		.archs = archs,
		.components = COMPONENTS,
		.with_source = spec->with_source,
	};

	if (read_sources(&sources, err) < 0)
		return -1;
	if (!apt_sources_derive(&sources, &q, &text)) {
		error_set(err, ERROR_MISSING, "cannot find packages of %s: no apt source of this host is named '%s'",
			  a->suite, host);
		return error_hint(err, "look into /etc/apt/sources.list and /etc/apt/sources.list.d/");
	}
	return fs_write_atomic(path, str_cstr(&text), text.len, 0644, false, err);
}

static int write_conf(const struct apt *a, const struct apt_spec *spec, struct error *err)
{
	/* Lists that the host may have filled and that must be empty or ours. */
	static const char *const cleared[] = {
		"APT::Architectures", "APT::Default-Release", "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke",
		"APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke", "DPkg::Post-Invoke", "APT::Get::Build-Dep-Automatic",
	};
	_cleanup_str_ struct str c = STR_INIT;

	if (strpbrk(a->dir, "\"\n"))
		return error_set(err, ERROR_USAGE, "cannot use apt in '%s': the name has a quote", a->dir);
	for (size_t i = 0; i < ARRAY_SIZE(cleared); i++)
		str_addf(&c, "#clear %s;\n", cleared[i]);
	str_addf(&c, "Dir::State \"%s/state\";\nDir::State::lists \"lists/\";\nDir::State::status \"%s/status\";\n", a->dir,
		 a->dir);
	str_addf(&c, "Dir::Cache \"%s/cache\";\nDir::Cache::pkgcache \"pkgcache.bin\";\nDir::Cache::srcpkgcache \"\";\n",
		 a->dir);
	str_addf(&c, "Dir::Etc::SourceList \"%s/quiz.sources\";\nDir::Etc::SourceParts \"/dev/null\";\n", a->dir);
	/* Pins are about what the host installs. */
	str_add(&c, "Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n");
	str_addf(&c, "APT::Architecture \"%s\";\nAPT::Architectures { \"%s\";", a->debian_arch, a->debian_arch);
	if (spec->extra_arch)
		str_addf(&c, " \"%s\";", spec->extra_arch);
	str_add(&c, " };\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n");
	/* Our folders may lie where the sandbox's user can not go (a home of mode 0700). */
	if (geteuid() == 0)
		str_add(&c, "APT::Sandbox::User \"root\";\n");
	return fs_write_atomic(a->conf, str_cstr(&c), c.len, 0644, false, err);
}

static int make_folders(const struct apt *a, struct error *err)
{
	static const char *const folders[] = { "state/lists/partial", "cache/archives/partial" };
	_cleanup_free_ char *status = fs_join(a->dir, "status");

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *path = fs_join(a->dir, folders[i]);

		if (fs_mkdir_p(path, 0755, err) < 0)
			return -1;
	}
	/* No package is installed here, whatever the host has. */
	return fs_exists(status) ? 0 : fs_write_atomic(status, "", 0, 0644, false, err);
}

static void make_env(struct apt *a)
{
	for (char **e = environ; *e; e++)
		if (!str_starts(*e, "LC_") && !str_starts(*e, "LANG"))
			strv_add(&a->env, *e);
	strv_add(&a->env, "LC_ALL=C"); /* its messages are read by us */
}

static const struct progress *waiting_progress; /* lock_take()'s callback has no context */

static void on_wait(const char *holder)
{
	progress_note(waiting_progress, "waiting for %s", *holder ? holder : "another quiz that uses apt");
}

static int open_in(struct apt *a, const struct apt_spec *spec, const char *host, const struct progress *progress,
		   struct error *err)
{
	_cleanup_free_ char *lock = fs_join(a->dir, "lock");
	_cleanup_free_ char *who = mem_printf("pid %d: getting packages of %s for %s", (int)getpid(), a->suite,
					      a->debian_arch);

	waiting_progress = progress;
	a->lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, who, on_wait, err);
	if (a->lock_fd < 0 || make_folders(a, err) < 0 || write_sources(a, spec, host, err) < 0)
		return -1;
	return write_conf(a, spec, err);
}

/* It becomes part of a folder's name and of apt's sources. */
static int check_suite(const char *suite, struct error *err)
{
	bool is_name = isalnum((unsigned char)*suite);

	for (const char *c = suite; *c; c++)
		is_name = is_name && (isalnum((unsigned char)*c) || strchr("-._", *c));
	if (is_name)
		return 0;
	error_set(err, ERROR_USAGE, "'%s' is not a suite", suite);
	return error_hint(err, "bookworm, trixie, sid, trixie-backports, ...");
}

int apt_open(const struct paths *p, const struct apt_spec *spec, const struct progress *progress, struct apt *ret,
	     struct error *err)
{
	_cleanup_free_ char *apt_get = fs_find_program("apt-get");
	_cleanup_free_ char *host = apt_host_suite();
	_cleanup_free_ char *native = NULL;
	struct apt a = { .lock_fd = -1 };

	if (!apt_get || !host) {
		error_set(err, ERROR_UNSUPPORTED,
			  "cannot get packages: this host's distribution has no apt or no release name");
		return error_hint(err, "quiz kernel add --image FILE --modules DIR takes a kernel from anywhere");
	}
	if (spec->suite && check_suite(spec->suite, err) < 0)
		return -1;
	native = host_setting("APT::Architecture", err);
	if (!native)
		return -1;
	a.suite = mem_strdup(spec->suite ? spec->suite : host);
	a.debian_arch = mem_strdup(spec->debian_arch ? spec->debian_arch : native);
	a.dir = mem_printf("%s/apt/%s-%s%s%s%s", p->cache, a.suite, a.debian_arch, spec->extra_arch ? "-" : "",
			   spec->extra_arch ? spec->extra_arch : "", spec->with_source ? "-source" : "");
	a.conf = fs_join(a.dir, "apt.conf");
	make_env(&a);
	if (open_in(&a, spec, host, progress, err) < 0) {
		apt_close(&a);
		return -1;
	}
	*ret = a;
	return 0;
}

void apt_close(struct apt *a)
{
	if (!a->dir) /* never opened */
		return;
	free(a->dir);
	free(a->conf);
	free(a->suite);
	free(a->debian_arch);
	strv_clear(&a->env);
	close_fd(&a->lock_fd);
	*a = (struct apt){ .lock_fd = -1 };
}

/* ---- running it ---- */

double apt_parse_status(const char *line)
{
	static const char *const kinds[] = { "dlstatus:", "pmstatus:" };
	const char *percent;
	char *end;
	double v;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!str_starts(line, kinds[i]))
			continue;
		percent = strchr(line + strlen(kinds[i]), ':');
		if (!percent)
			return -1;
		v = strtod(percent + 1, &end);
		return end != percent + 1 && v >= 0 && v <= 100 ? v : -1;
	}
	return -1;
}

struct listener {
	const struct progress *progress;
	uint64_t total_bytes; /* 0: unknown */
	struct str complaints; /* "E: ..." lines */
};

static void on_line(void *ctx, const char *line)
{
	struct listener *l = ctx;
	double percent = apt_parse_status(line);

	if (percent >= 0 && l->total_bytes)
		progress_bytes(l->progress, (uint64_t)(percent * (double)l->total_bytes / 100.0), l->total_bytes);
	else if (percent >= 0)
		progress_percent(l->progress, (unsigned)percent);
	else if (str_starts(line, "E: ") && l->complaints.len < 1024)
		str_addf(&l->complaints, "%s%s", l->complaints.len ? "\n" : "", line + 3);
}

static int run(const struct apt *a, const struct strv *words, const char *dir, struct listener *l, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct proc_spec spec = { .env = (const char *const *)a->env.v, .cwd = dir };
	static const char *const head[] = { "apt-get", "-c", NULL, "-y", "-o", "APT::Status-Fd=1" };

	for (size_t i = 0; i < ARRAY_SIZE(head); i++)
		strv_add(&argv, head[i] ? head[i] : a->conf);
	strv_add_all(&argv, words->v);
	spec.argv = (const char *const *)argv.v;
	if (proc_run_lines(&spec, -1, on_line, l, err) == 0)
		return 0;
	/* Its status lines drown the reason. */
	if (err && err->kind == ERROR_CHILD && l->complaints.len) {
		_cleanup_str_ struct str safe = STR_INIT;

		str_add_safe(&safe, l->complaints.p, l->complaints.len, true);
		error_set(err, ERROR_CHILD, "apt-get %s failed: %s", words->v[0], safe.p);
	}
	return -1;
}

int apt_run(const struct apt *a, const struct strv *words, const char *dir, uint64_t total_bytes,
	    const struct progress *progress, struct error *err)
{
	struct listener l = { .progress = progress, .total_bytes = total_bytes };
	int r = run(a, words, dir, &l, err);

	str_clear(&l.complaints);
	return r;
}

int apt_update(struct apt *a, const struct progress *progress, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT, names = STRV_INIT;
	struct error first = ERROR_INIT;

	progress_stage(progress, "reading the package lists of %s for %s", a->suite, a->debian_arch);
	strv_add(&words, "update");
	if (apt_run(a, &words, a->dir, 0, progress, &first) == 0)
		return 0;
	if (first.kind != ERROR_CHILD || apt_names(a, "", &names, NULL) < 0 || !names.n) {
		if (err)
			*err = first;
		return error_wrap(err, "cannot read the package lists of %s for %s", a->suite, a->debian_arch);
	}
	progress_note(progress, "some package lists of %s for %s are not to be had; going on with the others", a->suite,
		      a->debian_arch);
	return 0;
}

static int run_cache(const struct apt *a, const struct strv *words, struct str *out, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct proc_spec spec = { .env = (const char *const *)a->env.v };

	strv_add(&argv, "apt-cache");
	strv_add(&argv, "-c");
	strv_add(&argv, a->conf);
	strv_add_all(&argv, words->v);
	spec.argv = (const char *const *)argv.v;
	return proc_run_spec(&spec, out, err);
}

int apt_names(const struct apt *a, const char *prefix, struct strv *ret, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_str_ struct str out = STR_INIT;

	strv_add(&words, "pkgnames");
	if (*prefix)
		strv_add(&words, prefix);
	if (run_cache(a, &words, &out, err) < 0)
		return -1;
	strv_split(ret, str_cstr(&out), "\n");
	return 0;
}

/* ---- package facts ---- */

void apt_packages_clear(struct apt_packages *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->v[i].name);
		free(list->v[i].version);
		free(list->v[i].arch);
		free(list->v[i].depends);
	}
	free(list->v);
	*list = (struct apt_packages){ 0 };
}

/* "Name: value" of a paragraph; caller frees; "" when absent. Continuation lines do not occur in the fields we want. */
static char *field(const char *paragraph, size_t len, const char *name)
{
	size_t name_len = strlen(name);
	const char *s = paragraph, *end = paragraph + len;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		const char *stop = nl ? nl : end;

		if ((size_t)(stop - s) > name_len && memcmp(s, name, name_len) == 0 && s[name_len] == ':') {
			s += name_len + 1;
			while (s < stop && isspace((unsigned char)*s))
				s++;
			return mem_strndup(s, (size_t)(stop - s));
		}
		s = nl ? nl + 1 : end;
	}
	return mem_strdup("");
}

void apt_parse_packages(const char *text, struct apt_packages *ret)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		_cleanup_free_ char *name = field(text, len, "Package");

		if (*name) {
			struct apt_package *p = VEC_PUSH(ret->v, ret->n);
			_cleanup_free_ char *size = field(text, len, "Size");
			_cleanup_free_ char *installed = field(text, len, "Installed-Size");

			p->name = take_ptr(name);
			p->version = field(text, len, "Version");
			p->arch = field(text, len, "Architecture");
			p->depends = field(text, len, "Depends");
			p->size_bytes = strtoull(size, NULL, 10);
			p->installed_bytes = strtoull(installed, NULL, 10) * 1024;
		}
		text += len;
		text += strspn(text, "\n");
	}
}

int apt_show(const struct apt *a, const struct strv *names, struct apt_packages *ret, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_str_ struct str out = STR_INIT;
	struct error e = ERROR_INIT;

	if (!names->n)
		return 0;
	strv_add(&words, "show");
	strv_add_all(&words, names->v);
	/* Status 100 only says that a name is unknown; what is known is printed all the same. */
	if (run_cache(a, &words, &out, &e) < 0 && e.kind != ERROR_CHILD) {
		if (err)
			*err = e;
		return -1;
	}
	apt_parse_packages(str_cstr(&out), ret);
	return 0;
}

void apt_depends(const char *depends, const char *prefix, struct strv *ret)
{
	_cleanup_strv_ struct strv items = STRV_INIT;

	strv_split(&items, depends, ",|");
	for (size_t i = 0; i < items.n; i++) {
		const char *s = items.v[i] + strspn(items.v[i], " ");
		_cleanup_free_ char *name = mem_strndup(s, strcspn(s, " (:"));

		if (str_starts(name, prefix) && !strv_has(ret, name))
			strv_add(ret, name);
	}
}

int apt_download(const struct apt *a, const struct strv *specs, uint64_t total_bytes, const char *dir,
		 const struct progress *progress, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;

	strv_add(&words, "download");
	strv_add_all(&words, specs->v);
	return apt_run(a, &words, dir, total_bytes, progress, err);
}
