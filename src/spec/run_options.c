/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The table of a run's options, the setters that only it needs, and the life
 * cycle of struct runspec (its built-in values are the table's fallbacks).
 */

#include <stdlib.h>
#include <string.h>

#include "spec/options.h"
#include "spec/profile.h"

/* "auto": as many as the host has, at most 4: more only cost under emulation. */
static int set_cpus(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		    struct error *err)
{
	if (!str_eq(value, "auto"))
		return parse_u32(value, 1, 255, field, err);
	*(uint32_t *)field = 0;
	return 0;
}

static int set_memory(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		      struct error *err)
{
	uint64_t bytes;

	if (parse_size(value, &bytes, err) < 0)
		return -1;
	if (bytes < 64 << 20)
		return error_set(err, ERROR_USAGE, "'%s' is too little: a machine needs 64M at least", value);
	*(uint64_t *)field = bytes & ~UINT64_C(0xfffff); /* whole MiB */
	return 0;
}

static int set_no_tty(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		      struct error *err)
{
	bool v = true;

	if (value && parse_bool(value, &v, err) < 0)
		return -1;
	*(enum tty_mode *)field = v ? TTY_NEVER : TTY_AUTO;
	return 0;
}

static int set_tty(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		   struct error *err)
{
	return option_set_choice(field, row, source, value ? value : "force", err);
}

static int set_profiles(void *field, const struct option_row *row, const struct option_source *source,
			const char *value, struct error *err)
{
	struct runspec *rs = field;

	return profile_parse_list(value, &rs->profiles, &rs->n_profiles, err);
}

static void free_profiles(struct runspec *rs)
{
	for (size_t i = 0; i < rs->n_profiles; i++) {
		free(rs->profiles[i].name);
		strv_clear(&rs->profiles[i].options);
	}
	free(rs->profiles);
	rs->profiles = NULL;
	rs->n_profiles = 0;
}

static void reset_profiles(void *field)
{
	free_profiles(field);
}

/* HOST[:GUEST[:rw|ro]], also HOST:rw. A guest path is absolute. */
static int set_share(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		     struct error *err)
{
	struct runspec *rs = field;
	_cleanup_free_ char *text = mem_strdup(value);
	char *colon = strrchr(text, ':');
	bool is_rw = false;
	struct share_request *share;

	if (colon && (str_eq(colon, ":rw") || str_eq(colon, ":ro"))) {
		is_rw = colon[2] == 'w';
		*colon = '\0';
		colon = strrchr(text, ':');
	}
	if (colon) {
		*colon++ = '\0';
		if (*colon != '/')
			return error_set(err, ERROR_USAGE, "'%s': the guest's path must be absolute", value);
	}
	if (!*text)
		return error_set(err, ERROR_USAGE, "'%s' names no folder of the host", value);
	share = VEC_PUSH(rs->shares, rs->n_shares);
	share->host = option_host_path(source, text);
	share->guest = mem_strdup(colon);
	share->is_rw = is_rw;
	return 0;
}

/*
 * SIZE or FILE[:ro|:rw]. What reads as a size is one: a file of such a name
 * is "./10G".
 */
static int set_disk(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		    struct error *err)
{
	struct runspec *rs = field;
	_cleanup_free_ char *text = mem_strdup(value);
	enum disk_use use = DISK_USE_SNAPSHOT;
	struct disk_request *disk;
	char *colon = strrchr(text, ':');
	uint64_t bytes;

	if (parse_size(text, &bytes, NULL) == 0) {
		disk = VEC_PUSH(rs->disks, rs->n_disks);
		*disk = (struct disk_request){ .use = DISK_USE_FRESH, .size_bytes = bytes };
		return 0;
	}
	if (colon && (str_eq(colon, ":rw") || str_eq(colon, ":ro"))) {
		use = colon[2] == 'w' ? DISK_USE_WRITE : DISK_USE_READ;
		*colon = '\0';
	}
	if (!*text)
		return error_set(err, ERROR_USAGE, "'%s' is neither a size nor a file", value);
	disk = VEC_PUSH(rs->disks, rs->n_disks);
	*disk = (struct disk_request){ .use = use, .file = option_host_path(source, text) };
	return 0;
}

static int set_env(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		   struct error *err)
{
	if (!*value || *value == '=')
		return error_set(err, ERROR_USAGE, "'%s' is no NAME or NAME=VALUE", value);
	strv_add(field, value);
	return 0;
}

/* Kernel options add up over the sources. */
static int set_append(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		      struct error *err)
{
	char **append = field;
	char *joined = *append && **append ? mem_printf("%s %s", *append, value) : mem_strdup(value);

	free(*append);
	*append = joined;
	return 0;
}

/* do_make and make_target lie apart: the field is the runspec. */
static int set_make(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		    struct error *err)
{
	struct runspec *rs = field;

	if (str_eq(value, "no")) {
		rs->do_make = false;
		return 0;
	}
	rs->do_make = true;
	free(rs->make_target);
	rs->make_target = mem_strdup(value && !str_eq(value, "yes") ? value : "");
	return 0;
}

static const char *const accel_choices[] = { "auto", "kvm", "tcg", NULL };		      /* enum accel */
static const char *const machine_choices[] = { "auto", "microvm", "q35", "native", NULL };    /* enum machine_type */
static const char *const tty_choices[] = { "auto", "force", "never", NULL };		      /* enum tty_mode */
static const char *const crash_choices[] = { "auto", "stop", "shell", "keep", "dump", NULL }; /* enum on_crash */

#define AT(field) offsetof(struct runspec, field)
#define WHOLE	  0 /* the setter wants the runspec itself */

static const struct option_row rows[] = {
	/* what to boot */
	{ "kernel", 'k', OPTION_REQUIRED, OPTION_TEMPLATE, AT(kernel), option_set_text, NULL, "NAME", NULL, NULL, "kernel",
	  "kernel of the store: its id, or a version such as 6.1 (default: the newest)" },
	{ "root", 'r', OPTION_REQUIRED, OPTION_TEMPLATE, AT(root), option_set_text, NULL, "NAME", NULL, NULL, "root",
	  "root image of the store, or 'host' for the host's own, read-only" },
	{ "arch", 'a', OPTION_REQUIRED, OPTION_TEMPLATE, AT(arch), option_set_text, NULL, "ARCH", NULL, NULL, "arch",
	  "architecture of the machine (default: the host's)" },
	{ "profile", 'p', OPTION_REQUIRED, OPTION_LIST | OPTION_REPLACES | OPTION_TEMPLATE, WHOLE, set_profiles, reset_profiles, "LIST",
	  NULL, NULL, "profile", "profiles: NAME[:OPTION=VALUE,...],... (see: quiz profile list)" },
	{ "layer", 0, OPTION_REQUIRED, OPTION_LIST | OPTION_TEMPLATE, AT(layers), option_set_paths, NULL, "DIR", NULL, NULL, "dir",
	  "lay the files in DIR over the root" },

	/* the machine */
	{ "memory", 'm', OPTION_REQUIRED, OPTION_TEMPLATE, AT(memory_bytes), set_memory, NULL, "SIZE", "1G", NULL, NULL,
	  "memory of the machine" },
	{ "cpus", 'c', OPTION_REQUIRED, OPTION_TEMPLATE, AT(n_cpus), set_cpus, NULL, "N", "auto", NULL, NULL,
	  "number of vCPUs; auto: the host's, at most 4; 1 under emulation" },
	{ "machine", 0, OPTION_REQUIRED, OPTION_TEMPLATE, AT(machine), option_set_choice, NULL, "TYPE", "auto", machine_choices, NULL,
	  "machine type: auto, microvm, q35 or native" },
	{ "accel", 0, OPTION_REQUIRED, OPTION_TEMPLATE, AT(accel), option_set_choice, NULL, "HOW", "auto", accel_choices, NULL,
	  "auto, kvm or tcg (emulation)" },
	{ "disk", 0, OPTION_REQUIRED, OPTION_LIST | OPTION_TRUST | OPTION_TEMPLATE, WHOLE, set_disk, NULL, "SIZE|FILE[:ro|:rw]", NULL,
	  NULL, "file", "add a disk: an empty one, or a file or block device; what is written is kept only with :rw" },
	{ "net", 0, OPTION_REQUIRED, OPTION_LIST | OPTION_TEMPLATE, AT(nets), option_set_list, NULL, "NAME[:HOST]", NULL, NULL, NULL,
	  "join the private network NAME as HOST (default: the run's id), or 'user[,FORWARD]'" },
	{ "append", 0, OPTION_REQUIRED, OPTION_LIST | OPTION_TEMPLATE, AT(append), set_append, NULL, "OPTIONS", NULL, NULL, NULL,
	  "more kernel options" },
	{ "tmpfs", 0, OPTION_REQUIRED, OPTION_TEMPLATE, AT(tmpfs_bytes), option_set_size, NULL, "SIZE", "0", NULL, NULL,
	  "most that may be written to the root (0: half of the memory)" },
	{ "max-memory", 0, OPTION_REQUIRED, OPTION_TEMPLATE, AT(max_memory_bytes), option_set_size, NULL, "SIZE", "0", NULL, NULL,
	  "most memory that all machines of the user may have together (0: what the host has free)" },
	{ "qemu", 0, OPTION_REQUIRED, OPTION_TRUST | OPTION_TEMPLATE, AT(qemu), option_set_path, NULL, "FILE", NULL, NULL, "file",
	  "QEMU binary (default: the architecture's, from PATH)" },
	{ "qemu-arg", 0, OPTION_REQUIRED, OPTION_LIST | OPTION_TRUST | OPTION_TEMPLATE, AT(qemu_args), option_set_list, NULL, "ARG", NULL,
	  NULL, NULL, "one more argument for QEMU" },

	/* the program */
	{ "script", 'C', OPTION_REQUIRED, OPTION_LINE_ONLY, AT(script), option_set_text, NULL, "SCRIPT", NULL, NULL,
	  NULL, "run a shell script instead of a program" },
	/* from here to no-tty: program_options() */
	{ "env", 0, OPTION_REQUIRED, OPTION_LIST, AT(env), set_env, NULL, "NAME[=VALUE]", NULL, NULL, NULL,
	  "environment of the program; without value: as it is here" },
	{ "cwd", 0, OPTION_REQUIRED, 0, AT(cwd), option_set_text, NULL, "DIR", NULL, NULL, NULL,
	  "working directory in the guest" },
	{ "user", 0, OPTION_REQUIRED, 0, AT(user), option_set_text, NULL, "NAME", NULL, NULL, NULL,
	  "user in the guest, by name or number (default: root)" },
	{ "tty", 't', OPTION_OPTIONAL, 0, AT(tty), set_tty, NULL, "WHEN", "auto", tty_choices, NULL,
	  "a terminal for the program: auto, force (-t) or never" },
	{ "no-tty", 'T', OPTION_FLAG, OPTION_LINE_ONLY, AT(tty), set_no_tty, NULL, NULL, NULL, NULL, NULL,
	  "no terminal: stdin, stdout and stderr stay separate" },
	{ "shell-after", 'S', OPTION_FLAG, 0, AT(shell_after), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "a shell after the program; the status stays the program's" },
	{ "timeout", 0, OPTION_REQUIRED, OPTION_TEMPLATE, AT(timeout_ms), option_set_duration, NULL, "TIME", "0", NULL, NULL,
	  "end the run after TIME of its program, or of the hooks before it, with status 124 (0: never)" },
	{ "make", 0, OPTION_OPTIONAL, OPTION_TRUST, WHOLE, set_make, NULL, "TARGET", NULL, NULL, NULL,
	  "build the workspace first; run only when that succeeds" },

	/* files */
	{ "share", 0, OPTION_REQUIRED, OPTION_LIST | OPTION_TRUST | OPTION_TEMPLATE, WHOLE, set_share, NULL, "HOST[:GUEST[:rw]]", NULL,
	  NULL, "dir", "make a folder of the host visible in the guest, read-only unless rw" },
	{ "workspace", 0, OPTION_FLAG, OPTION_TEMPLATE, AT(workspace_mount), option_set_flag, NULL, NULL, "yes", NULL, NULL,
	  "make the workspace's tree visible where the program needs it" },
	{ "collect", 0, OPTION_REQUIRED, OPTION_LIST, AT(collect), option_set_list, NULL, "PATH", NULL, NULL, NULL,
	  "bring PATH of the guest back into the run's artifacts" },
	{ "max-shared", 0, OPTION_REQUIRED, 0, AT(max_shared_bytes), option_set_size, NULL, "SIZE", "16G", NULL, NULL,
	  "most that the guest may leave in /shared, and that one --collect may bring (0: no limit)" },

	/* how it goes on */
	{ "detach", 'd', OPTION_FLAG, OPTION_LINE_ONLY, AT(detach), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "run in the background: print the id and return" },
	{ "keep", 0, OPTION_FLAG, 0, AT(keep), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "leave the machine up after the program" },
	{ "cold", 0, OPTION_FLAG, 0, AT(cold), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "boot instead of cloning a template" },
	{ "linger", 0, OPTION_REQUIRED, 0, AT(linger_ms), option_set_duration, NULL, "TIME", "0", NULL, NULL,
	  "watch the kernel for TIME after the program has ended" },
	{ "on-crash", 0, OPTION_REQUIRED, 0, AT(on_crash), option_set_choice, NULL, "WHAT", "auto", crash_choices, NULL,
	  "auto, stop, shell, keep or dump" },
	{ "dump", 0, OPTION_FLAG, 0, AT(dump), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "write a vmcore into the record when the machine crashes, hangs or is out of time" },
	{ "gdb", 0, OPTION_FLAG, 0, AT(gdb), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "boot, and wait at the first instruction for 'quiz gdb ID'" },
	{ "strict", 0, OPTION_FLAG, 0, AT(is_strict), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "kernel warnings count as a crash, stalls as a hang" },
	{ "allow", 0, OPTION_REQUIRED, OPTION_LIST, AT(allow), option_set_list, NULL, "PATTERN", NULL, NULL, NULL,
	  "do not count findings whose title matches PATTERN" },
	{ "known-issues", 0, OPTION_REQUIRED, 0, AT(known_issues), option_set_path, NULL, "FILE", NULL, NULL, "file",
	  "fingerprints of findings that are known, one per line" },
	{ "boot-timeout", 0, OPTION_REQUIRED, OPTION_TEMPLATE, AT(boot_timeout_ms), option_set_duration, NULL, "TIME", "20s", NULL,
	  NULL, "silence of a booting machine that counts as 'did not boot'" },
	{ "hang-grace", 0, OPTION_REQUIRED, 0, AT(hang_grace_ms), option_set_duration, NULL, "TIME", "30s", NULL, NULL,
	  "time that a program has to end after the kernel reported a stall" },

	/* output */
	{ "verbose", 'v', OPTION_COUNT, OPTION_TEMPLATE, AT(verbosity), option_set_count, NULL, NULL, NULL, NULL, NULL,
	  "say what happens; twice: the kernel's messages too" },
	{ "quiet", 'q', OPTION_FLAG, OPTION_TEMPLATE, AT(quiet), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "only the program's output, and what went wrong" },
	{ "dry-run", 'n', OPTION_FLAG, OPTION_LINE_ONLY, AT(dry_run), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "print the plan and stop: nothing is run, not even a hook" },
	{ "json", 0, OPTION_FLAG, OPTION_LINE_ONLY, AT(json), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "print the run's result.json to stderr at the end, as one line, or the plan to stdout with --dry-run" },

	/* what is kept */
	{ "keep-runs", 0, OPTION_REQUIRED, 0, AT(keep_runs), option_set_u32, NULL, "N", "50", NULL, NULL,
	  "number of run records to keep" },
	{ "template-count", 0, OPTION_REQUIRED, 0, AT(template_count), option_set_u32, NULL, "N", "16", NULL, NULL,
	  "most templates to keep" },
	{ "template-bytes", 0, OPTION_REQUIRED, 0, AT(template_bytes), option_set_size, NULL, "SIZE", "8G", NULL, NULL,
	  "most space that templates may take" },
	{ "template-age", 0, OPTION_REQUIRED, 0, AT(template_age_ms), option_set_duration, NULL, "TIME", "14d", NULL,
	  NULL, "drop templates that were not used for TIME" },
	{ "test-agent", 0, OPTION_REQUIRED, OPTION_HIDDEN, AT(test_agent), option_set_u32, NULL, "N", "0", NULL, NULL,
	  "make the agent misbehave once the program runs (wire_test_what)" },
};

const struct option_row *run_options(size_t *ret_n)
{
	_Static_assert(ARRAY_SIZE(rows) <= 128, "option_source.seen has 128 bits");
	*ret_n = ARRAY_SIZE(rows);
	return rows;
}

const struct option_row *program_options(size_t *ret_n)
{
	const struct option_row *first = option_find(rows, ARRAY_SIZE(rows), "env");
	const struct option_row *last = option_find(rows, ARRAY_SIZE(rows), "no-tty");

	*ret_n = (size_t)(last - first) + 1;
	return first;
}

const struct option_row *template_options(size_t *ret_n)
{
	static struct option_row some[ARRAY_SIZE(rows)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].flags & OPTION_TEMPLATE)
			some[n++] = rows[i];
	*ret_n = n;
	return some;
}

void runspec_init(struct runspec *rs)
{
	*rs = (struct runspec){ 0 };
	options_defaults(rows, ARRAY_SIZE(rows), rs);
}

void runspec_add_env(const struct runspec *rs, struct strv *ret_env)
{
	for (size_t i = 0; i < rs->env.n; i++) {
		const char *word = rs->env.v[i], *value = strchr(word, '=') ? NULL : getenv(word);

		if (value)
			strv_addf(ret_env, "%s=%s", word, value);
		else if (strchr(word, '='))
			strv_add(ret_env, word);
	}
}

void runspec_clear(struct runspec *rs)
{
	free_profiles(rs);
	for (size_t i = 0; i < rs->n_shares; i++) {
		free(rs->shares[i].host);
		free(rs->shares[i].guest);
	}
	free(rs->shares);
	strv_clear(&rs->argv);
	strv_clear(&rs->qemu_args);
	strv_clear(&rs->layers);
	for (size_t i = 0; i < rs->n_disks; i++)
		free(rs->disks[i].file);
	free(rs->disks);
	strv_clear(&rs->nets);
	strv_clear(&rs->env);
	strv_clear(&rs->collect);
	strv_clear(&rs->allow);
	free(rs->script);
	free(rs->kernel);
	free(rs->root);
	free(rs->config_kernel);
	free(rs->config_root);
	free(rs->arch);
	free(rs->append);
	free(rs->qemu);
	free(rs->cwd);
	free(rs->user);
	free(rs->known_issues);
	free(rs->make_target);
	*rs = (struct runspec){ 0 };
}
