/* SPDX-License-Identifier: MPL-2.0 */

#include "run/annotate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/proc.h"

#define FINDINGS_MAX 5
#define NOTE	     "note: " /* how the helper's own lines begin, after all texts (--notes) */

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno != EINTR)
			return -1;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* modules: those whose files are known already. */
static int run_helper(const struct paths *paths, const char *kernel_id, const struct strv *modules, const char *text,
		      size_t n, struct str *ret, struct error *err)
{
	_cleanup_strv_ struct strv args = STRV_INIT;
	_cleanup_close_ int fd = memfd_create("excerpt", MFD_CLOEXEC);
	_cleanup_free_ char *helper = fs_join(paths->libexec, "quiz-symbols");
	const char *const words[] = { helper, "symbolize", "--notes", "-k", kernel_id, "-" };
	const struct proc_fd in = { fd, STDIN_FILENO };
	struct proc_spec spec = { .fds = &in, .n_fds = 1 };

	if (fd < 0 || write_all(fd, text, n) < 0)
		return error_sys(err, errno, "keep a kernel report in memory");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		strv_add(&args, words[i]);
	for (size_t i = 0; i < modules->n; i++) {
		strv_add(&args, "-m");
		strv_add(&args, modules->v[i]);
	}
	spec.argv = (const char *const *)args.v;
	return proc_run_spec(&spec, ret, err);
}

/* A line that stands in none of the texts. */
static char *make_separator(const struct str *texts)
{
	for (unsigned i = 0;; i++) {
		char *line = mem_printf("--- next report %u ---\n", i);

		if (!memmem(str_cstr(texts), texts->len, line, strlen(line)))
			return line;
		free(line);
	}
}

/* What the helper says at its end, each once. */
static void take_notes(const char *p, struct str *notes)
{
	for (const char *nl; notes && (nl = strchr(p, '\n')); p = nl + 1) {
		_cleanup_free_ char *note = NULL;

		if (!str_starts(p, NOTE))
			continue;
		note = mem_strndup(p + strlen(NOTE), (size_t)(nl + 1 - p) - strlen(NOTE));
		if (!strstr(str_cstr(notes), note))
			str_add(notes, note);
	}
}

/* Is f worth its source lines? In the first round what decided and what follows from it, then other warnings. */
static bool is_wanted(const struct finding *f, const struct verdict_result *v, bool is_first_round)
{
	bool decided = v->headline && (f == v->headline || f->cause_id == v->headline->id);

	if (f->excerpt.len <= f->context_bytes || f->has_source || decided != is_first_round)
		return false;
	return decided || (f->severity >= FINDING_WARN && !f->is_allowed && !f->is_secondary);
}

static size_t choose(const struct analyser *a, const struct verdict_result *v, uint32_t ids[FINDINGS_MAX])
{
	size_t n = 0;

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < analyser_n_findings(a) && n < FINDINGS_MAX; i++)
			if (is_wanted(analyser_finding(a, i), v, round == 0))
				ids[n++] = analyser_finding(a, i)->id;
	return n;
}

void annotate_findings(const struct paths *paths, const char *kernel_id, const struct strv *modules, struct analyser *a,
		       const struct verdict_result *v, struct str *notes)
{
	_cleanup_str_ struct str texts = STR_INIT, in = STR_INIT, out = STR_INIT;
	_cleanup_free_ char *separator = NULL;
	struct error err = ERROR_INIT;
	uint32_t ids[FINDINGS_MAX];
	size_t n = choose(a, v, ids);
	const char *p, *end;

	if (!n)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct str *excerpt = &analyser_by_id(a, ids[i])->excerpt;

		str_add_mem(&texts, excerpt->p, excerpt->len);
	}
	separator = make_separator(&texts);
	for (size_t i = 0; i < n; i++) {
		const struct finding *f = analyser_by_id(a, ids[i]);

		str_add_mem(&in, f->excerpt.p + f->context_bytes, f->excerpt.len - f->context_bytes);
		str_add(&in, separator);
	}
	if (run_helper(paths, kernel_id, modules, str_cstr(&in), in.len, &out, &err) < 0) {
		if (notes)
			str_addf(notes, "no source lines: %s\n", err.text);
		return;
	}
	p = str_cstr(&out);
	for (size_t i = 0; i < n && (end = strstr(p, separator)); i++, p = end + strlen(separator))
		analyser_set_report(a, ids[i], p, (size_t)(end - p));
	take_notes(p, notes);
}
