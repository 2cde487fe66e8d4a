/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Kernel images: finding the kernel proper in what packages and builds ship,
 * so that the machine does not spend its start on decompression (measured on
 * a 6.1 distribution kernel under emulation: 4.2 s as shipped, 1.9 s
 * extracted) and so that QEMUs get a format that they take.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/kernel.h"

#define KERNEL_IMAGE_MAX (512u << 20) /* a kernel file; the largest known (allyesconfig, stripped) is below */

/* Where the compressed kernel is in a container: bytes from the image's start. */
struct kernel_payload {
	size_t offset, length;
	bool has_size; /* length covers the 4 bytes that the kernel's build appends to most formats (zboot leaves them out) */
};

/*
 * The payload of an x86 bzImage (Documentation/arch/x86/boot.rst,
 * payload_offset and payload_length) or of an EFI zboot image
 * (drivers/firmware/efi/libstub/zboot-header.S). 0, or -1 when it is neither.
 */
int kernel_image_payload(const void *image, size_t n, struct kernel_payload *ret);

/* True for an ELF file with a PVH entry: a note of type 18 and name "Xen" in a PT_NOTE segment. */
bool kernel_image_has_pvh(const void *elf, size_t n);

/* gzip, xz, lzma, bzip2, lz4 or zstd by content, at most max bytes out. ERROR_UNSUPPORTED when it is none of these. */
int kernel_image_decompress(const void *mem, size_t n, size_t max, struct str *ret, struct error *err);

/*
 * Turns <dir>/<file> into what boots fastest: an x86 image becomes "vmlinux"
 * when its payload has a PVH entry; compressed images of other architectures
 * become "image", uncompressed (s390x: kernel_s390x.h). What can not be improved stays as it is.
 * *ret_file is the file to boot (caller frees); the original is removed when
 * it was replaced.
 */
int kernel_image_prepare(const char *dir, const char *file, const char *arch, char **ret_file,
			 enum kernel_entry *ret_entry, struct error *err);

/* Architecture (arch.name) that an image is for, by its headers; NULL: unknown (compressed without a header, say). */
const char *kernel_image_arch(const void *image, size_t n);

/* `uname -r` of an image: from the x86 setup header, or "Linux version ..." in it or in its payload. Caller frees; NULL. */
char *kernel_image_release(const void *image, size_t n);

/* Reads a kernel file, with a limit. */
int kernel_image_read(const char *path, struct str *ret, struct error *err);
