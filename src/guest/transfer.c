/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/transfer.h"

#include <errno.h>
#include <unistd.h>

#include "guest/file.h"
#include "guest/log.h"
#include "wire/tree.h"

static uint8_t buf[2 * FILES_RECORD_MAX];

static int failed(const struct error *err)
{
	log_plain("%s", err->text);
	return err->errnum > 0 && err->errnum < 256 ? err->errnum : EIO;
}

int transfer_out(const char *path)
{
	struct error err = ERROR_INIT;
	struct tree_reader *r;
	size_t n;

	if (tree_reader_new(path, &r, &err) < 0)
		return failed(&err);
	while ((n = tree_reader_read(r, buf, sizeof(buf))) > 0) {
		int e = file_write_all(1, buf, n);

		if (e < 0)
			return -e;
	}
	return 0;
}

static void say_left_out(void *ctx, const char *path, const char *text)
{
	(void)ctx;
	log_plain("%s: %s", path, text);
}

int transfer_in(const char *path, const char *name)
{
	struct error err = ERROR_INIT;
	struct tree_writer *w;

	if (tree_writer_new(path, name, TREE_PRIVILEGED, say_left_out, NULL, &w, &err) < 0)
		return failed(&err);
	for (;;) {
		ssize_t n = read(0, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		if (tree_writer_write(w, buf, (size_t)n, &err) < 0)
			return failed(&err);
	}
	return tree_writer_finish(w, &err) < 0 ? failed(&err) : 0;
}
