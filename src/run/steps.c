/* SPDX-License-Identifier: MPL-2.0 */
/* Steps as data: describing and encoding. Pure but for the identity's entropy and clock. */

#include "run/steps.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void steps_clear(struct steps *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].a);
		free(s->v[i].b);
		free(s->v[i].c);
		free(s->v[i].d);
		free(s->v[i].e);
		strv_clear(&s->v[i].list);
	}
	free(s->v);
	*s = (struct steps){ 0 };
}

struct step *steps_add(struct steps *s, enum step_kind kind, const char *a, const char *b)
{
	struct step *st = VEC_PUSH(s->v, s->n);

	st->kind = kind;
	st->a = mem_strdup(a ? a : "");
	st->b = mem_strdup(b ? b : "");
	st->c = mem_strdup("");
	st->d = mem_strdup("");
	st->e = mem_strdup("");
	return st;
}

void steps_join(struct steps *dst, const struct steps *src)
{
	for (size_t i = 0; i < src->n; i++)
		*VEC_PUSH(dst->v, dst->n) = src->v[i];
}

void step_describe(const struct step *s, struct str *out)
{
	switch (s->kind) {
	case STEP_MOUNT_IMAGE:
		str_addf(out, "mount layer '%s' from disk '%s'", s->b, s->a);
		break;
	case STEP_SPARE:
		str_add(out, "make the process of the first program");
		break;
	case STEP_QUIESCE:
		str_add(out, "become still");
		break;
	case STEP_IDENTITY:
		str_addf(out, "take a new identity, host name '%s'", s->a);
		break;
	case STEP_ASSEMBLE:
		str_add(out, "build the root from layers");
		for (size_t i = 0; i < s->list.n; i++)
			str_addf(out, "%s %s", i ? "," : "", s->list.v[i]);
		str_add(out, ", tmpfs");
		break;
	case STEP_SHARE:
		str_addf(out, "mount share '%s' at '%s'%s%s", s->a, s->b, s->flags & WIRE_SHARE_RW ? "" : ", read-only",
			 s->flags & WIRE_SHARE_LATER ? ", when it is touched" : "");
		break;
	case STEP_WRITE_FILE:
		str_addf(out, "write '%s'", s->a);
		break;
	case STEP_MAKE_DIR:
		str_addf(out, "make folder '%s'", s->a);
		break;
	case STEP_LOAD_MODULE:
		str_addf(out, "load module '%s'%s%s", s->a, *s->b ? " " : "", s->b);
		break;
	case STEP_MEMDEV:
		str_addf(out, "make %u memory devices /dev/%s0.. of %" PRIu64 " bytes", s->count, s->a, s->n);
		break;
	case STEP_NODE:
		str_addf(out, "make block node '%s' for disk '%s'", s->b, s->a);
		break;
	case STEP_NETWORK:
		str_addf(out, "bring up the network interface %s%s%s%s%s", s->a, *s->b ? " with address " : "", s->b,
			 s->flags & STEP_NETWORK_OWN_MAC ? " and a MAC of its own" : *s->e ? " and MAC " : "",
			 s->flags & STEP_NETWORK_OWN_MAC ? "" : s->e);
		break;
	case STEP_COUNTERS:
		str_add(out, "read the kernel's counters");
		break;
	case STEP_FINISH:
		str_add(out, "end the run");
		break;
	}
}

uint64_t step_hash(const struct step *s)
{
	const char *const texts[] = { s->a, s->b, s->c, s->d, s->e };
	const uint64_t numbers[] = { s->kind, s->n, s->count, s->mode, s->flags, s->list.n };
	uint64_t h = hash_mem(HASH_INIT, numbers, sizeof(numbers));

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		h = hash_str(h, texts[i] ? texts[i] : "");
	for (size_t i = 0; i < s->list.n; i++)
		h = hash_str(h, s->list.v[i]);
	return h;
}

/* A list for the encoder borrows the string array. */
static struct wire_list list_of(const struct strv *sv)
{
	return (struct wire_list){ .v = (const char *const *)sv->v, .n = (uint32_t)sv->n };
}

static size_t encode_identity(const struct step *s, uint32_t id, void *buf)
{
	struct wire_identity m = { .id = id, .hostname = s->a, .machine_id = s->b, .mac = s->c };
	uint8_t entropy[64];
	struct timespec ts;

	if (getrandom(entropy, sizeof(entropy), 0) != sizeof(entropy))
		return 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	m.realtime_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	m.entropy = (struct wire_bytes){ entropy, sizeof(entropy) };
	return wire_put_identity(buf, WIRE_FRAME_MAX, 0, &m);
}

#define PUT(name, ...) wire_put_##name(buf, WIRE_FRAME_MAX, 0, &(struct wire_##name){ __VA_ARGS__ })

size_t step_encode(const struct step *s, uint32_t id, void *buf)
{
	switch (s->kind) {
	case STEP_MOUNT_IMAGE:
		return PUT(mount_image, id, s->a, s->b, s->c, s->flags);
	case STEP_SPARE:
		return PUT(spare, id);
	case STEP_QUIESCE:
		return PUT(quiesce, id);
	case STEP_IDENTITY:
		return encode_identity(s, id, buf);
	case STEP_ASSEMBLE:
		return PUT(assemble, id, s->n, list_of(&s->list));
	case STEP_SHARE:
		return PUT(share, id, s->a, s->b, s->flags);
	case STEP_WRITE_FILE:
		return PUT(write_file, id, s->a, s->mode, s->flags, { s->b, (uint32_t)strlen(s->b) });
	case STEP_MAKE_DIR:
		return PUT(make_dir, id, s->a, s->mode);
	case STEP_LOAD_MODULE:
		return PUT(load_module, id, s->a, s->b, s->flags);
	case STEP_MEMDEV:
		return PUT(memdev, id, s->a, s->count, s->n, s->mode);
	case STEP_NODE:
		return PUT(node, id, s->a, s->b);
	case STEP_NETWORK:
		return PUT(network, id, s->a, s->e, s->b, s->c, s->d, list_of(&s->list));
	case STEP_COUNTERS:
		return PUT(counters, id);
	case STEP_FINISH:
		return PUT(finish, id, s->flags);
	}
	return 0;
}
