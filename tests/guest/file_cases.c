/* SPDX-License-Identifier: MPL-2.0 */
/* Archives of files, out and in. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cases.h"

static const char make_tree[] =
	"mkdir -p tree/sub/empty tree/ro && cd tree && echo hello >file && chmod 4751 file && ln -s ../../../etc/passwd link && "
	"ln file hard && printf x | dd of=sparse bs=1 seek=50000000 2>/dev/null && head -c 700000 /dev/urandom >sub/random && "
	": >sub/nothing && touch -d '2001-02-03 04:05:06.789' file sub && mkfifo pipe && touch 'odd\nname \\ \"' && "
	"echo r >ro/f && chmod 555 ro && chmod 000 sub/nothing && mkdir -p sub/deep/er/and/deeper && ln -s nowhere sub/dangling";

static void files_make_the_round_trip(void)
{
	struct job out = { 0 }, in = { 0 }, diff = { 0 };
	char from[128], to[128];

	check(system(make_tree) == 0, "make a tree");
	snprintf(from, sizeof(from), "%s/tree", folder);
	snprintf(to, sizeof(to), "%s/copy", folder);
	agent_start(a);
	job_run(a, &out, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV(from) });
	check(out.is_started && out.how == WIRE_EXITED && out.value == 0, "out: how %u value %u %s", out.how, out.value, out.err);
	check(out.out_len < 2000000, "the holes were sent: %zu bytes", out.out_len);
	in.in = out.out;
	in.in_len = out.out_len;
	job_run(a, &in, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_IN, .argv = ARGV(to) });
	check(in.is_started && in.how == WIRE_EXITED && in.value == 0, "in: how %u value %u %s", in.how, in.value, in.err);
	job_run(a, &diff, 1,
		&(struct wire_start){
			.argv = ARGV("sh", "-c",
				     "find . -name 'odd*' | grep -q . || exit 9; "
				     "(cd tree && find . -print0 | sort -z | xargs -0 stat -c '%n %F %a %y %h %U %N') >1; "
				     "(cd copy && find . -print0 | sort -z | xargs -0 stat -c '%n %F %a %y %h %U %N') >2; "
				     "diff 1 2 && diff -r --no-dereference -x pipe tree copy && "
				     "test $(stat -c %b copy/sparse) -lt 100"),
			.cwd = folder });
	check(diff.value == 0, "copy differs (%u): %s%s", diff.value, diff.out, diff.err);
	agent_stop(a);
}

static void files_into_a_folder_take_their_name(void)
{
	struct job out = { 0 }, in = { 0 };
	struct stat st;
	char from[128];

	write_script("one", "1\n", 0644);
	mkdir("into", 0755);
	snprintf(from, sizeof(from), "%s/one", folder);
	agent_start(a);
	job_run(a, &out, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV(from) });
	in.in = out.out;
	in.in_len = out.out_len;
	snprintf(from, sizeof(from), "%s/into", folder);
	job_run(a, &in, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_IN, .argv = ARGV(from, "two") });
	check(in.how == WIRE_EXITED && in.value == 0 && stat("into/two", &st) == 0, "how %u value %u %s", in.how, in.value, in.err);
	agent_stop(a);
}

static void broken_transfers_are_errors(void)
{
	struct job missing = { 0 }, out = { 0 }, in = { 0 };
	char to[128];

	agent_start(a);
	job_run(a, &missing, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV("/no/such/file") });
	check(missing.how == WIRE_FAILED && missing.value == ENOENT && strstr((char *)missing.err, "/no/such/file"),
	      "how %u value %u '%s'", missing.how, missing.value, missing.err);
	job_run(a, &out, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV("/etc/passwd") });
	in.in = out.out;
	in.in_len = out.out_len - 1;
	snprintf(to, sizeof(to), "%s/cut", folder);
	job_run(a, &in, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_IN, .argv = ARGV(to) });
	check(in.how == WIRE_FAILED && strstr((char *)in.err, "incomplete"), "how %u '%s'", in.how, in.err);
	agent_stop(a);
}

const struct test_case file_cases[] = {
	CASE(files_make_the_round_trip),
	CASE(files_into_a_folder_take_their_name),
	CASE(broken_transfers_are_errors),
	{ NULL, NULL },
};
