/* SPDX-License-Identifier: MIT */
/* What subjects stand for. */
#include "resolve.h"

enum state {
	NEW = 0,
	OPEN, /* what it is made of is being looked at */
	DONE,
};

struct policy_subject_state {
	enum state state;
	bool denied;    /* a deny uses it */
	uint32_t depth; /* with OPEN: its place in the way from the first */
	uint32_t next;  /* with OPEN: the atom that comes next */
	struct policy_who who;
};

static const struct policy_source *
source_of(const struct policy_resolver *r, const struct policy_ast_subject *subject)
{
	return &r->report->sources[subject->place.source];
}

/* All atoms of a definition, which lie side by side. */
static struct policy_range
atoms_of(const struct policy_ast *ast, struct policy_range who)
{
	const struct policy_ast_conjunction *first, *last;

	if (who.n == 0)
		return (struct policy_range){0};
	first = &ast->conjunctions.items[who.first];
	last = first + who.n - 1;
	return (struct policy_range){first->atoms.first,
				     last->atoms.first + last->atoms.n - first->atoms.first};
}

static struct policy_scene
scene_of(const struct policy_resolver *r, uint32_t i)
{
	const struct policy_ast_subject *subject = &r->ast->subjects.items[i];

	return (struct policy_scene){&subject->place, subject->name, i + 1};
}

static int
index_names(struct policy_resolver *r)
{
	for (uint32_t i = 0; i < r->ast->subjects.n; i++) {
		const struct policy_ast_subject *subject = &r->ast->subjects.items[i], *first;
		uint32_t name;
		int result;

		result = policy_intern(&r->subject_names, subject->place.text + subject->name.at,
				       subject->name.length, &name);
		if (result == 0 && name == r->subject_of.n) {
			result = policy_vector_push(&r->subject_of, i);
		} else if (result == 0) {
			first = &r->ast->subjects.items[r->subject_of.items[name]];
			policy_report_add(r->report, POLICY_CODE_SUBJECT_TWICE, &subject->place,
					  subject->name, NULL,
					  "the first is at %s:%u; give one of them another name, "
					  "or join them with '|'",
					  source_of(r, first)->name, first->place.line);
		}
		if (result < 0)
			return result;
	}
	return 0;
}

/* atom: where the way that began at subject `first` comes back to it. */
static void
report_cycle(struct policy_resolver *r, const uint32_t *way, uint32_t n, uint32_t in, uint32_t atom)
{
	const struct policy_ast_subject *subject = &r->ast->subjects.items[in];
	char text[512];
	int at = 0;

	for (uint32_t i = 0; i < n && i < 6; i++) {
		const struct policy_ast_subject *step = &r->ast->subjects.items[way[i]];

		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s'%.*s'",
			       i ? " is made of " : "", (int)step->name.length,
			       step->place.text + step->name.at);
	}
	policy_report_add(r->report, POLICY_CODE_SUBJECT_CYCLE, &subject->place,
			  r->ast->atoms.items[atom].span, NULL, "%s%s: leave one of them out", text,
			  n > 6    ? " and so on"
			  : n == 1 ? " is made of itself"
				   : ", and that of the first again");
}

/* Put the subjects that `start` is made of, and it, into r->order from *at on. */
static void
put_in_order(struct policy_resolver *r, uint32_t start, uint32_t *way, uint32_t *at)
{
	uint32_t depth = 0;

	if (r->subjects[start].state != NEW)
		return;
	way[depth++] = start;
	r->subjects[start].state = OPEN;
	while (depth > 0) {
		uint32_t i = way[depth - 1];
		struct policy_subject_state *s = &r->subjects[i];
		struct policy_range atoms = atoms_of(r->ast, r->ast->subjects.items[i].who);
		const struct policy_ast_atom *atom;
		struct policy_subject_state *other;

		if (s->next == atoms.n) {
			s->state = DONE;
			r->order[(*at)++] = i;
			depth--;
			continue;
		}
		atom = &r->ast->atoms.items[atoms.first + s->next++];
		if (atom->kind != POLICY_ATOM_SUBJECT || atom->id == POLICY_NO_ID)
			continue;
		other = &r->subjects[atom->id];
		if (other->state == NEW) {
			other->state = OPEN;
			other->depth = depth;
			way[depth++] = atom->id;
		} else if (other->state == OPEN) {
			report_cycle(r, way + other->depth, depth - other->depth, i,
				     atoms.first + s->next - 1);
			s->who.bad = true;
		}
	}
}

int
policy_resolve_subjects(struct policy_resolver *r)
{
	size_t n = r->ast->subjects.n;
	_cleanup_free_ uint32_t *way = calloc(n + 1, sizeof(*way));
	uint32_t at = 0;
	int result;

	r->subjects = calloc(n + 1, sizeof(*r->subjects));
	r->order = calloc(n + 1, sizeof(*r->order));
	if (!way || !r->subjects || !r->order)
		return -ENOMEM;
	result = index_names(r);
	for (size_t i = 0; result == 0 && i < n; i++)
		result = policy_resolve_atoms(r, &r->ast->subjects.items[i].place,
					      r->ast->subjects.items[i].who, 0, NULL);
	for (uint32_t i = 0; result == 0 && i < n; i++)
		put_in_order(r, i, way, &at);
	return result;
}

void
policy_subject_denied(struct policy_resolver *r, uint32_t subject)
{
	r->subjects[subject].denied = true;
}

/* Names are unknown once, where they are written, however many rules use the subject. */
static void
report_all_unknown(struct policy_resolver *r)
{
	for (size_t k = r->ast->subjects.n; k-- > 0;) {
		uint32_t i = r->order[k];
		struct policy_range atoms = atoms_of(r->ast, r->ast->subjects.items[i].who);

		for (uint32_t a = atoms.first; a < atoms.first + atoms.n; a++) {
			const struct policy_ast_atom *atom = &r->ast->atoms.items[a];

			if (atom->kind == POLICY_ATOM_SUBJECT) {
				if (atom->id != POLICY_NO_ID && r->subjects[i].denied)
					r->subjects[atom->id].denied = true;
			} else if (atom->id == POLICY_NO_ID) {
				policy_report_unknown(
					r, &r->ast->subjects.items[i].place, atom,
					r->subjects[i].denied ? POLICY_CODE_UNKNOWN_DENIED
							      : POLICY_CODE_UNKNOWN_ALLOWED,
					r->subjects[i].denied ? "; a deny uses this subject" : "");
			}
		}
	}
}

static int
too_large(struct policy_resolver *r, const struct policy_scene *scene, struct policy_who *who)
{
	if (r->expanded != SIZE_MAX)
		policy_report_add(r->report, POLICY_CODE_TOO_LARGE, scene->place, scene->whole,
				  "its subjects stand for more than 4194304 peers, over all rules",
				  "put what rules have in common into one subject");
	r->expanded = SIZE_MAX;
	who->bad = true;
	return 0;
}

static void
report_limit(struct policy_resolver *r, const struct policy_scene *scene, bool atoms)
{
	policy_report_add(r->report, POLICY_CODE_WHO_LIMIT, scene->place, scene->whole,
			  atoms ? "more than 65536 parts" : "more than 4096 alternatives",
			  "name a group instead, or write more than one rule");
}

/* How many conjunctions a conjunction becomes, at most one more than are allowed. 0: reported. */
static size_t
count_product(const struct policy_resolver *r, const struct policy_ast_conjunction *c)
{
	size_t product = 1;

	for (uint32_t a = 0; a < c->atoms.n; a++) {
		const struct policy_ast_atom *atom = &r->ast->atoms.items[c->atoms.first + a];

		if (atom->kind != POLICY_ATOM_SUBJECT)
			continue;
		if (atom->id == POLICY_NO_ID || r->subjects[atom->id].who.bad)
			return 0;
		product *= r->subjects[atom->id].who.range.n;
		if (product > POLICY_WHO_CONJUNCTIONS_MAX)
			product = POLICY_WHO_CONJUNCTIONS_MAX + 1;
	}
	return product;
}

/* Combination number k of what the subjects in conjunction `from` stand for. */
static int
push_combination(struct policy_resolver *r, uint32_t from, size_t k)
{
	struct policy_ast *ast = r->ast;
	struct policy_ast_conjunction c = ast->conjunctions.items[from], made = {.inert = c.inert};
	int result = 0;

	made.atoms.first = (uint32_t)ast->atoms.n;
	for (uint32_t a = 0; a < c.atoms.n && result == 0; a++) {
		struct policy_ast_atom atom = ast->atoms.items[c.atoms.first + a];
		const struct policy_ast_conjunction *of;
		struct policy_range who;

		if (atom.kind != POLICY_ATOM_SUBJECT) {
			result = policy_vector_push(&ast->atoms, atom);
			continue;
		}
		who = r->subjects[atom.id].who.range;
		of = &ast->conjunctions.items[who.first + k % who.n];
		k /= who.n;
		made.inert |= of->inert;
		if (c.atoms.n == 1) {
			made.atoms = of->atoms;
			return policy_vector_push(&ast->conjunctions, made);
		}
		result = policy_vector_reserve(&ast->atoms, of->atoms.n);
		if (result < 0)
			break;
		memcpy(ast->atoms.items + ast->atoms.n, ast->atoms.items + of->atoms.first,
		       of->atoms.n * sizeof(atom));
		ast->atoms.n += of->atoms.n;
		if (ast->atoms.n - made.atoms.first > POLICY_WHO_ATOMS_MAX)
			return -E2BIG;
	}
	if (result < 0)
		return result;
	made.atoms.n = (uint32_t)ast->atoms.n - made.atoms.first;
	return policy_vector_push(&ast->conjunctions, made);
}

/* -E2BIG: the atoms are too many; what was made of them is left to be thrown away. */
static int
push_combinations(struct policy_resolver *r, struct policy_range raw)
{
	size_t atoms = r->ast->atoms.n;

	for (uint32_t i = raw.first; i < raw.first + raw.n; i++) {
		size_t product = count_product(r, &r->ast->conjunctions.items[i]);

		for (size_t k = 0; k < product; k++) {
			int result = push_combination(r, i, k);

			if (result < 0)
				return result;
			if (r->ast->atoms.n - atoms > POLICY_WHO_ATOMS_MAX)
				return -E2BIG;
		}
	}
	return 0;
}

/* raw: conjunctions that may name subjects. */
static int
expand(struct policy_resolver *r, const struct policy_scene *scene, struct policy_range raw,
       struct policy_who *who)
{
	struct policy_ast *ast = r->ast;
	struct policy_range atoms = atoms_of(ast, raw);
	const struct policy_ast_atom *only = &ast->atoms.items[atoms.first];
	size_t n_conjunctions = ast->conjunctions.n, n_atoms = ast->atoms.n, total = 0;
	bool plain = true;
	int result;

	if (atoms.n == 1 && only->kind == POLICY_ATOM_SUBJECT) {
		who->bad = only->id == POLICY_NO_ID;
		if (!who->bad)
			*who = r->subjects[only->id].who;
		return 0;
	}
	for (uint32_t a = 0; plain && a < atoms.n; a++)
		plain = only[a].kind != POLICY_ATOM_SUBJECT;
	for (uint32_t i = 0; i < raw.n; i++) {
		size_t product =
			plain ? 1 : count_product(r, &ast->conjunctions.items[raw.first + i]);

		if (product == 0) {
			who->bad = true;
			return 0;
		}
		total += product;
	}
	if (total > POLICY_WHO_CONJUNCTIONS_MAX) {
		report_limit(r, scene, false);
		who->bad = true;
		return 0;
	}
	who->range = raw;
	if (!plain) {
		if (r->expanded > POLICY_EXPANDED_MAX)
			return too_large(r, scene, who);
		result = push_combinations(r, raw);
		r->expanded += total + (ast->atoms.n - n_atoms);
		if (result == -E2BIG) {
			ast->conjunctions.n = n_conjunctions;
			ast->atoms.n = n_atoms;
			report_limit(r, scene, true);
			who->bad = true;
			return 0;
		}
		if (result < 0)
			return result;
		who->range = (struct policy_range){(uint32_t)n_conjunctions, (uint32_t)total};
	}
	policy_look_at_who(ast, who);
	return 0;
}

int
policy_expand_subjects(struct policy_resolver *r)
{
	report_all_unknown(r);
	for (size_t k = 0; k < r->ast->subjects.n; k++) {
		uint32_t i = r->order[k];
		struct policy_who *who = &r->subjects[i].who;
		struct policy_range raw = r->ast->subjects.items[i].who;
		struct policy_scene scene = scene_of(r, i);
		int result;

		who->bad |= raw.n == 0;
		if (who->bad)
			continue;
		result = expand(r, &scene, raw, who);
		if (result < 0)
			return result;
		if (!who->bad && who->twice != POLICY_NO_ATOM) {
			policy_report_twice(r, &scene, who);
			who->bad = true;
		}
	}
	return 0;
}

int
policy_expand_who(struct policy_resolver *r, const struct policy_ast_rule *rule,
		  struct policy_who *ret_who)
{
	const struct policy_scene scene = {&rule->place, rule->who_span, 0};
	struct policy_range atoms = atoms_of(r->ast, rule->who);
	struct policy_who who = {0};
	bool shared = false;
	uint32_t text;
	int result;

	for (uint32_t a = 0; atoms.n > 1 && !shared && a < atoms.n; a++)
		shared = r->ast->atoms.items[atoms.first + a].kind == POLICY_ATOM_SUBJECT;
	if (!shared) {
		result = expand(r, &scene, rule->who, &who);
		if (result == 0)
			*ret_who = who;
		return result;
	}
	result = policy_intern(&r->who_texts, rule->place.text + rule->who_span.at,
			       rule->who_span.length, &text);
	if (result == 0 && text == r->whos.n) {
		result = expand(r, &scene, rule->who, &who);
		if (result == 0)
			result = policy_vector_push(&r->whos, who);
	}
	if (result == 0)
		*ret_who = r->whos.items[text];
	return result;
}

void
policy_subjects_free(struct policy_resolver *r)
{
	free(r->subjects);
	free(r->order);
	policy_intern_free(&r->subject_names);
	policy_vector_free(&r->subject_of);
	policy_intern_free(&r->who_texts);
	policy_vector_free(&r->whos);
}
