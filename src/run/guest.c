/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Requests are answered in the order of their completion, which for one
 * sequence is the order of sending; ids make sure that answers to a forgotten
 * sequence are not taken for the next one's.
 */

#include "run/guest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct guest {
	struct loop *loop;
	struct vmm *vmm;
	struct channel *channel;
	struct guest_callbacks cb;
	const struct steps *steps; /* borrowed; NULL: none under way */
	size_t n_answered;
	uint32_t first_id, next_id;
	guest_done_fn *done;
	void *done_ctx;
	uint64_t heard_mark;
	bool is_up, is_lost;
	uint64_t console_bytes;
};

static void on_frame(void *ctx, const struct wire_frame *f);
static void on_closed(void *ctx, const char *why);

static void on_vmm_event(void *ctx, enum vmm_event ev, const char *text)
{
	struct guest *g = ctx;

	g->cb.vmm_event(g->cb.ctx, g, ev, text);
}

static void on_console(void *ctx, int fd, short events)
{
	struct guest *g = ctx;
	char buf[16384];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)events;
	if (n > 0) {
		g->console_bytes += (uint64_t)n;
		g->cb.console(g->cb.ctx, g, buf, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		loop_fd_remove(g->loop, fd); /* the VMM is going; its exit is an event of its own */
	}
}

int guest_start(const struct machine *m, const struct vmm_caps *caps, const struct vmm_options *opt, struct loop *loop,
		const struct guest_callbacks *cb, struct guest **ret, struct error *err)
{
	struct guest *g = mem_alloc(sizeof(*g));
	struct vmm_callbacks vcb = { .event = on_vmm_event, .ctx = g };
	struct channel_callbacks ccb = { .frame = on_frame, .closed = on_closed, .ctx = g };

	g->loop = loop;
	g->cb = *cb;
	g->next_id = 1;
	if (vmm_start(m, caps, opt, loop, &vcb, &g->vmm, err) < 0) {
		free(g);
		return -1;
	}
	g->channel = channel_new(loop, vmm_port_fd(g->vmm, VMM_PORT_AGENT), false, &ccb);
	loop_fd(loop, vmm_port_fd(g->vmm, VMM_PORT_CONSOLE), POLLIN, on_console, g);
	*ret = g;
	return 0;
}

void guest_free(struct guest *g)
{
	if (!g)
		return;
	loop_fd_remove(g->loop, vmm_port_fd(g->vmm, VMM_PORT_CONSOLE));
	channel_free(g->channel);
	vmm_free(g->vmm);
	free(g);
}

struct vmm *guest_vmm(const struct guest *g)
{
	return g->vmm;
}

struct channel *guest_channel(const struct guest *g)
{
	return g->channel;
}

static void lose(struct guest *g, const char *why)
{
	if (g->is_lost)
		return;
	g->is_lost = true;
	g->cb.lost(g->cb.ctx, g, why);
}

static void finish_steps(struct guest *g, const struct error *err)
{
	guest_done_fn *done = g->done;

	g->steps = NULL;
	g->done = NULL;
	if (done)
		done(g->done_ctx, err);
}

static void on_result(struct guest *g, const struct wire_result *r)
{
	struct error err = ERROR_INIT;

	if (!g->steps || r->id != g->first_id + g->n_answered)
		return; /* of a forgotten sequence */
	if (r->errnum) {
		_cleanup_str_ struct str what = STR_INIT;
		_cleanup_str_ struct str text = STR_INIT;

		step_describe(&g->steps->v[g->n_answered], &what);
		str_add_safe(&text, r->text, strlen(r->text), false);
		error_set(&err, ERROR_GUEST, "cannot %s: %s", str_cstr(&what), text.len ? text.p : strerror((int)r->errnum));
		err.errnum = (int)r->errnum;
		finish_steps(g, &err);
		return;
	}
	if (++g->n_answered == g->steps->n)
		finish_steps(g, NULL);
}

static void on_hello(struct guest *g, const struct wire_hello *h)
{
	if (g->is_up || h->version_min > WIRE_VERSION || h->version_max < WIRE_VERSION) {
		lose(g, g->is_up ? "it said HELLO twice" : "the guest agent speaks another version of the protocol");
		return;
	}
	g->is_up = true;
	channel_send(g->channel, 0, welcome, .version = WIRE_VERSION);
	g->cb.up(g->cb.ctx, g, h);
}

static void on_frame(void *ctx, const struct wire_frame *f)
{
	struct guest *g = ctx;
	struct wire_hello hello;
	struct wire_result result;

	switch (f->type) {
	case WIRE_HELLO:
		if (wire_get_hello(f, &hello) != WIRE_OK)
			lose(g, "it sent a malformed HELLO");
		else
			on_hello(g, &hello);
		break;
	case WIRE_RESULT:
		if (wire_get_result(f, &result) != WIRE_OK)
			lose(g, "it sent a malformed RESULT");
		else
			on_result(g, &result);
		break;
	default:
		g->cb.frame(g->cb.ctx, g, f);
	}
}

static void on_closed(void *ctx, const char *why)
{
	lose(ctx, why);
}

void guest_steps(struct guest *g, const struct steps *steps, guest_done_fn *done, void *ctx)
{
	g->steps = steps;
	g->n_answered = 0;
	g->first_id = g->next_id;
	g->done = done;
	g->done_ctx = ctx;
	g->next_id += (uint32_t)steps->n;
	if (!steps->n) {
		finish_steps(g, NULL);
		return;
	}
	for (size_t i = 0; i < steps->n; i++) {
		size_t n = step_encode(&steps->v[i], g->first_id + (uint32_t)i, channel_reserve(g->channel, WIRE_FRAME_MAX));

		if (!n) {
			struct error err = ERROR_INIT;
			_cleanup_str_ struct str what = STR_INIT;

			step_describe(&steps->v[i], &what);
			error_set(&err, ERROR_USAGE, "cannot %s: it is longer than %u bytes", str_cstr(&what), WIRE_PAYLOAD_MAX);
			finish_steps(g, &err);
			return;
		}
		channel_commit(g->channel, n);
	}
}

void guest_tell(struct guest *g, const struct steps *steps)
{
	/* No sequence has id 0, so no answer to it is taken for one's. */
	for (size_t i = 0; i < steps->n; i++)
		channel_commit(g->channel, step_encode(&steps->v[i], 0, channel_reserve(g->channel, WIRE_FRAME_MAX)));
}

void guest_steps_forget(struct guest *g)
{
	g->steps = NULL;
	g->done = NULL;
}

bool guest_was_heard(struct guest *g)
{
	uint64_t now = channel_received(g->channel) + g->console_bytes;
	bool heard = now != g->heard_mark;

	g->heard_mark = now;
	return heard;
}

uint64_t guest_console_bytes(const struct guest *g)
{
	return g->console_bytes;
}

void guest_drain_console(struct guest *g)
{
	int fd = vmm_port_fd(g->vmm, VMM_PORT_CONSOLE);
	char buf[16384];
	ssize_t n;

	/* A socket holds a bounded amount, so this ends even with a guest that goes on talking. */
	for (int i = 0; i < 64 && (n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0; i++)
		g->cb.console(g->cb.ctx, g, buf, (size_t)n);
}
