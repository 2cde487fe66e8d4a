/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What people and strangers write: quiz.cfg, profile.conf, the list after -p.
 * The first byte says which. An error must have a text; nothing else may come
 * of bad input.
 *
 * sources: src/base/error.c src/base/str.c src/sys/fs.c src/spec/config.c src/spec/ini.c src/spec/options.c src/spec/profile.c src/spec/profile_conf.c src/spec/profile_effects.c src/spec/profile_list.c src/spec/profile_sections.c src/spec/profile_types.c src/spec/run_options.c
 * libs:
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "spec/config.h"
#include "spec/ini.h"
#include "spec/profile.h"

static void fuzz_config(const char *text, size_t n, struct error *err)
{
	struct config c = { 0 };
	struct runspec rs;

	runspec_init(&rs);
	if (config_parse(&c, text, n, "fuzz", "/", true, err) == 0)
		assert(config_apply(&c, &rs, err) == 0); /* what was checked can be applied */
	runspec_clear(&rs);
	config_clear(&c);
}

static void fuzz_directives(const char *text, size_t n, struct error *err)
{
	struct profile_set set = { 0 };

	profile_apply_directives(&set, "fuzz", text, n, err);
	profile_set_clear(&set);
}

static void fuzz_list(const char *text, size_t n, struct error *err)
{
	_cleanup_free_ char *list = mem_strndup(text, n);
	struct runspec rs;

	runspec_init(&rs);
	profile_parse_list(list, &rs.profiles, &rs.n_profiles, err);
	runspec_clear(&rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const char *text, size_t n, struct error *err) = { fuzz_config, fuzz_directives,
											   fuzz_list };
	struct error err = ERROR_INIT;

	if (!size || size > 65536)
		return 0;
	targets[data[0] % ARRAY_SIZE(targets)]((const char *)data + 1, size - 1, &err);
	assert(!error_is_set(&err) || err.text[0]);
	return 0;
}
