/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libcurl's easy interface, one transfer at a time. A connection that is cut
 * is taken up again as long as each attempt brings something; a server that
 * cannot continue (no ranges) makes us start over. A full disk is noticed
 * before it is full where the server says how much will come.
 */

#include "image/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fs.h"
#include "sys/proc.h"

/* Attempts in a row that bring nothing new before we give up. */
#define TRIES_MAX 4
#define REDIRECTS_MAX 8
#define CONNECT_TIMEOUT_S 30
/* Less than a byte a second for so long: the line is dead. */
#define STALL_TIMEOUT_S 60

struct transfer {
	CURL *curl;
	const char *url;
	const struct progress *progress;
	int fd;		 /* -1: into text */
	struct str *text;
	size_t text_max;
	uint64_t have;	 /* bytes that were there before */
	uint64_t got;	 /* bytes of this attempt */
	int disk_errno;	 /* why we stopped it, or 0 */
	bool is_too_long;
	bool is_room_checked;
	char reason[CURL_ERROR_SIZE];
};

static void cleanup_curl(CURL **c)
{
	if (*c)
		curl_easy_cleanup(*c);
}

/* Only a body that is what was asked for may touch the file: an error page must not. */
static bool is_wanted(struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return status == (t->have ? 206 : 200);
}

static bool has_room(struct transfer *t)
{
	struct statvfs fs;
	curl_off_t length = -1;

	if (t->is_room_checked)
		return true;
	t->is_room_checked = true;
	if (curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) || length <= 0 ||
	    fstatvfs(t->fd, &fs) < 0)
		return true;
	return (uint64_t)length <= (uint64_t)fs.f_bavail * fs.f_frsize;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	n *= size;
	if (t->fd < 0) {
		if (t->text->len + n > t->text_max) {
			t->is_too_long = true;
			return 0;
		}
		str_add_mem(t->text, data, n);
		t->got += n;
		return n;
	}
	if (!is_wanted(t))
		return 0;
	if (!has_room(t)) {
		t->disk_errno = ENOSPC;
		return 0;
	}
	for (size_t at = 0; at < n;) {
		ssize_t w = write(t->fd, data + at, n - at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			t->disk_errno = errno;
			return 0;
		}
		at += (size_t)w;
	}
	t->got += n;
	return n;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct transfer *t = ctx;

	if (now > 0)
		progress_bytes(t->progress, t->have + (uint64_t)now, total > 0 ? t->have + (uint64_t)total : 0);
	return 0;
}

static CURL *new_handle(struct transfer *t)
{
	CURL *c;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	c = curl_easy_init();
	if (!c) /* out of memory */
		abort();
	curl_easy_setopt(c, CURLOPT_URL, t->url);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "quiz");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->reason);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
	return c;
}

static int fail(const struct transfer *t, CURLcode code, struct error *err)
{
	long status = 0;
	const char *why = *t->reason ? t->reason : curl_easy_strerror(code);

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->disk_errno)
		return error_sys(err, t->disk_errno, "store what '%s' sends", t->url);
	if (t->is_too_long)
		return error_set(err, ERROR_UNSUPPORTED, "cannot download '%s': longer than %zu bytes", t->url,
				 t->text_max);
	if (status == 404 || status == 410)
		return error_set(err, ERROR_MISSING, "cannot download '%s': the server does not have it (%ld)", t->url,
				 status);
	if (status >= 400)
		return error_set(err, ERROR_UNSUPPORTED, "cannot download '%s': the server answers %ld", t->url, status);
	error_set(err, code == CURLE_OPERATION_TIMEDOUT ? ERROR_TIMEOUT : ERROR_UNSUPPORTED,
		  "cannot download '%s': %s", t->url, why);
	if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_PROXY)
		return error_hint(err, "is the network up? Behind a proxy, set https_proxy");
	return -1;
}

/* True when trying again is worth it: the line broke, the server is fine. */
static bool is_broken_line(const struct transfer *t, CURLcode code)
{
	if (t->disk_errno)
		return false;
	return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
	       code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SEND_ERROR || code == CURLE_HTTP2_STREAM;
}

/* The server's answer does not continue what we have: it knows no ranges, or the part is longer than the file. */
static bool is_bad_range(const struct transfer *t, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return t->have && !t->disk_errno && (code == CURLE_RANGE_ERROR || status == 416 || status == 200);
}

/* One file descriptor from wherever it ends to the end of the URL's content. */
static int fetch(const char *url, int fd, const struct progress *progress, struct error *err)
{
	unsigned tries = 0;

	for (;;) {
		_cleanup_(cleanup_curl) CURL *c = NULL;
		struct transfer t = { .url = url, .progress = progress, .fd = fd };
		off_t end = lseek(fd, 0, SEEK_END);
		CURLcode code;

		if (end < 0)
			return error_sys(err, errno, "seek in a download");
		t.have = (uint64_t)end;
		t.curl = c = new_handle(&t);
		curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)end);
		code = curl_easy_perform(c);
		if (code == CURLE_OK)
			return 0;
		if (is_bad_range(&t, code)) {
			if (ftruncate(fd, 0) < 0)
				return error_sys(err, errno, "start a download over");
			continue;
		}
		tries = t.got ? 0 : tries + 1;
		if (!is_broken_line(&t, code) || tries >= TRIES_MAX)
			return fail(&t, code, err);
		progress_note(progress, "the connection broke after %llu bytes; continuing",
			      (unsigned long long)t.have + t.got);
	}
}

char *download_sha256(const char *path, struct error *err)
{
	const char *argv[] = { "sha256sum", "--binary", "--", path, NULL };
	_cleanup_str_ struct str out = STR_INIT;
	const char *sum;

	if (proc_run(argv, &out, err) < 0)
		return NULL;
	sum = str_cstr(&out);
	sum += *sum == '\\'; /* how sha256sum marks a name with odd characters */
	return mem_strndup(sum, strcspn(sum, " "));
}

/* *ret_fits false: the sum is another one. */
static int check_sum(const char *url, const char *path, const char *want, bool *ret_fits, struct error *err)
{
	_cleanup_free_ char *sum = NULL;

	*ret_fits = true;
	if (!want)
		return 0;
	sum = download_sha256(path, err);
	if (!sum)
		return -1;
	*ret_fits = strcasecmp(sum, want) == 0;
	if (!*ret_fits)
		error_set(err, ERROR_UNSUPPORTED, "cannot use '%s': its SHA-256 is %s instead of %s", url, sum, want);
	return 0;
}

int download_file(const char *url, const char *path, const char *sha256, const struct progress *progress,
		  struct error *err)
{
	_cleanup_free_ char *part = mem_printf("%s.part", path);
	bool fits = false;

	if (fs_mkdir_parents(path, err) < 0)
		return -1;
	for (int attempt = 0; !fits; attempt++) {
		_cleanup_close_ int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		struct stat st;

		if (fd < 0)
			return error_sys(err, errno, "open '%s'", part);
		if (fstat(fd, &st) < 0)
			return error_sys(err, errno, "look at '%s'", part);
		if (fetch(url, fd, progress, err) < 0 || fsync(fd) < 0) {
			if (!error_is_set(err))
				error_sys(err, errno, "store '%s'", part);
			return -1;
		}
		if (check_sum(url, part, sha256, &fits, err) < 0)
			return -1;
		if (fits)
			break;
		unlink(part);
		/* What we continued may have been the beginning of something else. */
		if (st.st_size == 0 || attempt > 0)
			return error_hint(err, "nothing was kept; try again later, or tell the server's owner");
		error_clear(err);
		progress_note(progress, "the part that was there does not belong to it; starting over");
	}
	if (rename(part, path) < 0)
		return error_sys(err, errno, "rename '%s'", part);
	return 0;
}

int download_text(const char *url, size_t max, struct str *ret, struct error *err)
{
	for (unsigned tries = 0;; tries++) {
		_cleanup_(cleanup_curl) CURL *c = NULL;
		_cleanup_str_ struct str text = STR_INIT;
		struct transfer t = { .url = url, .fd = -1, .text = &text, .text_max = max };
		CURLcode code;

		t.curl = c = new_handle(&t);
		curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
		code = curl_easy_perform(c);
		if (code == CURLE_OK) {
			str_add_mem(ret, str_cstr(&text), text.len);
			return 0;
		}
		if (!is_broken_line(&t, code) || tries + 1 >= TRIES_MAX)
			return fail(&t, code, err);
	}
}
