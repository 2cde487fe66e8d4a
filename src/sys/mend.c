/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The object of a failure is in its text, in quotes: of those that are a path
 * to or from one of quiz's own folders the variable that moves the folder is
 * what mends it, or the owner and mode that it should have. Anybody else's file
 * is not ours to give advice for.
 */

#include "sys/mend.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fs.h"
#include "sys/paths.h"

#define N_PLACES 5

struct place {
	const char *path, *variable;
};

static void list_places(const struct paths *p, struct place ret[N_PLACES])
{
	ret[0] = (struct place){ p->data, "XDG_DATA_HOME" };
	ret[1] = (struct place){ p->cache, "XDG_CACHE_HOME" };
	ret[2] = (struct place){ p->state, "XDG_STATE_HOME" };
	ret[3] = (struct place){ p->config, "XDG_CONFIG_HOME" };
	ret[4] = (struct place){ p->runtime, "XDG_RUNTIME_DIR" };
}

/* Is it a file of that place, or a folder that had to be made for the place? */
static bool concerns(const char *path, const struct place *place)
{
	return fs_lies_in(path, place->path) || (fs_lies_in(place->path, path) && !fs_exists(place->path));
}

/* The next 'quoted' absolute path; caller frees. NULL: there is none. */
static char *next_path(const char **text)
{
	for (const char *p = *text; (p = strchr(p, '\'')); p++) {
		const char *end = p[1] == '/' ? strchr(p + 1, '\'') : NULL;

		if (!end)
			continue;
		*text = end + 1;
		return mem_strndup(p + 1, (size_t)(end - p - 1));
	}
	return NULL;
}

/*
 * What of a place is there and not ours to use: after a run by sudo(8) it is
 * root's, or its mode is not what it was. False: it is neither.
 */
static bool hint_rights(const char *path, const struct place *place, struct error *err)
{
	_cleanup_free_ char *at = mem_strdup(path);
	_cleanup_str_ struct str quoted = STR_INIT;
	struct stat st;

	while (lstat(at, &st) < 0 && strrchr(at, '/') > at)
		*strrchr(at, '/') = '\0';
	if (!fs_lies_in(at, place->path))
		return false;
	str_add_shell(&quoted, place->path);
	if (st.st_uid != geteuid())
		error_hint(err, "sudo chown -R %u %s", (unsigned)geteuid(), quoted.p);
	else
		error_hint(err, "chmod -R u+rwX %s", quoted.p);
	return true;
}

static void hint_places(const struct paths *p, bool is_full, bool is_denied, struct error *err)
{
	_cleanup_str_ struct str list = STR_INIT;
	struct place places[N_PLACES];
	const char *text = err->text;
	unsigned n = 0;

	list_places(p, places);
	for (char *path; (path = next_path(&text)); free(path))
		for (size_t i = 0; i < N_PLACES; i++) {
			if (!concerns(path, &places[i]) || (list.p && strstr(list.p, places[i].variable)))
				continue;
			if (is_denied && hint_rights(path, &places[i], err)) {
				free(path);
				return;
			}
			str_addf(&list, " %s=DIR", places[i].variable);
			n++;
		}
	if (!n && is_full && strstr(err->text, "/.quiz/")) /* a workspace's */
		error_hint(err, "quiz clean");
	if (!n)
		return;
	error_hint(err, "%sexport%s, %s that %s", is_full ? "quiz clean, or " : "", list.p, n > 1 ? "folders" : "a folder",
		   is_full ? "has room" : "can be written");
}

void mend_hint(struct error *err)
{
	struct paths p = { 0 };

	if (err->kind != ERROR_SYSTEM || *err->hint || str_starts(err->text, "cannot remove")) /* elsewhere there is nothing to remove */
		return;
	switch (err->errnum) {
	case EMFILE:
		error_hint(err, "ulimit -n 1024");
		return;
	case ENFILE:
		error_hint(err, "sysctl fs.file-nr shows how many files the whole host has open, and may have");
		return;
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EACCES:
	case EPERM:
		break;
	default:
		return;
	}
	if (paths_init(&p, NULL) == 0)
		hint_places(&p, err->errnum == ENOSPC || err->errnum == EDQUOT, err->errnum == EACCES || err->errnum == EPERM, err);
	paths_clear(&p);
}
