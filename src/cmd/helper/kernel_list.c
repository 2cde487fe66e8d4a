/* SPDX-License-Identifier: MPL-2.0 */
/* quiz kernel list, show, rm. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/helper/helper.h"
#include "cmd/helper/kernel.h"
#include "image/kernel.h"

struct list_options {
	bool json;
};

const struct option_row kernel_list_rows[KERNEL_LIST_ROWS] = {
	{ "json", 0, OPTION_FLAG, 0, offsetof(struct list_options, json), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "print JSON" },
};

/* ---- facts as JSON: stable names, see quiz-kernel(1) ---- */

static json_t *to_json(const struct kernel *k, bool is_default)
{
	json_t *features = json_object(), *modules = json_array(), *o;

#define X(field, symbol, module) json_object_set_new(features, #field, json_string(tristate_name(k->field)));
	KERNEL_FEATURES(X)
#undef X
	for (size_t i = 0; i < k->initrd_modules.n; i++)
		json_array_append_new(modules, json_string(k->initrd_modules.v[i]));
	o = json_pack("{s:s s:s s:s s:s s:s s:s s:s s:s s:s s:s s:s s:I s:I s:b s:b s:b s:b}", "id", k->id, "release",
		      k->release, "version", k->version, "flavour", k->flavour, "origin", k->origin, "origin_text",
		      k->origin_text, "arch", k->arch, "entry", k->entry == KERNEL_PVH ? "pvh" : "image", "key", k->key,
		      "dir", k->dir, "boot_file", k->boot_file, "created", (json_int_t)k->created, "bytes",
		      (json_int_t)k->bytes, "default", is_default, "has_modules", k->has_modules, "has_build",
		      k->has_build, "has_debug", k->has_debug);
	json_object_set_new(o, "features", features);
	json_object_set_new(o, "initrd_modules", modules);
	return o;
}

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

/* ---- list ---- */

static void age_text(uint64_t created, char *buf, size_t n)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	uint64_t now = (uint64_t)time(NULL), age = now > created ? now - created : 0;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (age >= units[i].seconds || i + 1 == ARRAY_SIZE(units)) {
			snprintf(buf, n, "%llu %s", (unsigned long long)(age / units[i].seconds), units[i].unit);
			return;
		}
}

static void print_table(const struct kernel_list *list, const struct kernel *const *defaults, size_t n_defaults)
{
	size_t id_width = 2, version_width = 7, flavour_width = 7;

	for (size_t i = 0; i < list->n; i++) {
		const struct kernel *k = &list->v[i];

		id_width = strlen(k->id) > id_width ? strlen(k->id) : id_width;
		version_width = strlen(k->version) > version_width ? strlen(k->version) : version_width;
		flavour_width = strlen(k->flavour) > flavour_width ? strlen(k->flavour) : flavour_width;
	}
	printf("  %-*s  %-8s %-*s  %-*s  %-7s %9s  %7s\n", (int)id_width, "ID", "ARCH", (int)version_width, "VERSION",
	       (int)flavour_width, "FLAVOUR", "ORIGIN", "SIZE", "AGE");
	for (size_t i = 0; i < list->n; i++) {
		const struct kernel *k = &list->v[i];
		char size[32], age[32];
		bool is_default = false;

		for (size_t j = 0; j < n_defaults; j++)
			is_default |= defaults[j] == k;
		age_text(k->created, age, sizeof(age));
		printf("%c %-*s  %-8s %-*s  %-*s  %-7s %9s  %7s\n", is_default ? '*' : ' ', (int)id_width, k->id, k->arch,
		       (int)version_width, k->version, (int)flavour_width, *k->flavour ? k->flavour : "-", k->origin,
		       format_size(k->bytes, size, sizeof(size)), age);
	}
}

struct loaded {
	struct context ctx;
	struct kernel_list list;
	const struct kernel **defaults; /* owned array; one per architecture at most */
	size_t n_defaults;
};

static void loaded_clear(struct loaded *l)
{
	free(l->defaults);
	kernel_list_clear(&l->list);
	context_clear(&l->ctx);
}

static bool is_default(const struct loaded *l, const struct kernel *k)
{
	for (size_t i = 0; i < l->n_defaults; i++)
		if (l->defaults[i] == k)
			return true;
	return false;
}

/* The config's kernel is the default of its architecture; the others have the first in rank. */
static int load(struct loaded *l, struct error *err)
{
	_cleanup_strv_ struct strv broken = STRV_INIT, seen = STRV_INIT;
	const char *configured;

	if (context_load(&l->ctx, err) < 0 || kernel_list(&l->ctx.paths, &l->list, &broken, err) < 0)
		return -1;
	for (size_t i = 0; i < broken.n; i++)
		fprintf(stderr, "quiz: kernel '%s' is damaged\nhint: quiz kernel rm %s\n", broken.v[i], broken.v[i]);
	configured = l->ctx.defaults.kernel;
	if (configured) {
		const struct kernel *k = kernel_select(&l->list, NULL, configured, NULL);

		if (k) {
			*VEC_PUSH(l->defaults, l->n_defaults) = k;
			strv_add(&seen, k->arch);
		}
	}
	for (size_t i = 0; i < l->list.n; i++) {
		const char *arch = l->list.v[i].arch;

		if (strv_has(&seen, arch))
			continue;
		strv_add(&seen, arch);
		*VEC_PUSH(l->defaults, l->n_defaults) = kernel_select(&l->list, arch, NULL, NULL);
	}
	return 0;
}

int kernel_list_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct list_options o = { 0 };
	struct loaded l = { 0 };
	int r = -1;

	if (command_options(kernel_list_rows, KERNEL_LIST_ROWS, "kernel list", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "kernel list", "[--json]", err) < 0)
		return -1;
	if (load(&l, err) < 0)
		goto out;
	r = 0;
	if (o.json) {
		json_t *array = json_array();

		for (size_t i = 0; i < l.list.n; i++)
			json_array_append_new(array, to_json(&l.list.v[i], is_default(&l, &l.list.v[i])));
		print_json(array);
	} else if (l.list.n) {
		print_table(&l.list, l.defaults, l.n_defaults);
	} else {
		fprintf(stderr, "quiz: there is no kernel yet\nhint: quiz setup, or quiz kernel fetch debian\n");
	}
out:
	loaded_clear(&l);
	return r;
}

/* ---- show ---- */

static void print_kernel(const struct kernel *k, bool is_the_default)
{
	char size[32], age[32];

	age_text(k->created, age, sizeof(age));
	printf("id          %s%s\n", k->id, is_the_default ? "  (default)" : "");
	printf("release     %s\nversion     %s\nflavour     %s\n", k->release, k->version, *k->flavour ? k->flavour : "-");
	printf("arch        %s\norigin      %s: %s\n", k->arch, k->origin, k->origin_text);
	printf("size        %s\nage         %s\n", format_size(k->bytes, size, sizeof(size)), age);
	printf("folder      %s\nboots       %s (%s)\n", k->dir, k->boot_file,
	       k->entry == KERNEL_PVH ? "PVH entry, uncompressed" : "as the architecture does");
	printf("modules     %s\nbuild       %s\ndebug       %s\n", k->has_modules ? "yes" : "no",
	       k->has_build ? "yes: make -C <folder>/build M=..." : "no", k->has_debug ? "yes" : "no");
	printf("features   ");
#define X(field, symbol, module)                                                                                       \
	if (k->field != TRI_NO)                                                                                        \
		printf(" %s%s", #field, k->field == TRI_MODULE ? "(m)" : "");
	KERNEL_FEATURES(X)
#undef X
	printf("\ninitramfs  ");
	for (size_t i = 0; i < k->initrd_modules.n; i++) {
		const char *slash = strrchr(k->initrd_modules.v[i], '/');

		printf(" %s", slash ? slash + 1 : k->initrd_modules.v[i]);
	}
	printf("%s\n", k->initrd_modules.n ? "" : " nothing needed");
}

int kernel_show_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct list_options o = { 0 };
	struct loaded l = { 0 };
	const struct kernel *k;
	int r = -1;

	if (command_options(kernel_list_rows, KERNEL_LIST_ROWS, "kernel show", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "kernel show", "[--json] [KERNEL]", err) < 0)
		return -1;
	if (load(&l, err) < 0)
		goto out;
	k = kernel_select(&l.list, NULL, words.n ? words.v[0] : l.ctx.defaults.kernel, err);
	if (!k)
		goto out;
	if (o.json)
		print_json(to_json(k, is_default(&l, k)));
	else
		print_kernel(k, is_default(&l, k));
	r = 0;
out:
	loaded_clear(&l);
	return r;
}

/* ---- rm ---- */

/* Exact ids only: a version that means another kernel tomorrow is no way to say what to remove. */
static int remove_one(const struct loaded *l, const char *id, struct error *err)
{
	uint64_t bytes = 0;
	char size[32];

	for (size_t i = 0; i < l->list.n; i++) {
		if (!str_eq(l->list.v[i].id, id))
			continue;
		if (kernel_remove(&l->list.v[i], &bytes, err) < 0)
			return -1;
		printf("kernel %s removed: %s free\n", id, format_size(bytes, size, sizeof(size)));
		return 0;
	}
	if (kernel_remove_broken(&l->ctx.paths, id, &bytes, err) < 0)
		return -1;
	printf("what was left of kernel %s removed: %s free\n", id, format_size(bytes, size, sizeof(size)));
	return 0;
}

int kernel_rm_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct loaded l = { 0 };
	int r = -1;

	if (command_options(NULL, 0, "kernel rm", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 1000, "kernel rm", "KERNEL...", err) < 0)
		return -1;
	if (load(&l, err) < 0)
		goto out;
	r = 0;
	for (size_t i = 0; i < words.n && r == 0; i++)
		r = remove_one(&l, words.v[i], err);
out:
	loaded_clear(&l);
	return r;
}
