/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Looking things up for a run, cheapest first, so that a wrong name is
 * reported before anything is packed. On the warm path this is manifests,
 * stat(2) walks of small trees, and nothing that forks.
 */

#include "run/facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/disk.h"
#include "image/disk_file.h"
#include "image/initramfs.h"
#include "image/kernel.h"
#include "image/openzfs.h"
#include "image/root.h"
#include "run/host_hooks.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/loop.h"
#include "sys/proc.h"

void facts_clear(struct run_facts *f)
{
	kernel_clear(&f->kernel);
	root_clear(&f->root);
	vmm_caps_clear(&f->caps);
	profile_set_clear(&f->profiles);
	for (size_t i = 0; i < RUN_N_LAYERS; i++)
		layer_image_clear(&f->layers[i]);
	free(f->initrd_path);
	free(f->initrd_key);
	free(f->agent_path);
	strv_clear(&f->zfs_modules);
	strv_clear(&f->zfs_unstripped);
	free(f->zfs_describe);
	free(f->zfs_tree);
	free(f->zfs_reseed);
	free(f->zfs_reseed_params);
	for (size_t i = 0; i < f->n_disks; i++)
		free(f->disks[i].path);
	free(f->disks);
	for (size_t i = 0; i < f->n_own_disks; i++)
		free(f->own_disks[i].path);
	free(f->own_disks);
	for (size_t i = 0; i < f->n_networks; i++)
		network_clear(&f->networks[i]);
	free(f->networks);
	free(f->cwd);
	for (size_t i = 0; i < f->n_locks; i++)
		close(f->locks[i]);
	free(f->locks);
}

static int keep_lock(struct run_facts *f, int fd)
{
	if (fd < 0)
		return -1;
	*VEC_PUSH(f->locks, f->n_locks) = fd;
	return 0;
}

static int find_arch(struct run_facts *f, struct error *err)
{
	if (arch_choose(f->spec->arch, &f->arch, err) < 0)
		return -1;
	f->agent_path = initramfs_agent_path(f->paths, f->arch->name);
	/* Before a kernel and a root are asked for that would lead nowhere. */
	if (f->arch != arch_native() && !fs_exists(f->agent_path)) {
		error_set(err, ERROR_MISSING, "cannot boot %s machines: there is no agent '%s'", f->arch->name, f->agent_path);
		return error_hint(err, "make agents, with %sgcc installed", f->arch->cross_prefix);
	}
	return 0;
}

static int find_kernel(struct run_facts *f, struct error *err)
{
	if (kernel_find(f->paths, f->arch->name, f->spec->kernel, f->spec->config_kernel, &f->kernel, err) < 0)
		return -1;
	return keep_lock(f, kernel_lock_shared(&f->kernel, err));
}

static int find_root(struct run_facts *f, struct error *err)
{
	_cleanup_strv_ struct strv packages = STRV_INIT;

	const char *config_root = f->spec->config_root;

	if (str_eq(config_root, "host") && f->arch != arch_native())
		config_root = NULL;
	if (str_eq(f->spec->root ? f->spec->root : config_root, "host")) {
		f->is_host_root = true;
		if (f->arch != arch_native())
			return error_set(err, ERROR_UNSUPPORTED, "the host's root is not of architecture '%s'",
					 f->arch->name);
		return 0;
	}
	for (size_t i = 0; i < f->profiles.n_packages; i++)
		strv_add(&packages, f->profiles.packages[i].name);
	if (root_find(f->paths, f->arch->name, f->spec->root, config_root, packages.n ? &packages : NULL, &f->root, err) < 0)
		return -1;
	return keep_lock(f, root_lock_shared(&f->root, err));
}

static int choose_accel(struct run_facts *f, struct error *err)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	f->host_cpus = online < 1 ? 1 : (uint32_t)online;
	f->accel = f->spec->accel;
	if (f->accel == ACCEL_AUTO)
		f->accel = vmm_kvm_state(&f->caps, f->arch, f->paths->cache) == KVM_USABLE ? ACCEL_KVM : ACCEL_TCG;
	if (f->accel != ACCEL_KVM || f->arch == arch_native())
		return 0;
	error_set(err, ERROR_UNSUPPORTED, "cannot use KVM for %s machines: this host is %s", f->arch->name, arch_native()->name);
	return error_hint(err, "--accel tcg, which is what other architectures get when nothing is said");
}

static int pack(struct run_facts *f, enum run_layer layer, const struct layer_source *src, size_t n, struct error *err)
{
	const char *fstype = f->kernel.erofs != TRI_NO ? NULL : f->kernel.squashfs != TRI_NO ? "squashfs" : "ext4";
	uint64_t start = loop_now_ns();
	bool ready;
	int r;

	if (!n)
		return 0;
	if (f->is_dry) {
		if (layer_peek(f->paths, src, n, fstype, &f->layers[layer].path, &ready, err) < 0)
			return -1;
		f->layers[layer].capacity_bytes = LAYER_SLOT_BYTES;
		if (!ready)
			return 0;
		layer_image_clear(&f->layers[layer]); /* its key is part of the template's, which is printed */
	}
	r = layer_get(f->paths, src, n, fstype, &f->layers[layer], err);
	f->pack_ns += loop_now_ns() - start;
	return r;
}

static int pack_kernel(struct run_facts *f, struct error *err)
{
	_cleanup_free_ char *tree = kernel_layer_path(&f->kernel);
	struct layer_source src = { .host = tree, .guest = "/", .key = f->kernel.key };

	return tree ? pack(f, RUN_LAYER_KERNEL, &src, 1, err) : 0;
}

/* An option of the zfs profile as it was typed; "" for a bare word, NULL when it was not. */
static const char *zfs_option(const struct runspec *rs, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < rs->n_profiles; i++)
		for (size_t k = 0; str_eq(rs->profiles[i].name, "zfs") && k < rs->profiles[i].options.n; k++) {
			const char *o = rs->profiles[i].options.v[k];

			if (!strncmp(o, name, n) && (!o[n] || o[n] == '='))
				return o[n] ? o + n + 1 : o + n;
		}
	return NULL;
}

/* A bare word or "yes"; the profile's own table has refused what is neither. */
static bool zfs_flag(const struct runspec *rs, const char *name)
{
	const char *value = zfs_option(rs, name);
	bool is_set = true;

	return value && (!*value || (parse_bool(value, &is_set, NULL) == 0 && is_set));
}

static int pack_zfs(struct run_facts *f, struct error *err)
{
	const struct openzfs_request rq = { .workspace_root = f->workspace->root,
					    .build_dir = zfs_option(f->spec, "build"),
					    .wants_trace = zfs_flag(f->spec, "trace"),
					    .wants_gpl = zfs_flag(f->spec, "gpl") };
	struct openzfs_stage st = { 0 };
	struct layer_source *src = NULL;
	uint64_t start = loop_now_ns();
	size_t n = 0;
	int r;

	if (!f->profiles.wants_openzfs)
		return 0;
	if (openzfs_layer(f->paths, &rq, &f->kernel, &st, err) < 0)
		return -1;
	f->stage_ns = loop_now_ns() - start;
	for (size_t i = 0; i < st.dirs.n; i++)
		*VEC_PUSH(src, n) = (struct layer_source){ .host = st.dirs.v[i], .guest = "/" };
	strv_add_all(&f->zfs_modules, st.modules.v);
	strv_add_all(&f->zfs_unstripped, st.unstripped.v);
	f->zfs_describe = mem_strdup(st.describe);
	f->zfs_tree = mem_strdup(st.tree);
	f->zfs_has_programs = st.has_user_space;
	f->zfs_reseed = mem_strdup(st.reseed);
	f->zfs_reseed_params = mem_strdup(st.reseed_params);
	r = pack(f, RUN_LAYER_ZFS, src, n, err);
	free(src);
	openzfs_stage_clear(&st);
	return r;
}

static int pack_profiles(struct run_facts *f, struct error *err)
{
	struct layer_source *src = NULL;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < f->profiles.n_layers; i++)
		*VEC_PUSH(src, n) = (struct layer_source){ .host = f->profiles.layers[i].dir, .guest = "/" };
	r = pack(f, RUN_LAYER_PROFILES, src, n, err);
	free(src);
	return r;
}

static int pack_user(struct run_facts *f, struct error *err)
{
	_cleanup_strv_ struct strv dirs = STRV_INIT;
	struct layer_source *src = NULL;
	size_t n = 0;
	int r = -1;

	strv_addf(&dirs, "%s/layer", f->paths->config);
	if (f->workspace->dir)
		strv_addf(&dirs, "%s/layer", f->workspace->dir);
	for (size_t i = 0; i < f->spec->layers.n; i++) {
		if (!fs_is_dir(f->spec->layers.v[i]))
			return error_set(err, ERROR_USAGE, "cannot use layer '%s': it is not a folder",
					 f->spec->layers.v[i]);
		strv_add(&dirs, f->spec->layers.v[i]);
	}
	for (size_t i = 0; i < dirs.n; i++)
		if (fs_is_dir(dirs.v[i]))
			*VEC_PUSH(src, n) = (struct layer_source){ .host = dirs.v[i], .guest = "/" };
	r = pack(f, RUN_LAYER_USER, src, n, err);
	free(src);
	return r;
}

static int take_root_layer(struct run_facts *f)
{
	struct layer_image *li = &f->layers[RUN_LAYER_ROOT];
	struct stat st;

	if (f->is_host_root)
		return 0;
	li->path = root_image_path(&f->root);
	li->key = mem_strdup(f->root.key);
	li->fstype = mem_strdup(f->root.fstype);
	li->capacity_bytes = stat(li->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

static int make_disks(struct run_facts *f, struct error *err)
{
	_cleanup_free_ char *dir = f->record_dir ? mem_printf("%s/disks", f->record_dir) : NULL;

	for (size_t i = 0; i < f->profiles.n_disks; i++) {
		const struct profile_disk *d = &f->profiles.disks[i];
		_cleanup_free_ char *who = mem_printf("pid %d", (int)getpid());

		if (d->persist && !f->is_dry && keep_lock(f, disk_set_take(f->paths, d->persist, who, err)) < 0)
			return -1;
		for (uint32_t k = 0; k < d->count; k++) {
			struct fact_disk *fd = VEC_PUSH(f->disks, f->n_disks);
			_cleanup_free_ char *name = mem_printf("%s%u", d->prefix, k);
			uint64_t bytes;

			fd->spec = d;
			fd->index = k;
			if (f->is_dry) {
				fd->path = mem_printf("<run>/disks/%s.img", name);
				continue;
			}
			if (d->persist) {
				if (disk_set_get(f->paths, d->persist, k, d->size_bytes, &fd->path, &bytes, err) < 0)
					return -1;
				continue;
			}
			if (fs_mkdir_p(dir, 0700, err) < 0 || disk_make(dir, name, d->size_bytes, &fd->path, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int make_own_disk(struct run_facts *f, const struct disk_request *rq, struct fact_own_disk *d, struct error *err)
{
	_cleanup_free_ char *name = mem_printf(RUN_OWN_DISK "%zu", f->n_own_disks - 1);
	_cleanup_free_ char *dir = f->record_dir ? mem_printf("%s/disks", f->record_dir) : NULL;
	_cleanup_disk_file_ struct disk_file file = DISK_FILE_INIT;

	d->use = rq->use;
	if (!rq->file) {
		d->bytes = disk_round(rq->size_bytes);
		if (f->is_dry)
			d->path = mem_printf("<run>/disks/%s.img", name);
		else if (fs_mkdir_p(dir, 0700, err) < 0 || disk_make(dir, name, d->bytes, &d->path, err) < 0)
			return -1;
		return 0;
	}
	if (disk_file_open(rq->file, rq->use == DISK_USE_WRITE, &file, err) < 0 ||
	    (!f->is_dry && disk_file_lock(&file, err) < 0))
		return -1;
	d->path = take_ptr(file.path);
	d->bytes = file.bytes;
	d->is_qcow2 = file.is_qcow2;
	return keep_lock(f, take_fd(&file.fd));
}

static int make_own_disks(struct run_facts *f, struct error *err)
{
	for (size_t i = 0; i < f->spec->n_disks; i++)
		if (make_own_disk(f, &f->spec->disks[i], VEC_PUSH(f->own_disks, f->n_own_disks), err) < 0)
			return -1;
	return 0;
}

static void look_at_workspace(struct run_facts *f)
{
	char cwd[4096];

	f->cwd = mem_strdup(getcwd(cwd, sizeof(cwd)) ? cwd : "/");
	f->stdin_is_tty = isatty(STDIN_FILENO);
	f->stdout_is_tty = isatty(STDOUT_FILENO);
	if (!f->workspace->root || !f->spec->workspace_mount)
		return;
	f->wants_workspace = fs_lies_in(f->cwd, f->workspace->root);
	for (size_t i = 0; i < f->spec->argv.n; i++)
		if (*f->spec->argv.v[i] == '/' && fs_lies_in(f->spec->argv.v[i], f->workspace->root))
			f->wants_workspace = true;
}

static void make_machine_id(char id[33])
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		memset(r, 0x51, sizeof(r));
	for (int i = 0; i < 16; i++)
		snprintf(id + 2 * i, 3, "%02x", r[i]);
}

/* ---- networks ---- */

#define USER_NET "user"

/* --net user[,restrict][,FORWARD[+FORWARD]...] is what profile net does by default. */
static int take_user_net(const char *spec, struct profile_net *n, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;

	strv_split(&words, spec, ",");
	for (size_t i = 1; i < words.n; i++) {
		if (str_eq(words.v[i], "restrict"))
			n->is_restricted = true;
		else if (str_starts(words.v[i], "tcp:") || str_starts(words.v[i], "udp:"))
			strv_split(&n->forwards, words.v[i], "+");
		else
			return error_set(err, ERROR_USAGE, "--net %s: '%s' is neither 'restrict' nor a forward such as tcp:127.0.0.1:2222-:22",
					 spec, words.v[i]);
	}
	return 0;
}

/* --net joins what profiles say of networks. */
static int add_nets(struct run_facts *f, struct error *err)
{
	for (size_t i = 0; i < f->spec->nets.n; i++) {
		_cleanup_free_ char *name = NULL;
		_cleanup_free_ char *host = NULL;
		const char *spec = f->spec->nets.v[i];
		struct profile_net *n = VEC_PUSH(f->profiles.nets, f->profiles.n_nets);

		n->profile = mem_strdup("--net");
		profile_add_module(&f->profiles, "--net", "virtio_net");
		if (str_eq(spec, USER_NET) || str_starts(spec, USER_NET ",")) {
			if (take_user_net(spec, n, err) < 0)
				return -1;
			continue;
		}
		if (network_parse(spec, &name, &host, err) < 0)
			return -1;
		n->name = mem_strdup(spec);
	}
	return 0;
}

static bool is_joined(const struct run_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_networks; i++)
		if (str_eq(f->networks[i].name, name))
			return true;
	return false;
}

/* Last of all: the other machines are told of it. */
static int join_networks(struct run_facts *f, struct error *err)
{
	const char *id = f->run_dir ? strrchr(f->run_dir, '/') + 1 : "ID";

	for (size_t i = 0; i < f->profiles.n_nets; i++) {
		_cleanup_free_ char *name = NULL;
		_cleanup_free_ char *host = NULL;
		struct network *n;

		if (!f->profiles.nets[i].name)
			continue;
		if (network_parse(f->profiles.nets[i].name, &name, &host, err) < 0)
			return -1;
		if (is_joined(f, name))
			return error_set(err, ERROR_USAGE, "a machine joins network '%s' once", name);
		n = VEC_PUSH(f->networks, f->n_networks);
		network_init(n, name, host ? host : id);
		if (f->is_dry)
			continue;
		if (network_join(n, f->paths, err) < 0)
			return -1;
		n->has_changed = false; /* the plan knows them */
	}
	return 0;
}

int facts_gather(struct run_facts *f, struct error *err)
{
	struct profile_dirs dirs = { 0 };
	int r;

	make_machine_id(f->machine_id);
	look_at_workspace(f);
	profile_dirs_init(&dirs, f->paths, f->workspace);
	r = profile_resolve(&dirs, f->config, f->spec, &f->profiles, err);
	profile_dirs_clear(&dirs);
	if (r < 0 || add_nets(f, err) < 0 || find_arch(f, err) < 0 || find_kernel(f, err) < 0 || facts_check_kernel(f, err) < 0)
		return -1;
	if (vmm_probe(f->arch, f->spec->qemu, f->paths->cache, &f->caps, err) < 0)
		return -1;
	if (choose_accel(f, err) < 0)
		return -1;
	if (!f->is_dry && host_hooks_setup(f, err) < 0)
		return -1;
	if (find_root(f, err) < 0)
		return -1;
	if (initramfs_get(f->paths, &f->kernel, f->root.fstype, f->agent_path, &f->initrd_path, &f->initrd_key, err) < 0)
		return -1;
	if (take_root_layer(f) < 0 || pack_kernel(f, err) < 0 || pack_zfs(f, err) < 0 || pack_profiles(f, err) < 0 ||
	    pack_user(f, err) < 0)
		return -1;
	return make_disks(f, err) < 0 || make_own_disks(f, err) < 0 || join_networks(f, err) < 0 ? -1 : 0;
}
