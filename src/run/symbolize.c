/* SPDX-License-Identifier: MPL-2.0 */

#include "run/symbolize.h"

#include <string.h>

#include "run/analyser_line.h"

#define SOURCE_WIDTH 100 /* of a source line that is shown */

void symbolize_init(struct symbolize *z)
{
	memset(z, 0, sizeof(*z));
	z->symbols = symbols_new();
}

void symbolize_clear(struct symbolize *z)
{
	symbols_free(z->symbols);
	for (size_t i = 0; i < z->n_counts; i++)
		free(z->counts[i].module);
	free(z->counts);
	memset(z, 0, sizeof(*z));
}

static struct symbolize_count *count_of(struct symbolize *z, const char *module, const char *build_id)
{
	struct symbolize_count *c;

	for (size_t i = 0; i < z->n_counts; i++)
		if (strcmp(z->counts[i].module, module) == 0)
			return &z->counts[i];
	c = VEC_PUSH(z->counts, z->n_counts);
	c->module = mem_strdup(module);
	if (z->find)
		z->find(z->ctx, z->symbols, module, build_id);
	return c;
}

static void add_frames(struct symbolize *z, const struct symbol_frames *frames, struct str *out)
{
	_cleanup_free_ char *code = NULL;

	str_add(out, "  (");
	for (size_t i = 0; i < frames->n; i++) {
		const struct symbol_frame *f = &frames->v[i];

		if (frames->n > 1)
			str_addf(out, "%s%s at ", i ? ", in " : "", f->function);
		if (f->file)
			str_addf(out, "%s:%u", f->file, f->line);
		else
			str_add(out, "?");
	}
	str_add_char(out, ')');
	if (z->no_source || !frames->n || !frames->v[0].path)
		return;
	code = symbols_source_line(z->symbols, frames->v[0].path, frames->v[0].line);
	if (!code)
		return;
	str_add(out, " | ");
	str_add_safe(out, code, strnlen(code, SOURCE_WIDTH), false);
}

/* The pc's own entry at the top of an arm64 or riscv stack is no return address either. */
struct pc {
	char name[FINDING_FUNCTION_MAX];
	uint64_t offset;
};

static void symbolize_line(struct symbolize *z, const char *line, size_t n, struct pc *pc, struct str *out)
{
	struct symbol_frames frames;
	struct symbolize_count *count;
	struct log_symbol sym;
	struct log_line l;
	char name[256];
	char id[2 * BUILD_ID_BYTES_MAX + 1];
	const char *build_id = NULL;
	bool is_pc;

	str_add_safe(out, line, n && line[n - 1] == '\r' ? n - 1 : n, false);
	log_line_parse(line, n, false, &l);
	if (!log_symbol_find(l.text, l.len, &sym) || sym.raw_len >= sizeof(name))
		return;
	memcpy(name, sym.raw, sym.raw_len);
	name[sym.raw_len] = '\0';

	is_pc = log_line_is_program_counter(l.text, l.len) || (l.len > 9 && memcmp(l.text, "WARNING: ", 9) == 0);
	if (is_pc) {
		memcpy(pc->name, sym.name, sizeof(pc->name));
		pc->offset = sym.offset;
	} else if (strcmp(pc->name, sym.name) == 0 && pc->offset == sym.offset) {
		is_pc = true;
	}

	if (sym.build_id) {
		memcpy(id, sym.build_id, sym.build_id_len);
		id[sym.build_id_len] = '\0';
		build_id = id;
	}
	count = count_of(z, sym.module, build_id);
	switch (symbols_resolve(z->symbols, sym.module, name, sym.offset, sym.size, !is_pc, build_id, &frames)) {
	case SYMBOLS_FOUND:
		count->n_found++;
		add_frames(z, &frames, out);
		break;
	case SYMBOLS_NO_FILE:
		count->n_no_file++;
		break;
	case SYMBOLS_NO_DEBUG:
		count->n_no_debug++;
		break;
	case SYMBOLS_OTHER_BUILD:
		count->n_other_build++;
		break;
	}
	symbol_frames_clear(&frames);
}

void symbolize_text(struct symbolize *z, const char *text, size_t n, struct str *out)
{
	const char *end = text + n;
	struct pc pc = { "", 0 };

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((nl ? nl : end) - text);

		symbolize_line(z, text, len, &pc, out);
		str_add_char(out, '\n');
		text += len + 1;
	}
}

static char *word_at(const char *p, const char *end)
{
	const char *q = p;

	while (q<end && * q> ' ' && *q < 0x7f)
		q++;
	return q > p && q - p < 128 ? mem_strndup(p, (size_t)(q - p)) : NULL;
}

char *symbolize_release(const char *text, size_t n)
{
	const char *end = text + n, *p = memmem(text, n, "Linux version ", 14), *nl, *hash, *word;

	if (p)
		return word_at(p + 14, end);
	/* "CPU: 1 PID: 80 Comm: sh Tainted: G           O       6.1.0-50-amd64 #1  Debian ..." */
	for (p = text; (p = memmem(p, (size_t)(end - p), "CPU: ", 5)); p += 5) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl ? nl : end;
		if (!memmem(p, (size_t)(nl - p), " Comm: ", 7) || !(hash = memmem(p, (size_t)(nl - p), " #", 2)))
			continue;
		for (word = hash; word > p && word[-1] != ' '; word--)
			;
		if (word < hash && *word >= '2' && *word <= '9')
			return word_at(word, hash);
	}
	return NULL;
}
