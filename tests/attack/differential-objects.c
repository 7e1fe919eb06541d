/* SPDX-License-Identifier: MIT */
/* What there is to be opened, and what it is called. */
#include "tests/attack/differential.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

const struct object objects[] = {
	{"", S_IFDIR | 0755},
	{"sub", S_IFDIR | 0755},
	{".dir", S_IFDIR | 0700},
	{"closed", S_IFDIR | 0000},
	{"unwritable", S_IFDIR | 0555},
	{"set-gid-dir", S_IFDIR | 02755},
	{"sticky-dir", S_IFDIR | 01777},
	{">", S_IFDIR | 0755, .traits = OUTSIDE},
	{">sub", S_IFDIR | 0755, .traits = OUTSIDE},
	{"mount", S_IFDIR | 0755, .traits = MOUNT},
	{"bind", S_IFDIR | 0755, .traits = BIND},

	{"plain", S_IFREG | 0644, 1000},
	{"private", S_IFREG | 0600, 3},
	{"empty", S_IFREG | 0644, 0},
	{"one", S_IFREG | 0644, 1},
	{"page", S_IFREG | 0644, 4096},
	{"many", S_IFREG | 0644, 100000},
	{"sparse", S_IFREG | 0644, 5LL << 30},
	{"read-only", S_IFREG | 0400, 10},
	{"write-only", S_IFREG | 0200, 10},
	{"no-bits", S_IFREG | 0000, 10},
	{"program", S_IFREG | 0755, 10},
	{"set-uid", S_IFREG | 04755, 10},
	{"set-gid", S_IFREG | 02755, 10},
	{"set-gid-alone", S_IFREG | 02644, 10},
	{"sticky", S_IFREG | 01644, 10},
	{"capable", S_IFREG | 0755, 10, CAPABLE},
	{"immutable", S_IFREG | 0644, 10, IMMUTABLE},
	{"append-only", S_IFREG | 0644, 10, APPEND_ONLY},
	{"running", S_IFREG | 0755, 0, RUNNING},
	{".hidden", S_IFREG | 0644, 10},
	{"odd \n\033\377;uid=0;", S_IFREG | 0644, 10},
	{"#", S_IFREG | 0644, 10},
	{".dir/inner", S_IFREG | 0644, 10},
	{"sub/inner", S_IFREG | 0644, 10},
	{"closed/inner", S_IFREG | 0644, 10},
	{"unwritable/inner", S_IFREG | 0644, 10},
	{"sticky-dir/inner", S_IFREG | 0644, 10},
	{"mount/inner", S_IFREG | 0644, 10},
	{"mount/no-bits", S_IFREG | 0000, 10},
	{"bind/inner"},
	{">file", S_IFREG | 0644, 10, OUTSIDE},
	{">sub/file", S_IFREG | 0644, 10, OUTSIDE},

	{"!", S_IFDIR | 0755},
	{"!file", S_IFREG | 0644, 10},
	{"!fifo", S_IFIFO | 0644, .traits = UNTYPED},
	{"!null", S_IFCHR | 0666, 3, .traits = UNTYPED},
	{"!block", S_IFBLK | 0600, .traits = UNTYPED},
	{"!link", S_IFLNK, .target = "file", .traits = UNFOLLOWED | FINAL},
	{"!up", S_IFLNK, .target = ".", .traits = UNFOLLOWED | FINAL},
	{"!up/file", .traits = UNFOLLOWED},
	{"!up/none", .traits = UNFOLLOWED},
	{"!new"},

	{"fifo", S_IFIFO | 0644},
	{"fifo-no-bits", S_IFIFO | 0000},
	{"fifo-reader", S_IFIFO | 0644, .traits = READER},
	{"fifo-writer", S_IFIFO | 0644, .traits = WRITER},
	{"fifo-both", S_IFIFO | 0644, .traits = READER | WRITER},
	{"mount/fifo", S_IFIFO | 0644},
	{"socket", S_IFSOCK | 0777},
	{"null", S_IFCHR | 0666, 3},
	{"zero", S_IFCHR | 0666, 5},
	{"full", S_IFCHR | 0600, 7},
	{"block", S_IFBLK | 0600},

	{"to-plain", S_IFLNK, .target = "plain", .traits = FINAL},
	{"to-plain-absolute", S_IFLNK, .target = "%/$/plain", .traits = FINAL},
	{"sub/up", S_IFLNK, .target = "../plain", .traits = FINAL},
	{"to-here", S_IFLNK, .target = "./plain", .traits = FINAL},
	{"to-up-behind", S_IFLNK, .target = "sub/../plain", .traits = FINAL | BEHIND},
	{"to-file-as-directory", S_IFLNK, .target = "plain/", .traits = FINAL},
	{"to-directory-slash", S_IFLNK, .target = "sub/", .traits = FINAL},
	{"to-root", S_IFLNK, .target = "%/$", .traits = FINAL},
	{"to-root/plain"},
	{"hop-1", S_IFLNK, .target = "plain", .traits = FINAL},
	{"hop-2", S_IFLNK, .target = "hop-1", .traits = FINAL},
	{"hop-3", S_IFLNK, .target = "hop-2", .traits = FINAL},
	{"hop-4", S_IFLNK, .target = "hop-3", .traits = FINAL},
	{"hop-5", S_IFLNK, .target = "hop-4", .traits = FINAL},
	{"hop-6", S_IFLNK, .target = "hop-5", .traits = FINAL},
	{"hop-7", S_IFLNK, .target = "hop-6", .traits = FINAL},
	{"hop-8", S_IFLNK, .target = "hop-7", .traits = FINAL},
	{"hop-9", S_IFLNK, .target = "hop-8", .traits = FINAL | HOPS},
	{"to-link", S_IFLNK, .target = "to-plain", .traits = FINAL},
	{"to-directory", S_IFLNK, .target = "sub", .traits = FINAL},
	{"to-set-uid", S_IFLNK, .target = "set-uid", .traits = FINAL},
	{"to-fifo", S_IFLNK, .target = "fifo", .traits = FINAL},
	{"to-closed", S_IFLNK, .target = "closed/inner", .traits = FINAL},
	{"dangling", S_IFLNK, .target = "made", .traits = FINAL},
	{"dangling-deep", S_IFLNK, .target = "none/made", .traits = FINAL},
	{"loop", S_IFLNK, .target = "loop", .traits = FINAL},
	{"loop-long", S_IFLNK, .target = "sub/loop-back", .traits = FINAL},
	{"sub/loop-back", S_IFLNK, .target = "../loop-long", .traits = FINAL},
	{"out", S_IFLNK, .target = "%/out-$/file", .traits = OUTSIDE | FINAL},
	{"out-relative", S_IFLNK, .target = "../out-$/file", .traits = OUTSIDE | FINAL},
	{"out-none", S_IFLNK, .target = "../out-$/none", .traits = OUTSIDE | FINAL},
	{"out-sub", S_IFLNK, .target = "%/out-$/sub", .traits = OUTSIDE | FINAL},
	{"out-sub/file", .traits = OUTSIDE},
	{"out-sub/none", .traits = OUTSIDE},
	{"to-directory/inner"},
	{"to-directory/new"},
	{"to-directory/up", .traits = FINAL},
	{"to-plain/x"},
	{"dangling/x"},
	{"loop/x"},

	{"new"},
	{".new"},
	{"newer"},
	{"sub/new"},
	{"closed/new"},
	{"unwritable/new"},
	{"set-gid-dir/new"},
	{"sticky-dir/new"},
	{"mount/new"},
	{"bind/new"},
	{"sub/#"},
	{"none/new"},
	{"plain/x"},
	{"fifo/x"},
	{"null/x"},
	{"#x", .traits = TOO_LONG},
	{"sub/#x/x", .traits = TOO_LONG},
	{"%", .size = 4095},
	{"%", .size = 4096, .traits = LONGEST},
	{"%", .size = 4097, .traits = TOO_LONG},
	{"^", .size = 64},
	{"^", .size = 65, .traits = TOO_DEEP},
	{"sub//inner", .traits = NOT_CANONICAL},
	{"sub/./inner", .traits = NOT_CANONICAL},
	{"sub/../plain", .traits = NOT_CANONICAL},
	{"sub/", .traits = NOT_CANONICAL},
	{"plain/", .traits = NOT_CANONICAL},
	{"<sub/inner", .traits = NOT_CANONICAL},
	{"=", .traits = NOT_CANONICAL},
	{"=/", .traits = OUTSIDE},
};
const size_t n_objects = ELEMENTS(objects);
_Static_assert(ELEMENTS(objects) <= OBJECTS_MAX, "more places");

const char *const fact_names[] = {
#define X(name, text) text,
	FACTS(X)
#undef X
};

char place[64];
struct place places[OBJECTS_MAX];
const char *const trees[SIDES] = {"a", "b"};

struct place *
place_of(const struct object *object)
{
	return &places[object - objects];
}

const struct object *
object_named(const char *name)
{
	for (size_t i = 0; i < ELEMENTS(objects); i++)
		if (strcmp(objects[i].name, name) == 0)
			return &objects[i];
	fail_msg("no object is named %s", name);
	return NULL;
}

static void
write_bytes(FILE *path, char byte, size_t n)
{
	while (n-- > 0)
		fputc(byte, path);
}

/* As long, or as deep, as the object's size says; `before` is what is there. */
static void
write_rest(FILE *path, const struct object *object, const char *before)
{
	size_t length = strlen(before), components = (size_t)object->size;

	if (strchr(object->name, '%')) {
		for (off_t i = 0; (off_t)length + i < object->size; i++) {
			bool slash = i % 200 == 199 && (off_t)length + i + 1 < object->size;

			fputc(slash ? '/' : 'n', path);
		}
		return;
	}
	for (const char *c = before; *c; c++)
		components -= *c == '/';
	fputc('n', path);
	for (; components > 0; components--)
		fputs("/n", path);
}

char *
make_path(const struct object *object, enum side side)
{
	const char *name = object->name;
	const char *beside = *name == '>' ? "out-" : *name == '!' ? "bare-" : "";
	bool relative = *name == '<';
	char *text = NULL;
	size_t size = 0;
	FILE *path = open_memstream(&text, &size);

	assert_non_null(path);
	if (*name == '=') {
		fputs(name + 1, path);
		name = "";
	} else {
		fprintf(path, "%s/%s%s", place + relative, beside, trees[side]);
		name += *beside || relative;
		if (*name)
			fputc('/', path);
	}
	for (; *name && *name != '%' && *name != '^'; name++)
		write_bytes(path, *name == '#' ? 'n' : *name, *name == '#' ? NAME_MAX : 1);
	fflush(path);
	if (*name)
		write_rest(path, object, text);
	assert_int_equal(fclose(path), 0);
	return text;
}

char *
make_target(const struct object *object, enum side side)
{
	char *text = NULL;
	size_t size = 0;
	FILE *target = open_memstream(&text, &size);

	assert_non_null(target);
	for (const char *c = object->target; *c; c++) {
		if (*c == '%')
			fputs(place, target);
		else if (*c == '$')
			fputs(trees[side], target);
		else
			fputc(*c, target);
	}
	assert_int_equal(fclose(target), 0);
	return text;
}

int64_t
before(const struct triple *t, enum fact fact)
{
	return place_of(t->object)->before[DIRECT].facts[fact];
}
