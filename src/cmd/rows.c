/* SPDX-License-Identifier: MPL-2.0 */
/* Helpers print their own rows when started with --rows. */

#include "cmd/rows.h"

#include "cmd/commands.h"
#include "sys/fs.h"
#include "sys/proc.h"

int rows_collect(struct str *out, struct error *err)
{
	_cleanup_strv_ struct strv programs = STRV_INIT;
	struct paths paths = { 0 };
	int rc = 0;

	command_rows(quiz_commands, out);
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
