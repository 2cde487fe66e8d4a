/* SPDX-License-Identifier: MPL-2.0 */
/* host-setup and host-collect. */

#include "run/host_hooks.h"

#include <string.h>
#include <unistd.h>

#include "sys/proc.h"

static int run_hook(const struct run_facts *f, const struct profile_hook *h, struct str *ret_out, struct error *err)
{
	const char *argv[] = { h->path, NULL };
	struct proc_spec spec = { .argv = argv, .cwd = f->record_dir };
	_cleanup_strv_ struct strv env = STRV_INIT;

	strv_add_all(&env, environ);
	strv_add_all(&env, h->env.v);
	strv_addf(&env, "QUIZ_RUN_DIR=%s", f->record_dir);
	strv_addf(&env, "QUIZ_KERNEL=%s", f->kernel.id);
	spec.env = (const char *const *)env.v;
	if (proc_run_spec(&spec, ret_out, err) < 0)
		return error_wrap(err, "profile '%s': %s", h->profile, profile_phase_name(h->phase));
	return 0;
}

int host_hooks_setup(struct run_facts *f, struct error *err)
{
	for (size_t i = 0; i < f->profiles.n_hooks; i++) {
		const struct profile_hook *h = &f->profiles.hooks[i];
		_cleanup_str_ struct str out = STR_INIT;

		if (h->phase == PROFILE_HOST_SETUP &&
		    (run_hook(f, h, &out, err) < 0 ||
		     profile_apply_directives(&f->profiles, h->profile, str_cstr(&out), out.len, err) < 0))
			return -1;
	}
	return 0;
}

void host_hooks_collect(const struct run_facts *f, struct str *notes)
{
	for (size_t i = 0; i < f->profiles.n_hooks; i++) {
		const struct profile_hook *h = &f->profiles.hooks[i];
		_cleanup_str_ struct str out = STR_INIT;
		struct error err = ERROR_INIT;

		if (h->phase == PROFILE_HOST_COLLECT && run_hook(f, h, &out, &err) < 0)
			str_addf(notes, "%.*s\n", (int)strcspn(err.text, "\n"), err.text);
	}
}
