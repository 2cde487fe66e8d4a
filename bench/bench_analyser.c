/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How many MB/s of console text the analyser reads: a clean boot log over and
 * over, in chunks as a socket gives them, one that is nothing but oopses, and
 * any others.
 *
 *	bench_analyser CLEAN.log [OOPS.log [OTHER.log]]
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "run/analyser.h"
#include "sys/fs.h"

#define TOTAL_BYTES (256u << 20)
#define CHUNK	    16384

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void run(const char *name, const char *path, size_t total)
{
	struct analyser *a = analyser_new(NULL);
	struct str log = STR_INIT, big = STR_INIT;
	struct error err = ERROR_INIT;
	double start, end;

	if (fs_read(path, 64u << 20, &log, &err) < 0 || !log.len) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	while (big.len < (4u << 20))
		str_add_mem(&big, log.p, log.len);
	start = seconds();
	for (size_t done = 0; done < total; done += big.len)
		for (size_t at = 0; at < big.len; at += CHUNK)
			analyser_console(a, big.p + at, big.len - at < CHUNK ? big.len - at : CHUNK, 0);
	analyser_finish(a, 0);
	end = seconds();
	printf("%-8s %7.0f MB/s  (%llu lines, %.0f ns a line, %zu findings)\n", name,
	       (double)total / 1e6 / (end - start), (unsigned long long)analyser_n_lines(a),
	       (end - start) * 1e9 / (double)analyser_n_lines(a), analyser_n_findings(a));
	str_clear(&log);
	str_clear(&big);
	analyser_free(a);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: bench_analyser CLEAN.log [OOPS.log [OTHER.log]]\n");
		return 2;
	}
	run("clean", argv[1], TOTAL_BYTES);
	if (argc > 2)
		run("oopses", argv[2], TOTAL_BYTES / 16);
	if (argc > 3)
		run("others", argv[3], TOTAL_BYTES / 16);
	return 0;
}
