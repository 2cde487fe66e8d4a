/* SPDX-License-Identifier: MPL-2.0 */
/* quiz verdict: what a console log from anywhere says was wrong. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/known_issues.h"
#include "run/verdict.h"

struct verdict_options {
	bool json, strict, verbose;
	struct strv allow;
	char *known_issues;
};

#define FIELD(name) offsetof(struct verdict_options, name)
static const struct option_row options[] = {
	{ "json", 0, OPTION_FLAG, 0, FIELD(json), option_set_flag, NULL, NULL, NULL, NULL, NULL, "findings as JSON" },
	{ "strict", 0, OPTION_FLAG, 0, FIELD(strict), option_set_flag, NULL, NULL, "yes", NULL, NULL,
	  "WARN, lockdep, leaks and stalls count, too (default; --no-strict: only crashes do)" },
	{ "allow", 0, OPTION_REQUIRED, OPTION_LIST, FIELD(allow), option_set_list, NULL, "PATTERN", NULL, NULL, NULL,
	  "tolerate findings by title, function, fingerprint or class" },
	{ "known-issues", 0, OPTION_REQUIRED, 0, FIELD(known_issues), option_set_path, NULL, "FILE", NULL, NULL, "file",
	  "tolerate the findings listed in FILE" },
	{ "verbose", 'v', OPTION_FLAG, 0, FIELD(verbose), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "show what is merely worth knowing, and the text of each report" },
};

#define USAGE "[--json] [--no-strict] [--allow PATTERN]... [FILE|-]"

/*
 * What is no text says nothing of a kernel, and must not be taken for a clean log: a CI system's logs come packed, and
 * Windows writes two bytes for each character.
 */
static int check_text(const char *path, const unsigned char *p, size_t n, struct error *err)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *what, *hint;
	} kinds[] = {
		{ "\x1f\x8b", 2, "packed by gzip", "zcat %s | quiz verdict" },
		{ "\xfd" "7zXZ", 5, "packed by xz", "xzcat %s | quiz verdict" },
		{ "\x28\xb5\x2f\xfd", 4, "packed by zstd", "zstdcat %s | quiz verdict" },
		{ "BZh", 3, "packed by bzip2", "bzcat %s | quiz verdict" },
		{ "PK\x03\x04", 4, "a zip archive", "unzip -p %s | quiz verdict" },
		{ "\xff\xfe", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8 %s | quiz verdict" },
		{ "\xfe\xff", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8 %s | quiz verdict" },
		{ "\x7f" "ELF", 4, "an ELF file, a memory dump perhaps", "crash VMLINUX %s, or drgn -c %s" },
		{ "KDUMP", 5, "a memory dump", "crash VMLINUX %s, or drgn -c %s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (n < kinds[i].len || memcmp(p, kinds[i].magic, kinds[i].len) != 0)
			continue;
		error_set(err, ERROR_USAGE, "cannot read log '%s': it is no text but %s", path, kinds[i].what);
		error_hint(err, kinds[i].hint, path, path);
		return -1;
	}
	if (n >= 8 && !p[1] && !p[3] && !p[5] && !p[7] && p[0] && p[2]) {
		error_set(err, ERROR_USAGE, "cannot read log '%s': it is UTF-16", path);
		error_hint(err, "iconv -f UTF-16LE -t UTF-8 %s | quiz verdict", path);
		return -1;
	}
	return 0;
}

/* Reads it all through the analyser. */
static int read_log(const char *path, struct analyser *a, struct error *err)
{
	bool is_stdin = str_eq(path, "-");
	_cleanup_close_ int opened = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	int fd = is_stdin ? STDIN_FILENO : opened;
	static char buf[256 * 1024];
	bool is_first = true;

	if (fd < 0)
		return error_sys(err, errno, "open log '%s'", path);
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read log '%s'", path);
		if (n == 0)
			break;
		if (is_first && check_text(path, (const unsigned char *)buf, (size_t)n, err) < 0)
			return -1;
		is_first = false;
		analyser_console(a, buf, (size_t)n, 0);
	}
	analyser_finish(a, 0);
	return 0;
}

static void print_finding(const char *path, const struct finding *f, bool verbose)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (f->first_line)
		printf("%s:%llu-%llu: ", path, (unsigned long long)f->first_line, (unsigned long long)f->last_line);
	finding_text(f, verbose ? 0 : 6, &text);
	str_addf(&text, "  fingerprint %s\n", f->fingerprint);
	if (verbose)
		str_add_safe(&text, str_cstr(&f->excerpt), f->excerpt.len, true);
	fputs(str_cstr(&text), stdout);
}

static void print_text(const char *path, const struct analyser *a, const struct verdict_result *r, bool verbose)
{
	for (size_t i = 0; i < analyser_n_findings(a); i++)
		if (verbose || analyser_finding(a, i)->severity > FINDING_INFO)
			print_finding(path, analyser_finding(a, i), verbose);
	if (analyser_n_dropped(a))
		printf("%llu more reports were not kept\n", (unsigned long long)analyser_n_dropped(a));
	printf("verdict: %s (%d): %s", verdict_table[r->verdict].name, r->status, r->reason);
	if (r->headline) {
		_cleanup_str_ struct str title = STR_INIT;

		str_add_safe(&title, r->headline->title, strlen(r->headline->title), false);
		printf(": %s", str_cstr(&title));
	} else {
		printf(" in %llu lines", (unsigned long long)analyser_n_lines(a));
	}
	putchar('\n');
}

static void print_json(const char *path, const struct analyser *a, const struct verdict_result *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "file", json_string(path));
	json_object_set_new(o, "lines", json_integer((json_int_t)analyser_n_lines(a)));
	json_object_set_new(o, "verdict", json_string(verdict_table[r->verdict].name));
	json_object_set_new(o, "status", json_integer(r->status));
	json_object_set_new(o, "reason", json_string(r->reason));
	if (r->headline)
		json_object_set_new(o, "headline", json_integer(r->headline->id));
	json_object_set_new(o, "findings", verdict_findings_json(a, FINDING_INFO));
	json_object_set_new(o, "dropped", json_integer((json_int_t)analyser_n_dropped(a)));
	command_print_json(o);
}

static int verdict_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_(cleanup_analyser_free) struct analyser *a = NULL;
	struct verdict_options o = { 0 };
	struct known_issues known = { 0 };
	struct analyser_options how = { .known = &known };
	struct verdict_result result;
	const char *path;
	int rc = -1;

	if (command_options(options, ARRAY_SIZE(options), "verdict", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "verdict", USAGE, err) < 0)
		goto out;
	path = words.n ? words.v[0] : "-";
	for (size_t i = 0; i < o.allow.n; i++)
		if (finding_pattern_is_all(o.allow.v[i])) {
			finding_refuse_pattern(o.allow.v[i], err);
			goto out;
		}
	if (o.known_issues && known_issues_load(&known, o.known_issues, err) < 0)
		goto out;
	how.allow = (const char *const *)o.allow.v;
	a = analyser_new(&how);
	if (read_log(path, a, err) < 0)
		goto out;
	verdict_of_log(a, o.strict, &result);
	if (o.json)
		print_json(path, a, &result);
	else
		print_text(path, a, &result, o.verbose);
	rc = result.status;
out:
	known_issues_clear(&known);
	strv_clear(&o.allow);
	free(o.known_issues);
	return rc;
}

const struct command cmd_verdict = {
	.name = "verdict",
	.group = GROUP_LOOK,
	.usage = USAGE,
	.summary = "Say what a kernel log is worth",
	.help = "Reads a console log from anywhere (a serial log, dmesg, a CI run) and tells\n"
		"each report of the kernel or of ZFS in it: class, title, function, fingerprint,\n"
		"lines. Prefixes of syslog and serial consoles are understood.\n"
		"\n"
		"Exit status: 0 clean, 121 hang or stall, 122 crash (unless --no-strict also WARN,\n"
		"lockdep, RCU, sanitizers, leaks), 123 failed boot, 125 the log can not be read.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.main = verdict_main,
};
