/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Between the parts of the planner: plan.c, plan_machine.c, plan_template.c. Everybody else sees facts.h and run_plan.h. */

#include "run/facts.h"
#include "run/run_plan.h"

#define PLAN_SHARED_TAG "shared"
#define PLAN_WORK_TAG	"work"

/* RUN_LAYERS as a table: the slot's serial is the layer's name. */
struct plan_layer {
	const char *name;
	bool is_base;
};
extern const struct plan_layer plan_layer_table[RUN_N_LAYERS];

/* p->machine and p->has_shared. */
int plan_machine(struct run_plan *p, const struct run_facts *f, struct error *err);
/* Keys and texts of both templates; machine and steps must be there. */
void plan_templates(struct run_plan *p, const struct run_facts *f);
