/* SPDX-License-Identifier: MPL-2.0 */
/* Clearing of the plain data types of spec/. */

#include <stdlib.h>

#include "spec/kernel.h"
#include "spec/machine.h"
#include "spec/root.h"

void kernel_clear(struct kernel *k)
{
	free(k->id);
	free(k->release);
	free(k->version);
	free(k->flavour);
	free(k->origin);
	free(k->origin_text);
	free(k->arch);
	free(k->dir);
	free(k->boot_file);
	free(k->key);
	strv_clear(&k->initrd_modules);
	*k = (struct kernel){ 0 };
}

void root_clear(struct root *r)
{
	free(r->id);
	free(r->arch);
	free(r->suite);
	free(r->set);
	free(r->origin_text);
	free(r->dir);
	free(r->image);
	free(r->fstype);
	free(r->key);
	strv_clear(&r->packages);
	*r = (struct root){ 0 };
}

void machine_clear(struct machine *m)
{
	for (size_t i = 0; i < m->n_disks; i++) {
		free(m->disks[i].serial);
		free(m->disks[i].path);
		free(m->disks[i].content_key);
	}
	for (size_t i = 0; i < m->n_shares; i++) {
		free(m->shares[i].tag);
		free(m->shares[i].host_path);
	}
	for (size_t i = 0; i < m->n_nics; i++) {
		free(m->nics[i].mac);
		strv_clear(&m->nics[i].forwards);
	}
	free(m->disks);
	free(m->shares);
	free(m->nics);
	free(m->cpu_model);
	free(m->kernel_path);
	free(m->kernel_key);
	free(m->initrd_path);
	free(m->initrd_key);
	free(m->append);
	free(m->ram_path);
	strv_clear(&m->extra_args);
	*m = (struct machine){ 0 };
}
