/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From fragments to a .config. `allnoconfig` with KCONFIG_ALLCONFIG is what
 * `tinyconfig` does itself: everything that nobody asks for is off, "default
 * y" included, so that a kernel holds no object that no fragment wanted.
 */

#include <string.h>

#include "base/cleanup.h"
#include "image/kbuild.h"
#include "image/store.h"
#include "sys/fs.h"

/* Bumped when a kernel made by an older quiz from the same input would differ. */
#define BUILD_FORMAT 1

static void fragment_dirs(const struct kbuild *b, struct strv *ret)
{
	strv_addf(ret, "%s/kconfig", b->paths->config);
	strv_addf(ret, "%s/kconfig", b->paths->share);
}

static bool is_base_fragment(const char *name)
{
	return str_eq(name, "base") || str_eq(name, "default") || str_starts(name, "arch-");
}

/* A profile's need is met by a module as well. */
static bool is_asked_for(const struct kconfig *k, const char *symbol)
{
	for (size_t i = 0; i < k->n_requests; i++)
		if (str_eq(k->requests[i].symbol, symbol))
			return !str_eq(k->requests[i].value, "n");
	return false;
}

static int add_needs(struct kbuild *b, struct error *err)
{
	for (size_t i = 0; i < b->req->needs.n; i++) {
		const char *need = b->req->needs.v[i], *symbol = strchr(need, ':') + 1;
		_cleanup_free_ char *origin = mem_printf("profile %.*s", (int)(symbol - need - 1), need);

		if (is_asked_for(&b->kconfig, symbol))
			continue;
		if (kconfig_add_symbol(&b->kconfig, symbol, "y", origin, true, err) < 0)
			return -1;
		b->is_custom = true;
	}
	return 0;
}

static int add_fragments(struct kbuild *b, const struct kernel_version *version, struct error *err)
{
	const struct kernel_build_request *req = b->req;
	_cleanup_free_ char *arch = mem_printf("arch-%s", b->arch->name);
	_cleanup_strv_ struct strv dirs = STRV_INIT;
	bool has_default = true;

	fragment_dirs(b, &dirs);
	b->kconfig.arch = b->arch->name;
	if (kconfig_add_fragment(&b->kconfig, &dirs, "base", version, err) < 0 ||
	    kconfig_add_fragment(&b->kconfig, &dirs, arch, version, err) < 0)
		return -1;
	for (size_t i = 0; i < req->flavours.n; i++)
		if (kconfig_is_without_default(&dirs, req->flavours.v[i]))
			has_default = false;
	if (has_default && kconfig_add_fragment(&b->kconfig, &dirs, "default", version, err) < 0)
		return -1;
	for (size_t i = 0; i < req->flavours.n; i++) {
		if (is_base_fragment(req->flavours.v[i]))
			return error_set(err, ERROR_USAGE, "'%s' is not a flavour", req->flavours.v[i]);
		if (kconfig_add_fragment(&b->kconfig, &dirs, req->flavours.v[i], version, err) < 0)
			return error_wrap(err, "flavour '%s'", req->flavours.v[i]);
	}
	for (size_t i = 0; i < req->configs.n; i++) {
		const char *name = req->configs.v[i];
		int rc = strchr(name, '/') || fs_exists(name)
			     ? kconfig_add_file(&b->kconfig, &dirs, name, version, err)
			     : kconfig_add_fragment(&b->kconfig, &dirs, name, version, err);

		if (rc < 0)
			return -1;
	}
	for (size_t i = 0; i < req->settings.n; i++) {
		const char *setting = req->settings.v[i], *eq = strchr(setting, '=');
		_cleanup_free_ char *symbol = mem_strndup(setting, eq ? (size_t)(eq - setting) : strlen(setting));
		const char *value = eq ? eq + 1 : "y";
		const char *origin = str_eq(value, "n") ? "--disable" : str_eq(value, "m") ? "--module" : "--enable";

		if (kconfig_add_symbol(&b->kconfig, symbol, value, origin, true, err) < 0)
			return -1;
	}
	b->is_custom = req->configs.n || req->settings.n;
	return add_needs(b, err);
}

/* Settings of the user's own have no name: a short hash of them stands for it. */
static char *custom_name(const struct kbuild *b)
{
	uint64_t h = HASH_INIT;

	if (!b->is_custom)
		return NULL;
	for (size_t i = 0; i < b->kconfig.n_requests; i++) {
		h = hash_str(h, b->kconfig.requests[i].symbol);
		h = hash_str(h, b->kconfig.requests[i].value);
	}
	return mem_printf("custom-%06llx", (unsigned long long)(h & 0xffffff));
}

static void name_it(struct kbuild *b)
{
	_cleanup_free_ char *custom = custom_name(b);
	_cleanup_str_ struct str flavour = STR_INIT;

	for (size_t i = 0; i < b->req->flavours.n; i++)
		str_addf(&flavour, "%s%s", i ? "+" : "", b->req->flavours.v[i]);
	if (custom)
		str_addf(&flavour, "%s%s", flavour.len ? "+" : "", custom);
	if (b->req->name) {
		b->id = mem_strdup(b->req->name);
		b->localversion = str_starts(b->id, b->source.version) ? mem_strdup(b->id + strlen(b->source.version))
								       : mem_printf("-%s", b->id);
	} else {
		b->localversion =
		    mem_printf("%s%s%s%s", b->source.suffix, str_eq(b->arch->name, arch_native()->name) ? "" : "-",
			       str_eq(b->arch->name, arch_native()->name) ? "" : b->arch->name, "");
		if (flavour.len) {
			_cleanup_free_ char *old = b->localversion;

			b->localversion = mem_printf("%s+%s", old, str_cstr(&flavour));
		}
		b->id = mem_printf("%s%s", b->source.version, b->localversion);
	}
	b->flavour = str_take(&flavour);
}

int kbuild_plan(struct kbuild *b, struct error *err)
{
	_cleanup_str_ struct str merged = STR_INIT;
	_cleanup_free_ char *quoted = NULL;
	struct kernel_version version;
	uint64_t h = HASH_INIT;

	if (kernel_version_parse(b->source.version, &version, err) < 0 || add_fragments(b, &version, err) < 0)
		return -1;
	name_it(b);
	for (const char *c = b->id; *c; c++)
		if (!strchr("+-._", *c) && !(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') &&
		    !(*c >= 'A' && *c <= 'Z'))
			return error_set(err, ERROR_USAGE,
					 "'%s' cannot be a kernel's name: letters, digits and +-._ only", b->id);
	if (!store_is_valid_id(b->id) || strlen(b->id) > 60)
		return error_set(err, ERROR_USAGE,
				 "'%s' cannot be a kernel's name: it does not begin with a letter or a digit, or is longer "
				 "than 60 bytes (a part of uname -r)",
				 b->id);
	quoted = mem_printf("\"%s\"", b->localversion);
	if (kconfig_add_symbol(&b->kconfig, "LOCALVERSION", quoted, "--name", true, err) < 0)
		return -1;
	kconfig_write(&b->kconfig, &merged);
	h = hash_str(h, b->source.key);
	h = hash_str(h, b->arch->name);
	h = hash_str(h, str_cstr(&merged));
	h = hash_str(h, b->req->use_llvm ? "llvm" : "gcc");
	h += BUILD_FORMAT;
	b->key = mem_printf("%016llx", (unsigned long long)h);
	return 0;
}

static int check(struct kbuild *b, struct error *err)
{
	_cleanup_kconfig_check_ struct kconfig_check c = { 0 };
	_cleanup_free_ char *path = fs_join(b->obj, ".config");
	_cleanup_str_ struct str text = STR_INIT, report = STR_INIT;

	if (fs_read(path, KCONFIG_MAX, &text, err) < 0 ||
	    kconfig_check(&b->kconfig, str_cstr(&text), b->source.dir, &c, err) < 0)
		return -1;
	b->n_total = (unsigned)(c.n_builtin + c.n_module);
	b->result->n_builtin = (unsigned)c.n_builtin;
	b->result->n_module = (unsigned)c.n_module;
	kconfig_check_report(&c, &b->kconfig, &report);
	b->result->report = str_take(&report);
	return kconfig_check_required(&c, err);
}

int kbuild_configure(struct kbuild *b, struct error *err)
{
	_cleanup_free_ char *wanted = fs_join(b->obj, "quiz.config");
	_cleanup_free_ char *config = fs_join(b->obj, ".config");
	_cleanup_free_ char *all = mem_printf("KCONFIG_ALLCONFIG=%s", wanted);
	const char *targets[] = { all, "allnoconfig", NULL };
	const char *settle[] = { "olddefconfig", NULL };
	_cleanup_str_ struct str text = STR_INIT;

	/* The build folder's name holds the hash of this text: what is there is right. */
	if (!fs_exists(config)) {
		kconfig_write(&b->kconfig, &text);
		if (fs_write_atomic(wanted, str_cstr(&text), text.len, 0644, false, err) < 0 ||
		    kbuild_make(b, "configuring", targets, err) < 0)
			return -1;
	} else if (kbuild_make(b, "configuring", settle, err) < 0) { /* a folder's Kconfig files may have changed */
		return -1;
	}
	return check(b, err);
}
