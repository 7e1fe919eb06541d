/* SPDX-License-Identifier: MIT */
#include "automaton.h"

#include <string.h>

#include "util.h"

enum {
	/* A state for each byte, each other piece, and two for each alternative. */
	NODES_MAX = POLICY_PATH_MAX + POLICY_PIECES_MAX + 2 * POLICY_ALTERNATIVES_MAX,
	WORDS_MAX = NODES_MAX / 64 + 1,
	UNPATCHED = UINT32_MAX,
	FILL = '~', /* for a star: likely to be in no other pattern */
};

static const char *const variable_texts[] = {"${user}", "${uid}"};

static void
add_state(uint64_t *states, uint32_t state)
{
	states[state / 64] |= UINT64_C(1) << (state % 64);
}

/* --- making one -------------------------------------------------------------------------- */

struct building {
	const struct policy_pattern *pattern;
	struct policy_automaton *automaton;
	struct policy_node *nodes;
	uint32_t n;
};

static void
push(struct building *b, enum policy_node_kind kind, unsigned what, uint32_t to)
{
	b->nodes[b->n++] = (struct policy_node){(uint16_t)kind, (uint16_t)what, to};
}

static void
push_literal(struct building *b, const struct policy_piece *piece)
{
	for (uint32_t i = 0; i < piece->length; i++)
		push(b, POLICY_NODE_SYMBOL, (unsigned char)b->pattern->bytes[piece->at + i], 0);
}

static void
push_choice(struct building *b, const struct policy_piece *alternatives, uint32_t n, uint32_t first)
{
	uint32_t start = b->n;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t fork = b->n;

		if (i + 1 < n)
			push(b, POLICY_NODE_FORK, 0, 0);
		push_literal(b, &alternatives[i]);
		if (i + 1 == n)
			break;
		push(b, POLICY_NODE_JUMP, 0, UNPATCHED);
		b->nodes[fork].to = b->n - first;
	}
	for (uint32_t i = start; i < b->n; i++)
		if (b->nodes[i].to == UNPATCHED)
			b->nodes[i].to = b->n - first;
}

static void
push_component(struct building *b, const struct policy_component *component,
	       struct policy_part *part)
{
	part->globstar = component->kind == POLICY_COMPONENT_GLOBSTAR;
	part->first = b->n;
	for (uint32_t i = 0; i < component->n; i++) {
		const struct policy_piece *piece = &b->pattern->pieces[component->first + i];

		switch (piece->kind) {
		case POLICY_PIECE_LITERAL:
			push_literal(b, piece);
			break;
		case POLICY_PIECE_STAR:
			push(b, POLICY_NODE_STAR, 0, 0);
			break;
		case POLICY_PIECE_CLASS:
			push(b, POLICY_NODE_CLASS, piece->at, 0);
			break;
		case POLICY_PIECE_CHOICE:
			push_choice(b, piece + 1, piece->length, part->first);
			i += piece->length;
			break;
		case POLICY_PIECE_USER:
		case POLICY_PIECE_UID:
		default:
			b->automaton->variable = true;
			push(b, POLICY_NODE_SYMBOL,
			     piece->kind == POLICY_PIECE_USER ? POLICY_SYMBOL_USER
							      : POLICY_SYMBOL_UID,
			     0);
			break;
		}
	}
	part->n = b->n - part->first;
}

int
policy_automaton_new(const struct policy_pattern *pattern, struct policy_automaton **ret_automaton)
{
	size_t head = sizeof(struct policy_automaton) + pattern->n * sizeof(struct policy_part);
	size_t classes = pattern->n_classes * sizeof(struct policy_class);
	/* Each literal byte is a node, each piece at most two. */
	size_t nodes = pattern->n_bytes + 2 * (size_t)pattern->n_pieces;
	struct building b = {.pattern = pattern};
	struct policy_class *copy;

	head = (head + 7) / 8 * 8;
	b.automaton = malloc(head + classes + nodes * sizeof(struct policy_node));
	if (!b.automaton)
		return -ENOMEM;
	copy = (struct policy_class *)((char *)b.automaton + head);
	if (classes > 0)
		memcpy(copy, pattern->classes, classes);
	b.nodes = (struct policy_node *)(copy + pattern->n_classes);
	b.automaton->n = pattern->n;
	b.automaton->variable = false;
	b.automaton->classes = copy;
	b.automaton->nodes = b.nodes;
	for (uint32_t i = 0; i < pattern->n; i++)
		push_component(&b, &pattern->components[i], &b.automaton->parts[i]);
	*ret_automaton = b.automaton;
	return 0;
}

/* --- reading a name ---------------------------------------------------------------------- */

/* Beside enum policy_reading: a leading dot comes next, and the pattern has to begin with it. */
#define READING_LITERAL (1u << 8)

enum {
	/* All of a pattern may stand in one component. */
	PART_WORDS_MAX = NODES_MAX / 64 + 2,
};

static bool
is_variable(const struct policy_node *node)
{
	return node->kind == POLICY_NODE_SYMBOL && node->what >= POLICY_SYMBOL_USER;
}

/*
 * The states from `state` on that nothing has to be read for. With READING_LITERAL a wildcard
 * that matches nothing is still in the way.
 */
static void
follow(const struct policy_node *node, uint32_t state, unsigned reading, uint64_t *states)
{
	bool skips = node->kind == POLICY_NODE_STAR ||
		     ((reading & POLICY_READING_WIDE) && is_variable(node));

	if (node->kind == POLICY_NODE_FORK || (skips && !(reading & READING_LITERAL)))
		add_state(states, state + 1);
	if (node->kind == POLICY_NODE_FORK || node->kind == POLICY_NODE_JUMP)
		add_state(states, node->to);
}

static void
follow_all(const struct policy_automaton *automaton, const struct policy_part *part,
	   unsigned reading, uint64_t *states)
{
	const struct policy_node *nodes = automaton->nodes + part->first;

	for (uint32_t word = 0; word < policy_part_words(part); word++) {
		/* What this adds lies ahead, perhaps in the same word. */
		for (uint64_t left = states[word]; left != 0;) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left), state = word * 64 + bit;

			if (state < part->n)
				follow(&nodes[state], state, reading, states);
			left = states[word] & (~UINT64_C(0) << bit << 1);
		}
	}
}

void
policy_part_start(const struct policy_automaton *automaton, const struct policy_part *part,
		  unsigned reading, uint64_t *states)
{
	memset(states, 0, policy_part_words(part) * sizeof(*states));
	add_state(states, 0);
	follow_all(automaton, part, reading, states);
}

/* no_dot: the symbol is a leading dot that only a literal takes. */
static bool
takes(const struct policy_automaton *automaton, const struct policy_node *node, unsigned symbol,
      bool no_dot)
{
	switch (node->kind) {
	case POLICY_NODE_SYMBOL:
		return node->what == symbol || (node->what == POLICY_SYMBOL_USER && !no_dot &&
						symbol == POLICY_SYMBOL_USER_DOT);
	case POLICY_NODE_CLASS:
		return symbol < 256 && !no_dot &&
		       policy_class_holds(&automaton->classes[node->what], (unsigned char)symbol);
	case POLICY_NODE_STAR:
		return !no_dot;
	default:
		return false;
	}
}

bool
policy_part_step(const struct policy_automaton *automaton, const struct policy_part *part,
		 unsigned reading, const uint64_t *from, unsigned symbol, bool first, uint64_t *to)
{
	const struct policy_node *nodes = automaton->nodes + part->first;
	bool no_dot = first && !(reading & POLICY_READING_DOTS) &&
		      (symbol == '.' || symbol == POLICY_SYMBOL_USER_DOT);
	bool wide = reading & POLICY_READING_WIDE, any = false;
	uint64_t literal[PART_WORDS_MAX];

	if (no_dot) {
		policy_part_start(automaton, part, reading | READING_LITERAL, literal);
		from = literal;
	}
	memset(to, 0, policy_part_words(part) * sizeof(*to));
	for (uint32_t word = 0; word < policy_part_words(part); word++) {
		for (uint64_t left = from[word]; left != 0; left &= left - 1) {
			uint32_t state = word * 64 + (uint32_t)__builtin_ctzll(left);
			bool stays;

			if (state == part->n)
				continue;
			if (wide && symbol >= POLICY_SYMBOL_USER) {
				/* The value may be all that the rest of the component matches. */
				for (uint32_t i = state; i <= part->n; i++)
					add_state(to, i);
				return true;
			}
			stays = nodes[state].kind == POLICY_NODE_STAR ||
				(wide && is_variable(&nodes[state]));
			if (!stays && !takes(automaton, &nodes[state], symbol, no_dot))
				continue;
			if (stays && no_dot)
				continue;
			add_state(to, stays ? state : state + 1);
			any = true;
		}
	}
	if (any)
		follow_all(automaton, part, reading, to);
	return any;
}

/* --- reading a path ---------------------------------------------------------------------- */

struct policy_span
policy_symbol_text(unsigned symbol, const char **ret_text)
{
	if (symbol >= POLICY_SYMBOL_USER) {
		*ret_text = variable_texts[symbol == POLICY_SYMBOL_UID];
		return (struct policy_span){0, (uint32_t)strlen(*ret_text)};
	}
	*ret_text = NULL;
	return (struct policy_span){0, 1};
}

static unsigned
next_symbol(const char *text, size_t length, size_t *at)
{
	if (text[*at] == '$') {
		for (unsigned i = 0; i < ELEMENTS(variable_texts); i++) {
			size_t n = strlen(variable_texts[i]);

			if (n <= length - *at && memcmp(text + *at, variable_texts[i], n) == 0) {
				*at += n;
				return POLICY_SYMBOL_USER + i;
			}
		}
	}
	return (unsigned char)text[(*at)++];
}

static bool
part_matches(const struct policy_automaton *automaton, const struct policy_part *part,
	     unsigned reading, const char *name, size_t length)
{
	uint64_t states[2][WORDS_MAX];
	unsigned now = 0;

	policy_part_start(automaton, part, reading, states[0]);
	for (size_t at = 0; at < length; now = !now) {
		bool first = at == 0;
		unsigned symbol = next_symbol(name, length, &at);

		if (!policy_part_step(automaton, part, reading, states[now], symbol, first,
				      states[!now]))
			return false;
	}
	return policy_part_ends(part, states[now]);
}

/* What may come next: bit i, part i. Part n is the end. */
struct front {
	uint64_t bits[2];
};

static void
skip_globstars(const struct policy_automaton *automaton, struct front *front)
{
	for (uint32_t i = 0; i < automaton->n; i++)
		if ((front->bits[i / 64] >> (i % 64) & 1) && automaton->parts[i].globstar)
			add_state(front->bits, i + 1);
}

bool
policy_automaton_matches(const struct policy_automaton *automaton, const char *path, size_t length,
			 unsigned reading)
{
	struct front front = {{1, 0}};
	size_t at = 1;

	skip_globstars(automaton, &front);
	while (at < length) {
		const char *slash = memchr(path + at, '/', length - at);
		size_t name = (slash ? (size_t)(slash - path) : length) - at;
		struct front next = {{0}};

		for (uint32_t i = 0; i < automaton->n; i++) {
			const struct policy_part *part = &automaton->parts[i];

			if (!(front.bits[i / 64] >> (i % 64) & 1))
				continue;
			if (part->globstar) {
				if ((reading & POLICY_READING_DOTS) || path[at] != '.')
					add_state(next.bits, i);
			} else if (part_matches(automaton, part, reading, path + at, name)) {
				add_state(next.bits, i + 1);
			}
		}
		if (!(next.bits[0] | next.bits[1]))
			return false;
		skip_globstars(automaton, &next);
		front = next;
		at += name + 1;
	}
	return front.bits[automaton->n / 64] >> (automaton->n % 64) & 1;
}

/* --- symbols ----------------------------------------------------------------------------- */

/* Number the classes of symbols anew, so that this class of bytes parts them. */
static void
refine(struct policy_alphabet *alphabet, const struct policy_class *class)
{
	uint16_t numbers[POLICY_SYMBOLS_N][2] = {{0}}, n = 0;

	for (unsigned symbol = 0; symbol < POLICY_SYMBOLS_N; symbol++) {
		bool in = symbol < 256 && policy_class_holds(class, (unsigned char)symbol);
		uint16_t *number = &numbers[alphabet->classes[symbol]][in];

		if (*number == 0)
			*number = ++n;
		alphabet->classes[symbol] = (uint16_t)(*number - 1);
	}
}

uint32_t
policy_alphabet_split(struct policy_alphabet *alphabet, const struct policy_automaton *automaton,
		      const struct policy_part *part)
{
	uint32_t steps = part->n;

	for (uint32_t i = 0; i < part->n; i++) {
		const struct policy_node *node = &automaton->nodes[part->first + i];

		if (node->kind == POLICY_NODE_SYMBOL)
			alphabet->alone[node->what] = true;
		if (node->kind != POLICY_NODE_CLASS)
			continue;
		refine(alphabet, &automaton->classes[node->what]);
		steps += POLICY_SYMBOLS_N;
	}
	return steps;
}

size_t
policy_alphabet_choose(const struct policy_alphabet *alphabet, bool variables, bool dot_values,
		       unsigned ret_symbols[POLICY_SYMBOLS_N])
{
	/* What looks best in a message comes first. */
	static const struct {
		unsigned first, last;
	} order[] = {{'a', 'z'}, {'0', '9'}, {'A', 'Z'}, {1, '/' - 1}, {'/' + 1, 255}};
	bool seen[POLICY_SYMBOLS_N] = {false}, taken[POLICY_SYMBOLS_N] = {false};
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(order); i++) {
		for (unsigned byte = order[i].first; byte <= order[i].last; byte++) {
			bool alone = alphabet->alone[byte];
			bool *known = alone ? &taken[byte] : &seen[alphabet->classes[byte]];

			if (!*known)
				ret_symbols[n++] = byte;
			*known = true;
		}
	}
	if (variables) {
		ret_symbols[n++] = POLICY_SYMBOL_USER;
		ret_symbols[n++] = POLICY_SYMBOL_UID;
	}
	if (variables && dot_values)
		ret_symbols[n++] = POLICY_SYMBOL_USER_DOT;
	return n;
}

/* --- an example -------------------------------------------------------------------------- */

static unsigned
first_of_class(const struct policy_class *class)
{
	/* Not a dot, if there is something else: wildcards may skip it. */
	for (unsigned byte = 255; byte > 0; byte--)
		if (byte != '.' && byte != '/' && policy_class_holds(class, (unsigned char)byte))
			return byte;
	return '.';
}

/* The first alternatives, and nothing for a star. Returns the length, 0: it is too long. */
static size_t
example_name(const struct policy_automaton *automaton, const struct policy_part *part, char *name,
	     size_t room)
{
	const struct policy_node *nodes = automaton->nodes + part->first;
	size_t n = 0;

	for (uint32_t i = 0; i < part->n;) {
		unsigned symbol = nodes[i].what;
		const char *text = NULL;
		size_t length;

		if (nodes[i].kind == POLICY_NODE_JUMP) {
			i = nodes[i].to;
			continue;
		}
		if (nodes[i].kind == POLICY_NODE_STAR || nodes[i].kind == POLICY_NODE_FORK) {
			i++;
			continue;
		}
		if (nodes[i].kind == POLICY_NODE_CLASS)
			symbol = first_of_class(&automaton->classes[symbol]);
		length = policy_symbol_text(symbol, &text).length;
		if (n + length + 1 > room)
			return 0;
		if (text)
			memcpy(name + n, text, length);
		else
			name[n] = (char)symbol;
		n += length;
		i++;
	}
	/* Nothing, `.` and `..` are no names; whether this is one is for the caller to see. */
	if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
		name[n++] = FILL;
	return n;
}

bool
policy_automaton_example(const struct policy_automaton *automaton, unsigned reading, char *path,
			 size_t *ret_length)
{
	size_t n = 0;

	for (uint32_t i = 0; i < automaton->n; i++) {
		size_t name, room = POLICY_PATH_MAX - n;

		if (automaton->parts[i].globstar)
			continue;
		if (room < 3)
			return false;
		path[n++] = '/';
		name = example_name(automaton, &automaton->parts[i], path + n, room - 1);
		if (name == 0 || name > POLICY_NAME_MAX_BYTES)
			return false;
		n += name;
	}
	if (n == 0)
		path[n++] = '/';
	if (!policy_automaton_matches(automaton, path, n, reading))
		return false;
	*ret_length = n;
	return true;
}
