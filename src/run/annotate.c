/* SPDX-License-Identifier: MPL-2.0 */

#include "run/annotate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/proc.h"

#define FINDINGS_MAX 3
#define NOTE	     "note: " /* lines of the helper's output that begin with it (--notes) */

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

/* Moves the lines that are notes out of the text, each once. */
static void take_notes(struct str *text, struct str *notes)
{
	struct str rest = STR_INIT;

	for (const char *p = str_cstr(text), *nl; *p; p = nl + 1) {
		nl = strchr(p, '\n');
		if (!nl)
			break;
		if (!str_starts(p, NOTE)) {
			str_add_mem(&rest, p, (size_t)(nl + 1 - p));
		} else if (notes) {
			_cleanup_free_ char *note = mem_strndup(p + strlen(NOTE), (size_t)(nl + 1 - p) - strlen(NOTE));

			if (!strstr(str_cstr(notes), note))
				str_add(notes, note);
		}
	}
	str_clear(text);
	*text = rest;
}

void annotate_findings(const struct paths *paths, const char *kernel_id, const struct strv *modules, struct analyser *a,
		       const struct verdict_result *v, struct str *notes)
{
	size_t n_done = 0;

	for (size_t i = 0; v->headline && i < analyser_n_findings(a) && n_done < FINDINGS_MAX; i++) {
		const struct finding *f = analyser_finding(a, i);
		_cleanup_str_ struct str text = STR_INIT;
		struct error err = ERROR_INIT;

		if ((f != v->headline && f->cause_id != v->headline->id) || f->excerpt.len <= f->context_bytes)
			continue;
		n_done++;
		if (run_helper(paths, kernel_id, modules, f->excerpt.p + f->context_bytes, f->excerpt.len - f->context_bytes,
			       &text, &err) < 0) {
			if (notes)
				str_addf(notes, "no source lines: %s\n", err.text);
			return;
		}
		take_notes(&text, notes);
		analyser_set_report(a, f->id, str_cstr(&text), text.len);
	}
}
