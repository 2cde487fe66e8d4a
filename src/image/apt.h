/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Packages of a distribution through the host's own apt: its sources, keys,
 * proxies and mirrors, but with a private state folder, so that no root is
 * needed, nothing is ever installed, and the host's lists are not touched.
 * Other suites and architectures come from the same mirrors: the host's
 * sources with the suite's name exchanged.
 *
 * <cache>/apt/<suite>-<arch>[-...]/ holds apt.conf, quiz.sources, lists and caches.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct apt_spec {
	const char *suite;	 /* "trixie"; NULL: the host's own */
	const char *debian_arch; /* "s390x" as apt calls it; NULL: the host's */
	const char *extra_arch;	 /* one more whose packages can be had as NAME:ARCH, or NULL */
	bool with_source;	 /* deb-src too */
};

struct apt {
	char *dir;	   /* owned */
	char *conf;	   /* owned; for -c */
	char *suite;	   /* owned; the suite in effect */
	char *debian_arch; /* owned */
	struct strv env;   /* ours with LC_ALL=C */
	int lock_fd;	   /* owned; one apt at a time in this folder */
};

/* What apt knows of a package (or, with binary fields empty, of a source package). */
struct apt_package {
	char *name, *version, *arch; /* owned */
	char *depends;		     /* owned; "" when none */
	uint64_t size_bytes;	     /* of the .deb */
	uint64_t installed_bytes;
};

struct apt_packages {
	struct apt_package *v; /* owned */
	size_t n;
};

/* The host's release ("bookworm") as os-release names it. Caller frees; NULL: it has none. */
char *apt_host_suite(void);

struct arch;
/*
 * The release whose packages to take for an architecture: the host's, or the
 * first that has it when that is a later one. NULL: the host's own, whatever
 * it is. Caller frees.
 */
char *apt_suite_for(const struct arch *arch);

/* Writes the private configuration and takes its lock. ERROR_UNSUPPORTED when the host has no apt. */
int apt_open(const struct paths *p, const struct apt_spec *spec, const struct progress *progress, struct apt *ret,
	     struct error *err);
void apt_close(struct apt *a);
#define _cleanup_apt_ _cleanup_(apt_close)

/*
 * Gets the package lists, as far as they are to be had: that some of them are
 * missing (no security suite for this architecture) is a note, not an error;
 * that none is, is one.
 */
int apt_update(struct apt *a, const struct progress *progress, struct error *err);

/* Names of packages that begin with `prefix`, unsorted. */
int apt_names(const struct apt *a, const char *prefix, struct strv *ret, struct error *err);

/* Facts on packages ("name", "name:arch"), newest version first per name; unknown ones are left out. */
int apt_show(const struct apt *a, const struct strv *names, struct apt_packages *ret, struct error *err);
void apt_packages_clear(struct apt_packages *list);
#define _cleanup_apt_packages_ _cleanup_(apt_packages_clear)

/*
 * Downloads .deb files ("name:arch=version") into `dir`, checked by apt
 * against the signed lists. total_bytes is for the progress (0: unknown).
 */
int apt_download(const struct apt *a, const struct strv *specs, uint64_t total_bytes, const char *dir,
		 const struct progress *progress, struct error *err);

/* Runs `apt-get -c <conf> ...` in `dir` for what has no function here: `words` follow apt-get's name. */
int apt_run(const struct apt *a, const struct strv *words, const char *dir, uint64_t total_bytes,
	    const struct progress *progress, struct error *err);

/* Package names of a Depends field that begin with `prefix`, without versions; alternatives are listed too. */
void apt_depends(const char *depends, const char *prefix, struct strv *ret);

/* Reads the paragraphs that `apt-cache show` prints. Pure. */
void apt_parse_packages(const char *text, struct apt_packages *ret);

/* The percentage of a status line of apt ("dlstatus:1:20.5:Retrieving ..."); -1: it is another line. Pure. */
double apt_parse_status(const char *line);
