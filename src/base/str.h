/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Growable byte string, string array, and parsing of what people type.
 * Running out of memory ends the process with one message (mem_abort).
 *
 * A struct str is plain data: zero-initialise it (STR_INIT), str_clear() it.
 * `p` is always NUL-terminated once non-NULL; str_cstr() never returns NULL.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"

struct str {
	char *p;	 /* owned */
	size_t len, cap; /* bytes; cap includes the NUL */
};

#define STR_INIT { NULL, 0, 0 }

void str_clear(struct str *s);			  /* frees the storage; usable again */
void str_truncate(struct str *s, size_t len);	  /* shortens; keeps the storage */
void str_add(struct str *s, const char *text);
void str_add_mem(struct str *s, const void *mem, size_t n);
void str_add_char(struct str *s, char c);
void str_add_line(struct str *s, const void *mem, size_t n); /* and a newline */
void str_addf(struct str *s, const char *fmt, ...) _printf_(2, 3);
void str_vaddf(struct str *s, const char *fmt, va_list ap);
const char *str_cstr(const struct str *s);	  /* borrowed; "" when empty */
char *str_take(struct str *s);			  /* caller owns; never NULL; s is empty again */

#define _cleanup_str_ _cleanup_(str_clear)

/* A NULL-terminated, growable array of owned strings: argv, environment, lists. */
struct strv {
	char **v; /* owned, NULL-terminated once non-NULL */
	size_t n, cap;
};

#define STRV_INIT { NULL, 0, 0 }

void strv_clear(struct strv *sv);
void strv_add(struct strv *sv, const char *s);
void strv_addf(struct strv *sv, const char *fmt, ...) _printf_(2, 3);
void strv_add_take(struct strv *sv, char *s_consumed);
void strv_add_all(struct strv *sv, char *const *v); /* v is NULL-terminated or NULL */
bool strv_has(const struct strv *sv, const char *s);
void strv_sort(struct strv *sv); /* by bytes, whatever the locale */
/* Splits on any of `seps`, dropping empty pieces. */
void strv_split(struct strv *sv, const char *s, const char *seps);

#define _cleanup_strv_ _cleanup_(strv_clear)

/* Allocation that can not fail (ends the process instead). */
void *mem_alloc(size_t n);			/* zeroed */
void *mem_realloc(void *p, size_t n);
char *mem_strdup(const char *s);		/* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) _printf_(1, 2);

/*
 * Grows a plain array by one zeroed element and returns a pointer to it:
 *	struct disk *d = VEC_PUSH(m->disks, m->n_disks);
 * The array grows in powers of two, so no capacity field is needed.
 */
#define VEC_PUSH(arr, n) ((__typeof__(arr))vec_push_((void **)&(arr), &(n), sizeof(*(arr))))
void *vec_push_(void **arr, size_t *n, size_t elem_size);

bool str_eq(const char *a, const char *b);	/* NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* "512M", "2G", "1.5G", "4096" (bytes). KMGT are powers of 1024. 0 or -1 (ERROR_USAGE). */
int parse_size(const char *s, uint64_t *ret_bytes, struct error *err);
/* "500ms", "30", "30s", "5m", "2h", "1d": milliseconds, plain numbers are seconds. */
int parse_duration(const char *s, uint64_t *ret_ms, struct error *err);
int parse_bool(const char *s, bool *ret, struct error *err); /* yes/no, on/off, true/false, 1/0 */
int parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret, struct error *err);

/* Human sizes: "1.4 GiB". buf is at least 16 bytes. Returns buf. */
char *format_size(uint64_t bytes, char *buf, size_t n);
/* Human times: "3 min 22 s", "1.4 s". */
char *format_duration_ms(uint64_t ms, char *buf, size_t n);
/* Human ages, in the largest unit that fits: "3 d". */
char *format_age(uint64_t age_s, char *buf, size_t n);

/* Appends text with control and non-UTF-8 bytes made visible (\x1b), newline and tab kept if asked. */
void str_add_safe(struct str *s, const void *mem, size_t n, bool keep_newlines);

/* Appends one shell word, quoted only when needed. */
void str_add_shell(struct str *s, const char *word);

/* Levenshtein distance, for "did you mean". */
size_t str_distance(const char *a, const char *b);
/* Nearest of a NULL-terminated list within a distance that makes sense for the length, or NULL. Borrowed. */
const char *str_nearest(const char *word, const char *const *list);

/* 64-bit FNV-1a, for stamps and short ids (not for security). Start with HASH_INIT. */
#define HASH_INIT 0xcbf29ce484222325ULL
uint64_t hash_mem(uint64_t h, const void *mem, size_t n);
uint64_t hash_str(uint64_t h, const char *s); /* includes the NUL, so that "a","b" is not "ab" */
