/* SPDX-License-Identifier: MPL-2.0 */
/* What the agent reads: kernel log records, accounts, depmod's files, addresses, superblocks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guest/account.h"
#include "guest/disk.h"
#include "guest/file.h"
#include "guest/kmsg.h"
#include "guest/module.h"
#include "guest/net.h"
#include "wire/wire.h"

static void kmsg_records(void **state)
{
	static const struct {
		const char *in;
		bool ok;
		uint64_t seq, time_us;
		uint8_t level;
		const char *text;
	} cases[] = {
		{ "6,1,2,-;hello\n", true, 1, 2, 6, "hello" },
		{ "30,339,5140900,-;NET: Registered protocol family 10\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n", true, 339,
		  5140900, 6 | WIRE_KMSG_BY_PROGRAM, "NET: Registered protocol family 10" },
		{ "4,160,424069,-,caller=T1;with more fields\n", true, 160, 424069, 4, "with more fields" },
		{ "3,1,2,c;a;b\n", true, 1, 2, 3, "a;b" },
		{ "6,1,2,-;tab\\x09 nl\\x0a nul\\x00 back\\x5c \\xzz \\x1\n", true, 1, 2, 6, "tab\t nl\n nul? back\\ \\xzz \\x1" },
		{ "6,18446744073709551615,2,-;big\n", false, 0, 0, 0, "" }, /* no kernel counts that far */
		{ "6,1,2,-;\n", true, 1, 2, 6, "" },
		{ "6,1,2,-;no newline", true, 1, 2, 6, "no newline" },
		{ "", false, 0, 0, 0, "" },
		{ "hello", false, 0, 0, 0, "" },
		{ "6,1,2;x", false, 0, 0, 0, "" },
		{ "6,1,2,-", false, 0, 0, 0, "" },
		{ "6,,2,-;x", false, 0, 0, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kmsg_record r = { 0 };
		char buf[256];

		strcpy(buf, cases[i].in);
		assert_int_equal(kmsg_parse(buf, strlen(buf), &r), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(r.seq, cases[i].seq);
		assert_int_equal(r.time_us, cases[i].time_us);
		assert_int_equal(r.level, cases[i].level);
		assert_string_equal(r.text, cases[i].text);
		assert_int_equal(r.text_len, strlen(cases[i].text));
	}
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "# comment\n"
			     "broken:x:1\n"
			     "u:x:1000:1001:Some One:/home/u:/bin/sh\n"
			     "1000:x:2000:2000::/home/number:\n"
			     "nohome:x:3000:3000:::\n"
			     "last:x:4000:4000::/l:/bin/l";
static const char group[] = "root:x:0:\ndisk:x:6:a,u,b\nu:x:1001:u\nprefix:x:7:user,uu\nkvm:x:8:u\nbad:x:y:u\n";

static void accounts_by_name_and_number(void **state)
{
	static struct account a;

	assert_true(account_find(passwd, "u", &a));
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.gid, 1001);
	assert_string_equal(a.home, "/home/u");
	assert_string_equal(a.shell, "/bin/sh");
	account_add_groups(group, &a);
	assert_int_equal(a.n_groups, 2);
	assert_int_equal(a.groups[0], 6);
	assert_int_equal(a.groups[1], 8);

	assert_true(account_find(passwd, "1000", &a)); /* the name goes first */
	assert_int_equal(a.uid, 2000);
	assert_string_equal(a.shell, "");
	assert_true(account_find(passwd, "3000", &a));
	assert_string_equal(a.name, "nohome");
	assert_string_equal(a.home, "/");
	assert_true(account_find(passwd, "12345", &a)); /* nobody's number */
	assert_int_equal(a.uid, 12345);
	assert_int_equal(a.gid, 12345);
	assert_string_equal(a.name, "");
	assert_true(account_find(passwd, "last", &a));
	assert_string_equal(a.shell, "/bin/l");

	assert_false(account_find(passwd, "broken", &a));
	assert_false(account_find(passwd, "nobody", &a));
	assert_false(account_find(passwd, "-1", &a));
	assert_false(account_find(passwd, "4294967295", &a)); /* (uid_t)-1 means "no change" */
	assert_false(account_find(passwd, "99999999999999999999", &a));
	assert_true(account_find("", "root", &a)); /* without any file */
	assert_int_equal(a.uid, 0);
	assert_string_equal(a.home, "/root");
	assert_true(account_find("", "0", &a));
	assert_string_equal(a.name, "root");
}

struct seen {
	char text[1024];
};

static int see_path(void *ctx, const char *path, bool is_last)
{
	struct seen *s = ctx;

	strcat(strcat(s->text, path), is_last ? "!" : " ");
	return 0;
}

static int see_word(void *ctx, const char *word)
{
	struct seen *s = ctx;

	strcat(strcat(s->text, word), " ");
	return 0;
}

static void modules_and_their_dependencies(void **state)
{
	static const char dep[] = "kernel/a/one.ko:\n"
				  "kernel/b/two-x.ko.xz: kernel/a/one.ko\n"
				  "updates/three.ko.zst: kernel/b/two-x.ko.xz kernel/a/one.ko\n"
				  "cut.ko: ";
	struct seen s = { "" };

	assert_int_equal(module_dep_each(dep, strlen(dep), "three", see_path, &s), 1);
	assert_string_equal(s.text, "kernel/a/one.ko kernel/b/two-x.ko.xz updates/three.ko.zst!");
	s.text[0] = '\0';
	assert_int_equal(module_dep_each(dep, strlen(dep), "two_x", see_path, &s), 1);
	assert_string_equal(s.text, "kernel/a/one.ko kernel/b/two-x.ko.xz!");
	s.text[0] = '\0';
	assert_int_equal(module_dep_each(dep, strlen(dep), "cut", see_path, &s), 1);
	assert_string_equal(s.text, "cut.ko!");
	assert_int_equal(module_dep_each(dep, strlen(dep), "two", see_path, &s), 0);
	assert_int_equal(module_dep_each(dep, strlen(dep), "", see_path, &s), 0);
	assert_int_equal(module_dep_each("", 0, "one", see_path, &s), 0);
	assert_true(module_same_name("/lib/nft-compat.ko.xz", "nft_compat"));
	assert_false(module_same_name("a/b.ko", "a"));
	assert_true(module_list_has("kernel/fs/ext4/ext4.ko\nkernel/x-y.ko\n", 38, "x_y"));
	assert_false(module_list_has("kernel/fs/ext4/ext4.ko\n", 23, "ext"));
}

static void parameters_are_declared(void **state)
{
	static const char text[] = "\0parm=txg_timeout:Max seconds\0parmtype=hidden:int\0parm=x";
	char name[16] = "";

	assert_false(module_unknown_param(text, sizeof(text), "txg_timeout=5 hidden=1", name, sizeof(name)));
	assert_false(module_unknown_param(text, sizeof(text), "txg-timeout=\"no such\"  hidden", name, sizeof(name)));
	assert_false(module_unknown_param(text, sizeof(text), "", name, sizeof(name)));
	assert_true(module_unknown_param(text, sizeof(text), "hidden=1 txg_time=5", name, sizeof(name)));
	assert_string_equal(name, "txg_time");
	assert_true(module_unknown_param(text, sizeof(text), "x", name, sizeof(name)));
}

static void aliases_and_soft_dependencies(void **state)
{
	static const char alias[] = "# Aliases\nalias fs-erofs erofs\nalias crc32c crc32c_intel\nalias crc32c crc32c_generic\nalias x\n";
	static const char soft[] = "softdep libcrc32c pre: crc32c\nsoftdep b pre: p q post: r\nsoftdep c post: r\n";
	struct seen s = { "" };

	assert_int_equal(module_words_each(alias, strlen(alias), "alias", "crc32c", see_word, &s), 2);
	assert_string_equal(s.text, "crc32c_intel crc32c_generic ");
	s.text[0] = '\0';
	assert_int_equal(module_words_each(alias, strlen(alias), "alias", "fs_erofs", see_word, &s), 1);
	assert_string_equal(s.text, "erofs ");
	s.text[0] = '\0';
	assert_int_equal(module_words_each(soft, strlen(soft), "softdep", "b", see_word, &s), 2);
	assert_string_equal(s.text, "p q ");
	assert_int_equal(module_words_each(soft, strlen(soft), "softdep", "c", see_word, &s), 0);
	assert_int_equal(module_words_each(soft, strlen(soft), "softdep", "d", see_word, &s), 0);
}

static void addresses(void **state)
{
	uint32_t addr, mask;
	uint8_t mac[6];

	assert_true(net_parse_ipv4("10.0.2.15/24", &addr, &mask));
	assert_int_equal(addr, 0x0a00020f);
	assert_int_equal(mask, 0xffffff00);
	assert_true(net_parse_ipv4("255.255.255.255", &addr, &mask));
	assert_int_equal(mask, 0xffffffff);
	assert_true(net_parse_ipv4("1.2.3.4/0", &addr, &mask));
	assert_int_equal(mask, 0);
	assert_false(net_parse_ipv4("10.0.2", &addr, &mask));
	assert_false(net_parse_ipv4("10.0.2.256", &addr, &mask));
	assert_false(net_parse_ipv4("10.0.2.1/33", &addr, &mask));
	assert_false(net_parse_ipv4("10.0.2.1 ", &addr, &mask));
	assert_false(net_parse_ipv4("", &addr, &mask));
	assert_true(net_parse_mac("52:54:00:aB:cd:0f", mac));
	assert_memory_equal(mac, ((uint8_t[]){ 0x52, 0x54, 0, 0xab, 0xcd, 0x0f }), 6);
	assert_false(net_parse_mac("52:54:00:ab:cd", mac));
	assert_false(net_parse_mac("52:54:00:ab:cd:0g", mac));
	assert_false(net_parse_mac("52:54:00:ab:cd:0f:", mac));
	assert_false(net_parse_mac("", mac));
}

static void superblocks(void **state)
{
	uint8_t head[4096] = { 0 };

	assert_null(disk_sniff(head, sizeof(head)));
	memcpy(head + 1024 + 56, "\x53\xef", 2);
	assert_string_equal(disk_sniff(head, sizeof(head)), "ext4");
	memcpy(head + 1024, "\xe2\xe1\xf5\xe0", 4);
	assert_string_equal(disk_sniff(head, sizeof(head)), "erofs");
	assert_null(disk_sniff(head, 2047));
	memset(head, 0, sizeof(head));
	memcpy(head, "hsqs", 4);
	assert_string_equal(disk_sniff(head, sizeof(head)), "squashfs");
}

static void layer_names(void **state)
{
	assert_true(disk_is_layer_name("root"));
	assert_true(disk_is_layer_name("6.1.0+debug_x-1"));
	assert_false(disk_is_layer_name(""));
	assert_false(disk_is_layer_name("a,b"));
	assert_false(disk_is_layer_name("a:b"));
	assert_false(disk_is_layer_name("a/b"));
	assert_false(disk_is_layer_name("a\\b"));
	assert_false(disk_is_layer_name(".."));
	assert_false(disk_is_layer_name("0123456789012345678901234567890123456789012345678901234567890123x"));
}

static void numbers(void **state)
{
	const char *p = "123,";
	uint64_t v;

	assert_true(file_number(&p, &v));
	assert_int_equal(v, 123);
	assert_string_equal(p, ",");
	assert_false(file_number(&p, &v));
	p = "99999999999999999999";
	assert_false(file_number(&p, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kmsg_records),
		cmocka_unit_test(accounts_by_name_and_number),
		cmocka_unit_test(modules_and_their_dependencies),
		cmocka_unit_test(aliases_and_soft_dependencies),
		cmocka_unit_test(addresses),
		cmocka_unit_test(superblocks),
		cmocka_unit_test(layer_names),
		cmocka_unit_test(numbers),
		cmocka_unit_test(parameters_are_declared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
