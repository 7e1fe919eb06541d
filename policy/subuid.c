/* SPDX-License-Identifier: MIT */
/*
 * The text of /etc/subuid, subuid(5): which users have ids of others to give out. It is not the
 * policy's: what is wrong in it is noted and left out, and keeps nothing from being loaded.
 */
#include <time.h>

#include "resolve.h"

enum {
	/* For all names; the broker does not wait much longer for all of a policy. */
	LOOK_UP_SECONDS = 2,
};

static void
note(struct policy_report *report, const struct policy_place *place, const char *what,
     const char *help)
{
	policy_report_add(report, POLICY_CODE_SUBUIDS, place,
			  (struct policy_span){0, place->length}, what, "%s", help);
}

/* Up to ten digits. */
static bool
parse_number(const char *text, size_t length, uint32_t *ret_number)
{
	uint64_t number = 0;

	if (length == 0 || length > 10)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	*ret_number = (uint32_t)number;
	return number <= UINT32_MAX;
}

static bool
parse_owner(const char *text, size_t length, struct policy_ast_subuids *subuids)
{
	enum policy_account account;

	if (length == 0 || length > POLICY_NAME_MAX_BYTES)
		return false;
	account = policy_account_parse(text, length, &subuids->ids.owner);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return false;
	subuids->is_id = account == POLICY_ACCOUNT_ID;
	subuids->name = (struct policy_span){0, (uint32_t)length};
	return account == POLICY_ACCOUNT_NAME || account == POLICY_ACCOUNT_ID;
}

/* NAME:FIRST:COUNT, NAME may be a number. */
static bool
parse_line(const struct policy_place *place, struct policy_ast_subuids *ret_subuids)
{
	const char *text = place->text, *end = text + place->length, *first, *n;
	struct policy_ast_subuids subuids = {.place = *place};

	first = memchr(text, ':', place->length);
	n = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
	if (!n || !parse_owner(text, (size_t)(first - text), &subuids) ||
	    !parse_number(first + 1, (size_t)(n - first - 1), &subuids.ids.first) ||
	    !parse_number(n + 1, (size_t)(end - n - 1), &subuids.ids.n))
		return false;
	if (subuids.ids.n == 0 || subuids.ids.n > UINT32_MAX - subuids.ids.first)
		return false;
	*ret_subuids = subuids;
	return true;
}

int
policy_parse_subuids(struct policy_ast *ast, struct policy_report *report, uint32_t source)
{
	const char *text = report->sources[source].text;
	size_t size = report->sources[source].size, at = 0;
	struct policy_place place = {.source = source};

	if (size > POLICY_SUBUIDS_MAX)
		size = POLICY_SUBUIDS_MAX;
	while (at < size) {
		const char *newline = memchr(text + at, '\n', size - at);
		size_t end = newline ? (size_t)(newline - text) : size;
		struct policy_ast_subuids subuids;
		int r = 0;

		place.line++;
		place.text = text + at;
		place.length = (uint32_t)(end - at);
		at = end + 1;
		if (place.length == 0 || *place.text == '#')
			continue;
		if (parse_line(&place, &subuids))
			r = policy_vector_push(&ast->subuids, subuids);
		else
			note(report, &place, "this is not NAME:FIRST:COUNT",
			     "the ids of this line count for themselves");
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- whose each id is -------------------------------------------------------------------- */

/* All ids between the beginnings and ends of ranges, and whose they are. */
struct pieces {
	uint32_t *from; /* ascending, each once; the last is where the last piece ends */
	uint32_t *owner;
	uint32_t *lines; /* that give them out */
	uint32_t *free;  /* of each piece: itself, or where to look for the next without an owner */
	uint32_t n;
};

static int
compare_numbers(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
cut(const struct policy_ast *ast, struct pieces *pieces)
{
	size_t n = 2 * ast->subuids.n;

	pieces->from = calloc(n + 1, sizeof(uint32_t));
	pieces->owner = calloc(n + 1, sizeof(uint32_t));
	pieces->lines = calloc(n + 1, sizeof(uint32_t));
	pieces->free = calloc(n + 1, sizeof(uint32_t));
	if (!pieces->from || !pieces->owner || !pieces->lines || !pieces->free)
		return -ENOMEM;
	for (size_t i = 0; i < ast->subuids.n; i++) {
		const struct policy_subuids *ids = &ast->subuids.items[i].ids;

		pieces->from[2 * i] = ids->first;
		pieces->from[2 * i + 1] = ids->first + ids->n;
	}
	qsort(pieces->from, n, sizeof(uint32_t), compare_numbers);
	for (size_t i = 0; i < n; i++)
		if (pieces->n == 0 || pieces->from[i] != pieces->from[pieces->n - 1])
			pieces->from[pieces->n++] = pieces->from[i];
	for (uint32_t i = 0; i < pieces->n; i++) {
		pieces->owner[i] = POLICY_NO_ID;
		pieces->free[i] = i;
	}
	return 0;
}

static uint32_t
piece_at(const struct pieces *pieces, uint32_t from)
{
	const uint32_t *at =
		bsearch(&from, pieces->from, pieces->n, sizeof(uint32_t), compare_numbers);

	return (uint32_t)(at - pieces->from);
}

/* In how many lines each is: where one begins, one more than before. */
static void
count_lines(const struct policy_ast *ast, struct pieces *pieces)
{
	for (size_t i = 0; i < ast->subuids.n; i++) {
		const struct policy_subuids *ids = &ast->subuids.items[i].ids;

		pieces->lines[piece_at(pieces, ids->first)]++;
		pieces->lines[piece_at(pieces, ids->first + ids->n)]--;
	}
	for (uint32_t i = 1; i < pieces->n; i++)
		pieces->lines[i] += pieces->lines[i - 1];
}

/* The first from i on that has no owner; the last never has one. */
static uint32_t
next_free(struct pieces *pieces, uint32_t i)
{
	uint32_t end = i;

	while (pieces->free[end] != end)
		end = pieces->free[end];
	while (pieces->free[i] != end) {
		uint32_t next = pieces->free[i];

		pieces->free[i] = end;
		i = next;
	}
	return end;
}

/* False: a line before had some of them. */
static bool
give(struct pieces *pieces, const struct policy_subuids *ids)
{
	uint32_t first = piece_at(pieces, ids->first), end = piece_at(pieces, ids->first + ids->n);
	uint32_t given = 0;

	for (uint32_t i = next_free(pieces, first); i < end; i = next_free(pieces, i)) {
		pieces->owner[i] = ids->owner;
		pieces->free[i] = i + 1;
		given++;
	}
	return given == end - first;
}

static int
join(struct policy_ast *ast, const struct pieces *pieces)
{
	for (uint32_t i = 0; i + 1 < pieces->n; i++) {
		struct policy_subuids ids = {pieces->from[i], pieces->from[i + 1] - pieces->from[i],
					     pieces->owner[i], pieces->lines[i] > 1};
		struct policy_subuids *last =
			ast->accounts.n > 0 ? &ast->accounts.items[ast->accounts.n - 1] : NULL;
		int r;

		if (ids.owner == POLICY_NO_ID)
			continue;
		if (last && last->owner == ids.owner && last->shared == ids.shared &&
		    last->first + last->n == ids.first) {
			last->n += ids.n;
			continue;
		}
		r = policy_vector_push(&ast->accounts, ids);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
give_all(struct policy_resolver *r, struct pieces *pieces)
{
	time_t start = time(NULL);

	for (size_t i = 0; i < r->ast->subuids.n; i++) {
		struct policy_ast_subuids *subuids = &r->ast->subuids.items[i];
		const struct policy_place *place = &subuids->place;
		int result;

		if (time(NULL) - start > LOOK_UP_SECONDS) {
			note(r->report, place, "looking up the users takes too long",
			     "the ids of this line, and of those behind it, count for themselves");
			return 0;
		}
		if (!subuids->is_id) {
			result = policy_look_up(r, POLICY_ATOM_USER, place->text,
						subuids->name.length, &subuids->ids.owner);
			if (result < 0)
				return result;
		}
		if (subuids->ids.owner == POLICY_NO_ID)
			note(r->report, place, "there is no such user",
			     "the ids of this line count for themselves; take the line out");
		else if (!give(pieces, &subuids->ids))
			note(r->report, place, "another line has these ids, or some of them",
			     "those count as the other's, which comes first");
	}
	return 0;
}

int
policy_resolve_subuids(struct policy_resolver *r)
{
	struct pieces pieces = {0};
	int result = 0;

	if (r->ast->subuids.n == 0)
		return 0;
	result = cut(r->ast, &pieces);
	if (result == 0)
		count_lines(r->ast, &pieces);
	if (result == 0)
		result = give_all(r, &pieces);
	if (result == 0)
		result = join(r->ast, &pieces);
	free(pieces.from);
	free(pieces.owner);
	free(pieces.lines);
	free(pieces.free);
	return result;
}
