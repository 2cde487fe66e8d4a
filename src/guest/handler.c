/* SPDX-License-Identifier: MPL-2.0 */
/* One function per request of the host, and the table of them. In which order they are done is request.c's. */

#include "guest/handler.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/automount.h"
#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/disk.h"
#include "guest/file.h"
#include "guest/finish.h"
#include "guest/identity.h"
#include "guest/memdev.h"
#include "guest/module.h"
#include "guest/net.h"
#include "guest/root.h"
#include "guest/spare.h"

static void send_stage(enum wire_boot_stage stage)
{
	channel_send(stage, 0, &(struct wire_stage){ .stage = stage, .mono_ns = clock_mono_ns() });
}

static enum handler_outcome outcome_of(int r)
{
	return r < 0 ? HANDLER_FAILED : HANDLER_DONE;
}

static enum handler_outcome do_mount_image(const struct wire_frame *f, struct error *err)
{
	struct wire_mount_image m;

	if (wire_get_mount_image(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (disk_mount_image(&m, err) < 0)
		return HANDLER_FAILED;
	send_stage(identity_is_known() ? WIRE_AT_LAYERS : WIRE_AT_IMAGES);
	return HANDLER_DONE;
}

static enum handler_outcome do_quiesce(const struct wire_frame *f, struct error *err)
{
	struct wire_quiesce m;

	if (wire_get_quiesce(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	finish_open_counts();
	identity_open();
	return HANDLER_THEN_STILL;
}

static enum handler_outcome do_identity(const struct wire_frame *f, struct error *err)
{
	struct wire_identity m;

	if (wire_get_identity(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (identity_apply(&m, err) < 0)
		return HANDLER_FAILED;
	send_stage(WIRE_AT_CLONED);
	return HANDLER_DONE;
}

static enum handler_outcome do_assemble(const struct wire_frame *f, struct error *err)
{
	struct wire_assemble m;

	if (wire_get_assemble(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (root_assemble(&m, err) < 0)
		return HANDLER_FAILED;
	net_loopback_up();
	send_stage(WIRE_AT_ROOT);
	return HANDLER_DONE;
}

static enum handler_outcome do_share(const struct wire_frame *f, struct error *err)
{
	struct wire_share m;

	if (wire_get_share(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (root_share(&m, err) < 0)
		return HANDLER_FAILED;
	if (root_is_assembled())
		send_stage(WIRE_AT_DEVICES);
	return HANDLER_DONE;
}

static enum handler_outcome do_spare(const struct wire_frame *f, struct error *err)
{
	struct wire_spare m;

	if (wire_get_spare(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	return outcome_of(spare_make(err));
}

static int write_file(const struct wire_write_file *m, struct error *err)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, r; /* a fifo must not hold up PID 1 */
	_cleanup_close_ int fd = -1;

	if (m->path[0] != '/')
		return error_set(err, ERROR_USAGE, "'%s' is no absolute path", m->path);
	if (automount_touch(m->path, err) < 0)
		return -1;
	if (m->flags & WIRE_WRITE_CREATE)
		flags |= O_CREAT | (m->flags & WIRE_WRITE_APPEND ? 0 : O_TRUNC);
	if (m->flags & WIRE_WRITE_APPEND)
		flags |= O_APPEND;
	fd = open(m->path, flags, m->mode & 07777);
	if (fd < 0 && errno == ENOENT && (m->flags & WIRE_WRITE_CREATE)) {
		r = file_make_dirs(m->path, false, 0755);
		if (r < 0)
			return error_sys(err, -r, "make the folders of '%s'", m->path);
		fd = open(m->path, flags, m->mode & 07777);
	}
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && (m->flags & WIRE_WRITE_OPTIONAL))
		return 0;
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", m->path);
	r = file_write_all(fd, m->data.p, m->data.len);
	if (r < 0)
		return error_sys(err, -r, "write '%s'", m->path);
	/* An old file may have another mode, and writing takes set-id bits away. */
	if ((m->flags & WIRE_WRITE_CREATE) && !(m->flags & WIRE_WRITE_APPEND) && fchmod(fd, m->mode & 07777) < 0)
		return error_sys(err, errno, "set the mode of '%s'", m->path);
	return 0;
}

static enum handler_outcome do_write_file(const struct wire_frame *f, struct error *err)
{
	struct wire_write_file m;

	if (wire_get_write_file(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	return outcome_of(write_file(&m, err));
}

static enum handler_outcome do_make_dir(const struct wire_frame *f, struct error *err)
{
	struct wire_make_dir m;
	int r;

	if (wire_get_make_dir(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (automount_touch(m.path, err) < 0)
		return HANDLER_FAILED;
	r = m.path[0] == '/' ? file_make_dirs(m.path, true, m.mode & 07777) : -EINVAL;
	return r < 0 ? outcome_of(error_sys(err, -r, "make '%s'", m.path)) : HANDLER_DONE;
}

static enum handler_outcome do_load_module(const struct wire_frame *f, struct error *err)
{
	struct wire_load_module m;

	if (wire_get_load_module(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (module_load(m.module, m.params, err) < 0 && !(m.flags & WIRE_MODULE_OPTIONAL))
		return HANDLER_FAILED;
	return HANDLER_DONE;
}

static enum handler_outcome do_memdev(const struct wire_frame *f, struct error *err)
{
	struct wire_memdev m;

	if (wire_get_memdev(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (memdev_make(&m, err) < 0)
		return HANDLER_FAILED;
	send_stage(WIRE_AT_DEVICES);
	return HANDLER_DONE;
}

static enum handler_outcome do_node(const struct wire_frame *f, struct error *err)
{
	struct wire_node m;

	if (wire_get_node(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (disk_make_node(&m, err) < 0)
		return HANDLER_FAILED;
	send_stage(WIRE_AT_DEVICES);
	return HANDLER_DONE;
}

static enum handler_outcome do_network(const struct wire_frame *f, struct error *err)
{
	struct wire_network m;

	if (wire_get_network(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	return outcome_of(net_configure(&m, err));
}

static enum handler_outcome do_counters(const struct wire_frame *f, struct error *err)
{
	struct wire_counters m;

	if (wire_get_counters(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	finish_send_counts(false);
	return HANDLER_DONE;
}

/* Runs in the job's child when a sync was asked for, else not at all. */
static enum handler_outcome do_finish(const struct wire_frame *f, struct error *err)
{
	struct wire_finish m;

	if (wire_get_finish(f, &m) != WIRE_OK)
		return HANDLER_MALFORMED;
	if (m.flags & WIRE_FINISH_SYNC)
		sync();
	return HANDLER_DONE;
}

static const struct handler handlers[] = {
	{ WIRE_MOUNT_IMAGE, false, do_mount_image },
	{ WIRE_QUIESCE, false, do_quiesce },
	{ WIRE_IDENTITY, false, do_identity },
	{ WIRE_ASSEMBLE, false, do_assemble },
	{ WIRE_SHARE, false, do_share },
	{ WIRE_WRITE_FILE, false, do_write_file },
	{ WIRE_LOAD_MODULE, true, do_load_module },
	{ WIRE_MEMDEV, false, do_memdev },
	{ WIRE_NODE, false, do_node },
	{ WIRE_NETWORK, false, do_network },
	{ WIRE_COUNTERS, false, do_counters },
	{ WIRE_FINISH, true, do_finish },
	{ WIRE_MAKE_DIR, false, do_make_dir },
	{ WIRE_SPARE, false, do_spare },
};

const struct handler *handler_find(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].type == type)
			return &handlers[i];
	return NULL;
}
