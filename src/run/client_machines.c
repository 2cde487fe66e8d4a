/* SPDX-License-Identifier: MPL-2.0 */
/* Which machines of the user are up: every folder with a socket in the runtime folder is asked. See client.h. */

#include "run/client.h"

#include <errno.h>
#include <stdlib.h>

#include "base/str.h"
#include "sys/fs.h"
#include "sys/lock.h"

static int newest_first(const void *a, const void *b)
{
	const struct client_machine *x = a, *y = b;

	return (x->age_ms > y->age_ms) - (x->age_ms < y->age_ms);
}

int client_machines(const struct paths *p, struct client_machine **ret, size_t *ret_n, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct client_machine *v = NULL;
	size_t n = 0;

	if (fs_list(p->runtime, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *sock = mem_printf("%s/%s/sock", p->runtime, names.v[i]);
		struct error why = ERROR_INIT;
		struct client_machine *m;
		struct client *c;

		if (!fs_exists(sock))
			continue;
		c = client_connect(sock, names.v[i], "ps", &why);
		if (!c && why.kind == ERROR_SYSTEM && why.errnum == ECONNREFUSED) {
			_cleanup_free_ char *dir = mem_printf("%s/%s", p->runtime, names.v[i]);
			_cleanup_free_ char *lock = fs_join(dir, "lock");

			/* Nobody listens: its supervisor was killed, unless it is about to. */
			if (!lock_is_held(lock))
				fs_remove_tree(dir, NULL, NULL);
			continue;
		}
		/* It has ended while we asked. */
		if (!c && why.kind == ERROR_SYSTEM && (why.errnum == ECONNRESET || why.errnum == ENOENT))
			continue;
		m = VEC_PUSH(v, n);
		m->id = mem_strdup(names.v[i]);
		m->socket = mem_strdup(sock);
		m->status = c ? json_incref((json_t *)client_status(c)) : NULL;
		m->age_ms = m->status ? (uint64_t)json_integer_value(json_object_get(m->status, "age_ms")) : UINT64_MAX;
		client_free(c);
	}
	if (n)
		qsort(v, n, sizeof(*v), newest_first);
	*ret = v;
	*ret_n = n;
	return 0;
}

void client_machines_free(struct client_machine *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].id);
		free(v[i].socket);
		json_decref(v[i].status);
	}
	free(v);
}

int client_open(const struct paths *p, const char *id, const char *purpose, struct client **ret, struct error *err)
{
	struct client_machine *v;
	size_t n, at = SIZE_MAX, hits = 0;
	int r = -1;

	if (client_machines(p, &v, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(id, ".") ? i == 0 : str_starts(v[i].id, id)) {
			at = i;
			hits++;
		}
		if (str_eq(id, v[i].id)) {
			hits = 1;
			break;
		}
	}
	if (hits == 1) {
		*ret = client_connect(v[at].socket, v[at].id, purpose, err);
		r = *ret ? 0 : -1;
	} else {
		error_set(err, ERROR_MISSING, hits ? "machine '%s' is not unique" : str_eq(id, ".") ? "no machine is up"
					       : "no machine '%s' is up", id);
		error_hint(err, "quiz ps");
	}
	client_machines_free(v, n);
	return r;
}
