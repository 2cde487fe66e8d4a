/* SPDX-License-Identifier: MPL-2.0 */
/* What a run needs: configuration, QEMU, KVM, agent, kernel, root, room. */

#include <sys/stat.h>

#include "cmd/command.h"
#include "cmd/doctor.h"
#include "image/kernel.h"
#include "image/root.h"
#include "run/network.h"
#include "run/run.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/host.h"
#include "vmm/vmm.h"

#define ROOM_MIN    (UINT64_C(2) << 30) /* bytes that the cache should have free: layers and a template or two */
#define RUNTIME_MIN (UINT64_C(64) << 10) /* sockets and locks of a few machines */

/* An error as a finding: its hint is the mending command. */
static void add_error(struct doctor *d, enum doctor_level level, const struct error *err)
{
	doctor_add(d, level, err->hint[0] ? err->hint : NULL, "%s", err->text);
}

static void check_kvm(struct doctor *d, const struct vmm_caps *caps, const struct arch *arch, const char *cache,
		      bool retry)
{
	static const struct {
		enum doctor_level level;
		const char *mend;
	} states[] = {
		[KVM_USABLE] = { DOCTOR_OK, NULL },
		[KVM_ABSENT] = { DOCTOR_NOTE, NULL },
		[KVM_DENIED] = { DOCTOR_NOTE, "sudo usermod -a -G kvm $USER, then log in again" },
		[KVM_NESTED_PARA] = { DOCTOR_NOTE, NULL },
		[KVM_MEMO] = { DOCTOR_NOTE, "quiz doctor --retry-kvm" },
		[KVM_REFUSED] = { DOCTOR_NOTE, "quiz doctor --retry-kvm" },
	};
	enum kvm_state state;

	if (retry && vmm_kvm_memo_clear(cache) == 1)
		doctor_add(d, DOCTOR_OK, NULL, "KVM: the memo that it did not work is gone");
	state = vmm_kvm_state(caps, arch, cache);
	doctor_add(d, states[state].level, states[state].mend, "KVM: %s%s", kvm_state_text(state),
		   state == KVM_USABLE ? "" : "; machines are emulated");
}

static void check_vmm(struct doctor *d, const struct context *ctx, const struct arch *arch, bool retry_kvm)
{
	struct error err = ERROR_INIT;
	struct vmm_caps caps = { 0 };

	if (vmm_probe(arch, ctx->defaults.qemu, ctx->paths.cache, &caps, &err) < 0) {
		add_error(d, DOCTOR_MISSING, &err);
		return;
	}
	doctor_add(d, DOCTOR_OK, NULL, "QEMU %u.%u.%u: %s", caps.version / 10000, caps.version / 100 % 100,
		   caps.version % 100, caps.binary);
	if (!caps.has_ignore_shared)
		doctor_add(d, DOCTOR_NOTE, NULL, "this QEMU can not clone machines: every run boots");
	if (!caps.has_9p)
		doctor_add(d, DOCTOR_NOTE, NULL, "this QEMU has no 9p: no --share, and /shared comes back at the end");
	if (!caps.has_sandbox)
		doctor_add(d, DOCTOR_NOTE, NULL, "this QEMU has no seccomp sandbox");
	check_kvm(d, &caps, arch, ctx->paths.cache, retry_kvm);
	vmm_caps_clear(&caps);
}

static void check_agent(struct doctor *d, const struct paths *paths, const struct arch *arch)
{
	_cleanup_free_ char *agent = mem_printf("%s/agents/%s/quiz-init", paths->libexec, arch->name);

	if (fs_exists(agent))
		doctor_add(d, DOCTOR_OK, NULL, "guest agent: %s", agent);
	else
		doctor_add(d, DOCTOR_MISSING, "make deps all", "no guest agent for %s: '%s'", arch->name, agent);
}

static void check_store(struct doctor *d, const struct context *ctx, const struct arch *arch)
{
	struct error err = ERROR_INIT;
	struct kernel kernel = { 0 };
	struct root root = { 0 };

	if (kernel_find(&ctx->paths, arch->name, ctx->defaults.kernel, NULL, &kernel, &err) < 0) {
		add_error(d, DOCTOR_MISSING, &err);
	} else {
		doctor_add(d, DOCTOR_OK, NULL, "kernel %s (%s)", kernel.id, kernel.origin_text ? kernel.origin_text : "");
		if (kernel.erofs == TRI_NO)
			doctor_add(d, DOCTOR_NOTE, "quiz kernel build", "kernel %s has no EROFS: layers are larger", kernel.id);
	}
	kernel_clear(&kernel);
	error_clear(&err);
	if (str_eq(ctx->defaults.root, "host")) {
		doctor_add(d, DOCTOR_OK, NULL, "root: the host's own");
		return;
	}
	if (root_find(&ctx->paths, arch->name, ctx->defaults.root, NULL, NULL, &root, &err) < 0)
		add_error(d, DOCTOR_MISSING, &err);
	else
		doctor_add(d, DOCTOR_OK, NULL, "root %s", root.id);
	root_clear(&root);
}

/* The file system that a folder is on, or will be when it is made; 0: unknown. */
static dev_t disk_of(const char *path)
{
	_cleanup_free_ char *at = NULL;
	struct stat st;

	return fs_can_write(path, &at, NULL) == 0 && stat(at, &st) == 0 ? st.st_dev : 0;
}

static void check_disks(struct doctor *d, const struct context *ctx)
{
	const char *const places[] = { ctx->paths.cache, ctx->paths.data, ctx->paths.state };
	dev_t disks[ARRAY_SIZE(places)];
	char a[32];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t room = host_disk_free(places[i]);
		bool is_known = false;

		disks[i] = disk_of(places[i]);
		for (size_t k = 0; k < i; k++)
			is_known |= disks[k] == disks[i];
		if (room < ROOM_MIN && !is_known)
			doctor_add(d, DOCTOR_NOTE, "quiz clean", "%s free for %s", format_size(room, a, sizeof(a)), places[i]);
	}
}

/* What every run writes: its record, and images that were not needed before. */
static void check_writable(struct doctor *d, const struct context *ctx)
{
	_cleanup_free_ char *runs = run_records_dir(&ctx->paths, &ctx->workspace);
	const struct {
		const char *folder, *what, *mend;
	} places[] = {
		{ runs, "records of runs", "export XDG_STATE_HOME=DIR, a folder that can be written" },
		{ ctx->paths.cache, "images of layers", "export XDG_CACHE_HOME=DIR, a folder that can be written" },
	};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (fs_can_write(places[i].folder, NULL, &err) < 0)
			doctor_add(d, DOCTOR_MISSING, places[i].mend, "no folder for %s: %s", places[i].what, err.text);
	if (run_records_lie_elsewhere(&ctx->workspace, &err))
		doctor_add(d, DOCTOR_NOTE, NULL, "records of this workspace's runs go to %s: %s", runs, err.text);
}

static void check_room(struct doctor *d, const struct context *ctx)
{
	struct error err = ERROR_INIT;
	uint64_t memory;
	char a[32], b[32];

	check_disks(d, ctx);
	check_writable(d, ctx);
	memory = host_memory_available();
	if (memory && memory < ctx->defaults.memory_bytes)
		doctor_add(d, DOCTOR_NOTE, NULL, "a machine gets %s, the host has %s free",
			   format_size(ctx->defaults.memory_bytes, a, sizeof(a)), format_size(memory, b, sizeof(b)));
	if (paths_runtime(&ctx->paths, &err) < 0)
		add_error(d, DOCTOR_MISSING, &err);
	else if (host_disk_free(ctx->paths.runtime) < RUNTIME_MIN)
		doctor_add(d, DOCTOR_MISSING, "export XDG_RUNTIME_DIR=DIR, a folder of yours with mode 0700 that has room",
			   "runtime folder %s: no space left", ctx->paths.runtime);
	else
		doctor_add(d, DOCTOR_OK, NULL, "runtime folder %s", ctx->paths.runtime);
}

static void check_networks(struct doctor *d, const struct context *ctx)
{
	struct network_listing *v;
	char address[NETWORK_TEXT_MAX];
	size_t n;

	if (network_list(&ctx->paths, &v, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		_cleanup_str_ struct str who = STR_INIT;

		for (uint32_t k = 0; v[i].members && k < v[i].members->n; k++) {
			const struct hub_member *m = &v[i].members->members[k];

			str_addf(&who, "%s %s (%s)", k ? "," : "", m->host, network_address(v[i].name, m->number, address));
		}
		if (v[i].members)
			doctor_add(d, DOCTOR_OK, NULL, "network %s:%s", v[i].name, who.len ? who.p : " nobody");
		else
			doctor_add(d, DOCTOR_NOTE, "quiz stop --all", "network %s: its hub does not answer", v[i].name);
	}
	network_list_free(v, n);
}

void doctor_check_run(struct doctor *d, bool retry_kvm)
{
	_cleanup_context_ struct context ctx = { 0 };
	const struct arch *arch = arch_native();
	struct error err = ERROR_INIT;

	d->section = "run";
	if (context_load(&ctx, &err) < 0) {
		add_error(d, DOCTOR_MISSING, &err);
		return;
	}
	if (ctx.workspace.root)
		doctor_add(d, DOCTOR_OK, NULL, "workspace %s%s", ctx.workspace.root,
			   ctx.workspace.is_trusted ? " (trusted)" : "");
	if (ctx.defaults.arch && arch_find(ctx.defaults.arch))
		arch = arch_find(ctx.defaults.arch);
	check_vmm(d, &ctx, arch, retry_kvm);
	check_agent(d, &ctx.paths, arch);
	check_store(d, &ctx, arch);
	check_room(d, &ctx);
	check_networks(d, &ctx);
}
