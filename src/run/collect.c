/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the record gets from the guest over the agent channel, at the end of a
 * run: /shared, where the kernel has no 9p, and the paths of --collect, which
 * go to artifacts/collect/<path>. One after the other, each a FILES_OUT
 * session whose archive (wire/files.h) is unpacked here.
 *
 * artifacts/ may be a live 9p share, in which the guest moves things while we
 * write. So collected paths are unpacked beside it, in a folder that the guest
 * does not see, which is moved into artifacts/ once it is complete. Below it
 * no link is followed either: an archive may have put one in the next one's way.
 *
 * Nothing here changes the verdict. What could not be saved becomes a note of
 * the outcome, which is printed with the verdict and kept in the record.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/supervisor_state.h"
#include "sys/fs.h"
#include "wire/files.h"

#define STALL_MS 30000			  /* without a byte: the guest is not able to */
#define EARLY_MS 20000			  /* for all of a path, when the kernel has crashed or the time is over */
#define SAID_MAX 1024			  /* bytes of the guest's explanation */
#define NOTES_MAX 10			  /* files left out that are named; the others are counted */

static void start_next(struct supervisor *s);

/* ---- which paths, and where they go ---- */

static size_t n_paths(const struct run_plan *p)
{
	return p->collect.n + !p->has_shared;
}

static bool is_shared(const struct run_plan *p, size_t i)
{
	return !p->has_shared && i == 0;
}

static const char *path_at(const struct run_plan *p, size_t i)
{
	return is_shared(p, i) ? "/shared" : p->collect.v[i - !p->has_shared];
}

static char *staging_dir(const struct supervisor *s)
{
	return mem_printf("%s/collect", s->opt.record->dir);
}

/* Enters name below dir, making it; never through a link. Consumes dir. */
static int enter(int dir_consumed, const char *name)
{
	_cleanup_close_ int dir = dir_consumed;

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder for an absolute guest path, open, and the path's last name. */
static int open_place(const struct supervisor *s, const char *path, char *ret_name, size_t cap, struct error *err)
{
	_cleanup_free_ char *rest = mem_strdup(path + strspn(path, "/"));
	_cleanup_close_ int dir = -1;
	size_t n = strlen(rest);
	char *part = rest, *slash;

	while (n && rest[n - 1] == '/')
		rest[--n] = '\0';
	if (path[0] != '/' || !n || !files_path_ok(rest)) {
		error_set(err, ERROR_USAGE, "it is no absolute path of a file or folder");
		return -1;
	}
	dir = open(s->opt.record->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		dir = enter(take_fd(&dir), "collect");
	while (dir >= 0 && (slash = strchr(part, '/'))) {
		*slash = '\0';
		dir = enter(take_fd(&dir), part);
		part = slash + 1;
	}
	if (dir < 0)
		return error_sys(err, errno, "make the folder for it");
	snprintf(ret_name, cap, "%s", part);
	unlinkat(dir, ret_name, 0); /* a link of an earlier archive; a folder stays and is joined */
	return take_fd(&dir);
}

static void say(struct supervisor *s, const char *text)
{
	strv_add(&s->out->notes, text);
}

static void left_out(void *ctx, const char *path, const char *text)
{
	struct supervisor *s = ctx;
	_cleanup_str_ struct str line = STR_INIT;

	if (++s->collection.n_left_out > NOTES_MAX)
		return;
	str_addf(&line, "not brought back: %s%s", path_at(s->opt.plan, s->collection.at), *path ? "/" : "");
	str_add_safe(&line, path, strlen(path), false);
	str_add(&line, ": ");
	str_add_safe(&line, text, strlen(text), false);
	say(s, line.p);
}

static int open_writer(struct supervisor *s, const char *path, struct error *err)
{
	_cleanup_free_ char *place = NULL, *shown = NULL;
	_cleanup_close_ int dir = -1;
	char name[256];

	if (is_shared(s->opt.plan, s->collection.at))
		return tree_writer_new(s->opt.record->artifacts, "", 0, left_out, s, &s->collection.writer, err);
	dir = open_place(s, path, name, sizeof(name), err);
	if (dir < 0)
		return -1;
	place = mem_printf("/proc/self/fd/%d/%s", dir, name);
	if (tree_writer_new(place, "", 0, left_out, s, &s->collection.writer, err) < 0)
		return -1;
	shown = mem_printf("%s/collect%s", s->opt.record->artifacts, path);
	tree_writer_call(s->collection.writer, shown);
	return 0;
}

/* ---- one path ---- */

static void say_failed(struct supervisor *s, const char *why)
{
	_cleanup_str_ struct str line = STR_INIT;
	const char *path = path_at(s->opt.plan, s->collection.at);

	str_addf(&line, "cannot bring '%s' back from the guest: ", path);
	str_add_safe(&line, why, strlen(why), false);
	say(s, line.p);
}

static void close_path(struct supervisor *s)
{
	struct collection *c = &s->collection;

	loop_timer_remove(s->loop, c->timer);
	c->timer = 0;
	if (c->writer)
		tree_writer_free(c->writer);
	c->writer = NULL;
	c->session = NULL;
	str_truncate(&c->said, 0);
	if (c->n_left_out > NOTES_MAX) {
		_cleanup_free_ char *text = mem_printf("and %zu more were not brought back", c->n_left_out - NOTES_MAX);

		say(s, text);
	}
	c->n_left_out = 0;
	if (is_shared(s->opt.plan, c->at) && chmod(s->opt.record->artifacts, 0755) < 0)
		say(s, "the folder of the artifacts has the mode that /shared had in the guest");
}

static void next_path(struct supervisor *s)
{
	close_path(s);
	s->collection.at++;
	start_next(s);
}

/* Ends one whose session is still open. */
static void give_up(struct supervisor *s, const char *why)
{
	struct session *session = s->collection.session;

	say_failed(s, why);
	s->collection.session = NULL;
	if (session)
		session_abandon(session);
	next_path(s);
}

static void on_stall(void *ctx)
{
	struct supervisor *s = ctx;

	s->collection.timer = 0;
	give_up(s, s->collection.is_early ? "it took longer than 20 seconds; what is there is incomplete" :
					    "the guest sent nothing for 30 seconds; what is there is incomplete");
}

static void expect_progress(struct supervisor *s)
{
	if (s->collection.is_early && s->collection.timer)
		return;
	loop_timer_remove(s->loop, s->collection.timer);
	s->collection.timer = loop_timer(s->loop, s->collection.is_early ? EARLY_MS : STALL_MS, on_stall, s);
}

static void on_started(void *ctx, struct session *session, const struct wire_started *m)
{
	struct supervisor *s = ctx;

	if (!m->errnum)
		return;
	say_failed(s, strerror((int)m->errnum));
	next_path(s);
}

static void on_data(void *ctx, struct session *session, unsigned stream, const void *mem, size_t n)
{
	struct supervisor *s = ctx;
	struct collection *c = &s->collection;
	struct error err = ERROR_INIT;

	session_consumed(session, stream, n);
	if (stream == WIRE_STDERR) {
		if (c->said.len < SAID_MAX)
			str_add_mem(&c->said, mem, n < SAID_MAX - c->said.len ? n : SAID_MAX - c->said.len);
		return;
	}
	expect_progress(s);
	c->bytes += n;
	if (s->opt.spec->max_shared_bytes && c->bytes > s->opt.spec->max_shared_bytes)
		give_up(s, "it is larger than --max-shared; what is there is incomplete");
	else if (tree_writer_write(c->writer, mem, n, &err) < 0)
		give_up(s, err.text);
}

static void on_eof(void *ctx, struct session *session, unsigned stream)
{
}

static void on_exited(void *ctx, struct session *session, const struct wire_exit *m)
{
	struct supervisor *s = ctx;
	struct collection *c = &s->collection;
	struct error err = ERROR_INIT;

	if (!m)
		return; /* the machine ended: collect_end() tells */
	while (c->said.len && c->said.p[c->said.len - 1] == '\n')
		str_truncate(&c->said, c->said.len - 1);
	if (m->how == WIRE_EXITED && m->value == 0) {
		if (tree_writer_finish(c->writer, &err) < 0)
			say_failed(s, "it came incomplete");
	} else {
		say_failed(s, c->said.len ? c->said.p : m->how == WIRE_FAILED ? strerror((int)m->value) : "its reader was killed");
	}
	next_path(s);
}

/* ---- all of them ---- */

/* Into artifacts/, under a name that the guest did not take. */
static void publish(struct supervisor *s)
{
	_cleanup_free_ char *from = staging_dir(s);

	if (!fs_is_dir(from))
		return;
	for (int i = 0; i < 10; i++) {
		_cleanup_free_ char *to = i ? mem_printf("%s/collect.%d", s->opt.record->artifacts, i) :
					      mem_printf("%s/collect", s->opt.record->artifacts);

		if (rename(from, to) == 0)
			return;
	}
	say(s, "what was collected lies in the folder 'collect' of the record, beside its artifacts");
}

static void start_next(struct supervisor *s)
{
	struct peer peer = { on_started, on_data, on_eof, NULL, on_exited, s };
	struct wire_start m = { .kind = WIRE_KIND_FILES_OUT, .cwd = "", .user = "" };
	struct collection *c = &s->collection;

	while (c->at < n_paths(s->opt.plan)) {
		const char *path = path_at(s->opt.plan, c->at);
		struct error err = ERROR_INIT;

		if (open_writer(s, path, &err) < 0) {
			say_failed(s, err.text);
			c->at++;
			continue;
		}
		m.argv = (struct wire_list){ .v = &path, .n = 1 };
		c->bytes = 0;
		c->session = session_start(s->sessions, &m, &peer);
		if (c->session) {
			expect_progress(s);
			return;
		}
		say_failed(s, "too many sessions are open in the guest");
		close_path(s);
		c->at++;
	}
	publish(s);
	c->done(c->ctx);
}

bool collect_is_wanted(const struct supervisor *s)
{
	return n_paths(s->opt.plan) > 0;
}

void collect_run(struct supervisor *s, void (*done)(void *ctx), void *ctx)
{
	s->collection.done = done;
	s->collection.ctx = ctx;
	start_next(s);
}

void collect_end(struct supervisor *s)
{
	struct collection *c = &s->collection;
	bool has_run = s->out->facts.program >= PROGRAM_RUNNING;

	if (has_run && c->at < n_paths(s->opt.plan)) {
		for (; c->at < n_paths(s->opt.plan); c->at++) {
			say_failed(s, c->writer ? "the machine ended meanwhile; what is there is incomplete" :
						  "the machine ended before");
			if (c->writer)
				close_path(s);
		}
		publish(s);
	}
	str_clear(&c->said);
}
