/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A plugin of QEMU's emulator that counts what a boot costs it: blocks of guest
 * code translated, and instructions executed. Both repeat from run to run, on
 * any host and however busy it is, which no time does.
 *
 *	qemu-system-... -plugin file=blocks.so,out=FILE
 *
 * FILE gets a line for each translated block when QEMU ends: its address, its
 * instructions, and how many were executed in it. A block is counted again when
 * QEMU has translated it again.
 *
 * The declarations are those of qemu-plugin.h, which distributions do not
 * package: version 1 of that interface, which every QEMU from 4.2 on accepts.
 */

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_info_t;
typedef uint64_t qemu_plugin_id_t;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter, uint64_t add);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *ctx);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);
EXPORT int qemu_plugin_version = 1;

#define INLINE_ADD_U64 0

/* The translated code adds to `executed`, so it stays where it is. One vCPU: no lock. */
struct block {
	struct block *next;
	uint64_t address, n_instructions, executed;
};

static struct block *blocks;
static const char *out;

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->n_instructions = qemu_plugin_tb_n_insns(tb);
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &b->executed, b->n_instructions);
}

static void at_exit(qemu_plugin_id_t id, void *ctx)
{
	FILE *f = fopen(out, "we");

	(void)id;
	(void)ctx;
	if (!f) {
		perror(out);
		return;
	}
	for (const struct block *b = blocks; b; b = b->next)
		fprintf(f, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->address, b->n_instructions, b->executed);
	if (fclose(f) != 0)
		perror(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "out=", 4) == 0)
			out = strdup(argv[i] + 4);
	if (!out) {
		fprintf(stderr, "blocks: out=FILE is missing\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
