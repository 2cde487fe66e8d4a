/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the agent reads of a guest's files, which a root image or a test may
 * have filled with anything.
 *
 * Input: a line that is looked up, a newline, a text.
 *
 * sources: src/guest/account.c src/guest/channel.c src/guest/disk.c src/guest/file.c src/guest/kmsg.c src/guest/log.c
 * sources: src/guest/module.c src/guest/net.c src/wire/wire.c src/base/error.c
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "guest/account.h"
#include "guest/disk.h"
#include "guest/kmsg.h"
#include "guest/module.h"
#include "guest/net.h"

static int see_path(void *ctx, const char *path, bool is_last)
{
	*(size_t *)ctx += strlen(path) + is_last;
	return 0;
}

static int see_word(void *ctx, const char *word)
{
	*(size_t *)ctx += strlen(word);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct account a;
	const uint8_t *nl = memchr(data, '\n', size);
	size_t name_len = nl ? (size_t)(nl - data) : size, sum = 0;
	size_t text_len = nl ? size - name_len - 1 : 0;
	char *name = malloc(name_len + 1), *text = malloc(text_len + 1);
	struct kmsg_record r;
	uint32_t addr, mask;
	uint8_t mac[6];

	memcpy(name, data, name_len);
	name[name_len] = '\0';
	memcpy(text, nl ? nl + 1 : data, text_len);
	text[text_len] = '\0';
	if (account_find(text, name, &a))
		account_add_groups(text, &a);
	module_dep_each(text, text_len, name, see_path, &sum);
	module_words_each(text, text_len, "alias", name, see_word, &sum);
	module_words_each(text, text_len, "softdep", name, see_word, &sum);
	module_list_has(text, text_len, name);
	module_same_name(name, text);
	net_parse_ipv4(name, &addr, &mask);
	net_parse_mac(name, mac);
	disk_is_layer_name(name);
	disk_sniff(data, size);
	if (kmsg_parse(text, text_len, &r) && (r.level > 15 || strlen(r.text) != r.text_len))
		abort();
	free(name);
	free(text);
	return 0;
}
