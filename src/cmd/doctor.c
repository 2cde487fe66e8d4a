/* SPDX-License-Identifier: MPL-2.0 */
/* quiz doctor: prints what the checks found; status 0 only when a run is possible. */

#include "cmd/doctor.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "sys/fs.h"

struct doctor_options {
	bool json, retry_kvm;
};

static const struct option_row options[] = {
	{ "json", 0, OPTION_FLAG, 0, offsetof(struct doctor_options, json), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "print JSON" },
	{ "retry-kvm", 0, OPTION_FLAG, 0, offsetof(struct doctor_options, retry_kvm), option_set_flag, NULL, NULL, NULL,
	  NULL, NULL, "forget that KVM did not work here, so that the next run tries it again" },
};

static const char *const level_words[] = { [DOCTOR_OK] = "ok", [DOCTOR_NOTE] = "note", [DOCTOR_MISSING] = "missing" };

void doctor_add(struct doctor *d, enum doctor_level level, const char *mend, const char *fmt, ...)
{
	struct doctor_finding *f = VEC_PUSH(d->v, d->n);
	struct str text = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	f->section = d->section;
	f->level = level;
	f->text = str_take(&text);
	f->mend = mem_strdup(mend);
}

char *doctor_install_command(const char *packages)
{
	_cleanup_free_ char *apt = fs_find_program("apt-get");

	if (!apt)
		return mem_printf("install what Debian calls: %s", packages);
	return mem_printf("%sapt-get install %s", geteuid() ? "sudo " : "", packages);
}

static void print_json(const struct doctor *d)
{
	json_t *all = json_array();

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s?}", "section", d->v[i].section, "level",
						     level_words[d->v[i].level], "text", d->v[i].text, "mend",
						     d->v[i].mend));
	command_print_json(all);
}

static void print_text(const struct doctor *d)
{
	const char *section = NULL;

	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->v[i];

		if (!str_eq(section, f->section)) {
			printf("%s%s\n", section ? "\n" : "", f->section);
			section = f->section;
		}
		printf("  %-7s  %s\n", level_words[f->level], f->text);
		if (f->mend)
			printf("  %-7s  -> %s\n", "", f->mend);
	}
}

static int doctor_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct doctor_options o = { 0 };
	struct doctor d = { 0 };
	int status = 0;

	if (command_options(options, ARRAY_SIZE(options), "doctor", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "doctor", "[--json] [--retry-kvm]", err) < 0)
		return -1;
	doctor_check_run(&d, o.retry_kvm);
	for (size_t i = 0; i < d.n; i++)
		if (d.v[i].level == DOCTOR_MISSING)
			status = 1;
	doctor_check_build(&d);
	if (o.json)
		print_json(&d);
	else
		print_text(&d);
	for (size_t i = 0; i < d.n; i++) {
		free(d.v[i].text);
		free(d.v[i].mend);
	}
	free(d.v);
	return status;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.group = GROUP_SELF,
	.usage = "[--json] [--retry-kvm]",
	.summary = "Check what runs and builds need, and say how to mend it",
	.help = "Exit status 0 when a run is possible, else 1.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.main = doctor_main,
};
