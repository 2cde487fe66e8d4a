/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A disk that is full soon, for a child of a test: a tmpfs in a mount
 * namespace that ends with the process.
 */

/* options: tmpfs(5), "size=64k". 0, or -1 where this user may not mount. */
int small_disk_mount(const char *mount_point, const char *options);
