/* SPDX-License-Identifier: MPL-2.0 */
/* XDG base directories and our own installation. */

#include "sys/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

static char *xdg(const char *variable, const char *home, const char *fallback)
{
	const char *v = getenv(variable);

	return v && *v == '/' ? mem_printf("%s/quiz", v) : mem_printf("%s/%s/quiz", home, fallback);
}

int paths_init(struct paths *p, struct error *err)
{
	const char *home = getenv("HOME");
	const char *run = getenv("XDG_RUNTIME_DIR");
	const char *tree = getenv("QUIZ_TREE"); /* set by the `quiz` wrapper of a build tree */

	if (!home || *home != '/') {
		struct passwd *pw = getpwuid(getuid());

		if (!pw || !pw->pw_dir || *pw->pw_dir != '/')
			return error_set(err, ERROR_MISSING, "cannot find your home folder: HOME is not set");
		home = pw->pw_dir;
	}
	p->home = mem_strdup(home);
	p->config = xdg("XDG_CONFIG_HOME", home, ".config");
	p->data = xdg("XDG_DATA_HOME", home, ".local/share");
	p->cache = xdg("XDG_CACHE_HOME", home, ".cache");
	p->state = xdg("XDG_STATE_HOME", home, ".local/state");
	p->runtime = run && *run == '/' ? mem_printf("%s/quiz", run) : mem_printf("/tmp/quiz-%u", (unsigned)getuid());
	if (tree && *tree == '/') {
		p->libexec = mem_printf("%s/libexec", tree);
		p->share = mem_printf("%s/share", tree);
		p->sysconf = mem_printf("%s/etc", tree);
	} else {
		p->libexec = mem_strdup(QUIZ_LIBEXEC);
		p->share = mem_strdup(QUIZ_SHARE);
		p->sysconf = mem_strdup(QUIZ_SYSCONF);
	}
	return 0;
}

void paths_clear(struct paths *p)
{
	free(p->home);
	free(p->config);
	free(p->data);
	free(p->cache);
	free(p->state);
	free(p->runtime);
	free(p->libexec);
	free(p->share);
	free(p->sysconf);
	*p = (struct paths){ 0 };
}

int paths_runtime(const struct paths *p, struct error *err)
{
	bool is_named = getenv("XDG_RUNTIME_DIR"); /* by the environment of another user, with su(1) and sudo(8) */
	struct stat st;

	if (mkdir(p->runtime, 0700) < 0 && errno != EEXIST) {
		error_sys(err, errno, "make the runtime folder '%s'", p->runtime);
		return is_named ? error_hint(err, "unset XDG_RUNTIME_DIR, or set it to a folder of yours with mode 0700") : -1;
	}
	if (lstat(p->runtime, &st) < 0)
		return error_sys(err, errno, "look at the runtime folder '%s'", p->runtime);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		error_set(err, ERROR_MISSING, "cannot use the runtime folder '%s': it is not a folder of yours with mode 0700",
			  p->runtime);
		if (S_ISDIR(st.st_mode) && st.st_uid == geteuid())
			return error_hint(err, "chmod 700 %s", p->runtime);
		return error_hint(err, is_named ? "unset XDG_RUNTIME_DIR, or set it to a folder of yours with mode 0700"
						: "set XDG_RUNTIME_DIR to a folder of yours with mode 0700");
	}
	return 0;
}
