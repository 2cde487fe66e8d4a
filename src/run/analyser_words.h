/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The words that a report is read by, as sorted tables: a line of a report is
 * compared with hundreds of them, in a log of nothing but reports each line is.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Sorted by byte, and no word is covered by another one ("kasan_*" has
 * "kasan_report" in it): so of all words only the last one that is not
 * greater than a text can match it. tests/unit/test_analyser.c checks both.
 */
struct words {
	const char *const *v;
	size_t n;
	uint16_t *begin; /* per first byte, where its words are in v; made at the first use */
};

/*
 * Functions that stand between the culprit and the top of a stack: printing, traps, checkers, the way into the
 * kernel, sleeping, ticks, and OpenZFS's own. A '*' at the end means: begins with.
 */
extern const struct words words_boilerplate;

/* What hands out memory: of a leak they are as innocent as what prints it. '*' as above. */
extern const struct words words_allocators;

/* How lines of a report begin, beside blanks and stacks. Each is a beginning. */
extern const struct words words_body;

/* Is this name a word of the table, or does it begin with one that ends in '*'? */
bool words_have(const struct words *w, const char *name);

/* Does the text begin with a word of the table? */
bool words_begin(const struct words *w, const char *text, size_t n);
