/* SPDX-License-Identifier: MPL-2.0 */
/* quiz kernel list, show, rm. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd/helper/helper.h"
#include "cmd/helper/kernel.h"
#include "image/kernel.h"

/* Facts as JSON; programs rely on the names, see quiz-kernel(1). */
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

/* ---- list ---- */

struct loaded {
	struct context ctx;
	struct kernel_list list;
};

static void loaded_clear(struct loaded *l)
{
	kernel_list_clear(&l->list);
	context_clear(&l->ctx);
}

static int load(struct loaded *l, struct error *err)
{
	_cleanup_strv_ struct strv damaged = STRV_INIT;

	if (context_load(&l->ctx, err) < 0 || kernel_list(&l->ctx.paths, &l->list, &damaged, err) < 0)
		return -1;
	helper_tell_damaged(&kernel_store, &damaged);
	return 0;
}

/* What a run without -k takes, on this kernel's architecture. */
static bool is_default(const struct loaded *l, const struct kernel *k)
{
	const char *configured = l->ctx.defaults.kernel;
	const struct kernel *d = configured ? kernel_select(&l->list, k->arch, configured, NULL) : NULL;

	return (d ? d : kernel_select(&l->list, k->arch, NULL, NULL)) == k;
}

static void print_table(const struct loaded *l)
{
	const struct kernel_list *list = &l->list;
	size_t id_width = 2, arch_width = 7, version_width = 7, flavour_width = 7;

	for (size_t i = 0; i < list->n; i++) {
		const struct kernel *k = &list->v[i];

		id_width = strlen(k->id) > id_width ? strlen(k->id) : id_width;
		arch_width = strlen(k->arch) > arch_width ? strlen(k->arch) : arch_width;
		version_width = strlen(k->version) > version_width ? strlen(k->version) : version_width;
		flavour_width = strlen(k->flavour) > flavour_width ? strlen(k->flavour) : flavour_width;
	}
	printf("  %-*s  %-*s  %-*s  %-*s  %-7s %9s  %7s\n", (int)id_width, "ID", (int)arch_width, "ARCH", (int)version_width, "VERSION",
	       (int)flavour_width, "FLAVOUR", "ORIGIN", "SIZE", "AGE");
	for (size_t i = 0; i < list->n; i++) {
		const struct kernel *k = &list->v[i];
		char size[32], age[32];

		printf("%c %-*s  %-*s  %-*s  %-*s  %-7s %9s  %7s\n", is_default(l, k) ? '*' : ' ', (int)id_width, k->id, (int)arch_width,
		       k->arch, (int)version_width, k->version, (int)flavour_width, *k->flavour ? k->flavour : "-", k->origin,
		       format_size(k->bytes, size, sizeof(size)), helper_age(k->created, age, sizeof(age)));
	}
}

int kernel_list_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct loaded l = { 0 };
	int r = -1;

	if (command_json_options("kernel list", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "kernel list", "[--json]", err) < 0)
		return -1;
	if (load(&l, err) < 0)
		goto out;
	r = 0;
	if (as_json) {
		json_t *array = json_array();

		for (size_t i = 0; i < l.list.n; i++)
			json_array_append_new(array, to_json(&l.list.v[i], is_default(&l, &l.list.v[i])));
		command_print_json(array);
	} else if (l.list.n) {
		print_table(&l);
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

	printf("id          %s%s\n", k->id, is_the_default ? "  (default)" : "");
	printf("release     %s\nversion     %s\nflavour     %s\n", k->release, k->version, *k->flavour ? k->flavour : "-");
	printf("arch        %s\norigin      %s: %s\n", k->arch, k->origin, k->origin_text);
	printf("size        %s\nage         %s\n", format_size(k->bytes, size, sizeof(size)), helper_age(k->created, age, sizeof(age)));
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
	bool as_json = false;
	struct loaded l = { 0 };
	const struct kernel *k;
	int r = -1;

	if (command_json_options("kernel show", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "kernel show", "[--json] [KERNEL]", err) < 0)
		return -1;
	if (load(&l, err) < 0)
		goto out;
	k = kernel_select(&l.list, NULL, words.n ? words.v[0] : l.ctx.defaults.kernel, err);
	if (!k)
		goto out;
	if (as_json)
		command_print_json(to_json(k, is_default(&l, k)));
	else
		print_kernel(k, is_default(&l, k));
	r = 0;
out:
	loaded_clear(&l);
	return r;
}

int kernel_rm_main(int argc, char **argv, struct error *err)
{
	return helper_store_rm(&kernel_store, argc, argv, err);
}
