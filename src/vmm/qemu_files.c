/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which files QEMU reads by itself when it makes a machine: what is in them is
 * in the machine that a template is saved from, and stays in it.
 *
 * Firmware is found by name in QEMU's own folders, which the probe has asked
 * for. QEMU takes the first one; one that turns up in a folder before it
 * changes the list, which is as good as a change of the file.
 *
 * The user's own arguments (--qemu-arg) are words that quiz does not know, and
 * more of them come with each QEMU. So every value in them that is the name of
 * a file counts as read, except those of options that name places to write to
 * or to talk to.
 */

#include <string.h>
#include <sys/stat.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "vmm/vmm.h"

/* Options whose values are no part of the machine. */
static const char *const outward[] = {
	"-D", "-d", "-dfilter", "-trace", "-pidfile", "-chardev", "-serial", "-parallel", "-debugcon",
	"-monitor", "-mon", "-qmp", "-qmp-pretty", "-gdb", "-vnc",
};

/* It names further files, in a language of its own. */
#define READS_CONFIG "-readconfig"
#define FIRMWARE_DIR "-L"

static void add_firmware(const struct arch *arch, const char *dir, struct strv *out)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	strv_split(&names, arch->firmware ? arch->firmware : "", " ");
	for (size_t i = 0; i < names.n; i++) {
		char *path = fs_join(dir, names.v[i]);

		if (fs_exists(path) && !strv_has(out, path))
			strv_add_take(out, path);
		else
			free(path);
	}
}

static bool is_outward(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(outward); i++)
		if (str_eq(option, outward[i]))
			return true;
	return false;
}

/* "file=a.img,if=none": each piece, and what is behind its "=". False: there is something whose content can not be told. */
static bool add_value(const char *value, struct strv *out)
{
	_cleanup_strv_ struct strv pieces = STRV_INIT;

	if (*value == '{') /* JSON */
		return false;
	strv_split(&pieces, value, ",");
	for (size_t i = 0; i < pieces.n; i++) {
		const char *eq = strchr(pieces.v[i], '='), *name = eq ? eq + 1 : pieces.v[i];
		struct stat st;

		if (str_starts(name, "fat:")) /* a folder as a disk */
			return false;
		if (str_starts(name, "file:"))
			name += strlen("file:");
		if (stat(name, &st) < 0)
			continue;
		if (S_ISBLK(st.st_mode))
			return false;
		_cleanup_free_ char *real = S_ISREG(st.st_mode) ? fs_real_path(name, NULL) : NULL;

		if (real && !strv_has(out, real))
			strv_add(out, real);
	}
	return true;
}

bool vmm_files(const struct machine *m, const struct vmm_caps *caps, struct strv *out)
{
	const char *option = "";

	for (size_t i = 0; i < caps->firmware_dirs.n; i++)
		add_firmware(m->arch, caps->firmware_dirs.v[i], out);
	for (size_t i = 0; i < m->extra_args.n; i++) {
		const char *word = m->extra_args.v[i];

		if (*word == '-') {
			option = str_starts(word, "--") ? word + 1 : word;
			if (str_eq(option, READS_CONFIG))
				return false;
		} else if (str_eq(option, FIRMWARE_DIR)) {
			add_firmware(m->arch, word, out);
		} else if (!is_outward(option) && !add_value(word, out)) {
			return false;
		}
	}
	return true;
}
