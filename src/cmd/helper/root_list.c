/* SPDX-License-Identifier: MPL-2.0 */
/* quiz root list, show, rm. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd/helper/helper.h"
#include "cmd/helper/root.h"
#include "image/root.h"

struct loaded {
	struct context ctx;
	struct root_list list;
};

static void loaded_clear(struct loaded *l)
{
	root_list_clear(&l->list);
	context_clear(&l->ctx);
}

static int load(struct loaded *l, struct error *err)
{
	_cleanup_strv_ struct strv damaged = STRV_INIT;

	if (context_load(&l->ctx, err) < 0 || root_list(&l->ctx.paths, &l->list, &damaged, err) < 0)
		return -1;
	helper_tell_damaged(&root_store, &damaged);
	return 0;
}

/* What a run without -r takes, on this root's architecture. */
static bool is_default(const struct loaded *l, const struct root *r)
{
	const char *configured = l->ctx.defaults.root;
	const struct root *d = configured ? root_select(&l->list, r->arch, configured, NULL, NULL) : NULL;

	return (d ? d : root_select(&l->list, r->arch, NULL, NULL, NULL)) == r;
}

/* Facts as JSON; programs rely on the names. */
static json_t *to_json(const struct root *r, bool is_the_default, bool with_packages)
{
	_cleanup_free_ char *path = root_image_path(r);
	json_t *packages = json_array();
	json_t *o = json_pack("{s:s s:s s:s s:s s:s s:s s:s s:s s:I s:I s:b s:I}", "id", r->id, "arch", r->arch, "suite",
			      r->suite, "set", r->set, "origin", r->origin_text, "image", path, "fstype", r->fstype, "key",
			      r->key, "created", (json_int_t)r->created, "bytes", (json_int_t)r->bytes, "default",
			      is_the_default, "n_packages", (json_int_t)r->packages.n);

	for (size_t i = 0; with_packages && i < r->packages.n; i++) {
		const char *line = r->packages.v[i];
		size_t n = strcspn(line, " ");

		json_array_append_new(packages, json_pack("{s:s% s:s}", "name", line, n, "version", line[n] ? line + n + 1 : ""));
	}
	if (with_packages)
		json_object_set(o, "packages", packages);
	json_decref(packages);
	return o;
}

static void print_table(const struct loaded *l)
{
	size_t id_width = 2;
	uint64_t sum = 0;
	char size[32], age[32];

	for (size_t i = 0; i < l->list.n; i++)
		id_width = strlen(l->list.v[i].id) > id_width ? strlen(l->list.v[i].id) : id_width;
	printf("  %-*s  %-8s %-9s %-8s %-8s %8s %9s  %7s\n", (int)id_width, "ID", "ARCH", "SUITE", "SET", "FORMAT", "PACKAGES",
	       "SIZE", "AGE");
	for (size_t i = 0; i < l->list.n; i++) {
		const struct root *r = &l->list.v[i];

		printf("%c %-*s  %-8s %-9s %-8s %-8s %8zu %9s  %7s\n", is_default(l, r) ? '*' : ' ', (int)id_width, r->id, r->arch,
		       *r->suite ? r->suite : "-", *r->set ? r->set : "-", r->fstype, r->packages.n,
		       format_size(r->bytes, size, sizeof(size)), helper_age(r->created, age, sizeof(age)));
		sum += r->bytes;
	}
	printf("%zu root%s, %s\n", l->list.n, l->list.n == 1 ? "" : "s", format_size(sum, size, sizeof(size)));
}

int root_list_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct loaded l = { 0 };
	int r = -1;

	if (command_json_options("root list", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "root list", "[--json]", err) < 0 || load(&l, err) < 0)
		goto out;
	r = 0;
	if (as_json) {
		json_t *all = json_array();

		for (size_t i = 0; i < l.list.n; i++)
			json_array_append_new(all, to_json(&l.list.v[i], is_default(&l, &l.list.v[i]), false));
		command_print_json(all);
	} else if (!l.list.n) {
		fprintf(stderr, "quiz: there is no root yet\nhint: quiz setup\n");
	} else {
		print_table(&l);
	}
out:
	loaded_clear(&l);
	return r;
}

static void show(const struct root *r)
{
	_cleanup_free_ char *path = root_image_path(r);
	char size[32], age[32];

	printf("id        %s\narch      %s\nsuite     %s\nset       %s\norigin    %s\nimage     %s\nformat    %s\n", r->id, r->arch,
	       *r->suite ? r->suite : "-", *r->set ? r->set : "-", r->origin_text, path, r->fstype);
	printf("size      %s\nage       %s\nkey       %s\npackages  %zu\n", format_size(r->bytes, size, sizeof(size)),
	       helper_age(r->created, age, sizeof(age)), r->key,
	       r->packages.n);
	for (size_t i = 0; i < r->packages.n; i++)
		printf("  %s\n", r->packages.v[i]);
}

int root_show_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct loaded l = { 0 };
	const struct root *root;
	int r = -1;

	if (command_json_options("root show", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "root show", "[--json] [ROOT]", err) < 0 || load(&l, err) < 0)
		goto out;
	root = root_select(&l.list, NULL, words.n ? words.v[0] : l.ctx.defaults.root, NULL, err);
	if (!root)
		goto out;
	if (as_json)
		command_print_json(to_json(root, is_default(&l, root), true));
	else
		show(root);
	r = 0;
out:
	loaded_clear(&l);
	return r;
}

int root_rm_main(int argc, char **argv, struct error *err)
{
	return helper_store_rm(&root_store, argc, argv, err);
}
