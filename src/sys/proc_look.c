/* SPDX-License-Identifier: MPL-2.0 */
/* What the host says of a process that runs: proc(5). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/proc.h"

uint64_t proc_cpu_ms(pid_t pid)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/stat", (int)pid);
	_cleanup_str_ struct str text = STR_INIT;
	unsigned long long user, system;
	const char *after;

	/* proc(5): fields 14 and 15; the name before them may hold anything, parentheses too. */
	if (fs_read(path, 4096, &text, NULL) < 0 || !(after = strrchr(str_cstr(&text), ')')) ||
	    sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return 0;
	return (user + system) * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK);
}

void proc_waits_clear(struct proc_waits *w)
{
	free(w->v);
	*w = (struct proc_waits){ 0 };
}

void proc_waits_take(pid_t pid, struct proc_waits *ret)
{
	_cleanup_free_ char *dir = mem_printf("/proc/%d/task", (int)pid);
	_cleanup_strv_ struct strv tasks = STRV_INIT;

	proc_waits_clear(ret);
	if (fs_list(dir, &tasks, NULL) < 0)
		return;
	for (size_t i = 0; i < tasks.n; i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s/schedstat", dir, tasks.v[i]);
		_cleanup_str_ struct str text = STR_INIT;
		unsigned long long waited;

		/* Documentation/scheduler/sched-stats: time on a CPU, time waiting for one (ns), number of turns. */
		if (fs_read(path, 256, &text, NULL) == 0 && sscanf(str_cstr(&text), "%*u %llu", &waited) == 1)
			*VEC_PUSH(ret->v, ret->n) = (struct proc_wait){ (pid_t)atoi(tasks.v[i]), waited / 1000000 };
	}
}

uint64_t proc_starved_ms(pid_t pid, const struct proc_waits *since)
{
	struct proc_waits now = { 0 };
	uint64_t longest = 0;

	proc_waits_take(pid, &now);
	for (size_t i = 0; i < now.n; i++) {
		uint64_t then = 0; /* of a thread that was not there */

		for (size_t k = 0; k < since->n; k++)
			if (since->v[k].tid == now.v[i].tid)
				then = since->v[k].ms;
		if (now.v[i].ms > then && now.v[i].ms - then > longest)
			longest = now.v[i].ms - then;
	}
	proc_waits_clear(&now);
	return longest;
}

uint64_t proc_written_bytes(pid_t pid)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/io", (int)pid);
	_cleanup_str_ struct str text = STR_INIT;
	unsigned long long n;
	const char *at;

	/* proc(5): "wchar" counts what was passed to write(2), "write_bytes" only what a block device gets: no tmpfs. */
	if (fs_read(path, 4096, &text, NULL) < 0 || !(at = strstr(str_cstr(&text), "wchar: ")) ||
	    sscanf(at, "wchar: %llu", &n) != 1)
		return UINT64_MAX;
	return n;
}

/* The states of its threads, one letter each as in proc(5); nothing when it is gone. */
static void thread_states(pid_t pid, struct str *out)
{
	_cleanup_free_ char *dir = mem_printf("/proc/%d/task", (int)pid);
	_cleanup_strv_ struct strv tasks = STRV_INIT;

	if (fs_list(dir, &tasks, NULL) < 0)
		return;
	for (size_t i = 0; i < tasks.n; i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s/stat", dir, tasks.v[i]);
		_cleanup_str_ struct str text = STR_INIT;
		const char *after;

		/* The name before it may hold anything, parentheses too. */
		if (fs_read(path, 4096, &text, NULL) < 0 || !(after = strrchr(str_cstr(&text), ')')) || !str_starts(after, ") "))
			str_add_char(out, '?');
		else
			str_add_char(out, after[2]);
	}
}

bool proc_is_asleep(pid_t pid)
{
	_cleanup_str_ struct str states = STR_INIT;

	thread_states(pid, &states);
	return states.len && strspn(states.p, "S") == states.len;
}

bool proc_is_blocked(pid_t pid)
{
	_cleanup_str_ struct str states = STR_INIT;

	thread_states(pid, &states);
	return strchr(str_cstr(&states), 'D') != NULL;
}
