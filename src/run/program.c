/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The program of a run: a session whose peer is our own terminal or pipes
 * (run/local), or nobody (a machine in the background).
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "run/supervisor_state.h"
#include "sys/term.h"

#define OUTPUT_LOG_MAX (64u << 20) /* bytes of output.log; the program goes on without it */

static void send_start(struct supervisor *s, const struct run_program *p, uint32_t flags);

static size_t outlet_room(void *ctx)
{
	struct supervisor *s = ctx;

	return s->program ? session_room(s->program) : 0;
}

static void outlet_input(void *ctx, const void *mem, size_t n)
{
	struct supervisor *s = ctx;

	if (s->program)
		session_write(s->program, mem, n);
}

static void outlet_end(void *ctx)
{
	struct supervisor *s = ctx;

	if (s->program)
		session_eof(s->program);
}

/* The program reads its end; whether that is a failure only it can tell. It must not pass for the input's own end. */
static void outlet_input_lost(void *ctx, int errnum)
{
	struct supervisor *s = ctx;
	struct error err = ERROR_INIT;

	error_sys(&err, errnum, LOCAL_INPUT);
	strv_add(&s->out->warnings, err.text);
}

static void outlet_consumed(void *ctx, unsigned stream, size_t n)
{
	struct supervisor *s = ctx;

	if (s->program)
		session_consumed(s->program, stream, n);
}

static void outlet_winsize(void *ctx, uint16_t rows, uint16_t cols)
{
	struct supervisor *s = ctx;

	if (s->program)
		session_winsize(s->program, rows, cols);
}

static void outlet_escape(void *ctx, char key)
{
	struct supervisor *s = ctx;

	if (key == 'k') {
		s->out->facts.interrupted_by = SIGTERM;
		sup_die(s, 0);
	}
}

/* The reader of our stdout is gone: the program hears of it as it would locally. A full disk is our failure, not its.
 */
static void outlet_lost(void *ctx, int errnum)
{
	struct supervisor *s = ctx;

	if (errnum != EPIPE && !error_is_set(&s->out->error)) {
		s->out->facts.output_failed = true;
		error_sys(&s->out->error, errnum, LOCAL_OUTPUT);
	}
	if (s->program)
		session_signal(s->program, SIGPIPE);
}

static void outlet_hung_up(void *ctx)
{
	sup_terminal_gone(ctx);
}

struct outlet program_outlet(struct supervisor *s)
{
	return (struct outlet){ outlet_room,	 outlet_input,	 outlet_end,	outlet_input_lost,
				outlet_consumed, outlet_winsize, outlet_escape, outlet_lost,	outlet_hung_up, s };
}

static const char *program_name(const struct supervisor *s)
{
	const struct run_program *p = &s->opt.plan->program;

	return p->argv.n ? p->argv.v[0] : "a shell";
}

void program_note_started(struct supervisor *s, const struct wire_started *m)
{
	if (!m->errnum) {
		s->out->running_ns = loop_now_ns();
		s->out->facts.program = PROGRAM_RUNNING;
		return;
	}
	session_start_error(m, program_name(s), "the guest", &s->out->error);
	s->out->is_absent = s->out->error.kind == ERROR_MISSING;
	if (m->stage == WIRE_STAGE_EXEC)
		s->out->facts.program = m->errnum == ENOENT ? PROGRAM_NOT_FOUND : PROGRAM_NOT_EXECUTABLE;
	else
		s->out->facts.setup_failed = true;
}

void program_note_exited(struct supervisor *s, const struct wire_exit *m)
{
	analyser_agent(s->analyser, ANALYSER_AGENT_PROGRESS, loop_now_ms());
	s->out->exit = *m;
	s->out->facts.program = m->how == WIRE_EXITED ? PROGRAM_EXITED : PROGRAM_SIGNALLED;
	s->out->facts.value = (int)m->value;
}

static void on_started(void *ctx, struct session *session, const struct wire_started *m)
{
	struct supervisor *s = ctx;

	if (m->errnum)
		s->program = NULL;
	if (s->state >= SUP_DYING)
		return; /* a step of the setup has failed, and with it what was behind it */
	if (!s->is_shell)
		program_note_started(s, m);
	if (m->errnum) {
		sup_wind_down(s);
		return;
	}
	watchdog_program(s);
	if (s->opt.spec->test_agent)
		channel_send(guest_channel(s->guest), 0, test, .what = s->opt.spec->test_agent);
	if (s->local && local_begin(s->local, s->is_shell || s->opt.plan->program.tty, &s->out->error) < 0)
		sup_die(s, 0);
	sup_ready(s);
	if (!s->is_shell && s->opt.started)
		s->opt.started(s->opt.decided_ctx, s->out);
}

int program_open_output(struct supervisor *s, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/output.log", s->opt.record->dir);

	s->output_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return s->output_fd < 0 ? error_sys(err, errno, "create '%s'", path) : 0;
}

static void log_output(struct supervisor *s, const void *mem, size_t n)
{
	static const char full[] = "\n[quiz: output.log is full]\n";

	if (s->output_fd < 0)
		return;
	s->output_bytes += n;
	if (s->output_bytes <= OUTPUT_LOG_MAX && write(s->output_fd, mem, n) == (ssize_t)n)
		return;
	if (write(s->output_fd, full, sizeof(full) - 1) < 0) {
		/* a full disk: nothing more can be said here */
	}
	close_fd(&s->output_fd);
}

static void on_data(void *ctx, struct session *session, unsigned stream, const void *mem, size_t n)
{
	struct supervisor *s = ctx;

	if (s->local) {
		local_output(s->local, stream, mem, n);
		return;
	}
	log_output(s, mem, n);
	session_consumed(session, stream, n);
}

static void on_eof(void *ctx, struct session *session, unsigned stream)
{
}

static void on_writable(void *ctx, struct session *session)
{
	struct supervisor *s = ctx;

	if (s->local)
		local_writable(s->local);
}

static void on_exited(void *ctx, struct session *session, const struct wire_exit *m)
{
	struct supervisor *s = ctx;

	s->program = NULL;
	if (!m)
		return; /* the machine ended first */
	if (s->is_shell) {
		sup_wind_down(s);
		return;
	}
	program_note_exited(s, m);
	if (s->server)
		server_program_ended(s->server, m);
	if (s->state == SUP_PROGRAM && s->opt.plan->shell_after && s->local) {
		struct run_program shell = s->opt.plan->program; /* same user, folder and environment */

		shell.argv = (struct strv)STRV_INIT;
		/* Without a terminal it reads commands, to the end of the input: nobody could leave the other. */
		shell.tty = shell.tty || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
		s->is_shell = true;
		send_start(s, &shell, 0);
	} else if (s->state == SUP_PROGRAM && s->is_last) {
		watchdog_stop(s);
		sup_leave(s);
	} else if (s->state == SUP_PROGRAM) {
		sup_wind_down(s);
	}
}

struct wire_start program_message(const struct run_program *p)
{
	return (struct wire_start){
		.kind = WIRE_KIND_PROGRAM,
		.flags = (p->tty ? WIRE_START_TTY : 0) | (p->has_stdin ? WIRE_START_STDIN : 0) |
			 (p->argv.n ? 0 : WIRE_START_LOGIN),
		.argv = { .v = (const char *const *)p->argv.v, .n = (uint32_t)p->argv.n },
		.env = { .v = (const char *const *)p->env.v, .n = (uint32_t)p->env.n },
		.cwd = p->cwd ? p->cwd : "",
		.user = p->user ? p->user : "",
		.umask = 022,
	};
}

static void send_start(struct supervisor *s, const struct run_program *p, uint32_t flags)
{
	const struct peer peer = { on_started, on_data, on_eof, on_writable, on_exited, s };
	struct wire_start m = program_message(p);

	m.flags |= flags;
	if (p->tty)
		term_size(STDIN_FILENO, &m.rows, &m.cols);
	s->program = session_start(s->sessions, &m, &peer);
	if (!s->program) {
		struct error err = ERROR_INIT;

		error_set(&err, ERROR_USAGE, "cannot run '%s': the argument list is longer than %u bytes",
			  program_name(s), WIRE_PAYLOAD_MAX);
		sup_setup_failed(s, &err);
	}
}

/* Is there nothing to be done in the machine after its program? */
static bool is_last(const struct supervisor *s)
{
	const struct run_plan *p = s->opt.plan;

	return !p->shell_after && !p->n_collect_hooks && !p->wants_power_off && !collect_is_wanted(s) &&
	       !s->opt.spec->linger_ms;
}

void program_send(struct supervisor *s)
{
	s->is_last = is_last(s);
	send_start(s, &s->opt.plan->program, WIRE_START_IF_DONE | (s->is_last ? WIRE_START_LAST : 0));
	/* Together with the start: a message later would be an interrupt of the machine more. */
	if (s->program && s->local && !s->opt.plan->program.tty && local_has_no_input())
		session_eof(s->program);
}

void program_start(struct supervisor *s)
{
	if (!s->program)
		program_send(s);
	if (s->state < SUP_DYING)
		s->state = SUP_PROGRAM;
}
