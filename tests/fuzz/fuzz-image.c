/* SPDX-License-Identifier: MIT */
/*
 * Images that somebody has tampered with: refused with -EBADMSG, or safe to use. Run with the
 * sanitizers; an input is an image.
 */
#include <errno.h>

#include "policy/format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/policy/image-use.h"

static const char *const policies[] = {
	"subject web = user:1+unit:a*.service|group:3\n"
	"set @s = /srv/** /home/*/.ssh/id_* /srv/one/two/three\n"
	"set @t = /srv/secret/** /srv/${user}/x\n"
	"allow user:1+group:2|user:7 read,write @s /etc/motd except /srv/*.key @t\n"
	"allow any stat,list /a*b*c/** / /x\n"
	"allow any read /x/y /x/z exec\n"
	"deny user:7 any @s /**/secret because=\"no\" id=d1\n"
	"deny any write /w1 /w2/* until=2400-01-31\n"
	"allow label:l1|user:7 read,create /var/{a,b}/[x-z]*{1,22,}q/${user}/${uid} mode=0640 "
	"hidden\n"
	"allow web read @s /a type=reg,fifo owner=user:5 strictmodes=sticky audit=all\n"
	"allow user:5 list /**/m/**/n/*\n"
	"allow user:5|user:1 read /a /b/* until=2027-01-31 id=x because=word\n",
	/* Small ones, of which a change hits what matters. */
	"allow any read /**/m/**/n/**\n",
	"allow any read /* /a/* /a/b /a/b/c /etc/motd except /a/*\n",
	"deny any any @s\nallow any read @s /z\nset @s = /a/b/** /srv/*\n",
	"allow user:1|group:2+label:l1|any+user:7 write /{a,b}*/${user}\n",
	"",
};

static const char subuids[] = "1:100000:65536\n7:165536:65536\n5:1000000:1\n";

static struct good {
	void *bytes;
	size_t size;
} goods[ELEMENTS(policies)];

static unsigned long taken, refused, allowed;

static size_t
compile(size_t i)
{
	struct policy_diag diag = {.out = stderr};
	struct policy_source sources[] = {
		{.name = "fuzz"},
		{"subuid", subuids, sizeof(subuids) - 1, POLICY_SOURCE_SUBUIDS},
	};
	char *text;

	if (goods[i].bytes)
		return goods[i].size;
	MUST(asprintf(&text, "policy 1\n%s", policies[i]) > 0);
	sources[0].text = text;
	sources[0].size = strlen(text);
	MUST(policy_compile(sources, 1 + i % 2, 0, &diag, &goods[i].bytes, &goods[i].size) == 0);
	free(text);
	return goods[i].size;
}

/* Where the bytes are changed: anywhere, or in one section so that small ones have their share. */
static size_t
draw_place(const struct policy_image *image, size_t size)
{
	uint64_t at[SECTIONS + 1];
	unsigned section = fuzz_draw(SECTIONS + 2);

	if (section > SECTIONS)
		return fuzz_draw((unsigned)size);
	at[SECTIONS] = policy_image_layout(image->header->counts, at);
	if (section == SECTIONS || at[section] == at[section + 1])
		return fuzz_draw(sizeof(struct image_header));
	return at[section] + fuzz_draw((unsigned)(at[section + 1] - at[section]));
}

static void
mangle(unsigned char *bytes, size_t size, size_t at)
{
	static const uint32_t numbers[] = {0,  1,   2,     3,         4,         16,
					   64, 255, 65535, INT32_MAX, UINT32_MAX};
	uint32_t word;
	unsigned way = fuzz_draw(7);

	if (way == 0) {
		bytes[at] ^= (unsigned char)(1 << fuzz_draw(8));
		return;
	}
	if (way == 1) {
		bytes[at] = (unsigned char)fuzz_draw(256);
		return;
	}
	at &= ~(size_t)3;
	if (at + 8 > size)
		return;
	memcpy(&word, bytes + at, 4);
	if (way == 2)
		word = numbers[fuzz_draw(ELEMENTS(numbers))];
	else if (way == 3)
		word += fuzz_draw(17) - 8;
	else if (way == 4)
		word = fuzz_draw((unsigned)size / 4);
	else
		memcpy(&word, bytes + (fuzz_draw((unsigned)size - 4) & ~3u), 4);
	memcpy(bytes + at, &word, 4);
	/* Two neighbours change places. */
	if (way == 6) {
		memcpy(&word, bytes + at + 4, 4);
		memmove(bytes + at + 4, bytes + at, 4);
		memcpy(bytes + at, &word, 4);
	}
}

static size_t
draw_image(unsigned char *bytes, size_t max)
{
	size_t i = fuzz_draw(ELEMENTS(policies)), size = compile(i);
	const struct policy_image image = {.header = goods[i].bytes};

	MUST(size <= max);
	memcpy(bytes, goods[i].bytes, size);
	for (unsigned n = 1 + fuzz_draw(fuzz_draw(4) ? 2 : 8); n > 0; n--)
		mangle(bytes, size, draw_place(&image, size));
	if (fuzz_draw(50) == 0)
		size = fuzz_draw((unsigned)size + 1);
	return size;
}

static void
try_image(const unsigned char *bytes, size_t size)
{
	struct policy_image *image = NULL;
	struct image_use use;
	int r = policy_image_from_memory(bytes, size, &image);

	if (r < 0) {
		MUST(r == -EBADMSG && !image);
		refused++;
		return;
	}
	use = image_use(image);
	policy_image_free(image);
	taken++;
	allowed += use.allowed > 0;
}

static bool
summary(void)
{
	printf("fuzz-image: %lu refused; %lu taken, of which %lu allow something\n", refused, taken,
	       allowed);
	return refused > 0 && taken > 0 && allowed > 0;
}

int
main(int argc, char **argv)
{
	static const struct fuzzer fuzzer = {"fuzz-image", draw_image, try_image, summary};

	return fuzz_main(&fuzzer, argc, argv);
}
