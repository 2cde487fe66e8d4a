/* SPDX-License-Identifier: MPL-2.0 */
/* quiz disk: the disks that outlive their machines (persist=NAME). */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/commands.h"
#include "image/disk.h"

static void print_json(const struct disk_set_list *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct disk_set *s = &list->v[i];

		json_array_append_new(all, json_pack("{s:s s:I s:I s:I s:I s:s?}", "name", s->name, "disks", (json_int_t)s->n_disks,
						     "capacity", (json_int_t)s->capacity, "bytes", (json_int_t)s->bytes, "used",
						     (json_int_t)s->used, "holder", s->holder));
	}
	command_print_json(all);
}

static void print_table(const struct disk_set_list *list)
{
	size_t width = 4;

	for (size_t i = 0; i < list->n; i++)
		width = strlen(list->v[i].name) > width ? strlen(list->v[i].name) : width;
	printf("%-*s  %5s  %9s  %9s  %-16s  %s\n", (int)width, "NAME", "DISKS", "CAPACITY", "SPACE", "LAST CHANGE", "HELD BY");
	for (size_t i = 0; i < list->n; i++) {
		const struct disk_set *s = &list->v[i];
		time_t used = (time_t)s->used;
		char capacity[32], space[32], when[32] = "-";
		struct tm tm;

		if (used && localtime_r(&used, &tm))
			strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
		printf("%-*s  %5zu  %9s  %9s  %-16s  %s\n", (int)width, s->name, s->n_disks,
		       format_size(s->capacity, capacity, sizeof(capacity)), format_size(s->bytes, space, sizeof(space)), when,
		       s->holder ? s->holder : "-");
	}
}

static int list_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct disk_set_list list = { 0 };
	bool as_json = false;
	struct paths paths = { 0 };
	int r = -1;

	if (command_json_options("disk list", argc, argv, &as_json, &words, err) == 0 &&
	    command_want_words(&words, 0, 0, "disk list", "[--json]", err) == 0 && paths_init(&paths, err) == 0)
		r = disk_set_list(&paths, &list, err);
	if (r == 0 && as_json)
		print_json(&list);
	else if (r == 0 && list.n)
		print_table(&list);
	disk_set_list_clear(&list);
	paths_clear(&paths);
	return r;
}

static int rm_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct paths paths = { 0 };
	int r = -1;

	if (command_options(NULL, 0, "disk rm", argc, argv, NULL, &words, err) == 0 &&
	    command_want_words(&words, 1, 1000, "disk rm", "NAME...", err) == 0)
		r = paths_init(&paths, err);
	for (size_t i = 0; r == 0 && i < words.n; i++) {
		uint64_t bytes = 0;
		char size[32];

		r = disk_set_remove(&paths, words.v[i], &bytes, err);
		if (r == 0)
			printf("disks %s removed, %s\n", words.v[i], format_size(bytes, size, sizeof(size)));
	}
	paths_clear(&paths);
	return r;
}

static const struct subcommand subs[] = {
	{ "list", "[--json]", "List the disk sets, their space and who holds them", command_json_rows, ARRAY_SIZE(command_json_rows),
	  list_main },
	{ "rm", "NAME...", "Remove disk sets that no machine holds", NULL, 0, rm_main },
};

const struct command cmd_disk = {
	.name = "disk",
	.group = GROUP_MAKE,
	.summary = "List and remove disks that outlive their machines",
	.help = "Disks are kept by profiles with persist=NAME (blockdev, pool). One machine at a time may\n"
		"hold a set; what it holds can not be removed.\n",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
