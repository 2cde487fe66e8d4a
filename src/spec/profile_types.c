/* SPDX-License-Identifier: MPL-2.0 */
/* Clearing of the plain data types of profiles. */

#include <stdlib.h>

#include "spec/profile.h"

void profile_clear(struct profile *p)
{
	for (size_t i = 0; i < p->n_options; i++) {
		free(p->options[i].name);
		free(p->options[i].type);
		free(p->options[i].fallback);
		free(p->options[i].help);
		free(p->options[i].module);
	}
	free(p->options);
	free(p->name);
	free(p->dir);
	free(p->summary);
	free(p->origin);
	free(p->problem);
	strv_clear(&p->needs);
	strv_clear(&p->after);
	strv_clear(&p->conflicts);
	*p = (struct profile){ 0 };
}

static void clear_needs(struct profile_need *needs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(needs[i].profile);
		free(needs[i].name);
	}
	free(needs);
}

static void clear_devices(struct profile_set *s)
{
	for (size_t i = 0; i < s->n_memdevs; i++) {
		free(s->memdevs[i].profile);
		free(s->memdevs[i].prefix);
	}
	for (size_t i = 0; i < s->n_disks; i++) {
		free(s->disks[i].profile);
		free(s->disks[i].prefix);
		free(s->disks[i].persist);
		free(s->disks[i].serial);
	}
	for (size_t i = 0; i < s->n_nets; i++) {
		free(s->nets[i].profile);
		free(s->nets[i].name);
		strv_clear(&s->nets[i].forwards);
	}
	free(s->memdevs);
	free(s->disks);
	free(s->nets);
}

void profile_set_clear(struct profile_set *s)
{
	for (size_t i = 0; i < s->n_modules; i++) {
		free(s->modules[i].profile);
		free(s->modules[i].name);
		free(s->modules[i].params);
	}
	for (size_t i = 0; i < s->n_writes; i++) {
		free(s->writes[i].profile);
		free(s->writes[i].path);
		free(s->writes[i].value);
	}
	for (size_t i = 0; i < s->n_hooks; i++) {
		free(s->hooks[i].profile);
		free(s->hooks[i].path);
		strv_clear(&s->hooks[i].env);
	}
	for (size_t i = 0; i < s->n_layers; i++) {
		free(s->layers[i].profile);
		free(s->layers[i].dir);
	}
	clear_devices(s);
	clear_needs(s->packages, s->n_packages);
	clear_needs(s->symbols, s->n_symbols);
	free(s->modules);
	free(s->writes);
	free(s->hooks);
	free(s->layers);
	strv_clear(&s->names);
	strv_clear(&s->prints);
	strv_clear(&s->kconfig);
	strv_clear(&s->env);
	strv_clear(&s->append);
	strv_clear(&s->collect);
	free(s->run_as);
	free(s->program);
	*s = (struct profile_set){ 0 };
}
