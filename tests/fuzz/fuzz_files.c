/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An archive of files from a hostile guest, unpacked on a host: nothing is ever
 * made, changed or followed outside of the destination.
 *
 * Input: the archive.
 *
 * sources: src/wire/files.c src/wire/tree_writer.c src/wire/wire.c src/base/error.c src/base/str.c
 */

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "wire/tree.h"

static char top[64];
static unsigned n_outside;

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level ? remove(path) : 0;
}

/* Beside "dest" there are the victim and its file, unchanged, and nothing else. */
static int look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char dest[80];
	size_t n;

	n = (size_t)snprintf(dest, sizeof(dest), "%s/dest", top);
	if (ftw->level == 0 || (strncmp(path, dest, n) == 0 && (path[n] == '/' || !path[n])))
		return 0;
	n_outside++;
	CHECK(strstr(path, "/victim"));
	if (type == FTW_F)
		CHECK(st->st_size == 8 && st->st_nlink == 1 && (st->st_mode & 07777) == 0600 && st->st_mtime == 1000);
	return 0;
}

static void prepare(void)
{
	static const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/victim", top);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/victim/file", top);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, "precious", 8) == 8 && futimens(fd, old) == 0);
	close(fd);
	/* A link that leads out stands in the way already. */
	snprintf(path, sizeof(path), "%s/dest", top);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/dest/l", top);
	CHECK(symlink("../victim", path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;
	struct tree_writer *w;
	char dest[80];

	if (!top[0]) {
		strcpy(top, "/tmp/quiz-fuzz-XXXXXX");
		CHECK(mkdtemp(top));
	}
	CHECK(mkdir(top, 0700) == 0 || access(top, F_OK) == 0);
	prepare();
	snprintf(dest, sizeof(dest), "%s/dest", top);
	CHECK(tree_writer_new(dest, "", 0, NULL, NULL, &w, &err) == 0);
	if (tree_writer_write(w, data, size / 2, &err) == 0 && tree_writer_write(w, data + size / 2, size - size / 2, &err) == 0)
		tree_writer_finish(w, &err);
	tree_writer_free(w);
	n_outside = 0;
	nftw(top, look, 16, FTW_PHYS);
	CHECK(n_outside == 2);
	/* Folders whose modes shut us out can only be dest's own. */
	nftw(top, drop, 16, FTW_DEPTH | FTW_PHYS);
	rmdir(top);
	return 0;
}
