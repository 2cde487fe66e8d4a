/* SPDX-License-Identifier: MPL-2.0 */
/* What the machine itself is asked for, and what the kernel says meanwhile. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"

/* ---- requests ---- */

static void requests_are_done_in_order(void)
{
	struct job j = { 0 };
	struct wire_frame f;
	uint32_t next = 1;
	char path[128];

	agent_start(a);
	snprintf(path, sizeof(path), "%s/deep/er/file", folder);
	SEND(a, write_file, 0, .id = 1, .path = path, .mode = 0640, .flags = WIRE_WRITE_CREATE, .data = { "one\n", 4 });
	SEND(a, load_module, 0, .id = 2, .module = "no_such_module_of_quiz"); /* by a child */
	SEND(a, write_file, 0, .id = 3, .path = path, .flags = WIRE_WRITE_APPEND, .data = { "two\n", 4 });
	SEND(a, load_module, 0, .id = 4, .module = "no_such_module_of_quiz", .flags = WIRE_MODULE_OPTIONAL);
	SEND(a, write_file, 0, .id = 5, .path = path, .flags = WIRE_WRITE_APPEND, .data = { "three\n", 6 });
	job_begin(a, &j, 9, &(struct wire_start){ .argv = ARGV("cat", path, "-"), .flags = WIRE_START_STDIN });
	SEND(a, data, 9, .stream = WIRE_STDIN, .data = { "four\n", 5 });
	SEND(a, eof, 9, .stream = WIRE_STDIN);
	while (!j.is_over) {
		struct wire_result r;

		check(agent_next(a, 10000, &f), "no answer");
		if (f.session) {
			check(next == 6, "the program runs before request %u is done", next);
			job_frame(a, &j, &f);
		} else if (f.type == WIRE_RESULT) {
			check(wire_get_result(&f, &r) == WIRE_OK && r.id == next, "result %u, not %u", r.id, next);
			check(r.id == 2 ? r.errnum == ENOENT && strstr(r.text, "modules.dep") : r.errnum == 0,
			      "request %u: %u %s", r.id, r.errnum, r.text);
			next++;
		}
	}
	check(strcmp((char *)j.out, "one\ntwo\nthree\nfour\n") == 0, "got '%s'", j.out);
	agent_stop(a);
}

static void files_are_written_as_asked(void)
{
	struct stat st;
	char path[128];

	agent_start(a);
	snprintf(path, sizeof(path), "%s/knob", folder);
	SEND(a, write_file, 0, .id = 1, .path = path, .data = { "1", 1 });
	check(agent_result(a, 1) == ENOENT, "a missing file was made");
	SEND(a, write_file, 0, .id = 2, .path = path, .flags = WIRE_WRITE_OPTIONAL, .data = { "1", 1 });
	check(agent_result(a, 2) == 0, "an optional file: %s", agent_result_text);
	SEND(a, write_file, 0, .id = 3, .path = path, .mode = 04711, .flags = WIRE_WRITE_CREATE, .data = { "1", 1 });
	check(agent_result(a, 3) == 0, "%s", agent_result_text);
	check(stat(path, &st) == 0 && (st.st_mode & 07777) == 04711 && st.st_size == 1, "mode %o", st.st_mode);
	snprintf(path, sizeof(path), "%s/a/b", folder);
	SEND(a, make_dir, 0, .id = 4, .path = path, .mode = 0700);
	check(agent_result(a, 4) == 0 && stat(path, &st) == 0 && (st.st_mode & 07777) == 0700, "%s", agent_result_text);
	SEND(a, make_dir, 0, .id = 5, .path = path, .mode = 0700);
	check(agent_result(a, 5) == 0, "an existing folder: %s", agent_result_text);
	SEND(a, make_dir, 0, .id = 6, .path = "relative", .mode = 0700);
	check(agent_result(a, 6) == EINVAL, "a relative path");
	agent_stop(a);
}

static void impossible_requests_name_what_is_missing(void)
{
	agent_start(a);
	SEND(a, mount_image, 0, .id = 1, .serial = "no-such-disk", .name = "root", .fstype = "");
	check(agent_result(a, 1) == ENOENT && strstr(agent_result_text, "no-such-disk"), "%s", agent_result_text);
	SEND(a, mount_image, 0, .id = 2, .serial = "no-such-disk", .name = "../root", .fstype = "");
	check(agent_result(a, 2) == EINVAL && strstr(agent_result_text, "../root"), "%s", agent_result_text);
	SEND(a, network, 0, .id = 3, .mac = "52:54:00:00:00:01");
	check(agent_result(a, 3) != 0 && strstr(agent_result_text, "52:54:00:00:00:01"), "%s", agent_result_text);
	SEND(a, memdev, 0, .id = 4, .prefix = "a/b", .count = 1, .size_bytes = 4096);
	check(agent_result(a, 4) == EINVAL, "%s", agent_result_text);
	SEND(a, assemble, 0, .id = 5, .layers = ARGV("a"));
	check(agent_result(a, 5) == ENOENT, "%s", agent_result_text);
	agent_stop(a);
}

static void counters_come_before_their_result(void)
{
	struct wire_counts m;
	struct wire_frame f;
	uint32_t pos = 0;
	const char *first;

	agent_start(a);
	SEND(a, counters, 0, .id = 1);
	check(agent_next(a, 10000, &f) && wire_get_counts(&f, &m) == WIRE_OK, "no COUNTS");
	first = wire_list_next(&m.counts, &pos);
	check(first && strncmp(first, "tainted=", 8) == 0, "first counter: %s", first ? first : "none");
	check(agent_next(a, 10000, &f) && f.type == WIRE_RESULT, "no RESULT");
	agent_stop(a);
}

static void a_slow_request_does_not_stop_pings(void)
{
	struct wire_frame f;
	struct wire_pong pong;
	char path[128];
	int fd;

	/* Opening a fifo for reading hangs until somebody writes to it: a module load that hangs. */
	snprintf(path, sizeof(path), "%s/module.ko", folder);
	check(mkfifo(path, 0600) == 0, "mkfifo");
	agent_start(a);
	SEND(a, load_module, 0, .id = 1, .module = path);
	SEND(a, ping, 0, .nonce = 4711);
	check(agent_next(a, 5000, &f) && wire_get_pong(&f, &pong) == WIRE_OK && pong.nonce == 4711, "no PONG");
	fd = open(path, O_WRONLY);
	close(fd);
	check(agent_result(a, 1) != 0, "a fifo was loaded as a module");
	agent_stop(a);
}

/* ---- kernel messages ---- */

static void log_record(unsigned seq, const char *text)
{
	char buf[256];
	int n = snprintf(buf, sizeof(buf), "6,%u,%u,-;%s\n SUBSYSTEM=test\n", seq, seq * 10, text);

	check(write(a->kmsg, buf, (size_t)n) == n, "write a record");
}

static void kernel_messages_come_before_the_end(void)
{
	static const unsigned counts[] = { 0, 1, 16, 64, 80, 128, 200 };
	unsigned seq = 0;

	agent_start(a);
	for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		unsigned next = seq + 1;
		struct wire_frame f;
		struct wire_kmsg m;

		for (unsigned k = 0; k < counts[i]; k++)
			log_record(++seq, "some \\x22text\\x22");
		SEND(a, finish, 0, .id = i, .flags = i % 2 ? WIRE_FINISH_SYNC : 0);
		for (;;) {
			check(agent_next(a, 10000, &f), "no RESULT after %u records", counts[i]);
			if (f.type == WIRE_RESULT)
				break;
			check(wire_get_kmsg(&f, &m) == WIRE_OK, "%s", wire_type_name(f.type));
			check(m.seq == next && m.level == 6 && m.time_us == next * 10 &&
				      strcmp(m.text, "some \"text\"") == 0,
			      "record %u: %s", next, m.text);
			next++;
		}
		check(next == seq + 1, "RESULT before record %u of %u", next, seq);
	}
	agent_stop(a);
}

/* LAST: what COUNTERS and FINISH would bring comes before EXIT, after the program's own output. */
static void the_last_program_is_the_last_word(void)
{
	struct wire_frame f;
	struct wire_kmsg m;
	unsigned next = 1, n_counts = 0;

	agent_start(a);
	for (unsigned k = 1; k <= 100; k++)
		log_record(k, "text");
	SEND(a, start, 1, .argv = ARGV("sh", "-c", "echo out; exit 4"), .flags = WIRE_START_LAST);
	for (;;) {
		check(agent_next(a, 10000, &f), "no EXIT");
		if (f.type == WIRE_KMSG) {
			check(wire_get_kmsg(&f, &m) == WIRE_OK && m.seq == next, "record %u came as %u", next, (unsigned)m.seq);
			next++;
		}
		check(f.type != WIRE_DATA || !n_counts, "output behind COUNTS");
		n_counts += f.type == WIRE_COUNTS;
		if (f.type == WIRE_EXIT)
			break;
	}
	check(n_counts == 1 && next == 101, "%u COUNTS and %u records before EXIT", n_counts, next - 1);
	SEND(a, ping, 0, .nonce = 1);
	check(agent_next(a, 5000, &f) && f.type == WIRE_PONG, "it is not there any more");
	agent_stop(a);
}

/* IF_DONE: sent behind its setup without waiting, a program must not run when a step of it has failed. */
static void a_program_behind_a_failed_request_is_refused(void)
{
	struct job refused = { 0 }, plain = { 0 }, ok = { 0 };

	agent_start(a);
	job_run(a, &ok, 1, &(struct wire_start){ .argv = ARGV("true"), .flags = WIRE_START_IF_DONE });
	check(ok.is_started && ok.value == 0, "refused though nothing has failed: %s", ok.start_text);
	SEND(a, write_file, 0, .id = 1, .path = "/no/such/folder/file", .data = { "x", 1 });
	job_run(a, &refused, 2, &(struct wire_start){ .argv = ARGV("touch", "was-here"), .flags = WIRE_START_IF_DONE });
	check(!refused.is_started && refused.start_errnum == ECANCELED, "errno %u: %s", refused.start_errnum, refused.start_text);
	check(access("was-here", F_OK) < 0, "it ran all the same");
	job_run(a, &plain, 3, &(struct wire_start){ .argv = ARGV("true") });
	check(plain.is_started && plain.value == 0, "without the flag: %s", plain.start_text);
	agent_stop(a);
}

static void quiesce_is_silence(void)
{
	struct wire_frame f;

	agent_start(a);
	SEND(a, quiesce, 0, .id = 1);
	check(agent_result(a, 1) == 0, "%s", agent_result_text);
	log_record(1, "psst");
	check(!agent_next(a, 300, &f), "%s while it should be still", wire_type_name(f.type));
	SEND(a, ping, 0, .nonce = 1);
	check(agent_next(a, 5000, &f) && f.type == WIRE_PONG, "no PONG");
	check(agent_next(a, 5000, &f) && f.type == WIRE_KMSG, "no KMSG");
	agent_stop(a);
}

const struct test_case request_cases[] = {
	CASE(requests_are_done_in_order),
	CASE(files_are_written_as_asked),
	CASE(impossible_requests_name_what_is_missing),
	CASE(counters_come_before_their_result),
	CASE(a_slow_request_does_not_stop_pings),
	CASE(kernel_messages_come_before_the_end),
	CASE(the_last_program_is_the_last_word),
	CASE(a_program_behind_a_failed_request_is_refused),
	CASE(quiesce_is_silence),
	{ NULL, NULL },
};
