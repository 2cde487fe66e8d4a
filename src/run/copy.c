/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Archives between client_run_stream() and trees of the host. See copy.h.
 *
 * Where the machine has /shared over 9p, the bytes go through a file there
 * (wire/carrier.h), which is gone from the folder as soon as the guest has
 * opened it. What the guest says of it is checked as strictly as the archive;
 * a slot is copied before it is looked at, as the guest could change it
 * meanwhile. A `quiz cp` that is killed before the guest has opened the file
 * leaves it behind; its lock has gone with the process, by which the next one
 * and the end of the run know it (copy_sweep()).
 */

#include "run/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "wire/carrier.h"
#include "wire/tree.h"

#define CARRIER_NAME ".quiz-cp." /* begins so */
#define SAID_MAX 65536 /* bytes of the guest's remarks that are kept */

enum carrier_state {
	CARRIER_NONE,	 /* the archive goes over the channel */
	CARRIER_OFFERED, /* the guest has not answered yet */
	CARRIER_IN_USE,
};

struct copy {
	enum carrier_state carrier;
	int carrier_fd;
	char *carrier_path;	      /* owned; on the host, until it is unlinked */
	uint8_t *slot;		      /* owned; one slot's bytes */
	uint32_t next_slot;
	unsigned n_out;		      /* slots on the way to the guest */
	unsigned n_taken;	      /* slots to be acknowledged */
	uint8_t piece[CARRIER_PIECE]; /* the guest's next one, as far as it is here */
	size_t piece_have;
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

/* ---- the carrier ---- */

void copy_sweep(const char *artifacts)
{
	DIR *d = opendir(artifacts);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_close_ int fd = -1;

		if (!str_starts(e->d_name, CARRIER_NAME))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		/* One that was made this moment and is not locked yet goes too: its copy takes the channel. */
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* A file in the folder that the guest sees as /shared. Whatever goes wrong: the channel will do. */
static void offer_carrier(struct copy *k, struct client *c, char guest_path[64])
{
	static unsigned n;
	const char *dir = json_string_value(json_object_get(client_status(c), "artifacts"));
	char name[48];

	*guest_path = '\0';
	if (!dir)
		return;
	copy_sweep(dir);
	snprintf(name, sizeof(name), CARRIER_NAME "%d.%u", (int)getpid(), n++);
	k->carrier_path = mem_printf("%s/%s", dir, name);
	k->carrier_fd = open(k->carrier_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (k->carrier_fd < 0)
		return;
	if (flock(k->carrier_fd, LOCK_EX | LOCK_NB) < 0 || posix_fallocate(k->carrier_fd, 0, (off_t)CARRIER_BYTES) != 0) {
		unlink(k->carrier_path);
		return;
	}
	k->slot = mem_alloc(CARRIER_SLOT_BYTES);
	k->carrier = CARRIER_OFFERED;
	snprintf(guest_path, 64, "/shared/%s", name);
}

/* The guest's answer, its first byte. */
static int take_answer(struct copy *k, uint8_t answer, struct error *err)
{
	if (answer != CARRIER_YES && answer != CARRIER_NO)
		return error_set(err, ERROR_GUEST, "the guest agent broke the protocol");
	unlink(k->carrier_path);
	k->carrier = answer == CARRIER_YES ? CARRIER_IN_USE : CARRIER_NONE;
	return 0;
}

static int slot_error(struct error *err)
{
	return error_set(err, ERROR_GUEST, "the guest has damaged the file that carries the bytes");
}

/* A slot of the archive that comes out of the guest. */
static int take_slot(struct copy *k, struct error *err)
{
	uint32_t slot, bytes;

	if (!carrier_get_piece(k->piece, &slot, &bytes) || k->n_taken == CARRIER_SLOTS)
		return slot_error(err);
	for (uint32_t done = 0; done < bytes;) {
		ssize_t n = pread(k->carrier_fd, k->slot + done, bytes - done, (off_t)(carrier_offset(slot) + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return slot_error(err);
		done += (uint32_t)n;
	}
	k->n_taken++;
	return tree_writer_write(k->writer, k->slot, bytes, err);
}

static int take_pieces(struct copy *k, const uint8_t *p, size_t n, struct error *err)
{
	while (n) {
		size_t part = sizeof(k->piece) - k->piece_have < n ? sizeof(k->piece) - k->piece_have : n;

		memcpy(k->piece + k->piece_have, p, part);
		k->piece_have += part;
		p += part;
		n -= part;
		if (k->piece_have < sizeof(k->piece))
			break;
		k->piece_have = 0;
		if (take_slot(k, err) < 0)
			return -1;
	}
	return 0;
}

/* The next slot of the archive that goes into the guest. */
static ssize_t fill_slot(struct copy *k, uint8_t *buf, size_t cap, struct error *err)
{
	size_t n;

	if (k->n_out == CARRIER_SLOTS || cap < CARRIER_PIECE)
		return CLIENT_INPUT_LATER;
	n = tree_reader_read(k->reader, k->slot, CARRIER_SLOT_BYTES);
	if (n == 0)
		return 0;
	for (size_t done = 0; done < n;) {
		ssize_t w = pwrite(k->carrier_fd, k->slot + done, n - done, (off_t)(carrier_offset(k->next_slot) + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return error_sys(err, w < 0 ? errno : EIO, "write to the run's artifacts folder");
		done += (size_t)w;
	}
	carrier_put_piece(buf, k->next_slot, (uint32_t)n);
	k->next_slot = (k->next_slot + 1) % CARRIER_SLOTS;
	k->n_out++;
	return CARRIER_PIECE;
}

/* Acknowledges what was taken out of slots. */
static ssize_t acknowledge(struct copy *k, uint8_t *buf, size_t cap)
{
	size_t n = k->n_taken < cap ? k->n_taken : cap;

	if (!n)
		return CLIENT_INPUT_LATER;
	memset(buf, CARRIER_YES, n);
	k->n_taken -= (unsigned)n;
	return (ssize_t)n;
}

/* ---- the session's streams ---- */

static int on_output(void *ctx, const void *mem, size_t n, struct error *err)
{
	const uint8_t *p = mem;
	struct copy *k = ctx;

	if (n && k->carrier == CARRIER_OFFERED) {
		if (take_answer(k, *p, err) < 0)
			return -1;
		p++;
		n--;
	}
	if (k->carrier == CARRIER_IN_USE && k->reader) {
		if (n > k->n_out)
			return slot_error(err);
		k->n_out -= (unsigned)n;
		return 0;
	}
	if (k->carrier == CARRIER_IN_USE)
		return take_pieces(k, p, n, err);
	return k->writer ? tree_writer_write(k->writer, p, n, err) : 0;
}

static ssize_t on_input(void *ctx, void *buf, size_t cap, struct error *err)
{
	struct copy *k = ctx;
	size_t n;

	if (k->carrier == CARRIER_OFFERED)
		return CLIENT_INPUT_LATER;
	if (k->carrier == CARRIER_IN_USE)
		return k->reader ? fill_slot(k, buf, cap, err) : acknowledge(k, buf, cap);
	if (!k->reader)
		return 0;
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
	char carrier[64];
	const char *argv[] = { guest_path, name ? name : "", carrier };
	struct wire_start m = { .kind = (uint8_t)kind, .flags = WIRE_START_STDIN, .argv = { .v = argv, .n = 3 }, .cwd = "", .user = "" };
	const struct client_stream stream = { .output = on_output, .said = on_said, .input = on_input, .ctx = k };
	struct error why = ERROR_INIT;
	int status = 0, r;

	offer_carrier(k, c, carrier);
	r = client_run_stream(c, &m, &stream, &status, &why);
	if (k->carrier == CARRIER_OFFERED)
		unlink(k->carrier_path); /* it never said a word */
	if (r == 0 && status)
		r = error_set(&why, ERROR_GUEST, "copying was interrupted; what is there is incomplete");
	say_remarks(k, r < 0 && why.kind == ERROR_GUEST && status == 125, &why);
	if (r < 0)
		*err = why;
	return r;
}

static struct copy *new_copy(void (*note)(const char *text))
{
	struct copy *k = mem_alloc(sizeof(*k));

	k->note = note;
	k->carrier_fd = -1;
	return k;
}

static void free_copy(struct copy *k)
{
	close_fd(&k->carrier_fd);
	free(k->carrier_path);
	free(k->slot);
	str_clear(&k->said);
	free(k);
}

int copy_from_guest(struct client *c, const char *guest_path, const char *host_path, void (*note)(const char *text),
		    struct error *err)
{
	_cleanup_free_ char *name = last_name(guest_path);
	struct copy *k = new_copy(note);
	int r = -1;

	if (tree_writer_new(host_path, name, 0, left_out, k, &k->writer, err) == 0) {
		r = run(c, k, WIRE_KIND_FILES_OUT, guest_path, NULL, err);
		if (r == 0)
			r = tree_writer_finish(k->writer, err);
		tree_writer_free(k->writer);
	}
	free_copy(k);
	return r;
}

int copy_to_guest(struct client *c, const char *host_path, const char *guest_path, void (*note)(const char *text),
		  struct error *err)
{
	_cleanup_free_ char *name = last_name(host_path);
	struct copy *k = new_copy(note);
	int r = -1;

	if (tree_reader_new(host_path, &k->reader, err) == 0) {
		r = run(c, k, WIRE_KIND_FILES_IN, guest_path, name, err);
		tree_reader_free(k->reader);
	}
	free_copy(k);
	return r;
}
