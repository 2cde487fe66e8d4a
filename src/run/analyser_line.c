/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Prefixes come in any order and number: "<6>", "Nov  3 12:00:00 host
 * kernel: ", "2026-11-03T12:00:00.1Z ", "** 3 printk messages dropped ** ",
 * "quizhost login: ", terminal escapes, and then, in most logs, the kernel's own
 * "[   12.345678][  T123] ". What stands in front of that stamp is not
 * looked at. Without one, the known prefixes are peeled off one by one.
 */

#include "run/analyser_line.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "run/analyser_words.h"

#define PREFIX_SCAN 160 /* bytes in which a stamp is looked for */

/* What a byte may be. Each byte of a report is asked for: a table is several times as fast as isalnum() and friends. */
enum { SYMBOL = 1, HEX = 2 };
static const uint8_t char_class[256] = {
	['0' ... '9'] = SYMBOL | HEX, ['a' ... 'f'] = SYMBOL | HEX, ['A' ... 'F'] = SYMBOL | HEX,
	['g' ... 'z'] = SYMBOL,	      ['G' ... 'Z'] = SYMBOL,	    ['_'] = SYMBOL,
	['.'] = SYMBOL,		      ['$'] = SYMBOL,
};

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_symbol_char(char c)
{
	return char_class[(unsigned char)c] & SYMBOL;
}

static inline bool is_hex(char c)
{
	return char_class[(unsigned char)c] & HEX;
}

/* The microseconds of nearly every stamp. */
static inline bool six_digits(const char *p, uint64_t *ret)
{
	unsigned v = 0, worst = 0;

#pragma GCC unroll 6
	for (int i = 0; i < 6; i++) {
		unsigned digit = (unsigned)(unsigned char)p[i] - '0';

		worst |= digit > 9;
		v = v * 10 + digit;
	}
	*ret = v;
	return !worst;
}

/* A fraction of three to nine digits at p, up to its bracket: as microseconds. */
static const char *parse_fraction(const char *p, const char *end, uint64_t *ret_us)
{
	const char *begin = p;

	if (end - p > 6 && p[6] == ']' && six_digits(p, ret_us))
		return p + 6;
	*ret_us = 0;
	for (; p < end && is_digit(*p) && p - begin < 9; p++)
		if (p - begin < 6)
			*ret_us = *ret_us * 10 + (uint64_t)(*p - '0');
	for (ptrdiff_t n = p - begin; n < 6; n++)
		*ret_us *= 10;
	return p - begin >= 3 && p < end && *p == ']' ? p : NULL;
}

/* "[   12.345678]" at p: the end of it, or NULL. */
static const char *parse_stamp(const char *p, const char *end, uint64_t *ret_us)
{
	uint64_t sec = 0, us;
	const char *begin;

	if (p == end || *p != '[')
		return NULL;
	for (p++; p < end && *p == ' '; p++)
		;
	for (begin = p; p < end && is_digit(*p) && p - begin < 12; p++)
		sec = sec * 10 + (uint64_t)(*p - '0');
	if (p == begin || p == end || *p != '.')
		return NULL;
	p = parse_fraction(p + 1, end, &us);
	if (!p)
		return NULL;
	*ret_us = sec * 1000000 + us;
	return p + 1;
}

/*
 * Stamps of dmesg that tell no time since boot, or more than it: "[Tue Nov  3 12:00:00 2026]" (-T), "[Nov 3 12:00]" and
 * "[  +0.000012]" (-e, -H), "[    5.123456 <    0.000012>]" and "[<    0.000012>]" (-d). And "[2026-11-03 12:00:00]" of
 * CI systems and console servers, which anybody's line may have.
 */
static const char *parse_human_stamp(const char *p, const char *end, bool *ret_is_kernel)
{
	const char *close = NULL, *q = p + 1;
	bool is_kernel = true;

	if (end - p < 10 || *p != '[' || !(close = memchr(p, ']', (size_t)(end - p) < 40 ? (size_t)(end - p) : 40)))
		return NULL;
	while (q < close && *q == ' ')
		q++;
	if (close - q >= 11 && isalpha((unsigned char)q[0]) && isalpha((unsigned char)q[2])) {
		for (q += 3; q < close && (is_digit(*q) || isalpha((unsigned char)*q) || *q == ' ' || *q == ':'); q++)
			;
		if (q < close || !is_digit(close[-1]))
			return NULL;
	} else if (close - q >= 9 && *q == '+' && is_digit(q[1])) {
		;
	} else if (close - q >= 8 && close[-1] == '>' && memchr(q, '<', (size_t)(close - q))) { /* not "[<ffff...>] func" */
		for (; q < close && (is_digit(*q) || strchr(" .<>", *q)); q++)
			;
		if (q < close || close[-8] != '.')
			return NULL;
	} else if (close - q >= 16 && is_digit(q[0]) && is_digit(q[3]) && q[4] == '-' && q[7] == '-' && q[13] == ':') {
		is_kernel = false;
	} else {
		return NULL;
	}
	*ret_is_kernel = *ret_is_kernel || is_kernel;
	p = close + 1;
	return p < end && *p == ' ' ? p + 1 : p;
}

/* "host kernel: " behind a stamp: journalctl -o short-monotonic. */
static const char *skip_host(const char *p, const char *end)
{
	const char *blank = memchr(p, ' ', (size_t)(end - p) < 64 ? (size_t)(end - p) : 64);

	return blank && end - blank > 9 && memcmp(blank, " kernel: ", 9) == 0 && isalnum((unsigned char)*p) ? blank + 9 : p;
}

/* "** 3 printk messages dropped **", "** 3 messages lost **": how many. */
static uint32_t parse_dropped(const char *p, const char *end)
{
	uint32_t n = 0;

	if (end - p < 20 || memcmp(p, "** ", 3) != 0)
		return 0;
	for (p += 3; p < end && is_digit(*p) && n < 100000000; p++)
		n = n * 10 + (uint32_t)(*p - '0');
	if (end - p >= 27 && memcmp(p, " printk messages dropped **", 27) == 0)
		return n;
	return end - p == 17 && memcmp(p, " messages lost **", 17) == 0 ? n : 0;
}

/* What may follow a stamp directly: "[  T123]", "[C1]", and what newer kernels add beside them. */
static const char *parse_callers(const char *p, const char *end, char *caller, size_t size)
{
	for (unsigned i = 0; i < 4 && p < end; i++) {
		const char *q = p, *close;
		size_t n;

		if (i > 0 && *q != '[')
			break;
		if (*q == ' ' && q + 1 < end && q[1] == '[') /* "[    1.2] [  T123]": some syslog daemons */
			q++;
		if (q == end || *q != '[')
			break;
		for (q++; q < end && *q == ' '; q++)
			;
		close = memchr(q, ']', (size_t)(end - q) < 40 ? (size_t)(end - q) : 40);
		if (!close || q == close)
			break;
		n = (size_t)(close - q);
		if (i == 0) {
			/* Only what is a caller for sure: "[drm] ..." is text. */
			if ((*q != 'T' && *q != 'C') || n < 2 || !is_digit(q[1]))
				break;
			if (n >= size)
				n = size - 1;
			memcpy(caller, q, n);
			caller[n] = '\0';
		}
		p = close + 1;
	}
	if (p < end && *p == ' ')
		p++;
	return p;
}

static const char *skip_junk(const char *p, const char *end)
{
	while (p < end) {
		if (*p == '\r' || *p == '\0' || *p == '\a') {
			p++;
		} else if (*p == 033 && p + 1 < end && p[1] == '[') {
			for (p += 2; p < end && (is_digit(*p) || *p == ';' || *p == '?'); p++)
				;
			if (p < end)
				p++;
		} else if (*p == 033) {
			p++;
		} else {
			break;
		}
	}
	return p;
}

/* One prefix that is not a stamp: the end of it, or NULL. */
static const char *parse_other(const char *p, const char *end, bool *ret_is_kernel)
{
	const char *q = parse_human_stamp(p, end, ret_is_kernel);

	if (q)
		return q;
	q = p;
	if (*p == '<') { /* syslog level */
		for (q++; q < end && is_digit(*q); q++)
			;
		if (q > p + 1 && q - p <= 5 && q < end && *q == '>')
			return q + 1;
		return NULL;
	}
	if (end - p > 4 && p[0] == '*' && p[1] == '*' && p[2] == ' ') { /* "** 3 printk messages dropped ** " */
		q = memmem(p + 3, (size_t)(end - p - 3) < 60 ? (size_t)(end - p - 3) : 60, " ** ", 4);
		return q ? q + 4 : NULL;
	}
	if (end - p > 20 && is_digit(p[0]) && is_digit(p[3]) && p[4] == '-' && p[7] == '-') { /* ISO date and time */
		q = memchr(p, ' ', (size_t)(end - p) < 40 ? (size_t)(end - p) : 40);
		if (q && q - p == 10)
			q = memchr(q + 1, ' ', (size_t)(end - q - 1) < 30 ? (size_t)(end - q - 1) : 30);
		return q ? q + 1 : NULL;
	}
	if (end - p > 12) { /* "Nov  3 12:00:00 host kernel: " */
		q = memmem(p, (size_t)(end - p) < 100 ? (size_t)(end - p) : 100, " kernel: ", 9);
		/* "Kernel panic - not syncing: kernel: panic_on_warn set" is no host's name. */
		if (q && isalnum((unsigned char)*p) && isalnum((unsigned char)q[-1]) &&
		    !memmem(p, (size_t)(q - p), ": ", 2)) {
			*ret_is_kernel = true;
			return q + 9;
		}
	}
	if (end - p > 16 && isalpha((unsigned char)p[0]) && p[3] == ' ' && is_digit(p[5]) && p[6] == ' ' && p[9] == ':' &&
	    p[12] == ':' && p[15] == ' ') /* "Nov  3 12:00:00 " of ts(1) */
		return p + 16;
	return NULL;
}

void log_line_parse(const char *line, size_t n, bool is_first, struct log_line *ret)
{
	const char *p = line, *end = line + n, *q;

	ret->is_stamped = ret->has_time = false;
	ret->time_us = 0;
	ret->caller[0] = '\0';
	while (end > p && (end[-1] == '\r' || end[-1] == '\0'))
		end--;
	if (p < end && *p != '[')
		p = skip_junk(p, end);
	ret->n_dropped = p < end && *p == '*' ? parse_dropped(p, end) : 0;

	/* The usual case first, then a stamp behind some prefix. */
	for (q = p; q < end && q - p < PREFIX_SCAN;) {
		const char *after = *q == '[' ? parse_stamp(q, end, &ret->time_us) : NULL;

		if (after) {
			ret->is_stamped = ret->has_time = true;
			p = skip_host(parse_callers(after, end, ret->caller, sizeof(ret->caller)), end);
			goto out;
		}
		q = q + 1 < end ? memchr(q + 1, '[', (size_t)(end - q - 1)) : NULL;
		if (!q)
			break;
	}
	for (unsigned i = 0; i < 4 && p < end; i++) {
		q = parse_other(p, end, &ret->is_stamped);
		if (!q)
			break;
		p = skip_junk(q, end);
	}
	if (is_first) { /* "3456] BUG: ..." */
		for (q = p; q < end && q - p < 20 && (is_digit(*q) || *q == '.'); q++)
			;
		if (q > p && end - q > 2 && q[0] == ']' && q[1] == ' ')
			p = q + 2;
	}
out:
	ret->text = p;
	ret->len = (size_t)(end - p);
}

/* Compiler clones are the same function to a person: "foo.isra.0", "foo.constprop.0", "foo.part.0", "foo.cold",
 * "foo.llvm.123". */
static void strip_suffixes(char *name)
{
	char *dot = strchr(name, '.');

	if (dot)
		*dot = '\0';
}

/* Hexadecimal digits from *pos, which goes behind them. Does not care about overflow: nonsense stays nonsense. */
static inline uint64_t parse_hex(const char **pos, const char *end)
{
	const char *p = *pos;
	uint64_t v = 0;

	for (; p < end && is_hex(*p); p++)
		v = v << 4 | (uint64_t)(is_digit(*p) ? *p - '0' : (*p | 0x20) - 'a' + 10);
	*pos = p;
	return v;
}

/* " 0123abcd...]": CONFIG_STACKTRACE_BUILD_ID. */
static void find_build_id(struct log_symbol *sym, const char *at, const char *end)
{
	const char *p = at + 1;

	if (*at != ' ')
		return;
	while (p < end && is_hex(*p))
		p++;
	if (p == end || *p != ']' || (size_t)(p - at - 1) > 2 * BUILD_ID_BYTES_MAX)
		return;
	sym->build_id = at + 1;
	sym->build_id_len = (size_t)(p - at - 1);
}

bool log_symbol_find(const char *text, size_t n, struct log_symbol *ret)
{
	const char *end = text + n, *p = text;

	while ((p = memchr(p, '+', (size_t)(end - p)))) {
		const char *begin = p, *q = p + 3;
		size_t len;

		if (end - p < 6 || p[1] != '0' || p[2] != 'x') {
			p++;
			continue;
		}
		while (begin > text && is_symbol_char(begin[-1]))
			begin--;
		if (*begin == '.') /* an entry point of the older powerpc ABI */
			begin++;
		ret->offset = parse_hex(&q, end);
		if (begin == p || is_digit(*begin) || end - q < 4 || memcmp(q, "/0x", 3) != 0) {
			p += 3;
			continue;
		}
		q += 3;
		ret->size = parse_hex(&q, end);
		len = (size_t)(p - begin);
		ret->raw = begin;
		ret->raw_len = len;
		ret->end = q;
		if (len >= sizeof(ret->name))
			len = sizeof(ret->name) - 1;
		memcpy(ret->name, begin, len);
		ret->name[len] = '\0';
		strip_suffixes(ret->name);
		ret->is_unreliable = begin - text >= 2 && begin[-1] == ' ' && begin[-2] == '?';
		ret->module[0] = '\0';
		ret->build_id = NULL;
		ret->build_id_len = 0;
		if (end - q > 3 && q[0] == ' ' && q[1] == '[' && isalpha((unsigned char)q[2])) {
			const char *m = q + 2;

			for (len = 0; m + len < end && (is_symbol_char(m[len]) || m[len] == '-'); len++)
				;
			/* "[zfs]" or "[zfs 0123abcd...]" with a build id */
			if (m + len < end && (m[len] == ']' || m[len] == ' ') && len < sizeof(ret->module)) {
				memcpy(ret->module, m, len);
				ret->module[len] = '\0';
				find_build_id(ret, m + len, end);
				p = memchr(m + len, ']', (size_t)(end - m - (ptrdiff_t)len));
				ret->end = p ? p + 1 : end;
			}
		}
		return true;
	}
	return false;
}

bool log_source_find(const char *text, size_t n, char *file, size_t file_size, uint32_t *ret_line)
{
	const char *end = text + n, *p = text;

	while ((p = memchr(p, ':', (size_t)(end - p)))) {
		const char *begin = p, *q = p + 1;
		uint32_t line = 0;
		size_t len;

		while (begin > text && (is_symbol_char(begin[-1]) || strchr("/-+~,", begin[-1])))
			begin--;
		len = (size_t)(p - begin);
		if (len >= 3 && q < end && is_digit(*q) &&
		    (memcmp(p - 2, ".c", 2) == 0 || memcmp(p - 2, ".h", 2) == 0 || memcmp(p - 2, ".S", 2) == 0 ||
		     memcmp(p - 3, ".rs", 3) == 0)) {
			for (; q < end && is_digit(*q) && line < 100000000; q++)
				line = line * 10 + (uint32_t)(*q - '0');
			/* The end of a long path says more than its beginning. */
			if (len >= file_size) {
				begin += len - (file_size - 1);
				len = file_size - 1;
			}
			memcpy(file, begin, len);
			file[len] = '\0';
			*ret_line = line;
			return true;
		}
		p++;
	}
	return false;
}

bool log_line_is_program_counter(const char *text, size_t n)
{
	static const char *const registers[] = { "RIP: ",     "EIP: ", "pc : ",	 "pc: ",
						 "PC is at ", "NIP [", "epc : ", "Krnl PSW : " };

	if (!n || !strchr("REpPNeK", text[0]))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (n > strlen(registers[i]) && memcmp(text, registers[i], strlen(registers[i])) == 0)
			return true;
	return false;
}

bool log_line_address(const char *text, size_t n, uint64_t *ret)
{
	const char *end = text + n, *p = NULL;

	for (const char *at = text; (at = memmem(at, (size_t)(end - at), "0x", 2)); at += 2)
		p = at;
	if (!p || p + 2 == end || !is_hex(p[2]))
		return false;
	p += 2;
	*ret = parse_hex(&p, end);
	return true;
}

static inline bool begins(const char *text, size_t n, const char *word)
{
	size_t len = strlen(word);

	return n >= len && memcmp(text, word, len) == 0;
}

/* A stack is announced ("Sending NMI from CPU 0 to CPUs 1:", "rcu: ..."), has a header ("CPU: 1 PID: ...") and an end. */
static bool ends_aside(struct log_aside_state *s, const char *text, size_t n)
{
	bool is_cpu = begins(text, n, "CPU: ");

	if (is_cpu || begins(text, n, "task:")) {
		if (s->has_begun || (is_cpu && s->now == LOG_ASIDE_THREAD))
			return true;
		s->has_begun = true;
		return false;
	}
	if (begins(text, n, "NMI backtrace for cpu") && memmem(text, n, " skipped", 8))
		return true;
	return s->has_begun && (begins(text, n, "NMI backtrace for cpu") || begins(text, n, "Sending NMI") ||
				begins(text, n, "Task dump for CPU") || begins(text, n, "rcu: "));
}

enum log_aside log_aside_step(struct log_aside_state *s, const char *text, size_t n)
{
	enum log_aside was;

	if (n > 30 && (text[0] == 'r' || text[0] == 'R' || text[0] == 'S')) {
		const char *at = begins(text, n, "rcu: ") ? text + 5 : text;
		size_t rest = n - (size_t)(at - text);

		if (begins(at, rest, "RCU grace-period kthread stack dump:")) {
			*s = (struct log_aside_state){ .now = LOG_ASIDE_THREAD };
			return s->now;
		}
		if (begins(at, rest, "Stack dump where RCU GP kthread last ran:")) {
			*s = (struct log_aside_state){ .now = LOG_ASIDE_LAST_RAN };
			return s->now;
		}
	}
	if (s->now == LOG_ASIDE_NONE)
		return LOG_ASIDE_NONE;
	if (ends_aside(s, text, n))
		s->now = LOG_ASIDE_NONE;
	was = s->now;
	if (begins(text, n, " </TASK>"))
		s->now = LOG_ASIDE_NONE;
	return was;
}

bool log_line_is_body(const char *text, size_t n)
{
	struct log_symbol sym;

	return n == 0 || text[0] == ' ' || text[0] == '\t' || words_begin(&words_body, text, n) ||
	       log_symbol_find(text, n, &sym);
}

bool log_symbol_is_boilerplate(const char *name)
{
	return words_have(&words_boilerplate, name);
}
