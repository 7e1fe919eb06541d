/* SPDX-License-Identifier: MIT */
/*
 * An image with something of all that it can hold, and what happens to one that was changed: it is
 * refused, or it is safe to use. The bytes end before a page that cannot be read, or, with ASan, on
 * the heap.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image-use.h"
#include "policy-test.h"
#include "policy/format.h"
#include "policy/match.h"
#include "policy/words.h"

#define NAME_255                                                                                   \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"    \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"    \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define NAMES_63                                                                                   \
	"/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p"                         \
	"/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p/p"

/* Something of all that an image can hold. */
static const char rules[] =
	"subject web = user:1+unit:a*.service|group:3\n"
	"set @s = /srv/** /home/*/.ssh/id_* /srv/one/two/three\n"
	"set @t = /srv/secret/** /srv/${user}/x\n"
	"allow user:1+group:2|user:7 read,write @s /etc/motd except /srv/*.key @t\n"
	"allow any stat,list /a*b*c/** / /x\n"
	"allow any read /x/y /x/z exec\n"
	"deny user:7 any @s /**/secret because=\"n\to\" id=d1\n"
	"deny any write /w1 /w2/* until=2400-01-31\n"
	"allow any stat /y/z/* /" NAME_255 "/bb/c " NAMES_63 "/ppp /qq/rr/ss /k/*{1,22}/ab*\n"
	"allow label:l1|user:7 read,create /var/{a,b}/[x-z]*{1,22,}q/${user}/${uid} mode=0640 "
	"hidden\n"
	"allow web read @s /a type=reg,fifo owner=user:5 strictmodes=sticky audit=all\n"
	"allow user:5 list /**/m/**/n/*\n"
	"allow user:5|user:1 read /a /b/* until=2027-01-31 id=x because=word\n";

static const char subuids[] = "1:100000:65536\n7:165536:65536\n5:1000000:1\n";

/* Both together. */
static inline struct compiled
compile_all(void)
{
	_cleanup_free_ char *text = NULL;
	struct policy_source sources[] = {
		{"t.policy", NULL, 0, POLICY_SOURCE_RULES},
		{"subuid", subuids, sizeof(subuids) - 1, POLICY_SOURCE_SUBUIDS},
	};
	struct compiled c;

	assert_true(asprintf(&text, "policy 1\n%s", rules) > 0);
	sources[0].text = text;
	sources[0].size = strlen(text);
	c = compile_sources(sources, ELEMENTS(sources));
	assert_int_equal(c.result, 0);
	return c;
}

static struct compiled compiled;
static unsigned char *bytes;
static char *fence; /* the first byte that cannot be read */

static inline int
set_up(void **state)
{
	const size_t size = 1 << 20, page = (size_t)sysconf(_SC_PAGESIZE);
	char *room =
		mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	if (room == MAP_FAILED)
		return -1;
	fence = room + size;
	compiled = compile_all();
	bytes = compiled.bytes;
	return mprotect(fence, page, PROT_NONE);
}

/* True: it was taken, and used. */
static inline bool
try_image(const void *image_bytes, size_t size)
{
	struct policy_image *image = (void *)-1;
#if defined(__SANITIZE_ADDRESS__)
	_cleanup_free_ char *at = malloc(size ? size : 1);
#else
	char *at = fence - ((size + 7) & ~(size_t)7);

	memset(fence - 8, 0xff, 8);
#endif
	int r;

	memcpy(at, image_bytes, size);
	r = policy_image_from_memory(at, size, &image);
	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		assert_ptr_equal(image, (void *)-1);
		return false;
	}
	(void)image_use(image);
	policy_image_free(image);
	return true;
}

static inline int
drop(void **state)
{
	(void)state;
	compiled_free(&compiled);
	return 0;
}
