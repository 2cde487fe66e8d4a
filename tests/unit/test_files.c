/* SPDX-License-Identifier: MPL-2.0 */
/* The archive of `quiz cp`: its records, and that a hostile one stays in its folder. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "wire/tree.h"

static char folder[64], dest[96];
static char noted[4096];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/quiz-files-XXXXXX");
	noted[0] = '\0';
	if (!mkdtemp(folder))
		return -1;
	snprintf(dest, sizeof(dest), "%s/dest", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void note(void *ctx, const char *path, const char *text)
{
	size_t n = strlen(noted);

	snprintf(noted + n, sizeof(noted) - n, "%s: %s\n", path, text);
}

/* An archive under construction. */
static struct {
	uint8_t buf[512 * 1024];
	size_t len;
} ar;

#define PUT(name, ...)                                                                                          \
	ar.len += files_put_##name(ar.buf + ar.len, sizeof(ar.buf) - ar.len, &(struct files_##name){ __VA_ARGS__ })
#define BEGIN() (ar.len = 0, PUT(head, .version = FILES_VERSION))
#define DIR_(p) PUT(entry, .kind = FILES_DIR, .mode = 0755, .path = p)
#define FILE_(p, text)                                                                                          \
	(PUT(entry, .kind = FILES_FILE, .mode = 0644, .size = strlen(text), .path = p),                         \
	 PUT(data, .data = { text, strlen(text) }))

/* Unpacks ar to dest in pieces of `step` bytes. */
static int unpack(size_t step, unsigned flags, struct error *err)
{
	_cleanup_(cleanup_tree_writer_free) struct tree_writer *w = NULL;

	error_clear(err);
	if (tree_writer_new(dest, "", flags, note, NULL, &w, err) < 0)
		return -1;
	for (size_t at = 0; at < ar.len; at += step)
		if (tree_writer_write(w, ar.buf + at, ar.len - at < step ? ar.len - at : step, err) < 0)
			return -1;
	return tree_writer_finish(w, err);
}

static void read_back(const char *name, char *buf, size_t cap)
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, buf, cap - 1);
	buf[n] = '\0';
	if (fd >= 0)
		close(fd);
}

static void records_are_unpacked_in_any_pieces(void **state)
{
	static const size_t steps[] = { 1, 7, 100, 100000 };
	struct error err = ERROR_INIT;
	char text[64];

	BEGIN();
	DIR_("");
	FILE_("a", "hello");
	DIR_("d");
	FILE_("d/b", "world");
	PUT(leave, .path = "d", .mode = 0700, .mtime_s = 1000000000);
	PUT(leave, .path = "", .mode = 0755);
	PUT(end, .n_entries = 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(unpack(steps[i], 0, &err), 0);
		read_back("dest/d/b", text, sizeof(text));
		assert_string_equal(text, "world");
	}
}

static void paths_that_lead_out_are_refused(void **state)
{
	static const char *const paths[] = { "../x", "/x", "a/../../x", "a//b", ".", "..", "a/.", "a/", "./a" };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_false(files_path_ok(paths[i]));
		BEGIN();
		DIR_("");
		FILE_(paths[i], "evil");
		PUT(end, .n_entries = 2);
		assert_int_equal(unpack(100000, 0, &err), -1);
		assert_int_equal(err.kind, ERROR_GUEST);
	}
	assert_true(files_path_ok(""));
	assert_true(files_path_ok("a/..b/c..."));
}

static void links_are_never_followed(void **state)
{
	struct error err = ERROR_INIT;
	char path[256], text[64];
	int fd;

	/* A victim beside the destination. */
	snprintf(path, sizeof(path), "%s/victim", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/victim/file", folder);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);

	/* Through a link to a folder that the archive made itself. */
	BEGIN();
	DIR_("");
	PUT(entry, .kind = FILES_SYMLINK, .path = "link", .target = "../victim");
	FILE_("link/file", "evil");
	PUT(end, .n_entries = 3);
	assert_int_equal(unpack(100000, 0, &err), -1);
	read_back("victim/file", text, sizeof(text));
	assert_string_equal(text, "precious");

	/* A folder over a link to a folder. */
	BEGIN();
	DIR_("");
	DIR_("link");
	PUT(end, .n_entries = 2);
	assert_int_equal(unpack(100000, 0, &err), -1);

	/* A file over a link replaces the link. */
	BEGIN();
	DIR_("");
	PUT(entry, .kind = FILES_SYMLINK, .path = "f", .target = "../victim/file");
	FILE_("f", "new");
	PUT(end, .n_entries = 3);
	assert_int_equal(unpack(100000, 0, &err), 0);
	read_back("victim/file", text, sizeof(text));
	assert_string_equal(text, "precious");
	read_back("dest/f", text, sizeof(text));
	assert_string_equal(text, "new");

	/* A hard link through a link. */
	BEGIN();
	DIR_("");
	PUT(entry, .kind = FILES_SYMLINK, .path = "out", .target = "../victim");
	PUT(entry, .kind = FILES_HARDLINK, .path = "h", .target = "out/file");
	PUT(end, .n_entries = 3);
	assert_int_equal(unpack(100000, 0, &err), -1);
}

static void a_file_with_other_names_is_not_written_through(void **state)
{
	struct error err = ERROR_INIT;
	char a[256], b[256], text[64];
	int fd;

	assert_int_equal(mkdir(dest, 0755), 0);
	snprintf(a, sizeof(a), "%s/elsewhere", folder);
	snprintf(b, sizeof(b), "%s/dest/f", folder);
	fd = open(a, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
	assert_int_equal(link(a, b), 0);
	BEGIN();
	DIR_("");
	FILE_("f", "new");
	PUT(end, .n_entries = 2);
	assert_int_equal(unpack(100000, 0, &err), 0);
	read_back("elsewhere", text, sizeof(text));
	assert_string_equal(text, "old");
}

static void modes_of_a_guest_are_tamed(void **state)
{
	struct error err = ERROR_INIT;
	struct stat st;
	char path[256];

	BEGIN();
	DIR_("");
	PUT(entry, .kind = FILES_FILE, .mode = 06755, .uid = 12345, .path = "suid");
	PUT(entry, .kind = FILES_CHAR, .mode = 0666, .major = 1, .minor = 1, .path = "mem");
	PUT(entry, .kind = FILES_FIFO, .mode = 0666, .path = "fifo");
	PUT(end, .n_entries = 4);
	assert_int_equal(unpack(100000, 0, &err), 0);
	snprintf(path, sizeof(path), "%s/suid", dest);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, getuid());
	snprintf(path, sizeof(path), "%s/mem", dest);
	assert_int_equal(lstat(path, &st), -1);
	assert_non_null(strstr(noted, "mem: "));
	assert_non_null(strstr(noted, "fifo: "));
}

/* The path is told as a user knows it, whole, the archive's own root included. */
static void errors_name_the_path(void **state)
{
	struct error err = ERROR_INIT;
	char want[600], in_the_way[300];

	snprintf(in_the_way, sizeof(in_the_way), "%s/sub", dest);
	BEGIN();
	DIR_("");
	FILE_("sub", "a file");
	PUT(leave, .path = "", .mode = 0755);
	PUT(end, .n_entries = 2);
	assert_int_equal(unpack(1000, 0, &err), 0);
	BEGIN();
	DIR_("");
	DIR_("sub");
	assert_int_equal(unpack(1000, 0, &err), -1);
	snprintf(want, sizeof(want), "cannot make '%s': Not a directory", in_the_way);
	assert_string_equal(err.text, want);
	BEGIN();
	DIR_("");
	FILE_("none/of", "these");
	assert_int_equal(unpack(1000, 0, &err), -1);
	snprintf(want, sizeof(want), "cannot enter the folder of '%s/none/of': No such file or directory", dest);
	assert_string_equal(err.text, want);
	assert_int_equal(unlink(in_the_way), 0);
}

static void broken_archives_are_errors(void **state)
{
	struct error err = ERROR_INIT;

	/* nothing at all, no end, more behind the end */
	ar.len = 0;
	assert_int_equal(unpack(1, 0, &err), -1);
	BEGIN();
	DIR_("");
	assert_int_equal(unpack(100, 0, &err), -1);
	PUT(end, .n_entries = 1);
	assert_int_equal(unpack(100, 0, &err), 0);
	PUT(end, .n_entries = 1);
	assert_int_equal(unpack(100, 0, &err), -1);
	/* another version */
	ar.len = 0;
	PUT(head, .version = FILES_VERSION + 1);
	assert_int_equal(unpack(100, 0, &err), -1);
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	/* data without a file, beyond its size, going back */
	BEGIN();
	DIR_("");
	PUT(data, .data = { "x", 1 });
	assert_int_equal(unpack(100, 0, &err), -1);
	BEGIN();
	PUT(entry, .kind = FILES_FILE, .path = "", .size = 3);
	PUT(data, .offset = 2, .data = { "xx", 2 });
	assert_int_equal(unpack(100, 0, &err), -1);
	BEGIN();
	PUT(entry, .kind = FILES_FILE, .path = "", .size = 3);
	PUT(data, .offset = 1, .data = { "x", 1 });
	PUT(data, .offset = 0, .data = { "x", 1 });
	assert_int_equal(unpack(100, 0, &err), -1);
	BEGIN();
	PUT(entry, .kind = FILES_FILE, .path = "", .size = UINT64_MAX);
	assert_int_equal(unpack(100, 0, &err), -1);
	/* two roots, none first, a kind that is none */
	BEGIN();
	DIR_("");
	FILE_("", "x");
	assert_int_equal(unpack(100, 0, &err), -1);
	BEGIN();
	FILE_("x", "x");
	assert_int_equal(unpack(100, 0, &err), -1);
	BEGIN();
	PUT(entry, .kind = 'x', .path = "");
	assert_int_equal(unpack(100, 0, &err), -1);
}

static void reader_and_writer_agree(void **state)
{
	_cleanup_(cleanup_tree_reader_free) struct tree_reader *r = NULL;
	static uint8_t buf[3 * FILES_RECORD_MAX];
	struct error err = ERROR_INIT;
	char command[512];
	size_t n;

	snprintf(command, sizeof(command),
		 "mkdir -p %s/from/d/e && cd %s/from && echo 1 >a && ln a b && ln -s nowhere l && truncate -s 10M sparse && "
		 "printf x | dd of=sparse bs=1 seek=5000000 conv=notrunc 2>/dev/null && touch -d @1234567 d/e",
		 folder, folder);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/from", folder);
	assert_int_equal(tree_reader_new(command, &r, &err), 0);
	ar.len = 0;
	while ((n = tree_reader_read(r, buf, sizeof(buf)))) {
		assert_true(ar.len + n <= sizeof(ar.buf)); /* holes are not sent */
		memcpy(ar.buf + ar.len, buf, n);
		ar.len += n;
	}
	assert_int_equal(unpack(1000, 0, &err), 0);
	snprintf(command, sizeof(command),
		 "cd %s && diff -r --no-dereference from dest && test $(stat -c %%Y dest/d/e) = 1234567 && "
		 "test $(stat -c %%h dest/b) = 2 && test $(stat -c %%b dest/sparse) -lt 200",
		 folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(tree_reader_new("/no/such/thing", &r, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_unpacked_in_any_pieces, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(paths_that_lead_out_are_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(links_are_never_followed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_with_other_names_is_not_written_through, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(modes_of_a_guest_are_tamed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(errors_name_the_path, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(broken_archives_are_errors, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(reader_and_writer_agree, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
