/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor's eye on its networks: tells the guest who came and went
 * (/etc/hosts), and goes to the next hub when the one it had was killed. The
 * guest's frames wait in their socket meanwhile; its QEMU notices nothing.
 */

#include <poll.h>

#include "run/supervisor_state.h"

struct network_watch {
	struct supervisor *s;
	struct network *network; /* borrowed */
};

static void on_hub(void *ctx, int fd, short events);

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

static void on_hub(void *ctx, int fd, short events)
{
	struct network_watch *w = ctx;
	struct error err = ERROR_INIT;

	(void)events;
	if (network_read(w->network) < 0) {
		loop_fd_remove(w->s->loop, fd);
		if (network_rejoin(w->network, w->s->opt.paths, &err) < 0) {
			w->s->opt.note(err.text);
			strv_add(&w->s->out->notes, err.text);
			return;
		}
		watch(w);
	}
	tell_guest(w);
}

void networks_start(struct supervisor *s)
{
	s->networks = mem_alloc((s->opt.n_networks + 1) * sizeof(*s->networks));
	for (size_t i = 0; i < s->opt.n_networks; i++) {
		s->networks[i] = (struct network_watch){ s, &s->opt.networks[i] };
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
	for (size_t i = 0; s->networks && i < s->opt.n_networks; i++)
		if (s->opt.networks[i].control_fd >= 0)
			loop_fd_remove(s->loop, s->opt.networks[i].control_fd);
	free(s->networks);
	s->networks = NULL;
}
