/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: the lists say which package is meant and what goes with
 * it (headers, kbuild, debug); apt downloads and checks them into its own
 * folder; a draft is filled from their contents and finished like any kernel
 * (kernel_make.h). The packages are removed once the kernel is in the store: a
 * failed attempt goes on with what it has.
 *
 *	image	boot/vmlinuz-R, config-R, System.map-R	-> vmlinuz, config, System.map
 *		lib/modules/R/				-> layer/usr/lib/modules/R/
 *	headers	usr/src, usr/lib/linux-kbuild-*		-> headers/..., build is a link into it
 *	libc	where kbuild is of a newer release	-> headers/hostlib/
 *	dbg	usr/lib/debug/boot/vmlinux-R		-> debug/vmlinux
 */

#include "image/kernel_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/deb.h"
#include "image/kernel.h"
#include "image/kernel_headers.h"
#include "image/kernel_make.h"
#include "sys/fs.h"

enum part {
	PART_IMAGE,
	PART_HEADERS,
	PART_DEBUG,
	PART_HOSTLIB,
};

struct wanted_package {
	size_t index;	/* in fetch.found */
	char *spec;	/* owned; "name:arch=version" */
	enum part part;
};

struct fetch {
	const struct paths *paths;
	const struct kernel_fetch_options *options;
	const struct progress *progress;
	const struct arch *arch;
	const char *base;
	struct apt apt;
	struct apt_packages found; /* every package asked about */
	char *image;		   /* owned; name of the image package */
	char *version;		   /* owned; its version */
	struct kernel_package_name name;
	struct wanted_package *wanted;
	size_t n_wanted;
	char *debs; /* owned; folder of the downloads */
	char *boot_file; /* owned; seen while unpacking */
};

static void fetch_clear(struct fetch *f)
{
	for (size_t i = 0; i < f->n_wanted; i++)
		free(f->wanted[i].spec);
	free(f->wanted);
	apt_packages_clear(&f->found);
	kernel_package_clear(&f->name);
	free(f->image);
	free(f->version);
	free(f->debs);
	free(f->boot_file);
	apt_close(&f->apt);
}

/* ---- which packages ---- */

static const struct apt_package *find_package(const struct fetch *f, const char *name, const char *arch, const char *version)
{
	const struct apt_package *best = NULL;

	for (size_t i = 0; i < f->found.n; i++) {
		const struct apt_package *p = &f->found.v[i];

		if (!str_eq(p->name, name) || (!str_eq(p->arch, arch) && !str_eq(p->arch, "all")))
			continue;
		if (version && str_eq(p->version, version))
			return p;
		if (!best)
			best = p;
	}
	return best;
}

static int show_one(struct fetch *f, const char *name, const char *arch, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	strv_addf(&names, "%s:%s", name, arch);
	return apt_show(&f->apt, &names, &f->found, err);
}

static int missing(struct fetch *f, struct error *err)
{
	const char *w = f->options->wanted;

	error_set(err, ERROR_MISSING, "cannot find a kernel package%s%s%s for %s in %s", w ? " for '" : "", w ? w : "",
		  w ? "'" : "", f->arch->debian, f->apt.suite);
	return error_hint(err, "another release: --suite trixie; or quiz kernel build %s", w ? w : "VERSION");
}

/* Sets image, version and name. */
static int choose_image(struct fetch *f, struct error *err)
{
	_cleanup_strv_ struct strv all = STRV_INIT, images = STRV_INIT, depends = STRV_INIT;
	_cleanup_apt_packages_ struct apt_packages packages = { 0 };
	const struct apt_package *p;

	if (apt_names(&f->apt, "linux-image-", &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		struct kernel_package_name n;

		if (!kernel_package_parse(all.v[i], f->base, &n))
			continue;
		kernel_package_clear(&n);
		strv_addf(&images, "%s:%s", all.v[i], f->arch->debian);
	}
	if (apt_show(&f->apt, &images, &packages, err) < 0)
		return -1;
	p = kernel_package_pick(&packages, f->base, f->options->wanted);
	if (!p)
		return missing(f, err);
	apt_depends(p->depends, "linux-image-", &depends);
	f->image = mem_strdup(depends.n ? depends.v[0] : p->name);
	f->version = mem_strdup(p->version);
	if (!kernel_package_parse(f->image, f->base, &f->name))
		return error_set(err, ERROR_UNSUPPORTED, "cannot use package '%s': its name is not understood", f->image);
	return 0;
}

static const struct apt_package *wanted_package(const struct fetch *f, size_t i)
{
	return &f->found.v[f->wanted[i].index];
}

static void want(struct fetch *f, const struct apt_package *p, enum part part)
{
	struct wanted_package *w = VEC_PUSH(f->wanted, f->n_wanted);

	w->index = (size_t)(p - f->found.v);
	w->part = part;
	w->spec = mem_printf("%s:%s=%s", p->name, str_eq(p->arch, "all") ? f->arch->debian : p->arch, p->version);
}

/* A package and version that must be there. */
static int require(struct fetch *f, const char *name, enum part part, struct error *err)
{
	const struct apt_package *p;

	if (show_one(f, name, f->arch->debian, err) < 0)
		return -1;
	p = find_package(f, name, f->arch->debian, f->version);
	if (!p)
		return error_set(err, ERROR_MISSING, "cannot find package '%s' for %s in %s", name, f->arch->debian,
				 f->apt.suite);
	want(f, p, part);
	return 0;
}

/* Later releases split the image: what it depends on and is made for this release belongs to it. */
static int want_image(struct fetch *f, struct error *err)
{
	static const char *const prefixes[] = { "linux-modules-", "linux-binary-", "linux-base-" };
	_cleanup_strv_ struct strv more = STRV_INIT;

	if (require(f, f->image, PART_IMAGE, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		apt_depends(wanted_package(f, 0)->depends, prefixes[i], &more);
	for (size_t i = 0; i < more.n; i++)
		if (strstr(more.v[i], f->name.release) && require(f, more.v[i], PART_IMAGE, err) < 0)
			return -1;
	return 0;
}

/* Headers, the part that all flavours share, and kbuild for the host. Without them the kernel still boots. */
static int want_headers(struct fetch *f, struct error *err)
{
	_cleanup_free_ char *headers = mem_printf("linux-headers-%s", f->name.release);
	_cleanup_strv_ struct strv common = STRV_INIT, kbuild = STRV_INIT;
	const char *host = arch_native()->debian;
	const struct apt_package *p;

	if (show_one(f, headers, f->arch->debian, err) < 0)
		return -1;
	p = find_package(f, headers, f->arch->debian, f->version);
	if (!p) {
		progress_note(f->progress, "no package '%s': no external modules for this kernel", headers);
		return 0;
	}
	apt_depends(p->depends, "linux-headers-", &common);
	apt_depends(p->depends, "linux-kbuild-", &kbuild);
	want(f, p, PART_HEADERS);
	for (size_t i = 0; i < common.n; i++)
		if (require(f, common.v[i], PART_HEADERS, err) < 0)
			return -1;
	for (size_t i = 0; i < kbuild.n; i++) {
		if (show_one(f, kbuild.v[i], host, err) < 0)
			return -1;
		p = find_package(f, kbuild.v[i], host, f->version);
		if (!p)
			return error_set(err, ERROR_MISSING, "cannot find package '%s' for %s in %s", kbuild.v[i], host,
					 f->apt.suite);
		want(f, p, PART_HEADERS);
	}
	return 0;
}

static int want_debug(struct fetch *f, struct error *err)
{
	_cleanup_free_ char *name = mem_printf("%s-dbg", f->image);

	return require(f, name, PART_DEBUG, err);
}

/* ---- downloading ---- */

static uint64_t total_bytes(const struct fetch *f, size_t first)
{
	uint64_t sum = 0;

	for (size_t i = first; i < f->n_wanted; i++)
		sum += wanted_package(f, i)->size_bytes;
	return sum;
}

/* apt's name of the file: epochs' colons are escaped. Caller frees. */
static char *deb_path(const struct fetch *f, const struct apt_package *p)
{
	_cleanup_str_ struct str name = STR_INIT;

	str_addf(&name, "%s/%s_", f->debs, p->name);
	for (const char *c = p->version; *c; c++)
		str_addf(&name, *c == ':' ? "%%3a" : "%c", *c);
	str_addf(&name, "_%s.deb", p->arch);
	return str_take(&name);
}

static int download(struct fetch *f, size_t first, const char *what, struct error *err)
{
	_cleanup_strv_ struct strv specs = STRV_INIT;
	uint64_t bytes = total_bytes(f, first);
	char size[32];

	for (size_t i = first; i < f->n_wanted; i++)
		strv_add(&specs, f->wanted[i].spec);
	progress_stage(f->progress, "downloading %s (%zu packages, %s)", what, f->n_wanted - first,
		       format_size(bytes, size, sizeof(size)));
	if (fs_mkdir_p(f->debs, 0755, err) < 0)
		return -1;
	if (apt_download(&f->apt, &specs, bytes, f->debs, f->progress, err) < 0)
		return error_wrap(err, "cannot download kernel %s", f->name.release);
	return 0;
}

/* ---- unpacking ---- */

/* Path after "lib/modules/<release>/", or NULL. */
static const char *in_module_tree(const struct fetch *f, const char *path)
{
	_cleanup_free_ char *tree = mem_printf("lib/modules/%s/", f->name.release);

	if (str_starts(path, "usr/"))
		path += 4;
	return str_starts(path, tree) ? path + strlen(tree) : NULL;
}

static char *place_image(void *ctx, const char *path)
{
	/* Where the three files are: beside each other in boot, or (later releases) in the module tree. */
	static const struct {
		const char *name;
		const char *to;
		bool boots;
	} files[] = {
		{ "vmlinuz", "vmlinuz", true },
		{ "vmlinux", "vmlinux", true },
		{ "config", "config", false },
		{ "System.map", "System.map", false },
	};
	struct fetch *f = ctx;
	const char *in_tree = in_module_tree(f, path);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *in_boot = mem_printf("boot/%s-%s", files[i].name, f->name.release);

		if (!str_eq(path, in_boot) && !(in_tree && str_eq(in_tree, files[i].name)))
			continue;
		if (files[i].boots) {
			free(f->boot_file);
			f->boot_file = mem_strdup(files[i].to);
		}
		return mem_strdup(files[i].to);
	}
	if (!in_tree || !*in_tree || str_eq(in_tree, "build") || str_eq(in_tree, "source"))
		return NULL;
	return mem_printf("layer/usr/lib/modules/%s/%s", f->name.release, in_tree);
}

static char *place_headers(void *ctx, const char *path)
{
	(void)ctx;
	if (!str_starts(path, "usr/src/") && !str_starts(path, "usr/lib/linux-kbuild-"))
		return NULL;
	return mem_printf("headers/%s", path);
}

static char *place_debug(void *ctx, const char *path)
{
	struct fetch *f = ctx;
	_cleanup_free_ char *vmlinux = mem_printf("usr/lib/debug/boot/vmlinux-%s", f->name.release);
	_cleanup_free_ char *newer = mem_printf("usr/lib/debug/lib/modules/%s/vmlinux", f->name.release);

	return str_eq(path, vmlinux) || str_eq(path, newer) ? mem_strdup("debug/vmlinux") : NULL;
}

/* Shared libraries, flat: "usr/lib/x86_64-linux-gnu/libc.so.6" and nothing of the folders below. */
static char *place_hostlib(void *ctx, const char *path)
{
	const char *name = strrchr(path, '/');

	(void)ctx;
	if (str_starts(path, "usr/"))
		path += 4;
	path = str_starts(path, "lib/") ? strchr(path + 4, '/') : NULL;
	return path && path == strrchr(path, '/') && strstr(path, ".so") ? mem_printf("headers/hostlib%s", name) : NULL;
}

/* From the wanted package with this index on. */
static int unpack(struct fetch *f, size_t first, const char *dir, struct error *err)
{
	static const struct {
		const char *what;
		deb_place_fn *place;
	} parts[] = {
		[PART_IMAGE] = { "kernel", place_image },
		[PART_HEADERS] = { "headers", place_headers },
		[PART_DEBUG] = { "debug information", place_debug },
		[PART_HOSTLIB] = { "libraries for the build programs", place_hostlib },
	};

	for (size_t i = first; i < f->n_wanted; i++) {
		_cleanup_free_ char *deb = deb_path(f, wanted_package(f, i));
		enum part part = f->wanted[i].part;

		progress_stage(f->progress, "unpacking %s: %s", parts[part].what, wanted_package(f, i)->name);
		if (deb_unpack(deb, dir, parts[part].place, f, err) < 0)
			return -1;
	}
	return 0;
}

/* The libraries that kbuild's package depends on, and theirs. */
static int want_libraries(struct fetch *f, const char *kbuild, struct error *err)
{
	static const char *const prefixes[] = { "lib", "zlib" };
	const char *host = arch_native()->debian;
	_cleanup_strv_ struct strv names = STRV_INIT;
	const struct apt_package *p = find_package(f, kbuild, host, f->version);

	for (size_t i = 0; p;) {
		_cleanup_free_ char *depends = mem_strdup(p->depends);

		for (size_t j = 0; j < ARRAY_SIZE(prefixes); j++)
			apt_depends(depends, prefixes[j], &names);
		for (p = NULL; i < names.n && !p; i++) {
			if (show_one(f, names.v[i], host, err) < 0)
				return -1;
			p = find_package(f, names.v[i], host, NULL);
			if (p)
				want(f, p, PART_HOSTLIB);
		}
	}
	return 0;
}

static int bring_libraries(struct fetch *f, const struct kernel_headers *h, const struct strv *programs,
			   const char *dir, struct error *err)
{
	size_t first = f->n_wanted;

	for (size_t i = 0; i < first; i++)
		if (str_starts(wanted_package(f, i)->name, "linux-kbuild-") &&
		    want_libraries(f, wanted_package(f, i)->name, err) < 0)
			return -1;
	if (download(f, first, "libraries for the build programs", err) < 0 || unpack(f, first, dir, err) < 0)
		return -1;
	return kernel_headers_wrap(h, programs, err);
}

static int make_build(struct fetch *f, const char *dir, struct error *err)
{
	_cleanup_free_ char *root = fs_join(dir, "headers");
	_cleanup_free_ char *link_path = fs_join(dir, "build");
	_cleanup_free_ char *target = mem_printf("headers/usr/src/linux-headers-%s", f->name.release);
	_cleanup_free_ char *full = fs_join(dir, target);
	struct kernel_headers h = { .root = root, .release = f->name.release, .arch = f->arch };
	_cleanup_strv_ struct strv too_new = STRV_INIT;
	struct error why = ERROR_INIT;

	if (!fs_is_dir(full))
		return 0;
	if (kernel_headers_relocate(&h, err) < 0 || kernel_headers_too_new(&h, &too_new, err) < 0)
		return -1;
	if (too_new.n && bring_libraries(f, &h, &too_new, dir, err) < 0)
		return -1;
	if (kernel_headers_check(&h, &why) < 0)
		progress_note(f->progress, "no external modules for this kernel on this host: %s", why.text);
	else if (symlink(target, link_path) < 0)
		return error_sys(err, errno, "make link '%s'", link_path);
	return 0;
}

/* ---- the whole ---- */

static int fill(struct fetch *f, struct kernel_draft *d, struct error *err)
{
	if (want_image(f, err) < 0 || want_headers(f, err) < 0)
		return -1;
	if (f->options->with_debug && want_debug(f, err) < 0)
		return -1;
	if (download(f, 0, f->image, err) < 0 || unpack(f, 0, d->at.dir, err) < 0 || make_build(f, d->at.dir, err) < 0)
		return -1;
	if (!f->boot_file)
		return error_set(err, ERROR_UNSUPPORTED, "cannot use package '%s': there is no kernel image in it", f->image);
	d->k.release = mem_strdup(f->name.release);
	d->k.version = kernel_package_upstream(f->version);
	d->k.flavour = mem_strdup(f->name.flavour);
	d->k.origin = mem_strdup("debian");
	d->k.origin_text = mem_printf("%s %s (%s)", f->image, f->version, f->apt.suite);
	d->k.arch = mem_strdup(f->arch->name);
	d->k.boot_file = take_ptr(f->boot_file);
	return 0;
}

/* Adds debug/ to a kernel that is in the store. */
static int add_debug(struct fetch *f, struct kernel_draft *d, struct error *err)
{
	_cleanup_free_ char *store = store_path(&kernel_store, f->paths);
	_cleanup_free_ char *tmp = fs_temp_dir(store, d->k.id, err);
	_cleanup_free_ char *from = NULL, *to = fs_join(d->k.dir, "debug");
	int r;

	if (!tmp)
		return -1;
	from = fs_join(tmp, "debug");
	r = want_debug(f, err) < 0 || download(f, 0, "debug information", err) < 0 || unpack(f, 0, tmp, err) < 0 ? -1 : 0;
	if (r == 0 && rename(from, to) < 0)
		r = error_sys(err, errno, "publish '%s'", to);
	fs_remove_tree(tmp, NULL, NULL);
	d->k.has_debug = r == 0;
	return r;
}

/* The release is the id, unless the store has another build of it already. Caller frees. */
static char *choose_id(const struct fetch *f)
{
	_cleanup_free_ char *store = store_path(&kernel_store, f->paths);
	_cleanup_free_ char *dir = fs_join(store, f->name.release);
	_cleanup_free_ char *mine = mem_printf("%s %s ", f->image, f->version);
	struct kernel k = { 0 };
	char *id;

	if (kernel_load(dir, &k, NULL) < 0)
		return mem_strdup(f->name.release);
	id = str_starts(k.origin_text, mine) ? mem_strdup(f->name.release) :
					       mem_printf("%s_%s", f->name.release, f->version);
	kernel_clear(&k);
	for (char *c = id; *c; c++)
		if (*c == ':')
			*c = '~';
	return id;
}

static int fetch_chosen(struct fetch *f, struct kernel *ret, bool *ret_existed, struct error *err)
{
	_cleanup_free_ char *id = choose_id(f);
	_cleanup_free_ char *doing = mem_printf("fetching kernel %s", id);
	struct kernel_draft d = KERNEL_DRAFT_INIT;
	int r;

	if (kernel_draft_begin(f->paths, id, doing, f->progress, &d, ret_existed, err) < 0)
		return -1;
	if (*ret_existed)
		r = f->options->with_debug && !d.k.has_debug ? add_debug(f, &d, err) : 0;
	else
		r = fill(f, &d, err) < 0 ? -1 : kernel_draft_finish(&d, f->progress, err);
	if (r == 0) {
		*ret = d.k;
		d.k = (struct kernel){ 0 };
		fs_remove_tree(f->debs, NULL, NULL);
	}
	kernel_draft_abort(&d);
	return r;
}

int kernel_fetch_debian(const struct paths *p, const struct kernel_fetch_options *o, const struct progress *progress,
			struct kernel *ret, bool *ret_existed, struct error *err)
{
	const struct arch *native = arch_native(), *arch = o->arch ? o->arch : native;
	_cleanup_free_ char *suite = apt_suite_for(arch);
	struct apt_spec spec = {
		.suite = o->suite ? o->suite : suite,
		.debian_arch = arch->debian,
		.extra_arch = arch == native ? NULL : native->debian,
	};
	struct fetch f = { .paths = p, .options = o, .progress = progress, .arch = arch };
	int r;

	f.base = kernel_package_base(arch->debian);
	if (apt_open(p, &spec, progress, &f.apt, err) < 0)
		return -1;
	f.debs = fs_join(f.apt.dir, "debs");
	r = apt_update(&f.apt, progress, err);
	if (r == 0)
		r = choose_image(&f, err);
	if (r == 0)
		r = fetch_chosen(&f, ret, ret_existed, err);
	fetch_clear(&f);
	return r;
}
