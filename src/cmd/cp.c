/* SPDX-License-Identifier: MPL-2.0 */
/* quiz cp ID:PATH HOSTPATH, quiz cp HOSTPATH ID:PATH: files of machines that are up. */

#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "run/copy.h"

#define USAGE "ID:PATH HOSTPATH | HOSTPATH ID:PATH"

static void say_note(const char *text)
{
	fprintf(stderr, "quiz: %s\n", text);
}

/* Where the path begins in ID:PATH; NULL: a path of the host (./a:b is one). */
static const char *guest_path_of(const char *word)
{
	const char *colon = strchr(word, ':');

	return colon && colon > word && !memchr(word, '/', (size_t)(colon - word)) ? colon + 1 : NULL;
}

static int copy(const struct paths *p, const char *from, const char *to, struct error *err)
{
	const char *from_guest = guest_path_of(from), *to_guest = guest_path_of(to);
	const char *remote = from_guest ? from : to, *path = from_guest ? from_guest : to_guest;
	_cleanup_free_ char *id = NULL;
	struct client *c;
	int r;

	if (!from_guest == !to_guest) {
		error_set(err, ERROR_USAGE, "quiz cp wants one path of a machine, as ID:PATH, and one of the host");
		return error_hint(err, "quiz cp " USAGE "   (. is the newest machine; ./a:b is a file of the host)");
	}
	if (!*path)
		return error_set(err, ERROR_USAGE, "'%s' has no path behind the colon", remote);
	if (*path != '/')
		return error_set(err, ERROR_USAGE, "'%s' is not an absolute path in the machine: write /%s", path, path);
	id = mem_strndup(remote, (size_t)(path - 1 - remote));
	if (client_open(p, id, "cp", &c, err) < 0)
		return -1;
	r = from_guest ? copy_from_guest(c, path, to, say_note, err) : copy_to_guest(c, from, path, say_note, err);
	client_free(c);
	return r < 0 ? error_wrap(err, "copy '%s' to '%s'", from, to) : 0;
}

static int cp_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;

	if (command_options(NULL, 0, "cp", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 2, 2, "cp", USAGE, err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	return copy(&ctx.paths, words.v[0], words.v[1], err);
}

const struct command cmd_cp = {
	.name = "cp",
	.group = GROUP_UP,
	.usage = USAGE,
	.summary = "Copy files and folders to or from a machine that is up",
	.help = "Folders are copied with all that is in them; holes, modes, times and links are kept.\n"
		"An existing folder as destination gets the source under its last name, as with cp(1).\n"
		"Out of a machine come no owners, set-id bits, fifos and device nodes.",
	.main = cp_main,
};
