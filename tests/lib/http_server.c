/* SPDX-License-Identifier: MPL-2.0 */
/* One request for one connection, one connection at a time: a test needs no more. */

#include "lib/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_MAX 8192

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static void send_text(int fd, const char *status, const char *extra)
{
	char text[REQUEST_MAX + 256];
	const char *page = "<html>this is a page, not the file</html>\n";
	int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
			 extra, strlen(page), page);

	send_all(fd, text, (size_t)n);
}

static void send_file(int fd, const char *folder, const char *name, const char *mode, long from)
{
	char path[REQUEST_MAX + 4096], header[512], *data;
	struct stat st;
	long size, n;
	int file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
		send_text(fd, "404 Not Found", "");
		if (file >= 0)
			close(file);
		return;
	}
	size = (long)st.st_size;
	if (!strcmp(mode, "plain"))
		from = 0;
	if (from > 0 && from >= size) {
		send_text(fd, "416 Range Not Satisfiable", "");
		close(file);
		return;
	}
	if (from > 0)
		n = snprintf(header, sizeof(header), "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %ld-%ld/%ld\r\n"
			     "Content-Length: %ld\r\nConnection: close\r\n\r\n", from, size - 1, size, size - from);
	else
		n = snprintf(header, sizeof(header), "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\nConnection: close\r\n\r\n", size);
	send_all(fd, header, (size_t)n);
	n = size - from;
	if (!strcmp(mode, "cut") && n > 1)
		n /= 2;
	if (!strcmp(mode, "dead"))
		n = 0;
	data = malloc((size_t)n + 1);
	if (data && pread(file, data, (size_t)n, from) == n)
		send_all(fd, data, (size_t)n);
	free(data);
	close(file);
}

static void answer(int fd, const char *folder, int log)
{
	static const char *const modes[] = { "ok", "plain", "cut", "dead", "error", NULL };
	char request[REQUEST_MAX + 1], path[REQUEST_MAX + 1], extra[REQUEST_MAX + 64];
	size_t n = 0;
	const char *range, *name;
	long from = 0;

	while (n < REQUEST_MAX) {
		ssize_t r = recv(fd, request + n, REQUEST_MAX - n, 0);

		if (r <= 0)
			return;
		n += (size_t)r;
		request[n] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	if (sscanf(request, "GET /%8191s HTTP", path) != 1)
		return;
	range = strstr(request, "Range: bytes=");
	if (range)
		from = atol(range + strlen("Range: bytes="));
	dprintf(log, "%s %ld\n", path, from);
	if (!strncmp(path, "redirect/", 9) || !strncmp(path, "loop/", 5)) {
		snprintf(extra, sizeof(extra), "Location: /%s\r\n", path + (path[0] == 'r' ? 9 : 0));
		send_text(fd, "302 Found", extra);
		return;
	}
	for (int i = 0; modes[i]; i++) {
		size_t len = strlen(modes[i]);

		if (strncmp(path, modes[i], len) || path[len] != '/')
			continue;
		name = path + len + 1;
		if (!strcmp(modes[i], "error"))
			send_text(fd, "503 Service Unavailable", "");
		else
			send_file(fd, folder, name, modes[i], from);
		return;
	}
	send_text(fd, "404 Not Found", "");
}

static _Noreturn void serve(int listener, const char *folder)
{
	char path[4096];
	int log;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/requests", folder);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		answer(fd, folder, log);
		/* Everything that was sent must arrive, also what "cut" sent: end our half, wait for the other's end. */
		shutdown(fd, SHUT_WR);
		while (recv(fd, path, sizeof(path), 0) > 0)
			;
		close(fd);
	}
}

int http_server_start(struct http_server *s, const char *folder)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0 || (pid = fork()) < 0) {
		close(fd);
		return -1;
	}
	if (pid == 0)
		serve(fd, folder);
	close(fd);
	s->pid = pid;
	s->port = ntohs(addr.sin_port);
	return 0;
}

void http_server_stop(struct http_server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
}
