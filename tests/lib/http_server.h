/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A web server on loopback that misbehaves on request, as a child of the
 * test. Serves the files of a folder; the first part of the path says how:
 *
 *	/ok/NAME	the file, with ranges
 *	/plain/NAME	the file, without ranges (a Range header is ignored)
 *	/cut/NAME	half of what is asked for, then the connection breaks
 *	/dead/NAME	the connection breaks after the header, every time
 *	/redirect/PATH	302 to /PATH
 *	/loop/...	302 to itself
 *	/error/NAME	503 with a page
 *	anything else	404 with a page
 *
 * Everything that was asked for is written to <folder>/requests, one line
 * each: path, and the first byte of the range.
 */

struct http_server {
	int pid;
	unsigned port;
};

/* 0, or -1 with errno. */
int http_server_start(struct http_server *s, const char *folder);
void http_server_stop(struct http_server *s);
