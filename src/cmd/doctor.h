/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Findings of `quiz doctor`: what was looked at, whether it is well, and what
 * to type when it is not. doctor_run.c and doctor_build.c look; doctor.c
 * prints and weighs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE,	/* works, but not as well as it could */
	DOCTOR_MISSING, /* the section's purpose can not be reached */
};

struct doctor_finding {
	const char *section; /* "run", "root build", ...; static */
	enum doctor_level level;
	char *text;	     /* owned */
	char *mend;	     /* owned; the exact command, or NULL */
};

struct doctor {
	struct doctor_finding *v; /* owned */
	size_t n;
	const char *section; /* of the next finding */
};

/* mend may be NULL. fmt is the text. */
void doctor_add(struct doctor *d, enum doctor_level level, const char *mend, const char *fmt, ...) _printf_(4, 5);

/* What a run needs. retry_kvm: forget that KVM failed before. */
void doctor_check_run(struct doctor *d, bool retry_kvm);
/* What building roots, kernels and OpenZFS needs. */
void doctor_check_build(struct doctor *d);

/* "sudo apt-get install X" here, or what to look for elsewhere. Caller frees. */
char *doctor_install_command(const char *packages);
