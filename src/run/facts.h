/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What a plan is made from: everything about this host, these files and this
 * user that had to be looked up. facts_gather() looks (and builds layer
 * images that are missing); plan_make() then is a pure function of it.
 */

#include "image/layer.h"
#include "run/network.h"
#include "run/run_plan.h"
#include "spec/config.h"
#include "spec/kernel.h"
#include "spec/profile.h"
#include "spec/root.h"
#include "spec/runspec.h"
#include "spec/workspace.h"
#include "sys/paths.h"
#include "vmm/vmm.h"

/*
 * The layers of a machine, lowest first: one table for packing, slots, overlay
 * order and documentation.
 *	name, is it part of a template's base, what it holds
 */
#define RUN_LAYERS(X)                                                          \
	X(ROOT, "root", true, "the root image")                                \
	X(KERNEL, "kernel", true, "the kernel's modules and config")           \
	X(ZFS, "zfs", false, "what an OpenZFS build made")                     \
	X(PROFILES, "profiles", false, "files of profiles")                    \
	X(USER, "user", false, "your own: --layer, .quiz/layer, ~/.config/quiz/layer")

enum run_layer {
#define X(ID, name, base, text) RUN_LAYER_##ID,
	RUN_LAYERS(X)
#undef X
	RUN_N_LAYERS,
};

/* A disk of a profile, with the file behind it. */
struct fact_disk {
	const struct profile_disk *spec; /* borrowed from profiles */
	uint32_t index;
	char *path; /* owned */
};

/* In the guest /dev/quizd0 and so on, which are their serials too. */
#define RUN_OWN_DISK "quizd"

/* A disk of the user's own: --disk. */
struct fact_own_disk {
	enum disk_use use;
	char *path;	/* owned; the file itself, or one of the run's */
	uint64_t bytes; /* what the guest sees */
	bool is_qcow2;
};

struct run_facts {
	/* given */
	const struct paths *paths;
	const struct workspace *workspace;
	const struct config *config;
	const struct runspec *spec;
	const char *run_dir, *record_dir, *artifacts; /* borrowed; NULL for --dry-run */
	bool is_dry; /* look, but make nothing */

	/* looked up */
	const struct arch *arch;
	struct kernel kernel;
	struct root root;	/* id NULL: the host's own root */
	bool is_host_root;
	struct vmm_caps caps;
	struct profile_set profiles;
	uint64_t stage_ns, pack_ns; /* what staging OpenZFS and making images of layers took */
	enum accel accel;
	uint32_t host_cpus; /* online */
	struct layer_image layers[RUN_N_LAYERS]; /* path NULL: empty */
	char *initrd_path, *initrd_key;		 /* owned */
	char *agent_path;			 /* owned; what the initramfs was made with */
	struct strv zfs_modules;		 /* in load order, for the zfs profile */
	char *zfs_reseed, *zfs_reseed_params;	 /* owned; module that reseeds ZFS's generator, or NULL */
	char *zfs_describe;			 /* owned; for -v */
	char *zfs_tree;				 /* owned; where the modules' sources are, or NULL */
	bool zfs_has_programs;			 /* zpool and zfs come with the build */
	struct strv zfs_unstripped;
	struct fact_disk *disks;
	size_t n_disks;
	struct fact_own_disk *own_disks;
	size_t n_own_disks;
	struct network *networks;		 /* owned; of those nets of the profiles that have a name, in order */
	size_t n_networks;
	char *cwd;				 /* owned; host's current folder */
	bool wants_workspace;			 /* program, argument or cwd lies in the workspace's tree */
	bool stdin_is_tty, stdout_is_tty;
	char machine_id[33];
	int *locks;				 /* owned descriptors */
	size_t n_locks;
};

/* Of facts_gather(): has the kernel what profiles and --net need? ERROR_MISSING as below. */
int facts_check_kernel(const struct run_facts *f, struct error *err);
/* "<who> needs CONFIG_<symbol>, which kernel ... does not have", with the command that makes one which has. -1. */
int facts_kernel_lacks(const struct run_facts *f, const char *who, const char *symbol, struct error *err);

int facts_gather(struct run_facts *f, struct error *err);
void facts_clear(struct run_facts *f);

/* Pure. The plan takes over f->locks. */
int plan_make(struct run_facts *f, struct run_plan *ret, struct error *err);
