/* SPDX-License-Identifier: MPL-2.0 */

#include "run/finding.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "run/analyser_line.h"
#include "run/analyser_words.h"

const struct finding_class_info finding_class_table[FINDING_N_CLASSES] = {
#define X(ID, name, severity, meaning) [FINDING_CLASS_##ID] = { name, severity, meaning },
	FINDING_CLASSES(X)
#undef X
};

static const char *const severity_names[] = {
	[FINDING_INFO] = "info",   [FINDING_NOTICE] = "notice", [FINDING_WARN] = "warning",
	[FINDING_STALL] = "stall", [FINDING_BOOT] = "boot",	[FINDING_CRASH] = "crash",
};

static const char *const source_names[] = {
	[FINDING_FROM_CONSOLE] = "console",
	[FINDING_FROM_KMSG] = "kmsg",
	[FINDING_FROM_VMM] = "vmm",
	[FINDING_FROM_AGENT] = "agent",
};

void finding_clear(struct finding *f)
{
	str_clear(&f->excerpt);
}

const char *finding_severity_name(enum finding_severity s)
{
	return severity_names[s];
}

enum finding_class finding_class_by_name(const char *name)
{
	for (int i = 0; i < FINDING_N_CLASSES; i++)
		if (strcmp(finding_class_table[i].name, name) == 0)
			return (enum finding_class)i;
	return FINDING_N_CLASSES;
}

static void set_str(json_t *o, const char *key, const char *value)
{
	if (value && *value)
		json_object_set_new(o, key, json_string(value));
}

json_t *finding_json(const struct finding *f)
{
	json_t *o = json_object(), *frames = json_array();
	struct str safe = STR_INIT;

	json_object_set_new(o, "id", json_integer(f->id));
	json_object_set_new(o, "class", json_string(finding_class_table[f->class].name));
	json_object_set_new(o, "severity", json_string(severity_names[f->severity]));
	json_object_set_new(o, "title", json_string(f->title));
	set_str(o, "function", f->function);
	set_str(o, "module", f->module);
	set_str(o, "file", f->file);
	if (f->line)
		json_object_set_new(o, "line", json_integer(f->line));
	json_object_set_new(o, "fingerprint", json_string(f->fingerprint));
	for (uint32_t i = 0; i < f->n_frames; i++)
		json_array_append_new(frames, json_string(f->frames[i]));
	json_object_set_new(o, "functions", frames);
	json_object_set_new(o, "source", json_string(source_names[f->source]));
	if (f->first_line) {
		json_object_set_new(o, "first_line", json_integer((json_int_t)f->first_line));
		json_object_set_new(o, "last_line", json_integer((json_int_t)f->last_line));
	}
	if (f->has_time)
		json_object_set_new(o, "time", json_real((double)f->time_us / 1e6));
	if (f->cpu >= 0)
		json_object_set_new(o, "cpu", json_integer(f->cpu));
	if (f->pid >= 0)
		json_object_set_new(o, "pid", json_integer(f->pid));
	set_str(o, "comm", f->comm);
	set_str(o, "caller", f->caller);
	json_object_set_new(o, "count", json_integer(f->count));
	json_object_set_new(o, "secondary", json_boolean(f->is_secondary));
	if (f->cause_id)
		json_object_set_new(o, "cause", json_integer(f->cause_id));
	json_object_set_new(o, "allowed", json_boolean(f->is_allowed));
	set_str(o, "known", f->known);
	str_add_safe(&safe, f->excerpt.p ? f->excerpt.p : "", f->excerpt.len, true);
	set_str(o, "excerpt", str_cstr(&safe));
	str_clear(&safe);
	return o;
}

/*
 * A line of the excerpt that shows a caller: symbol+offset/size, and not a leftover on the stack, nor somebody else's
 * stack, if there are better ones.
 */
static bool is_stack_line(const struct finding *f, enum log_aside aside, const char *p, size_t n, struct log_symbol *ret)
{
	if (aside == LOG_ASIDE_THREAD || !log_symbol_find(p, n, ret))
		return false;
	return (!ret->is_unreliable && aside == LOG_ASIDE_NONE) || strcmp(ret->name, f->function) == 0;
}

/* Who only does what it is told: nobody asks for these at the top of a stack. */
static bool is_innocent(const struct finding *f, const char *function)
{
	return log_symbol_is_boilerplate(function) ||
	       (f->class == FINDING_CLASS_LEAK && words_have(&words_allocators, function));
}

/* One stack line without its prefixes. */
static void add_stack_line(struct str *out, const char *p, size_t n)
{
	struct log_line l;

	log_line_parse(p, n, false, &l);
	if (l.len > 9 && memcmp(l.text, "kmemleak:", 9) == 0) {
		l.text += 9;
		l.len -= 9;
	}
	while (l.len && (*l.text == ' ' || *l.text == '\t')) {
		l.text++;
		l.len--;
	}
	str_add(out, "  | ");
	str_add_safe(out, l.text, l.len, false);
	str_add_char(out, '\n');
}

void finding_stack_text(const struct finding *f, size_t max_stack, struct str *out)
{
	const char *p = str_cstr(&f->excerpt) + f->context_bytes, *end = str_cstr(&f->excerpt) + f->excerpt.len;
	struct log_aside_state aside = { .now = LOG_ASIDE_NONE };
	struct log_symbol sym, last = { "" };
	size_t n_stack = 0, n_more = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		struct log_line l;

		log_line_parse(p, n, false, &l);
		/* dump_stack() is not where it happened. A place that several lines name in a row (WARNING:, RIP:, the
		 * stack's top) is shown once. */
		if (is_stack_line(f, log_aside_step(&aside, l.text, l.len), p, n, &sym) && (n_stack || !is_innocent(f, sym.name)) &&
		    (strcmp(sym.name, last.name) != 0 || sym.offset != last.offset)) {
			last = sym;
			if (n_stack++ < max_stack)
				add_stack_line(out, p, n);
			else
				n_more++;
		}
		p += n + 1;
	}
	if (n_more && max_stack)
		str_addf(out, "  | ... %zu more\n", n_more);
}

void finding_text(const struct finding *f, size_t max_stack, struct str *out)
{
	str_addf(out, "%s: ", finding_class_table[f->class].name);
	str_add_safe(out, f->title, strlen(f->title), false);
	if (f->count > 1)
		str_addf(out, " (%u times)", f->count);
	if (f->is_allowed) {
		str_add(out, f->known[0] ? " (allowed: " : " (allowed");
		str_add_safe(out, f->known, strlen(f->known), false);
		str_add_char(out, ')');
	}
	str_add_char(out, '\n');
	if (f->file[0] && !strstr(f->title, f->file))
		str_addf(out, "  at %s:%u\n", f->file, f->line);
	if (f->comm[0]) {
		str_add(out, "  task ");
		str_add_safe(out, f->comm, strlen(f->comm), false);
		str_addf(out, ", pid %d", f->pid);
		if (f->cpu >= 0)
			str_addf(out, ", CPU %d", f->cpu);
		str_add_char(out, '\n');
	}
	finding_stack_text(f, max_stack, out);
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Is it there as whole words? */
static bool has_words(const char *text, const char *words)
{
	size_t n = strlen(words);

	for (const char *at = text; (at = strstr(at, words)); at++)
		if ((at == text || !is_word_char(at[-1]) || !is_word_char(words[0])) &&
		    (!is_word_char(at[n]) || !is_word_char(words[n - 1])))
			return true;
	return false;
}

bool finding_is_listed(const struct finding *f, const char *pattern)
{
	const char *const whole[] = { f->title, f->function, f->fingerprint };

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (whole[i][0] && fnmatch(pattern, whole[i], 0) == 0)
			return true;
	return false;
}

bool finding_matches(const struct finding *f, const char *pattern)
{
	if (finding_is_listed(f, pattern) || fnmatch(pattern, finding_class_table[f->class].name, 0) == 0)
		return true;
	if (!*pattern || strpbrk(pattern, "*?["))
		return false;
	return has_words(f->title, pattern) || has_words(f->fingerprint, pattern);
}

bool finding_pattern_is_all(const char *pattern)
{
	/* No findings, and nothing that two names have in common. */
	return !*pattern || (fnmatch(pattern, "zqx", 0) == 0 && fnmatch(pattern, "jvw_k", 0) == 0) ||
	       (fnmatch(pattern, "zqx:jk", 0) == 0 && fnmatch(pattern, "wvy:p:q", 0) == 0);
}

int finding_refuse_pattern(const char *pattern, struct error *err)
{
	error_set(err, ERROR_USAGE, *pattern ? "--allow '%s' would tolerate every finding" : "--allow '%s' names no finding",
		  pattern);
	error_hint(err, "--allow CLASS, a function, or a fingerprint as quiz shows it   (man 7 quiz-verdict)");
	return -1;
}
