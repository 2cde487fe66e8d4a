/* SPDX-License-Identifier: MPL-2.0 */
/* Archives between client_run_stream() and trees of the host. See copy.h. */

#include "run/copy.h"

#include <string.h>

#include "wire/tree.h"

#define SAID_MAX 65536 /* bytes of the guest's remarks that are kept */

struct copy {
	struct tree_reader *reader; /* owned; into the guest */
	struct tree_writer *writer; /* owned; out of it */
	void (*note)(const char *text);
	struct str said; /* by the guest, in lines */
	size_t have, at; /* bytes in buf, and how many of them have gone */
	uint8_t buf[2 * FILES_RECORD_MAX];
};

/* The last name of a path; "" when it has none of its own ("/", "..", "dir/."): then a folder's contents are meant. */
static char *last_name(const char *path)
{
	size_t n = strlen(path), start;

	while (n && path[n - 1] == '/')
		n--;
	start = n;
	while (start && path[start - 1] != '/')
		start--;
	if ((n - start == 1 && path[start] == '.') || (n - start == 2 && strncmp(path + start, "..", 2) == 0))
		n = start;
	return mem_strndup(path + start, n - start);
}

static void on_said(void *ctx, const void *mem, size_t n)
{
	struct copy *k = ctx;

	if (k->said.len < SAID_MAX)
		str_add_mem(&k->said, mem, n < SAID_MAX - k->said.len ? n : SAID_MAX - k->said.len);
}

static void left_out(void *ctx, const char *path, const char *text)
{
	_cleanup_str_ struct str line = STR_INIT;
	struct copy *k = ctx;

	str_add(&line, "left out: ");
	str_add_safe(&line, path, strlen(path), false);
	str_add(&line, *path ? ": " : "");
	str_add_safe(&line, text, strlen(text), false);
	k->note(line.p);
}

static int on_output(void *ctx, const void *mem, size_t n, struct error *err)
{
	struct copy *k = ctx;

	return tree_writer_write(k->writer, mem, n, err);
}

static ssize_t on_input(void *ctx, void *buf, size_t cap, struct error *err)
{
	struct copy *k = ctx;
	size_t n;

	if (k->at == k->have) {
		k->at = 0;
		k->have = tree_reader_read(k->reader, k->buf, sizeof(k->buf));
	}
	n = k->have - k->at < cap ? k->have - k->at : cap;
	memcpy(buf, k->buf + k->at, n);
	k->at += n;
	return (ssize_t)n;
}

/* Its last line is why it failed, the others are what was left out. */
static void say_remarks(struct copy *k, bool has_failed, struct error *err)
{
	_cleanup_str_ struct str safe = STR_INIT;
	char *line, *rest;

	str_add_safe(&safe, str_cstr(&k->said), k->said.len, true);
	for (line = safe.p; line && *line; line = rest) {
		char *nl = strchr(line, '\n');

		rest = nl ? nl + 1 : line + strlen(line);
		if (nl)
			*nl = '\0';
		if (has_failed && !*rest)
			error_set(err, ERROR_GUEST, "in the guest: %s", line);
		else
			left_out(k, "", line);
	}
}

static int run(struct client *c, struct copy *k, enum wire_start_kind kind, const char *guest_path, const char *name,
	       struct error *err)
{
	const char *argv[] = { guest_path, name };
	struct wire_start m = { .kind = (uint8_t)kind, .argv = { .v = argv, .n = name ? 2 : 1 }, .cwd = "", .user = "" };
	const struct client_stream stream = { .output = k->writer ? on_output : NULL, .said = on_said,
					      .input = k->reader ? on_input : NULL, .ctx = k };
	struct error why = ERROR_INIT;
	int status = 0, r = client_run_stream(c, &m, &stream, &status, &why);

	if (r == 0 && status)
		r = error_set(&why, ERROR_GUEST, "copying was interrupted; what is there is incomplete");
	say_remarks(k, r < 0 && why.kind == ERROR_GUEST && status == 125, &why);
	if (r < 0)
		*err = why;
	return r;
}

int copy_from_guest(struct client *c, const char *guest_path, const char *host_path, void (*note)(const char *text),
		    struct error *err)
{
	_cleanup_free_ char *name = last_name(guest_path);
	_cleanup_free_ struct copy *k = mem_alloc(sizeof(*k));
	int r = -1;

	k->note = note;
	if (tree_writer_new(host_path, name, 0, left_out, k, &k->writer, err) == 0) {
		r = run(c, k, WIRE_KIND_FILES_OUT, guest_path, NULL, err);
		if (r == 0)
			r = tree_writer_finish(k->writer, err);
		tree_writer_free(k->writer);
	}
	str_clear(&k->said);
	return r;
}

int copy_to_guest(struct client *c, const char *host_path, const char *guest_path, void (*note)(const char *text),
		  struct error *err)
{
	_cleanup_free_ char *name = last_name(host_path);
	_cleanup_free_ struct copy *k = mem_alloc(sizeof(*k));
	int r = -1;

	k->note = note;
	if (tree_reader_new(host_path, &k->reader, err) == 0) {
		r = run(c, k, WIRE_KIND_FILES_IN, guest_path, name, err);
		tree_reader_free(k->reader);
	}
	str_clear(&k->said);
	return r;
}
