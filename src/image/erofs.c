/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. An image is
 *
 *	block 0		superblock at byte 1024
 *	blocks 1..	content of files, each from a block boundary, in the order of appending
 *	then		whole blocks of large folders
 *	meta_blkaddr..	inodes, in 32-byte slots, the top folder first
 *
 * An inode is named by its slot number (nid), counted from meta_blkaddr. The
 * format lets that area be anywhere, so content can be streamed out before
 * anything is known about the rest; only the top's nid is limited (16 bits).
 * The last bytes of a file (TAIL_MAX at most), a symbolic link's target and a
 * small folder lie right behind their inode, where reading the inode has
 * brought them in already. Such a tail may not cross a block boundary, so an
 * inode that would make it cross starts at the next block.
 *
 * Inodes are of the 64-byte kind throughout: the 32-byte one has no time of
 * its own, and Python, for one, compiles everything again when times change.
 */

#include "image/erofs.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUPER_OFFSET 1024
#define SUPER_MAGIC 0xE0F5E1E2u
#define SLOT 32u
#define INODE_BYTES 64u
#define TAIL_MAX 2048u
#define COPY_BYTES (256u << 10)

#define FORMAT_EXTENDED 1u
#define LAYOUT_PLAIN (0u << 1)
#define LAYOUT_INLINE (2u << 1)

/* Little-endian as on disk; field names are the kernel's. */
struct super_block {
	uint32_t magic, checksum, feature_compat;
	uint8_t blkszbits, sb_extslots;
	uint16_t root_nid;
	uint64_t inos, build_time;
	uint32_t build_time_nsec, blocks, meta_blkaddr, xattr_blkaddr;
	uint8_t uuid[16], volume_name[16];
	uint32_t feature_incompat;
	uint8_t reserved[44];
};
_Static_assert(sizeof(struct super_block) == 128, "EROFS superblock");

struct disk_inode {
	uint16_t i_format, i_xattr_icount, i_mode, i_reserved;
	uint64_t i_size;
	uint32_t i_u, i_ino, i_uid, i_gid;
	uint64_t i_mtime;
	uint32_t i_mtime_nsec, i_nlink;
	uint8_t i_reserved2[16];
};
_Static_assert(sizeof(struct disk_inode) == INODE_BYTES, "EROFS inode");

struct __attribute__((packed)) dirent_disk {
	uint64_t nid;
	uint16_t nameoff;
	uint8_t file_type, reserved;
};
_Static_assert(sizeof(struct dirent_disk) == 12, "EROFS directory entry");

/* Name prefixes that the format abbreviates; others can not be stored. */
static const struct {
	const char *prefix;
	uint8_t index;
} xattr_prefixes[] = {
	{ "user.", 1 },
	{ "trusted.", 4 },
	{ "security.", 6 },
};

static const uint64_t hash_factor[2] = { 0xff51afd7ed558ccdULL, 0xc4ceb9fe1a85ec53ULL };

/* A word at a time: content goes through here at memory speed. Not for security. */
static uint64_t hash_words(uint64_t h, uint64_t factor, const void *mem, size_t n)
{
	const unsigned char *p = mem;
	uint64_t w;

	h ^= n * 0x9e3779b97f4a7c15ULL;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = (h ^ le64toh(w)) * factor;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, p, n);
	h = (h ^ le64toh(w)) * factor;
	return h ^ (h >> 29);
}

static void hash_add(struct erofs_writer *w, const void *mem, size_t n)
{
	for (int i = 0; i < 2; i++)
		w->hash[i] = hash_words(w->hash[i], hash_factor[i], mem, n);
}

static int write_at(int fd, const void *mem, size_t n, uint64_t offset, struct error *err)
{
	const char *p = mem;

	while (n) {
		ssize_t r = pwrite(fd, p, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return error_sys(err, errno, "write the image");
		p += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

void erofs_init(struct erofs_writer *w, int fd)
{
	*w = (struct erofs_writer){ .fd = fd, .next_block = 1, .hash = { HASH_INIT, ~HASH_INIT } };
}

static uint32_t blocks_of(uint64_t bytes)
{
	return (uint32_t)((bytes + EROFS_BLOCK - 1) / EROFS_BLOCK);
}

static uint32_t xattr_bytes(const struct tree_node *n);

/* Bytes of content of this size that lie behind the inode. */
static uint32_t tail_of(const struct tree_node *n, uint64_t size)
{
	uint32_t tail = (uint32_t)(size % EROFS_BLOCK);

	return tail <= TAIL_MAX && INODE_BYTES + xattr_bytes(n) + tail <= EROFS_BLOCK ? tail : 0;
}

/* Room for what does not lie behind the inode. */
static int allocate(struct erofs_writer *w, struct tree_node *n, uint64_t bytes, struct error *err)
{
	uint64_t blocks = (bytes + EROFS_BLOCK - 1) / EROFS_BLOCK;

	if (w->next_block + blocks >= UINT32_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "cannot make the image: it would be larger than 16 TiB");
	n->first_block = blocks ? (uint32_t)w->next_block : 0;
	w->next_block += blocks;
	return 0;
}

static int begin_content(struct erofs_writer *w, struct tree_node *n, struct error *err)
{
	n->n_tail = tail_of(n, n->size);
	n->content_hash = HASH_INIT;
	if (n->n_tail)
		n->tail = mem_alloc(n->n_tail);
	return allocate(w, n, n->size - n->n_tail, err);
}

int erofs_append(struct erofs_writer *w, struct tree_node *n, const void *mem, size_t len, struct error *err)
{
	const unsigned char *p = mem;
	uint64_t plain;
	size_t now;

	if (len > n->size - n->fill) {
		_cleanup_free_ char *path = tree_path(n);

		return error_set(err, ERROR_BUSY, "cannot pack '%s': there is more of it than its size says", path);
	}
	if (len && n->fill == 0 && begin_content(w, n, err) < 0)
		return -1;
	n->content_hash = hash_words(n->content_hash, hash_factor[0], mem, len);
	plain = n->size - n->n_tail;
	if (n->fill < plain) {
		now = len < plain - n->fill ? len : (size_t)(plain - n->fill);
		if (write_at(w->fd, p, now, (uint64_t)n->first_block * EROFS_BLOCK + n->fill, err) < 0)
			return -1;
		n->fill += now;
		p += now;
		len -= now;
	}
	if (len) {
		memcpy(n->tail + (n->fill - plain), p, len);
		n->fill += len;
	}
	return 0;
}

int erofs_append_file(struct erofs_writer *w, struct tree_node *n, int fd, struct error *err)
{
	static unsigned char buf[COPY_BYTES];

	while (n->fill < n->size) {
		size_t want = n->size - n->fill < sizeof(buf) ? (size_t)(n->size - n->fill) : sizeof(buf);
		ssize_t r = pread(fd, buf, want, (off_t)n->fill);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return error_sys(err, errno, "read '%s'", n->source ? n->source : n->name);
		if (r == 0)
			return error_set(err, ERROR_BUSY, "cannot pack '%s': it became shorter while it was read",
					 n->source ? n->source : n->name);
		if (erofs_append(w, n, buf, (size_t)r, err) < 0)
			return -1;
	}
	return 0;
}

/* Index and rest of an attribute's name; false when the format has no place for it. */
static bool xattr_split(const char *name, uint8_t *ret_index, const char **ret_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(xattr_prefixes); i++) {
		if (!str_starts(name, xattr_prefixes[i].prefix))
			continue;
		*ret_index = xattr_prefixes[i].index;
		*ret_rest = name + strlen(xattr_prefixes[i].prefix);
		return strlen(*ret_rest) <= UINT8_MAX;
	}
	return false;
}

/* Size of the attribute area behind the inode: a 12-byte header, then entries padded to 4. 0 without attributes. */
static uint32_t xattr_bytes(const struct tree_node *n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n->n_xattrs; i++) {
		const char *rest;
		uint8_t index;

		if (xattr_split(n->xattrs[i].name, &index, &rest) && n->xattrs[i].n <= UINT16_MAX)
			sum += (4 + (uint32_t)strlen(rest) + (uint32_t)n->xattrs[i].n + 3) & ~3u;
	}
	return sum ? sum + 12 : 0;
}

static void add_xattrs(struct str *out, const struct tree_node *n)
{
	static const char zeros[12];

	if (!xattr_bytes(n))
		return;
	str_add_mem(out, zeros, 12);
	for (size_t i = 0; i < n->n_xattrs; i++) {
		const struct tree_xattr *x = &n->xattrs[i];
		const char *rest;
		uint8_t head[4];

		if (!xattr_split(x->name, &head[1], &rest) || x->n > UINT16_MAX)
			continue;
		head[0] = (uint8_t)strlen(rest);
		head[2] = (uint8_t)(x->n & 0xff);
		head[3] = (uint8_t)(x->n >> 8);
		str_add_mem(out, head, 4);
		str_add_mem(out, rest, head[0]);
		str_add_mem(out, x->value, x->n);
		str_add_mem(out, zeros, (4 - (head[0] + x->n) % 4) % 4);
	}
}

static uint8_t file_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFDIR:
		return 2;
	case S_IFCHR:
		return 3;
	case S_IFBLK:
		return 4;
	case S_IFIFO:
		return 5;
	case S_IFSOCK:
		return 6;
	case S_IFLNK:
		return 7;
	default:
		return 0;
	}
}

/* The entries of a folder with "." and "..", in the order of the format: by bytes. */
struct entries {
	const struct tree_node *dir;
	size_t i;   /* next child */
	int n_dots; /* how many of "." and ".." are out */
};

static const struct tree_node *next_entry(struct entries *e, const char **ret_name)
{
	static const char *const dots[] = { ".", ".." };
	const struct tree_node *child = e->i < e->dir->n_children ? e->dir->children[e->i] : NULL;

	if (e->n_dots < 2 && (!child || strcmp(dots[e->n_dots], child->name) < 0)) {
		*ret_name = dots[e->n_dots++];
		return e->n_dots == 1 || !e->dir->parent ? e->dir : e->dir->parent;
	}
	if (!child)
		return NULL;
	e->i++;
	*ret_name = child->name;
	return child;
}

/*
 * The bytes of a folder. Each block has its entries first and their names
 * behind; where the names begin tells how many entries there are.
 */
static void add_dir_content(struct str *out, const struct tree_node *dir)
{
	struct entries e = { .dir = dir };
	const char *names[EROFS_BLOCK / 12];
	const struct tree_node *nodes[EROFS_BLOCK / 12];
	const char *name;
	const struct tree_node *n = next_entry(&e, &name);

	while (n) {
		size_t count = 0, used = 0, start = out->len;
		uint16_t nameoff;

		for (; n && used + sizeof(struct dirent_disk) + strlen(name) <= EROFS_BLOCK; n = next_entry(&e, &name)) {
			names[count] = name;
			nodes[count++] = n;
			used += sizeof(struct dirent_disk) + strlen(name);
		}
		nameoff = (uint16_t)(count * sizeof(struct dirent_disk));
		for (size_t i = 0; i < count; i++) {
			const struct tree_node *to = nodes[i]->link ? nodes[i]->link : nodes[i];
			struct dirent_disk d = {
				.nid = htole64(to->nid),
				.nameoff = htole16(nameoff),
				.file_type = file_type(to->mode),
			};

			str_add_mem(out, &d, sizeof(d));
			nameoff = (uint16_t)(nameoff + strlen(names[i]));
		}
		for (size_t i = 0; i < count; i++)
			str_add(out, names[i]);
		while (n && out->len - start < EROFS_BLOCK)
			str_add_char(out, '\0');
	}
}

/* Pass 1: sizes, links and slots. Folders' sizes depend on names only, so their content can wait for the nids. */
static int lay_out(struct erofs_writer *w, struct tree_node *n, uint64_t *meta, struct error *err)
{
	uint32_t need;

	if (n->link)
		return 0;
	if (S_ISDIR(n->mode)) {
		_cleanup_str_ struct str content = STR_INIT;

		add_dir_content(&content, n);
		n->size = content.len;
		n->n_tail = tail_of(n, n->size);
		n->n_links = 2;
		if (allocate(w, n, n->size - n->n_tail, err) < 0)
			return -1;
	} else if (S_ISLNK(n->mode)) {
		n->size = strlen(n->target);
		if (erofs_append(w, n, n->target, (size_t)n->size, err) < 0)
			return -1;
	}
	if (!S_ISDIR(n->mode) && n->fill != n->size) {
		_cleanup_free_ char *path = tree_path(n);

		return error_set(err, ERROR_BUSY, "cannot pack '%s': only %" PRIu64 " of its %" PRIu64 " bytes came", path,
				 n->fill, n->size);
	}
	need = INODE_BYTES + xattr_bytes(n) + n->n_tail;
	if (*meta % EROFS_BLOCK + need > EROFS_BLOCK)
		*meta = (*meta + EROFS_BLOCK - 1) / EROFS_BLOCK * EROFS_BLOCK;
	n->nid = *meta / SLOT;
	*meta = (*meta + need + SLOT - 1) / SLOT * SLOT;
	w->n_inodes++;
	for (size_t i = 0; i < n->n_children; i++) {
		struct tree_node *c = n->children[i];

		if (S_ISDIR(c->mode))
			n->n_links++;
		else
			(c->link ? c->link : c)->n_links++;
		if (lay_out(w, c, meta, err) < 0)
			return -1;
	}
	return 0;
}

/* The identity of a node: all but times and places. */
static void hash_node(struct erofs_writer *w, const struct tree_node *n)
{
	uint64_t v[5] = { htole64(n->mode), htole64(((uint64_t)n->uid << 32) | n->gid),
			  htole64(S_ISDIR(n->mode) ? n->n_children : n->size), htole64(n->content_hash),
			  htole64(n->link ? n->link->nid + 1 : 0) };

	hash_add(w, n->name, strlen(n->name));
	hash_add(w, v, sizeof(v));
	for (size_t i = 0; i < n->n_xattrs; i++) {
		hash_add(w, n->xattrs[i].name, strlen(n->xattrs[i].name));
		hash_add(w, n->xattrs[i].value, n->xattrs[i].n);
	}
}

static void add_inode(struct erofs_writer *w, struct str *out, const struct tree_node *n)
{
	uint32_t xattrs = xattr_bytes(n);
	struct disk_inode d = {
		.i_format = htole16((uint16_t)(FORMAT_EXTENDED | (n->n_tail ? LAYOUT_INLINE : LAYOUT_PLAIN))),
		.i_xattr_icount = htole16((uint16_t)(xattrs ? (xattrs - 12) / 4 + 1 : 0)),
		.i_mode = htole16((uint16_t)n->mode),
		.i_size = htole64(n->size),
		.i_u = htole32(n->first_block),
		.i_ino = htole32((uint32_t)(w->n_inodes + 1)),
		.i_uid = htole32(n->uid),
		.i_gid = htole32(n->gid),
		.i_mtime = htole64((uint64_t)n->mtime),
		.i_mtime_nsec = htole32(n->mtime_nsec),
		.i_nlink = htole32(n->n_links),
	};

	str_add_mem(out, &d, sizeof(d));
	add_xattrs(out, n);
}

/* Pass 2: the inode area, kept in `meta` until a good deal of it can be written. */
static int emit(struct erofs_writer *w, const struct tree_node *n, struct str *meta, uint64_t *flushed, uint64_t base,
		struct error *err)
{
	static const char zeros[EROFS_BLOCK];
	uint64_t here = *flushed + meta->len;

	hash_node(w, n);
	if (n->link)
		return 0;
	if (meta->len > COPY_BYTES) {
		if (write_at(w->fd, meta->p, meta->len, base + *flushed, err) < 0)
			return -1;
		*flushed = here;
		str_truncate(meta, 0);
	}
	str_add_mem(meta, zeros, (size_t)(n->nid * SLOT - here));
	add_inode(w, meta, n);
	w->n_inodes++;
	if (S_ISDIR(n->mode)) {
		_cleanup_str_ struct str content = STR_INIT;
		size_t plain = (size_t)(n->size - n->n_tail);

		add_dir_content(&content, n);
		if (write_at(w->fd, content.p, plain, (uint64_t)n->first_block * EROFS_BLOCK, err) < 0)
			return -1;
		str_add_mem(meta, content.p + plain, n->n_tail);
	} else if (n->n_tail) {
		str_add_mem(meta, n->tail, n->n_tail);
	}
	for (size_t i = 0; i < n->n_children; i++)
		if (emit(w, n->children[i], meta, flushed, base, err) < 0)
			return -1;
	return 0;
}

static int write_super(struct erofs_writer *w, const struct tree_node *top, uint32_t meta_block, uint64_t blocks,
		       struct error *err)
{
	struct super_block sb = {
		.magic = htole32(SUPER_MAGIC),
		.blkszbits = 12,
		.root_nid = htole16((uint16_t)top->nid),
		.inos = htole64(w->n_inodes),
		.build_time = htole64((uint64_t)time(NULL)),
		.blocks = htole32((uint32_t)blocks),
		.meta_blkaddr = htole32(meta_block),
	};
	uint64_t id[2] = { htobe64(w->hash[0]), htobe64(w->hash[1]) };

	memcpy(sb.uuid, id, sizeof(sb.uuid));
	return write_at(w->fd, &sb, sizeof(sb), SUPER_OFFSET, err);
}

int erofs_finish(struct erofs_writer *w, struct tree_node *top, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_str_ struct str meta = STR_INIT;
	uint64_t meta_bytes = 0, flushed = 0, base, blocks;
	uint32_t meta_block;

	if (lay_out(w, top, &meta_bytes, err) < 0)
		return -1;
	meta_block = (uint32_t)w->next_block;
	base = (uint64_t)meta_block * EROFS_BLOCK;
	blocks = w->next_block + blocks_of(meta_bytes);
	if (blocks >= UINT32_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "cannot make the image: it would be larger than 16 TiB");
	w->n_inodes = 0;
	if (emit(w, top, &meta, &flushed, base, err) < 0 || write_at(w->fd, meta.p, meta.len, base + flushed, err) < 0)
		return -1;
	if (ftruncate(w->fd, (off_t)(blocks * EROFS_BLOCK)) < 0)
		return error_sys(err, errno, "write the image");
	if (write_super(w, top, meta_block, blocks, err) < 0)
		return -1;
	if (ret_bytes)
		*ret_bytes = blocks * EROFS_BLOCK;
	return 0;
}

char *erofs_content_key(int fd, struct error *err)
{
	_cleanup_str_ struct str key = STR_INIT;
	struct super_block sb;
	ssize_t n = pread(fd, &sb, sizeof(sb), SUPER_OFFSET);

	if (n != (ssize_t)sizeof(sb) || le32toh(sb.magic) != SUPER_MAGIC) {
		error_set(err, ERROR_UNSUPPORTED, "cannot read the image: it is no EROFS file system");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(sb.uuid); i++)
		str_addf(&key, "%02x", sb.uuid[i]);
	return str_take(&key);
}
