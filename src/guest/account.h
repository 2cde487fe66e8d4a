/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Who a program runs as: lines of /etc/passwd and /etc/group of the guest's
 * root. Pure functions on the files' text; libc's own would want NSS, stdio
 * and allocation.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCOUNT_NAME_MAX 256
#define ACCOUNT_PATH_MAX 1024
#define ACCOUNT_GROUPS_MAX 256

struct account {
	uid_t uid;
	gid_t gid;
	char name[ACCOUNT_NAME_MAX];  /* "" when the number has no entry */
	char home[ACCOUNT_PATH_MAX];  /* "/" when unknown */
	char shell[ACCOUNT_PATH_MAX]; /* "" when unknown */
	gid_t groups[ACCOUNT_GROUPS_MAX];
	size_t n_groups;
};

/* Root as it is without any file. */
void account_init_root(struct account *a);

/*
 * Looks `user` (a name, or a number that is no name) up in the text of
 * /etc/passwd. A number without an entry is that uid with gid = uid. "root"
 * and 0 exist without a file. False: no such user.
 */
bool account_find(const char *passwd, const char *user, struct account *ret);

/* Adds the groups of /etc/group that name the account as a member; the rest beyond the maximum is left out. */
void account_add_groups(const char *group, struct account *a);
