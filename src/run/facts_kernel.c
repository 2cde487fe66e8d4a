/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Has the kernel what the run needs? Asked before anything is packed or
 * started, so that the answer is a symbol and the command that makes a kernel
 * with it, and not an error of the guest's. A kernel without a configuration
 * in the store is believed.
 */

#include <string.h>

#include "base/cleanup.h"
#include "image/kernel.h"
#include "run/facts.h"
#include "spec/arch.h"
#include "sys/fs.h"

#define KERNEL_CONFIG_MAX (4u << 20)

/* Is CONFIG_<symbol> y or m in the text of a .config? */
static bool config_has(const char *config, const char *symbol)
{
	size_t n = strlen(symbol);

	for (const char *p = config; (p = strstr(p, "CONFIG_")); p += 7)
		if ((p == config || p[-1] == '\n') && !strncmp(p + 7, symbol, n) && p[7 + n] == '=' &&
		    (p[8 + n] == 'y' || p[8 + n] == 'm'))
			return true;
	return false;
}

int facts_kernel_lacks(const struct run_facts *f, const char *who, const char *symbol, struct error *err)
{
	_cleanup_str_ struct str hint = STR_INIT;

	kernel_build_again(&f->kernel, &hint);
	for (size_t i = 0; i < f->profiles.prints.n; i++) {
		str_add(&hint, i ? "," : " -p ");
		str_add_shell(&hint, f->profiles.prints.v[i]);
	}
	str_add(&hint, ", and -k its id   (or, with all modules: quiz kernel fetch debian");
	if (f->arch != arch_native())
		str_addf(&hint, " -a %s", f->arch->name);
	str_add(&hint, ")");
	error_set(err, ERROR_MISSING, "%s needs CONFIG_%s, which kernel '%s' does not have", who, symbol, f->kernel.id);
	return error_hint(err, "%s", str_cstr(&hint));
}

static int profile_lacks(const struct run_facts *f, const char *profile, const char *symbol, struct error *err)
{
	_cleanup_free_ char *who = *profile == '-' ? mem_strdup(profile) /* an option */ : mem_printf("profile '%s'", profile);

	return facts_kernel_lacks(f, who, symbol, err);
}

int facts_check_kernel(const struct run_facts *f, struct error *err)
{
	_cleanup_free_ char *path = fs_join(f->kernel.dir, "config");
	_cleanup_str_ struct str config = STR_INIT;

	if (f->profiles.n_nets && f->kernel.virtio_net == TRI_NO)
		return profile_lacks(f, f->profiles.nets[0].profile, "VIRTIO_NET", err);
	if (!f->profiles.n_symbols || fs_read(path, KERNEL_CONFIG_MAX, &config, NULL) < 0)
		return 0;
	for (size_t i = 0; i < f->profiles.n_symbols; i++) {
		const struct profile_need *need = &f->profiles.symbols[i];

		if (!config_has(str_cstr(&config), need->name))
			return profile_lacks(f, need->profile, need->name, err);
	}
	return 0;
}
