/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The agent protocol: what host and guest agent say to each other over one
 * virtio-serial port, and what clients and the supervisor say over its unix
 * socket. Encoding and decoding on buffers only; no I/O, no allocation.
 * docs/protocol.md tells the story (who speaks when); this file is the law.
 *
 * A frame is an 8-byte header and a payload, all integers little-endian:
 *
 *	u32 payload length (at most WIRE_PAYLOAD_MAX) | u16 type | u16 session
 *
 * Session 0 is the machine itself; others are programs (START opens one, the
 * number is the host's choice, EXIT ends it). Payload fields follow each
 * other without padding, in the order of the WIRE_FIELDS_* lists:
 *
 *	u8 u16 u32 u64	integers
 *	str		u32 length, bytes, NUL (not counted); no NUL inside
 *	bytes		u32 length, bytes
 *	list		u32 count, then that many str
 *
 * Flow control: each direction of each stream starts with WIRE_WINDOW bytes
 * of credit. DATA spends it, CREDIT gives back what the receiver has passed
 * on. A sender without credit stops reading its source, so that backpressure
 * reaches the writing program, and nobody else.
 *
 * The decoder trusts nothing: a length that does not fit, a missing NUL, an
 * unknown type or trailing bytes make the frame WIRE_BAD, and the receiver
 * ends the conversation. Decoded str and bytes point into the payload.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 1		  /* bump when a message changes meaning or layout */
#define WIRE_HEADER_SIZE 8	  /* bytes */
#define WIRE_PAYLOAD_MAX 65536	  /* bytes; larger frames are WIRE_BAD */
#define WIRE_FRAME_MAX (WIRE_HEADER_SIZE + WIRE_PAYLOAD_MAX)
#define WIRE_DATA_MAX 32768	  /* most bytes a polite sender puts into one DATA */
#define WIRE_WINDOW (256 * 1024)  /* bytes of initial credit per stream and direction */
#define WIRE_SESSIONS_MAX 64	  /* sessions an agent runs at once, numbers 1..65535 */
#define WIRE_AGENT_PORT "quiz.agent" /* name of the virtio-serial port */
#define WIRE_TIMER_IS_WRONG "the kernel has measured its timer wrongly" /* in the kernel log, before HELLO */

/* Stream numbers of DATA, EOF and CREDIT. */
enum wire_stream {
	WIRE_STDIN = 0,
	WIRE_STDOUT = 1,
	WIRE_STDERR = 2,
	WIRE_N_STREAMS = 3,
};

/* Flags of START. */
enum wire_start_flags {
	WIRE_START_TTY = 1 << 0,    /* a pty; stderr is part of it */
	WIRE_START_STDIN = 1 << 1,  /* a pipe for stdin; without it /dev/null */
	WIRE_START_HOOK = 1 << 2,   /* a profile's hook: stays out of the foreground */
	WIRE_START_LOGIN = 1 << 3,  /* empty argv: the user's shell, as a login shell */
	WIRE_START_PLANNED = 1 << 4, /* clients only: the program that the run was started for, whatever else is said here */
	WIRE_START_IF_DONE = 1 << 5, /* refused with ECANCELED when a request before it failed: it may be sent behind them at once */
	WIRE_START_LAST = 1 << 6,    /* the machine ends with it: every kernel message there is and COUNTS come before its EXIT */
};

/* What START starts. */
enum wire_start_kind {
	WIRE_KIND_PROGRAM = 0,	 /* fork, exec argv */
	WIRE_KIND_FILES_OUT = 1, /* argv[0] = path: its tree is sent on stdout as an archive (wire/files.h); argv[2]: wire/carrier.h */
	WIRE_KIND_FILES_IN = 2,	 /* argv[0] = path, [1] = name: an archive arrives on stdin; argv[2]: wire/carrier.h */
	WIRE_KIND_KMSG = 3,	 /* reserved */
};

/* KMSG.level: the syslog level, and whether the kernel speaks or a program that wrote to /dev/kmsg. */
enum wire_kmsg_level {
	WIRE_KMSG_LEVEL = 7,
	WIRE_KMSG_BY_PROGRAM = 1 << 3, /* its facility is not the kernel's, which no program can have */
};

/* Where starting a program failed (STARTED.stage). */
enum wire_start_stage {
	WIRE_STAGE_OK = 0,
	WIRE_STAGE_FORK,
	WIRE_STAGE_USER,  /* no such user, or could not become it */
	WIRE_STAGE_CHDIR,
	WIRE_STAGE_EXEC,
	WIRE_STAGE_LIMIT, /* too many sessions */
};

/* Flags of MOUNT_IMAGE. */
enum wire_image_flags {
	WIRE_IMAGE_FLUSH = 1 << 0, /* drop what the kernel cached of the device first (a slot after a clone) */
	WIRE_IMAGE_RW = 1 << 1,
};

/* Flags of SHARE. */
enum wire_share_flags {
	WIRE_SHARE_RW = 1 << 0,
	WIRE_SHARE_LOOSE = 1 << 1,    /* cache=loose: the host does not change it during the run */
	WIRE_SHARE_HOST_ROOT = 1 << 2, /* the host's own /: becomes layer "root" before ASSEMBLE */
	WIRE_SHARE_LATER = 1 << 3,    /* only prepared: who touches it first mounts it; a SHARE without this flag then has nothing to do */
};

/* Flags of WRITE_FILE. */
enum wire_write_flags {
	WIRE_WRITE_CREATE = 1 << 0,   /* make the file (and its folders), truncate it; else it must exist */
	WIRE_WRITE_OPTIONAL = 1 << 1, /* a missing file is no error */
	WIRE_WRITE_APPEND = 1 << 2,
};

/* Flags of LOAD_MODULE. */
enum wire_module_flags {
	WIRE_MODULE_OPTIONAL = 1 << 0,
};

/* Flags of FINISH. */
enum wire_finish_flags {
	WIRE_FINISH_POWER_OFF = 1 << 0, /* unmount, sync and power off after the RESULT */
	WIRE_FINISH_SYNC = 1 << 1,	/* sync(2) first */
};

/* How a program ended (EXIT.how). */
enum wire_exit_how {
	WIRE_EXITED = 0,   /* value is the status */
	WIRE_SIGNALLED = 1, /* value is the signal number */
	WIRE_FAILED = 2,   /* a FILES_* session failed: value is an errno */
};

/* TEST.what: only for quiz's own tests; an agent obeys it only when the kernel command line has quiz.test=1. */
enum wire_test_what {
	WIRE_TEST_EXIT = 1, /* the agent exits (kernel panics: init died) */
	WIRE_TEST_HANG = 2, /* the agent stops answering */
	WIRE_TEST_FLOOD = 3, /* the agent sends garbage */
	WIRE_TEST_CLOSE = 4, /* the agent closes its port and goes on living */
};

/* Boot stages, in order. One table: numbers, names for people. */
#define WIRE_STAGES(S)                                                         \
	S(1, INIT, "init")		/* first instruction of the agent */   \
	S(2, MOUNTS, "mounts")		/* proc, sys, dev, run */              \
	S(3, MODULES, "modules")	/* modules of the initramfs loaded */  \
	S(4, CHANNEL, "channel")	/* agent port open */                  \
	S(5, IMAGES, "images")		/* root and module images mounted */   \
	S(6, CLONED, "cloned")		/* identity received */                \
	S(7, LAYERS, "layers")		/* slots mounted */                    \
	S(8, ROOT, "root")		/* overlay built, root moved */        \
	S(9, DEVICES, "devices")	/* memdev, disks, shares */            \
	S(10, PROGRAM, "program")	/* the program's execve succeeded */

enum wire_boot_stage {
#define S(n, NAME, text) WIRE_AT_##NAME = n,
	WIRE_STAGES(S)
#undef S
};

/* Name of a boot stage, or NULL. */
const char *wire_stage_name(uint32_t stage);

/*
 * ---- Messages: number, NAME, name, direction ----
 * H: host to guest, G: guest to host, B: both. A message whose first field is
 * `id` is a request and is answered by RESULT with the same id, in order of
 * completion. CLIENT_* travel only on the supervisor's socket.
 */
#define WIRE_MESSAGES(M)                                                       \
	M(1, HELLO, hello, G)                                                  \
	M(2, WELCOME, welcome, H)                                              \
	M(3, STAGE, stage, G)                                                  \
	M(4, RESULT, result, G)                                                \
	M(5, PING, ping, H)                                                    \
	M(6, PONG, pong, G)                                                    \
	M(10, MOUNT_IMAGE, mount_image, H)                                     \
	M(11, QUIESCE, quiesce, H)                                             \
	M(12, IDENTITY, identity, H)                                           \
	M(13, ASSEMBLE, assemble, H)                                           \
	M(14, SHARE, share, H)                                                 \
	M(15, WRITE_FILE, write_file, H)                                       \
	M(16, LOAD_MODULE, load_module, H)                                     \
	M(17, MEMDEV, memdev, H)                                               \
	M(18, NODE, node, H)                                                   \
	M(19, NETWORK, network, H)                                             \
	M(20, COUNTERS, counters, H)                                           \
	M(21, COUNTS, counts, G)                                               \
	M(22, FINISH, finish, H)                                               \
	M(23, TEST, test, H)                                                   \
	M(24, MAKE_DIR, make_dir, H)                                           \
	M(25, SPARE, spare, H)                                                 \
	M(30, START, start, H)                                                 \
	M(31, STARTED, started, G)                                             \
	M(32, DATA, data, B)                                                   \
	M(33, EOF, eof, B)                                                     \
	M(34, CREDIT, credit, B)                                               \
	M(35, WINSIZE, winsize, H)                                             \
	M(36, SIGNAL, signal, H)                                               \
	M(37, EXIT, exit, G)                                                   \
	M(40, KMSG, kmsg, G)                                                   \
	M(60, CLIENT_HELLO, client_hello, H)                                   \
	M(61, CLIENT_WELCOME, client_welcome, G)                               \
	M(62, CLIENT_ATTACH, client_attach, H)                                 \
	M(63, CLIENT_LOGS, client_logs, H)                                     \
	M(64, CLIENT_STOP, client_stop, H)                                     \
	M(65, CLIENT_WAIT, client_wait, H)                                     \
	M(66, CLIENT_VERDICT, client_verdict, G)                               \
	M(67, CLIENT_DUMP, client_dump, H)                                     \
	M(68, CLIENT_NOTE, client_note, G)                                     \
	M(69, CLIENT_STATUS, client_status, H)                                 \
	M(70, CLIENT_GDB, client_gdb, H)

/* Agent's first words. agent: its build id, part of a template's key; features: reserved, 0. */
#define WIRE_FIELDS_HELLO(F)                                                   \
	F(u16, version_min) F(u16, version_max) F(u32, features)               \
	F(str, agent) F(str, arch) F(str, release) F(u64, mono_ns)
/* The version both speak from now on. heartbeat_ms: 0 = none expected. */
#define WIRE_FIELDS_WELCOME(F) F(u16, version) F(u32, features)
/* A boot stage was reached, at guest CLOCK_MONOTONIC (starts with the kernel). */
#define WIRE_FIELDS_STAGE(F) F(u32, stage) F(u64, mono_ns)
/* Answer to a request. errnum 0: done. text: what failed, for people. */
#define WIRE_FIELDS_RESULT(F) F(u32, id) F(u32, errnum) F(str, text)
#define WIRE_FIELDS_PING(F) F(u64, nonce)
#define WIRE_FIELDS_PONG(F) F(u64, nonce)
/* Mounts the virtio disk with that serial as layer `name`. fstype "": erofs, squashfs, ext4 are tried. */
#define WIRE_FIELDS_MOUNT_IMAGE(F) F(u32, id) F(str, serial) F(str, name) F(str, fstype) F(u32, flags)
/* Become still: after the RESULT the agent sends nothing until the next message reaches it. */
#define WIRE_FIELDS_QUIESCE(F) F(u32, id)
/* What a fork must not share. entropy is credited and the RNG reseeded. machine_id: 32 hex digits. */
#define WIRE_FIELDS_IDENTITY(F)                                                \
	F(u32, id) F(u64, realtime_ns) F(bytes, entropy) F(str, machine_id) F(str, hostname) F(str, mac)
/* Overlay of the named layers, lowest first, with a tmpfs of at most tmpfs_bytes on top (0: half of memory); moves root. */
#define WIRE_FIELDS_ASSEMBLE(F) F(u32, id) F(u64, tmpfs_bytes) F(list, layers)
/* 9p share `tag` at guest path (made if missing). */
#define WIRE_FIELDS_SHARE(F) F(u32, id) F(str, tag) F(str, path) F(u32, flags)
#define WIRE_FIELDS_WRITE_FILE(F) F(u32, id) F(str, path) F(u32, mode) F(u32, flags) F(bytes, data)
/* A module by absolute path, or by name through modules.dep (dependencies first; built-in or loaded: done). */
#define WIRE_FIELDS_LOAD_MODULE(F) F(u32, id) F(str, module) F(str, params) F(u32, flags)
/* count loop devices over tmpfs files of size bytes, as real nodes /dev/<prefix>0.. . sector: 0 = default. */
#define WIRE_FIELDS_MEMDEV(F) F(u32, id) F(str, prefix) F(u32, count) F(u64, size_bytes) F(u32, sector_bytes)
/* A real block node `path` for the virtio disk with that serial. */
#define WIRE_FIELDS_NODE(F) F(u32, id) F(str, serial) F(str, path)
/*
 * Brings the network interface with that MAC up (mac "": none, only the files), under
 * a new one if new_mac is not "". address "10.0.2.15/24", or "": only up. hosts are lines
 * for /etc/hosts; they take the place of those that end with the same "# comment".
 */
#define WIRE_FIELDS_NETWORK(F)                                                 \
	F(u32, id) F(str, mac) F(str, new_mac) F(str, address) F(str, gateway) F(str, nameserver) F(list, hosts)
/* Asks for the kernel's own counters; COUNTS comes before the RESULT. */
#define WIRE_FIELDS_COUNTERS(F) F(u32, id)
/* "name=value" each: tainted, oops_count, warn_count, ... those that this kernel has. */
#define WIRE_FIELDS_COUNTS(F) F(list, counts)
/* The run is over: RESULT means all that can be said has been said. */
#define WIRE_FIELDS_FINISH(F) F(u32, id) F(u32, flags)
#define WIRE_FIELDS_TEST(F) F(u32, what)
#define WIRE_FIELDS_MAKE_DIR(F) F(u32, id) F(str, path) F(u32, mode)
/* Makes a process that the machine's first program will be, if it wants pipes: before a template is saved. */
#define WIRE_FIELDS_SPARE(F) F(u32, id)
/* Starts a session (header's number). user "": root. umask 0xffff: leave. nofile 0: leave. */
#define WIRE_FIELDS_START(F)                                                   \
	F(u8, kind) F(u32, flags) F(list, argv) F(list, env) F(str, cwd) F(str, user)                    \
	F(u32, umask) F(u64, nofile) F(u16, rows) F(u16, cols)
/* errnum 0: the program's execve succeeded. Else nothing runs, no EXIT follows; text is the cause, "": what errnum means. */
#define WIRE_FIELDS_STARTED(F) F(u8, stage) F(u32, errnum) F(u32, pid) F(str, text)
#define WIRE_FIELDS_DATA(F) F(u8, stream) F(bytes, data)
#define WIRE_FIELDS_EOF(F) F(u8, stream)
#define WIRE_FIELDS_CREDIT(F) F(u8, stream) F(u32, bytes)
#define WIRE_FIELDS_WINSIZE(F) F(u16, rows) F(u16, cols)
/* To the session's foreground process group (tty) or process group. Linux generic signal numbers. */
#define WIRE_FIELDS_SIGNAL(F) F(u32, signo)
/* After the last DATA and EOF of the session. Times and memory as in getrusage(2). */
#define WIRE_FIELDS_EXIT(F) F(u8, how) F(u32, value) F(u64, user_us) F(u64, system_us) F(u64, maxrss_kib)
/* One record of /dev/kmsg: sequence number, enum wire_kmsg_level, microseconds, text. */
#define WIRE_FIELDS_KMSG(F) F(u64, seq) F(u8, level) F(u64, time_us) F(str, text)

/* Client's first words to a supervisor; purpose is for `quiz ps -v`. */
#define WIRE_FIELDS_CLIENT_HELLO(F) F(u16, version) F(u32, pid) F(str, purpose)
/* The supervisor's: machine id, state name, JSON with what `quiz ps` shows. */
#define WIRE_FIELDS_CLIENT_WELCOME(F) F(u16, version) F(str, id) F(str, state) F(str, json)
/* Watch (write=0) or take over (write=1) the first program's session; it then arrives as the header's session. */
#define WIRE_FIELDS_CLIENT_ATTACH(F) F(u8, write) F(u16, rows) F(u16, cols)
/* kinds: bit 0 kernel log, bit 1 program output; follow=1: until the machine ends. Arrives as DATA, EOF. */
#define WIRE_FIELDS_CLIENT_LOGS(F) F(u32, kinds) F(u8, follow)
/* force=0: TERM to the program, then an orderly end; force=1: kill the machine. */
#define WIRE_FIELDS_CLIENT_STOP(F) F(u8, force)
/*
 * Ask for CLIENT_VERDICT when the machine ends (machine=1) or its first program (machine=0). Who runs that program gets
 * one unasked when the kernel crashes and the machine goes on: verdict "crash", and the text for people in place of JSON.
 */
#define WIRE_FIELDS_CLIENT_WAIT(F) F(u8, machine)
#define WIRE_FIELDS_CLIENT_VERDICT(F) F(u32, status) F(str, verdict) F(str, json)
/* vmcore to an absolute path of the host; answered by CLIENT_NOTE. */
#define WIRE_FIELDS_CLIENT_DUMP(F) F(str, path)
#define WIRE_FIELDS_CLIENT_NOTE(F) F(u32, errnum) F(str, text)
#define WIRE_FIELDS_CLIENT_STATUS(F) F(u8, unused)
/*
 * A gdb stub for as long as this client is connected; answered by CLIENT_NOTE,
 * whose text is the stub's socket. When the last such client goes, the stub
 * goes with it and the machine runs on.
 */
#define WIRE_FIELDS_CLIENT_GDB(F) F(u8, unused)

enum wire_type {
#define M(n, NAME, name, dir) WIRE_##NAME = n,
	WIRE_MESSAGES(M)
#undef M
};

/* Name of a message type ("START"), or NULL. */
const char *wire_type_name(uint16_t type);

struct wire_bytes {
	const void *p; /* borrowed from the payload, or the caller's when encoding */
	uint32_t len;
};

/* Encoding: v, n (an argv). Decoding: raw, raw_len and n; iterate with wire_list_next(). */
struct wire_list {
	const char *const *v;
	uint32_t n;
	const uint8_t *raw;
	uint32_t raw_len;
};

typedef const char *wire_str;

/* One struct per message: struct wire_hello { uint16_t version_min; ... }. */
#define WIRE_CTYPE_u8 uint8_t
#define WIRE_CTYPE_u16 uint16_t
#define WIRE_CTYPE_u32 uint32_t
#define WIRE_CTYPE_u64 uint64_t
#define WIRE_CTYPE_str wire_str
#define WIRE_CTYPE_bytes struct wire_bytes
#define WIRE_CTYPE_list struct wire_list
#define F(type, field) WIRE_CTYPE_##type field;
#define M(n, NAME, name, dir)                                                  \
	struct wire_##name {                                                   \
		WIRE_FIELDS_##NAME(F)                                          \
	};
WIRE_MESSAGES(M)
#undef M
#undef F

/* A decoded frame header with its payload, which stays in the caller's buffer. */
struct wire_frame {
	uint16_t type;
	uint16_t session;
	const uint8_t *payload;
	uint32_t len;
};

enum wire_status {
	WIRE_OK = 0,
	WIRE_MORE = 1, /* the frame is not complete yet */
	WIRE_BAD = -1, /* not this protocol: end the conversation */
};

/*
 * Looks at the first frame of a buffer. WIRE_OK sets *ret_frame and *ret_size
 * (whole size with header, what to drop from the buffer afterwards).
 */
enum wire_status wire_frame_get(const void *buf, size_t len, struct wire_frame *ret_frame, size_t *ret_size);

/*
 * Per message:
 *	size_t wire_put_hello(void *buf, size_t cap, uint16_t session, const struct wire_hello *m);
 *		a whole frame; returns its size, or 0 when it does not fit into cap or WIRE_PAYLOAD_MAX
 *	enum wire_status wire_get_hello(const struct wire_frame *f, struct wire_hello *ret);
 *		WIRE_OK or WIRE_BAD; wants f->type to be the right one
 */
#define M(n, NAME, name, dir)                                                  \
	size_t wire_put_##name(void *buf, size_t cap, uint16_t session, const struct wire_##name *m);    \
	enum wire_status wire_get_##name(const struct wire_frame *f, struct wire_##name *ret);
WIRE_MESSAGES(M)
#undef M

/*
 * Next string of a decoded list: NULL at the end. *pos starts at 0. The list
 * was checked by wire_get_*, so every string is NUL-terminated.
 */
const char *wire_list_next(const struct wire_list *list, uint32_t *pos);
