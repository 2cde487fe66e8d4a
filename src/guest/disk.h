/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* virtio disks, which the host names by serial number. */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "wire/wire.h"

/* Layers are mounted here, each under its name, until the overlay is built. */
#define DISK_LAYERS_DIR "/run/quiz/layers"

/* A layer's name: letters, digits, "._-+", at most 64, not beginning with a dot. */
bool disk_is_layer_name(const char *name);

/* MOUNT_IMAGE. Detail of the messages' fields in wire.h. */
int disk_mount_image(const struct wire_mount_image *m, struct error *err);

/* NODE: a real block node for a disk. */
int disk_make_node(const struct wire_node *m, struct error *err);

/* A file system's type by its superblock (at least 2048 bytes from the start), or NULL: erofs, squashfs, ext4. */
const char *disk_sniff(const uint8_t *head, size_t len);
