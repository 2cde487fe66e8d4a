/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The helper program quiz-hub: a private network between machines, started by
 * the first machine that joins it and gone with the last (run/hub.h). Users
 * never see its name. `quiz-hub FOLDER`, with a listening socket as
 * descriptor 3 and the folder's lock as descriptor 4.
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "run/hub.h"
#include "sys/proc.h"

#define LISTEN_FD 3
#define LOCK_FD 4

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	pid_t pid;

	if (argc != 2 || fcntl(LISTEN_FD, F_GETFD) < 0) {
		fputs("usage: quiz-hub FOLDER (started by quiz)\n", stderr);
		return 125;
	}
	/* Whoever started us waits for this process only: the hub is nobody's child. */
	pid = proc_fork(true, &err);
	if (pid != 0)
		return pid < 0 ? 125 : 0;
	if (hub_run(argv[1], LISTEN_FD, LOCK_FD, &err) < 0) {
		fprintf(stderr, "quiz-hub: %s\n", err.text);
		return 125;
	}
	return 0;
}
