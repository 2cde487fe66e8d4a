/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The other end of a supervisor's socket: what `quiz ps`, exec, shell,
 * attach, logs, stop and wait are made of. A client is one connection; each
 * call below runs its own loop to the end of what it does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/error.h"
#include "run/run_plan.h"
#include "sys/paths.h"
#include "wire/wire.h"

struct client_machine {
	char *id, *socket; /* owned */
	json_t *status;	   /* owned; what the supervisor says of itself; NULL: it did not answer */
	uint64_t age_ms;
};

/* All machines of this user that are up, newest first. Folders of dead ones are removed on the way. */
int client_machines(const struct paths *p, struct client_machine **ret, size_t *ret_n, struct error *err);
void client_machines_free(struct client_machine *v, size_t n);

struct client;

/*
 * Connects to the socket of the machine with that id, and waits for its
 * welcome. NULL: SYSTEM (nobody listens, ECONNREFUSED or ENOENT; it hung up,
 * ECONNRESET) or TIMEOUT (no answer).
 */
struct client *client_connect(const char *path, const char *id, const char *purpose, struct error *err);
/* id: a unique prefix, or "." for the newest. ERROR_MISSING with hint `quiz ps`. */
int client_open(const struct paths *p, const char *id, const char *purpose, struct client **ret, struct error *err);
void client_free(struct client *c);
const char *client_id(const struct client *c);
const json_t *client_status(const struct client *c);
/* Our stdin could not be read to its end, which the program does not know; NULL: it could. Borrowed. */
const struct error *client_input_error(const struct client *c);

/*
 * Runs a program with our streams. *ret_status: its status, 128+signal, 126, 127, or 120 when the machine went away.
 * ERROR_MISSING: the guest has no such program, which a status of 127 alone does not say.
 */
int client_exec(struct client *c, const struct run_program *program, int *ret_status, struct error *err);
/* The same with the program that the machine was started for (--keep). told (may be NULL): what is said of a crash meanwhile. */
int client_exec_planned(struct client *c, void (*told)(const char *text), int *ret_status, struct error *err);
/* Watches the program of the run, or takes its terminal over. *ret_status: the program's, or 0 after detaching. */
int client_attach(struct client *c, bool take_over, int *ret_status, struct error *err);
/* Did it end because the user asked to (Ctrl-] d), and not with the program? */
bool client_has_detached(const struct client *c);
/* Follows the kernel log until the machine ends. */
int client_follow_log(struct client *c, struct error *err);
/* Ends it; returns when it is gone. */
int client_stop(struct client *c, bool force, struct error *err);
/* Waits for the machine's end. *ret_status: the run's. */
int client_wait(struct client *c, int *ret_status, struct error *err);
/* Writes a vmcore to an absolute host path. */
int client_dump(struct client *c, const char *path, struct error *err);

/*
 * A gdb stub in the machine, at the socket *ret_socket (the caller frees), for
 * as long as this connection is open: it is inherited by a program that this
 * process becomes by exec.
 */
int client_gdb(struct client *c, char **ret_socket, struct error *err);

/*
 * A session whose streams are the caller's functions, for `quiz cp`: archives
 * (wire/files.h) made and unpacked in this process.
 */
#define CLIENT_INPUT_LATER (-2)

struct client_stream {
	/* What the session says on stdout. -1 with err set ends it. NULL: thrown away. */
	int (*output)(void *ctx, const void *mem, size_t n, struct error *err);
	/* What it says on stderr. NULL: thrown away. */
	void (*said)(void *ctx, const void *mem, size_t n);
	/*
	 * Fills buf with input: bytes, 0 at the end, -1 with err set, CLIENT_INPUT_LATER when
	 * there is none until more output has come. NULL: no input.
	 */
	ssize_t (*input)(void *ctx, void *buf, size_t cap, struct error *err);
	void *ctx;
};
int client_run_stream(struct client *c, const struct wire_start *start, const struct client_stream *stream,
		      int *ret_status, struct error *err);
