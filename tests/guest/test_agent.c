/* SPDX-License-Identifier: MPL-2.0 */
/* Runs the cases on the real agent. TAP; the name of one as argument runs that one. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static struct agent agent;
struct agent *const a = &agent;
char folder[] = "/tmp/quiz-guest-XXXXXX";

static const struct test_case *const groups[] = {
	program_cases, stream_cases, terminal_cases, request_cases, spare_cases, file_cases, host_cases,
};

void write_script(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write %s", name);
	close(fd);
}

void until_output_has(struct job *j, const char *text)
{
	struct wire_frame f;

	while (!strstr((char *)j->out, text)) {
		check(!j->is_over, "ended without '%s': '%s'", text, j->out);
		check(agent_next(a, 10000, &f), "no '%s' in '%s'", text, j->out);
		if (f.session)
			job_frame(a, j, &f);
	}
}

/* In a process and a folder of its own, with a time limit; its agents die with it (unshare --kill-child). */
static bool run_case(const struct test_case *c)
{
	char command[128];
	pid_t pid;
	int st;

	strcpy(folder, "/tmp/quiz-guest-XXXXXX");
	if (!mkdtemp(folder))
		return false;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(90);
		if (chdir(folder) < 0)
			_exit(1);
		c->run();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (WIFSIGNALED(st))
		printf("# ended by signal %d%s\n", WTERMSIG(st), WTERMSIG(st) == SIGALRM ? ": it took too long" : "");
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", folder, folder);
	if (system(command) != 0)
		printf("# cannot remove %s\n", folder);
	return WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

int main(int argc, char **argv)
{
	const char *why = agent_cannot_run(), *only = argc > 1 ? argv[1] : NULL;
	size_t n = 0, n_run = 0, n_failed = 0;

	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (const struct test_case *c = groups[g]; c->name; c++)
			n += !only || strcmp(only, c->name) == 0;
	printf("1..%zu\n", n);
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (const struct test_case *c = groups[g]; c->name; c++) {
			bool ok;

			if (only && strcmp(only, c->name) != 0)
				continue;
			ok = run_case(c);
			n_failed += !ok;
			printf("%sok %zu - %s\n", ok ? "" : "not ", ++n_run, c->name);
		}
	return n_failed > 0;
}
