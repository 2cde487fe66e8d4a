/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor's eye on its networks: tells the guest who came and went
 * (/etc/hosts), and goes to the next hub when the one it had was killed. The
 * guest's frames wait in their socket meanwhile; its QEMU notices nothing, and
 * nothing else in the supervisor waits:
 *
 *	joined --hub gone--> asking --its answer--> joined
 *	                     |  ^ \--refused--> out of the network, with a note
 *	somebody else joins, |  |
 *	or the new hub died  v  |
 *	                   a timer
 */

#include <poll.h>

#include "run/supervisor_state.h"

#define AGAIN_MS     20 /* until the next try; doubled each time */
#define AGAIN_MAX_MS 2000

struct network_watch {
	struct supervisor *s;
	struct network *network; /* borrowed */
	uint64_t timer;		 /* until the next try, or for the answer */
	uint64_t again_ms;
};

static void on_hub(void *ctx, int fd, short events);
static void on_again(void *ctx);

static void watch(struct network_watch *w)
{
	if (w->network->control_fd >= 0)
		loop_fd(w->s->loop, w->network->control_fd, POLLIN, on_hub, w);
}

static void tell_guest(struct network_watch *w)
{
	struct steps steps = { 0 };

	if (!w->network->has_changed || w->s->state < SUP_HOOKS || w->s->state > SUP_AFTER || !w->s->guest)
		return;
	network_hosts(w->network, &steps_add(&steps, STEP_NETWORK, NULL, NULL)->list);
	guest_tell(w->s->guest, &steps);
	steps_clear(&steps);
	w->network->has_changed = false;
}

static void stop_timer(struct network_watch *w)
{
	loop_timer_remove(w->s->loop, w->timer);
	w->timer = 0;
}

static void say(struct network_watch *w, const char *text)
{
	w->s->opt.note(text);
	strv_add(&w->s->out->notes, text);
}

static void try_later(struct network_watch *w)
{
	w->timer = loop_timer(w->s->loop, w->again_ms, on_again, w);
	w->again_ms = w->again_ms * 2 < AGAIN_MAX_MS ? w->again_ms * 2 : AGAIN_MAX_MS;
}

static void on_no_answer(void *ctx)
{
	struct network_watch *w = ctx;
	_cleanup_free_ char *text = mem_printf("the hub of network '%s' does not answer; the machine is in it once it does",
					       w->network->name);

	w->timer = 0;
	say(w, text);
	network_let_others_in(w->network);
}

static void go_to_next_hub(struct network_watch *w)
{
	struct error err = ERROR_INIT;
	int r = network_rejoin(w->network, w->s->opt.paths, &err);

	if (r < 0) {
		say(w, err.text);
	} else if (r == 0) {
		try_later(w);
	} else {
		watch(w);
		w->timer = loop_timer(w->s->loop, NETWORK_PATIENCE_MS, on_no_answer, w);
	}
}

static void on_again(void *ctx)
{
	struct network_watch *w = ctx;

	w->timer = 0;
	go_to_next_hub(w);
}

static void on_hub(void *ctx, int fd, short events)
{
	struct network_watch *w = ctx;
	struct error err = ERROR_INIT;
	bool was_asking = w->network->is_asking;

	(void)events;
	if (was_asking)
		stop_timer(w);
	if (network_read(w->network, &err) > 0) {
		w->again_ms = AGAIN_MS;
		tell_guest(w);
		return;
	}
	loop_fd_remove(w->s->loop, fd);
	if (error_is_set(&err)) {
		network_let_others_in(w->network);
		say(w, err.text);
	} else if (was_asking) { /* not at once: it may be that no hub lives long */
		network_let_others_in(w->network);
		try_later(w);
	} else {
		go_to_next_hub(w);
	}
}

void networks_start(struct supervisor *s)
{
	s->networks = mem_alloc((s->opt.n_networks + 1) * sizeof(*s->networks));
	for (size_t i = 0; i < s->opt.n_networks; i++) {
		s->networks[i] = (struct network_watch){ .s = s, .network = &s->opt.networks[i], .again_ms = AGAIN_MS };
		watch(&s->networks[i]);
	}
}

void networks_set_up(struct supervisor *s)
{
	for (size_t i = 0; i < s->opt.n_networks; i++)
		tell_guest(&s->networks[i]);
}

void networks_stop(struct supervisor *s)
{
	for (size_t i = 0; s->networks && i < s->opt.n_networks; i++) {
		stop_timer(&s->networks[i]);
		if (s->opt.networks[i].control_fd >= 0)
			loop_fd_remove(s->loop, s->opt.networks[i].control_fd);
	}
	free(s->networks);
	s->networks = NULL;
}
