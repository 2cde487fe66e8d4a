/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. The name of an image is a hash over its sources: for
 * each the place in the guest and either a key that the caller vouches for or
 * the stamp of the tree. The name exists: that is the image, and a walk was
 * all it took. Else it is built under a lock into a temporary neighbour, the
 * trees are stamped again, and only when nothing moved is it renamed into
 * place.
 *
 * A stamp trusts times, and a kernel's file times advance in ticks: a file
 * written, stamped and written again within one tick looks unchanged. So a
 * tree whose newest change is younger than RACY_MS is stamped once more when
 * it is not: later changes then carry a later time.
 *
 * Each use sets the image's modification time, which is what the sweep of
 * least recently used ones goes by.
 */

#include "image/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/erofs.h"
#include "image/layer_make.h"
#include "image/layer_walk.h"
#include "image/tree.h"
#include "sys/fs.h"
#include "sys/host.h"
#include "sys/lock.h"

#define FORMAT_VERSION "layer-1" /* part of every name: raise it when images of the same trees would differ */
#define RACY_MS 12
#define PACK_TRIES 5
#define STAMP_TRIES 10 /* a tree that never rests: packing will notice */

void layer_image_clear(struct layer_image *li)
{
	free(li->path);
	free(li->key);
	free(li->fstype);
	*li = (struct layer_image){ 0 };
}

struct stamp {
	uint64_t sum;
	struct timespec newest;
};

/* Entries come in any order, so their hashes are summed. */
static int stamp_entry(void *ctx, const char *path, int dir_fd, const char *name, const struct stat *st, struct error *err)
{
	struct stamp *s = ctx;
	uint64_t v[7] = {
		st->st_mode,
		(uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec,
		(uint64_t)st->st_ctim.tv_nsec,
		st->st_ino,
	};

	/* What a folder weighs and when it changed says nothing that its entries don't. */
	if (S_ISDIR(st->st_mode))
		memset(&v[1], 0, 5 * sizeof(v[0]));
	s->sum += hash_mem(hash_str(HASH_INIT, path), v, sizeof(v));
	if (st->st_ctim.tv_sec > s->newest.tv_sec ||
	    (st->st_ctim.tv_sec == s->newest.tv_sec && st->st_ctim.tv_nsec > s->newest.tv_nsec))
		s->newest = st->st_ctim;
	return 0;
}

int layer_stamp(const char *host, uint64_t *ret, struct error *err)
{
	struct stamp s;

	for (int i = 0; i < STAMP_TRIES; i++) {
		struct timespec now;
		int64_t age_ms;

		s = (struct stamp){ 0 };
		clock_gettime(CLOCK_REALTIME, &now);
		if (layer_walk(host, stamp_entry, &s, err) < 0)
			return -1;
		age_ms = (now.tv_sec - s.newest.tv_sec) * 1000 + (now.tv_nsec - s.newest.tv_nsec) / 1000000;
		if (age_ms >= RACY_MS || age_ms < -RACY_MS) /* a time in the future is a wrong clock, not a race */
			break;
		poll(NULL, 0, (int)(RACY_MS - age_ms));
	}
	*ret = s.sum;
	return 0;
}

/*
 * Does it stay for as long as its sources, which never change? Such an image
 * is synced before it has its name. One of a tree that somebody works on is
 * made after each build, and the user does not wait for a disk: it is good
 * until the host's next boot, as after a power cut a file system may have the
 * name without the content.
 */
static bool is_lasting(const struct layer_source *sources, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!sources[i].key)
			return false;
	return true;
}

/* The name of the image of these sources. */
static int make_name(const struct layer_source *sources, size_t n, const char *fstype, uint64_t *ret, struct error *err)
{
	uint64_t h = hash_str(hash_str(HASH_INIT, FORMAT_VERSION), fstype);

	for (size_t i = 0; i < n; i++) {
		uint64_t stamp = 0;

		h = hash_str(h, sources[i].guest ? sources[i].guest : "/");
		h = hash_str(h, sources[i].key ? sources[i].key : "");
		if (!sources[i].key && layer_stamp(sources[i].host, &stamp, err) < 0)
			return error_wrap(err, "layer '%s'", sources[i].host);
		h = hash_mem(h, &stamp, sizeof(stamp));
	}
	if (!is_lasting(sources, n)) {
		_cleanup_str_ struct str boot = STR_INIT;

		host_boot_id(&boot);
		h = hash_str(h, str_cstr(&boot));
	}
	*ret = h;
	return 0;
}

static int sync_image(const char *path, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? error_sys(err, errno, "write '%s'", path) : 0;
}

static char *image_path(const struct paths *p, uint64_t name, const char *fstype)
{
	return mem_printf("%s/layers/%016" PRIx64 ".%s", p->cache, name, fstype);
}

static uint64_t capacity_for(uint64_t bytes)
{
	return bytes <= LAYER_SLOT_BYTES ? LAYER_SLOT_BYTES : LAYER_SLOT_BYTES_LARGE;
}

/* Fills ret from an image in the cache and marks it as used. False when it is not there or not whole. */
static bool look_up(const char *path, const char *fstype, struct layer_image *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *key = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if ((uint64_t)st.st_size != LAYER_SLOT_BYTES && (uint64_t)st.st_size != LAYER_SLOT_BYTES_LARGE)
		return false;
	key = layer_make_key(fd, path, fstype);
	if (!key)
		return false;
	futimens(fd, NULL);
	ret->path = mem_strdup(path);
	ret->key = take_ptr(key);
	ret->fstype = mem_strdup(fstype);
	ret->bytes = (uint64_t)st.st_blocks * 512;
	ret->capacity_bytes = (uint64_t)st.st_size;
	return true;
}

/* Builds the image of the sources as they are now into tmp. */
static int build(const struct layer_source *sources, size_t n, const char *fstype, const char *tmp, struct error *err)
{
	static const struct layer_pack_options opt = { .keep_owners = false };
	_cleanup_(cleanup_tree_free) struct tree_node *top = tree_new();
	uint64_t bytes;

	for (size_t i = 0; i < n; i++)
		if (layer_pack(top, sources[i].host, sources[i].guest, &opt, err) < 0)
			return error_wrap(err, "layer '%s'", sources[i].host);
	if (layer_make(top, fstype, tmp, &bytes, err) < 0)
		return -1;
	if (bytes > LAYER_SLOT_BYTES_LARGE)
		return error_set(err, ERROR_UNSUPPORTED, "cannot make a layer of '%s': it is larger than a slot", sources[0].host);
	if (truncate(tmp, (off_t)capacity_for(bytes)) < 0)
		return error_sys(err, errno, "extend '%s' to %llu GiB (sparse)", tmp,
				 (unsigned long long)(capacity_for(bytes) >> 30));
	return 0;
}

/* Builds until the sources held still. *name is that of what was built. */
static int build_stable(const struct layer_source *sources, size_t n, const char *fstype, const char *tmp, uint64_t *name,
			struct error *err)
{
	for (int i = 0; i < PACK_TRIES; i++) {
		struct error again = ERROR_INIT;
		uint64_t before = *name;

		if (build(sources, n, fstype, tmp, &again) < 0 && again.kind != ERROR_BUSY) {
			if (err)
				*err = again;
			return -1;
		}
		if (make_name(sources, n, fstype, name, err) < 0)
			return -1;
		if (!error_is_set(&again) && *name == before)
			return 0;
	}
	error_set(err, ERROR_BUSY, "cannot make a layer of '%s': it keeps changing while it is packed", sources[0].host);
	return error_hint(err, "wait until the build that writes there is done");
}

int layer_get(const struct paths *p, const struct layer_source *sources, size_t n, const char *fstype,
	      struct layer_image *ret, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *tmp = NULL;
	_cleanup_free_ char *lock_path = NULL;
	_cleanup_close_ int lock = -1;
	uint64_t name;

	if (!fstype)
		fstype = "erofs";
	if (make_name(sources, n, fstype, &name, err) < 0)
		return -1;
	path = image_path(p, name, fstype);
	if (look_up(path, fstype, ret))
		return 0;
	/* A handful of locks for all images: a lock file can never be removed, and one per image would pile up. */
	lock_path = mem_printf("%s/layers/.lock-%x", p->cache, (unsigned)(name & 15));
	lock = lock_take(lock_path, LOCK_EXCLUSIVE_MODE, true, NULL, NULL, err);
	if (lock < 0)
		return -1;
	if (look_up(path, fstype, ret))
		return 0;
	tmp = mem_printf("%s/layers/.tmp-%016" PRIx64 ".%d.0", p->cache, name, (int)getpid());
	if (build_stable(sources, n, fstype, tmp, &name, err) < 0 || (is_lasting(sources, n) && sync_image(tmp, err) < 0)) {
		unlink(tmp);
		return -1;
	}
	free(path);
	path = image_path(p, name, fstype);
	if (rename(tmp, path) < 0) {
		int saved = errno;

		unlink(tmp);
		return error_sys(err, saved, "publish layer '%s'", path);
	}
	if (!look_up(path, fstype, ret))
		return error_set(err, ERROR_SYSTEM, "cannot use layer '%s': it is not as it was written", path);
	return 0;
}

int layer_peek(const struct paths *p, const struct layer_source *sources, size_t n, const char *fstype, char **ret_path,
	       bool *ret_is_ready, struct error *err)
{
	uint64_t name;

	if (!fstype)
		fstype = "erofs";
	if (make_name(sources, n, fstype, &name, err) < 0)
		return -1;
	*ret_path = image_path(p, name, fstype);
	*ret_is_ready = fs_exists(*ret_path);
	return 0;
}
