/* SPDX-License-Identifier: MPL-2.0 */
/* Helpers print their own rows when started with --rows. */

#include "cmd/rows.h"

#include "cmd/commands.h"
#include "spec/profile.h"
#include "spec/status.h"
#include "sys/fs.h"
#include "sys/proc.h"

/* Kinds "status" and "key": what the manual pages have besides commands. */
static void add_tables(struct str *out)
{
	size_t n;
	const struct status_row *status = status_table(&n);
	const struct option_row *keys;
	const char *section;

	for (size_t i = 0; i < n; i++)
		str_addf(out, "status\t\t%d\t%s\t\t\t%s\t\t\n", status[i].number, status[i].word, status[i].meaning);
	for (size_t i = 0; (keys = profile_section_keys(i, &section, &n)); i++)
		command_option_table(out, "key", section, keys, n);
}

int rows_collect(struct str *out, struct error *err)
{
	_cleanup_strv_ struct strv programs = STRV_INIT;
	struct paths paths = { 0 };
	int rc = 0;

	command_rows(quiz_commands, out);
	add_tables(out);
	for (const struct command *const *c = quiz_commands; *c; c++)
		if ((*c)->program && !(*c)->is_hidden && !strv_has(&programs, (*c)->program))
			strv_add(&programs, (*c)->program);
	if (paths_init(&paths, err) < 0)
		return -1;
	for (size_t i = 0; i < programs.n && rc == 0; i++) {
		_cleanup_free_ char *file = fs_join(paths.libexec, programs.v[i]);
		_cleanup_str_ struct str rows = STR_INIT;
		const char *argv[] = { file, "--rows", NULL };

		rc = proc_run(argv, &rows, err);
		str_add(out, str_cstr(&rows));
	}
	paths_clear(&paths);
	return rc;
}
