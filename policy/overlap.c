/* SPDX-License-Identifier: MIT */
#include "overlap.h"

#include <string.h>

#include "intern.h"

enum {
	STATES_MAX = 4096, /* between names, and within a name */
	QUERY_STEPS = 1 << 20,
	NO_PARENT = UINT32_MAX,
};

/* How a name begins: not each is one, and wildcards may skip those with a dot. */
enum beginning {
	BEGINS_EMPTY,
	BEGINS_DOT,
	BEGINS_DOT_DOT,
	BEGINS_HIDDEN,
	BEGINS_PLAIN,
};

/* A component that is read now. */
struct lane {
	const struct policy_overlap_member *member;
	const struct policy_part *part;
	uint32_t state; /* of the component, among those of all members */
	uint32_t at;    /* of its words */
};

/* How a state between names was come to. */
struct path_trail {
	uint32_t parent;
	uint32_t depth;
	uint32_t name; /* in names */
	uint32_t length;
};

struct name_trail {
	uint32_t parent;
	uint32_t symbol;
};

struct search {
	struct policy_overlap *overlap;
	unsigned needed; /* set of roles */
	bool variables;
	int64_t steps; /* of this search */
	uint32_t words;
	struct policy_intern states; /* between names: a bit for each component of each member */
	POLICY_VECTOR(struct path_trail) trail;
	POLICY_VECTOR(char) names;
	uint64_t *here, *next;

	/* While the names that follow one state are looked for. */
	uint32_t from;
	POLICY_VECTOR(struct lane) lanes;
	uint32_t lane_words;
	struct policy_intern name_states; /* enum beginning, then the states of the lanes */
	POLICY_VECTOR(struct name_trail) name_trail;
	POLICY_VECTOR(uint64_t) name_here;
	POLICY_VECTOR(uint64_t) name_next;
	unsigned symbols[POLICY_SYMBOLS_N];
	size_t n_symbols;

	bool done;
	enum policy_overlap_result result;
};

static bool
has(const uint64_t *states, uint32_t state)
{
	return states[state / 64] >> (state % 64) & 1;
}

static void
set(uint64_t *states, uint32_t state)
{
	states[state / 64] |= UINT64_C(1) << (state % 64);
}

static void
finish(struct search *s, enum policy_overlap_result result)
{
	if (!s->done)
		s->result = result;
	s->done = true;
}

static void
count(struct search *s, int64_t steps)
{
	s->steps -= steps;
	if (s->steps < 0)
		finish(s, POLICY_OVERLAP_UNKNOWN);
}

int
policy_overlap_add(struct policy_overlap *overlap, const struct policy_automaton *automaton,
		   unsigned role, unsigned reading)
{
	return policy_vector_push(&overlap->members,
				  (struct policy_overlap_member){automaton, role, reading, 0});
}

/* --- the path that was found ------------------------------------------------------------- */

static void
write_path(struct search *s, uint32_t state)
{
	struct policy_overlap *o = s->overlap;
	size_t at = 0;

	for (uint32_t i = state; s->trail.items[i].parent != NO_PARENT;
	     i = s->trail.items[i].parent)
		at += s->trail.items[i].length + 1;
	if (at > POLICY_PATH_MAX) {
		finish(s, POLICY_OVERLAP_UNKNOWN);
		return;
	}
	o->length = at ? at : 1;
	o->path[0] = '/';
	for (uint32_t i = state; s->trail.items[i].parent != NO_PARENT;
	     i = s->trail.items[i].parent) {
		const struct path_trail *t = &s->trail.items[i];

		at -= t->length + 1;
		o->path[at] = '/';
		memcpy(o->path + at + 1, s->names.items + t->name, t->length);
	}
	finish(s, POLICY_OVERLAP_FOUND);
}

static bool
is_wanted(const struct search *s, const uint64_t *states)
{
	uint64_t roles = 0;

	for (size_t i = 0; i < s->overlap->members.n; i++) {
		const struct policy_overlap_member *m = &s->overlap->members.items[i];

		if (has(states, m->base + m->automaton->n))
			roles |= UINT64_C(1) << m->role;
	}
	if ((roles & s->needed) != s->needed || (roles >> POLICY_ROLE_NOT & 1))
		return false;
	for (unsigned pair = 0; pair < POLICY_PAIRS_MAX; pair++)
		if ((roles >> POLICY_ROLE_TARGET(pair) & 1) &&
		    !(roles >> POLICY_ROLE_EXCEPT(pair) & 1))
			return false;
	return true;
}

/* --- between names ----------------------------------------------------------------------- */

/* s->next is a state; parent, or a longer way to it, is dropped when it is known. */
static int
arrive(struct search *s, uint32_t parent, const char *name, size_t length)
{
	struct path_trail trail = {parent, 0, (uint32_t)s->names.n, (uint32_t)length};
	unsigned alive = 0;
	uint32_t id;
	int r;

	for (size_t i = 0; i < s->overlap->members.n; i++) {
		const struct policy_overlap_member *m = &s->overlap->members.items[i];

		for (uint32_t c = 0; c <= m->automaton->n; c++) {
			if (!has(s->next, m->base + c))
				continue;
			alive |= m->role <= POLICY_ROLE_SECOND ? 1u << m->role : 0;
			if (c < m->automaton->n && m->automaton->parts[c].globstar)
				set(s->next, m->base + c + 1);
		}
		count(s, 1 + m->automaton->n / 8);
	}
	if ((alive & s->needed) != s->needed)
		return 0;
	r = policy_intern(&s->states, s->next, s->words * sizeof(uint64_t), &id);
	if (r < 0)
		return r;
	if (id < s->trail.n)
		return 0;
	if (parent != NO_PARENT)
		trail.depth = s->trail.items[parent].depth + 1;
	if (id == STATES_MAX) {
		finish(s, POLICY_OVERLAP_UNKNOWN);
		return 0;
	}
	r = policy_vector_reserve(&s->names, length);
	if (r == 0)
		r = policy_vector_push(&s->trail, trail);
	if (r < 0)
		return r;
	if (length > 0)
		memcpy(s->names.items + s->names.n, name, length);
	s->names.n += length;
	if (!s->done && is_wanted(s, s->next))
		write_path(s, id);
	return 0;
}

/* --- within a name ----------------------------------------------------------------------- */

/* The name that ends in this state, from its end; 0: it is too long. */
static size_t
name_text(const struct search *s, uint32_t state, char name[POLICY_NAME_MAX_BYTES])
{
	size_t at = POLICY_NAME_MAX_BYTES;

	for (; s->name_trail.items[state].parent != NO_PARENT;
	     state = s->name_trail.items[state].parent) {
		unsigned symbol = s->name_trail.items[state].symbol;
		const char *text;
		size_t length = policy_symbol_text(symbol, &text).length;

		if (length > at)
			return 0;
		at -= length;
		if (text)
			memcpy(name + at, text, length);
		else
			name[at] = (char)symbol;
	}
	return POLICY_NAME_MAX_BYTES - at;
}

/* A name may end here. */
static int
end_name(struct search *s, uint32_t state, enum beginning beginning, const uint64_t *states)
{
	char name[POLICY_NAME_MAX_BYTES];
	size_t length;

	memset(s->next, 0, s->words * sizeof(uint64_t));
	for (size_t i = 0; i < s->overlap->members.n; i++) {
		const struct policy_overlap_member *m = &s->overlap->members.items[i];

		if (!(m->reading & POLICY_READING_DOTS) && beginning != BEGINS_PLAIN)
			continue;
		for (uint32_t c = 0; c < m->automaton->n; c++)
			if (m->automaton->parts[c].globstar && has(s->here, m->base + c))
				set(s->next, m->base + c);
	}
	for (size_t i = 0; i < s->lanes.n; i++) {
		const struct lane *lane = &s->lanes.items[i];

		if (policy_part_ends(lane->part, states + lane->at))
			set(s->next, lane->state + 1);
	}
	length = name_text(s, state, name);
	if (length == 0) {
		finish(s, POLICY_OVERLAP_UNKNOWN);
		return 0;
	}
	return arrive(s, s->from, name + POLICY_NAME_MAX_BYTES - length, length);
}

/* Can what is read become a name that each needed role takes? */
static bool
is_alive(const struct search *s, const uint64_t *states, enum beginning beginning)
{
	unsigned alive = 0;

	for (size_t i = 0; i < s->overlap->members.n; i++) {
		const struct policy_overlap_member *m = &s->overlap->members.items[i];
		bool skips = !(m->reading & POLICY_READING_DOTS) &&
			     (beginning != BEGINS_PLAIN && beginning != BEGINS_EMPTY);

		if (m->role > POLICY_ROLE_SECOND || skips)
			continue;
		for (uint32_t c = 0; c < m->automaton->n; c++)
			if (m->automaton->parts[c].globstar && has(s->here, m->base + c))
				alive |= 1u << m->role;
	}
	for (size_t i = 0; i < s->lanes.n; i++) {
		const struct lane *lane = &s->lanes.items[i];

		if (lane->member->role > POLICY_ROLE_SECOND)
			continue;
		for (uint32_t word = 0; word < policy_part_words(lane->part); word++)
			if (states[lane->at + word] != 0)
				alive |= 1u << lane->member->role;
	}
	return (alive & s->needed) == s->needed;
}

static enum beginning
begin(enum beginning beginning, unsigned symbol)
{
	switch (beginning) {
	case BEGINS_EMPTY:
		return symbol == '.'                      ? BEGINS_DOT
		       : symbol == POLICY_SYMBOL_USER_DOT ? BEGINS_HIDDEN
							  : BEGINS_PLAIN;
	case BEGINS_DOT:
		return symbol == '.' ? BEGINS_DOT_DOT : BEGINS_HIDDEN;
	case BEGINS_DOT_DOT:
		return BEGINS_HIDDEN;
	default:
		return beginning;
	}
}

/* s->name_next is a state within a name: its first word is how the name begins. */
static int
add_name_state(struct search *s, uint32_t parent, unsigned symbol)
{
	uint32_t id;
	int r;

	r = policy_intern(&s->name_states, s->name_next.items,
			  (1 + s->lane_words) * sizeof(uint64_t), &id);
	if (r < 0 || id < s->name_trail.n)
		return r;
	if (id == STATES_MAX)
		finish(s, POLICY_OVERLAP_UNKNOWN);
	return policy_vector_push(&s->name_trail, (struct name_trail){parent, symbol});
}

static int
read_symbol(struct search *s, uint32_t state, unsigned symbol)
{
	uint64_t *here = s->name_here.items, *next = s->name_next.items;
	enum beginning beginning = begin((enum beginning)here[0], symbol);

	next[0] = beginning;
	for (size_t i = 0; i < s->lanes.n; i++) {
		const struct lane *lane = &s->lanes.items[i];

		policy_part_step(lane->member->automaton, lane->part, lane->member->reading,
				 here + 1 + lane->at, symbol, here[0] == BEGINS_EMPTY,
				 next + 1 + lane->at);
	}
	count(s, 2 + 4 * (int64_t)s->lanes.n + s->lane_words);
	if (!is_alive(s, next + 1, beginning))
		return 0;
	return add_name_state(s, state, symbol);
}

/* Symbols that no lane tells apart are tried once. */
static void
choose_symbols(struct search *s)
{
	struct policy_alphabet alphabet = POLICY_ALPHABET_EMPTY;

	for (size_t i = 0; i < s->lanes.n; i++) {
		const struct lane *lane = &s->lanes.items[i];

		count(s, policy_alphabet_split(&alphabet, lane->member->automaton, lane->part));
	}
	count(s, POLICY_SYMBOLS_N / 4);
	/* A dot in a value cannot be seen, so no path that people are shown has one. */
	s->n_symbols = policy_alphabet_choose(&alphabet, s->variables,
					      !(s->needed >> POLICY_ROLE_SECOND & 1), s->symbols);
}

/* --- the search -------------------------------------------------------------------------- */

static int
start_lanes(struct search *s)
{
	int r;

	s->lanes.n = s->lane_words = 0;
	for (size_t i = 0; i < s->overlap->members.n; i++) {
		const struct policy_overlap_member *m = &s->overlap->members.items[i];

		for (uint32_t c = 0; c < m->automaton->n; c++) {
			const struct policy_part *part = &m->automaton->parts[c];

			if (part->globstar || !has(s->here, m->base + c))
				continue;
			r = policy_vector_push(&s->lanes,
					       (struct lane){m, part, m->base + c, s->lane_words});
			if (r < 0)
				return r;
			s->lane_words += policy_part_words(part);
		}
	}
	s->name_here.n = s->name_next.n = 0;
	r = policy_vector_reserve(&s->name_here, 1 + s->lane_words);
	if (r == 0)
		r = policy_vector_reserve(&s->name_next, 1 + s->lane_words);
	if (r < 0)
		return r;
	s->name_next.items[0] = BEGINS_EMPTY;
	for (size_t i = 0; i < s->lanes.n; i++) {
		const struct lane *lane = &s->lanes.items[i];

		policy_part_start(lane->member->automaton, lane->part, lane->member->reading,
				  s->name_next.items + 1 + lane->at);
	}
	policy_intern_free(&s->name_states);
	s->name_trail.n = 0;
	return add_name_state(s, NO_PARENT, 0);
}

/* All names that can follow s->here. */
static int
expand(struct search *s)
{
	int r = start_lanes(s);

	if (r < 0)
		return r;
	choose_symbols(s);
	for (uint32_t state = 0; state < s->name_trail.n && !s->done; state++) {
		enum beginning beginning;

		memcpy(s->name_here.items,
		       s->name_states.bytes.items + s->name_states.keys.items[state].at,
		       (1 + s->lane_words) * sizeof(uint64_t));
		beginning = (enum beginning)s->name_here.items[0];
		if (beginning == BEGINS_PLAIN || beginning == BEGINS_HIDDEN)
			r = end_name(s, state, beginning, s->name_here.items + 1);
		for (size_t i = 0; r == 0 && i < s->n_symbols && !s->done; i++)
			if (s->symbols[i] != POLICY_SYMBOL_USER_DOT || state == 0)
				r = read_symbol(s, state, s->symbols[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
run(struct search *s)
{
	struct policy_overlap *o = s->overlap;
	uint32_t base = 0;
	int r;

	for (size_t i = 0; i < o->members.n; i++) {
		struct policy_overlap_member *m = &o->members.items[i];

		m->base = base;
		base += m->automaton->n + 1;
		s->variables |= m->automaton->variable;
		if (m->role <= POLICY_ROLE_SECOND)
			s->needed |= 1u << m->role;
	}
	s->words = base / 64 + 1;
	s->here = calloc(s->words, sizeof(uint64_t));
	s->next = calloc(s->words, sizeof(uint64_t));
	if (!s->here || !s->next)
		return -ENOMEM;
	for (size_t i = 0; i < o->members.n; i++)
		set(s->next, o->members.items[i].base);
	r = arrive(s, NO_PARENT, NULL, 0);
	for (s->from = 0; r == 0 && s->from < s->trail.n && !s->done; s->from++) {
		if (s->trail.items[s->from].depth == POLICY_COMPONENTS_MAX)
			break;
		memcpy(s->here, s->states.bytes.items + s->states.keys.items[s->from].at,
		       s->words * sizeof(uint64_t));
		r = expand(s);
	}
	return r;
}

int
policy_overlap_search(struct policy_overlap *overlap, enum policy_overlap_result *ret_result)
{
	int64_t steps = overlap->steps < QUERY_STEPS ? overlap->steps : QUERY_STEPS;
	struct search s = {.overlap = overlap, .steps = steps};
	int r = run(&s);

	overlap->steps -= steps - s.steps;
	policy_intern_free(&s.states);
	policy_intern_free(&s.name_states);
	policy_vector_free(&s.trail);
	policy_vector_free(&s.names);
	policy_vector_free(&s.lanes);
	policy_vector_free(&s.name_trail);
	policy_vector_free(&s.name_here);
	policy_vector_free(&s.name_next);
	free(s.here);
	free(s.next);
	if (r == -EFBIG) {
		s.result = POLICY_OVERLAP_UNKNOWN;
		r = 0;
	}
	if (r == 0)
		*ret_result = s.result;
	return r;
}
