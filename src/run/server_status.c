/* SPDX-License-Identifier: MPL-2.0 */
/* What a machine that is up says of itself: quiz ps --json. */

#include <jansson.h>
#include <unistd.h>

#include "run/supervisor_state.h"
#include "spec/arch.h"

static json_t *networks_json(const struct supervisor *s)
{
	json_t *a = json_array();
	char address[NETWORK_TEXT_MAX];

	for (size_t i = 0; i < s->opt.n_networks; i++) {
		const struct network *n = &s->opt.networks[i];

		json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:b}", "name", n->name, "host", n->host, "address",
						   network_address(n->name, n->number, address), "connected", n->control_fd >= 0));
	}
	return a;
}

char *server_status(struct supervisor *s)
{
	const struct run_plan *p = s->opt.plan;
	_cleanup_str_ struct str program = STR_INIT;
	_cleanup_str_ struct str profiles = STR_INIT;
	_cleanup_str_ struct str safe = STR_INIT;
	json_t *o = json_object(), *modules = json_array(), *folders = json_array();
	char *text;

	for (size_t i = 0; i < p->debug_modules.n; i++)
		json_array_append_new(modules, json_string(p->debug_modules.v[i]));
	for (size_t i = 0; i < p->host_folders.n; i++)
		json_array_append_new(folders, json_string(p->host_folders.v[i]));
	for (size_t i = 0; i < p->program.argv.n; i++) {
		str_add(&program, i ? " " : "");
		str_add_shell(&program, p->program.argv.v[i]);
	}
	str_add_safe(&safe, str_cstr(&program), program.len, false);
	for (size_t i = 0; i < p->profiles.n; i++)
		str_addf(&profiles, "%s%s", i ? "," : "", p->profiles.v[i]);
	json_object_set_new(o, "id", json_string(s->opt.record->id));
	json_object_set_new(o, "state", json_string(sup_state_name(s->state)));
	json_object_set_new(o, "program", json_string(safe.len ? safe.p : "shell"));
	json_object_set_new(o, "profiles", json_string(str_cstr(&profiles)));
	json_object_set_new(o, "kernel", json_string(p->kernel_id));
	json_object_set_new(o, "arch", json_string(p->machine.arch->name));
	json_object_set_new(o, "debug_modules", modules);
	json_object_set_new(o, "record", json_string(s->opt.record->dir));
	json_object_set_new(o, "age_ms", json_integer((json_int_t)((loop_now_ns() - s->out->started_ns) / 1000000)));
	json_object_set_new(o, "cpu_ms", json_integer(s->guest ? (json_int_t)vmm_cpu_ms(guest_vmm(s->guest)) : 0));
	json_object_set_new(o, "memory", json_integer((json_int_t)p->machine.memory_bytes));
	json_object_set_new(o, "pid", json_integer(getpid()));
	json_object_set_new(o, "vmm_pid", json_integer(s->guest ? vmm_pid(guest_vmm(s->guest)) : 0));
	json_object_set_new(o, "sessions", json_integer((json_int_t)sessions_count(s->sessions)));
	json_object_set_new(o, "artifacts", p->has_shared ? json_string(s->opt.record->artifacts) : json_null());
	json_object_set_new(o, "host_folders", folders);
	json_object_set_new(o, "absent_hint", p->absent_hint ? json_string(p->absent_hint) : json_null());
	json_object_set_new(o, "networks", networks_json(s));
	json_object_set_new(o, "tty", json_boolean(p->program.tty));
	json_object_set_new(o, "crash", analyser_crash(s->analyser) ? json_string(analyser_crash(s->analyser)->title) : json_null());
	sup_tell_crash(s, true);
	json_object_set_new(o, "crash_text", s->out->crash_text ? json_string(s->out->crash_text) : json_null());
	json_object_set_new(o, "gdb", s->guest && vmm_gdb_socket(guest_vmm(s->guest))
					      ? json_string(vmm_gdb_socket(guest_vmm(s->guest)))
					      : json_null());
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text ? text : mem_strdup("{}");
}
