/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attributes.h"
#include "follow.h"
#include "held.h"
#include "json.h"
#include "text.h"

static const unsigned opens = POLICY_READ | POLICY_WRITE | POLICY_CREATE;

static const struct type {
	unsigned type;
	const char *name, *kind;
} types[] = {
	{POLICY_TYPE_REG, "reg", "regular file"},
	{POLICY_TYPE_FIFO, "fifo", "FIFO"},
	{POLICY_TYPE_CHR, "chr", "character device"},
	{POLICY_TYPE_BLK, "blk", "block device"},
};

/* The way of a request, as in broker/worker/access.c. */
struct walk {
	const struct ask *ask;
	unsigned verbs;
	char *path; /* as asked, or where links led */
	char *link; /* the first one */
	unsigned n_links;
	bool asks_directory; /* a link says "name/" */
	bool creates;
	struct policy_led led;
	uint32_t from; /* as in struct policy_request */
	struct policy_decision decision;
	const struct policy_options *options; /* NULL: nothing permits it */
};

enum found {
	FOUND_END,   /* so it is, whatever other rules there are */
	FOUND_UNMET, /* another rule may give it */
	FOUND_LINK,  /* which leads to another path */
};

/* Note what is there, for the caller to say why it is refused. */
static struct object *
note(struct object *object, const char *path, const char *kind)
{
	*object = (struct object){.path = cli_format("%s", path), .kind = kind, .refused = true};
	return object;
}

static bool
decide(struct walk *w)
{
	const struct ask *ask = w->ask;
	const struct policy_request request = {.path = w->path,
					       .length = strlen(w->path),
					       .verbs = w->verbs,
					       .day = ask->day,
					       .from = w->from};

	w->decision = (struct policy_decision){.rule = POLICY_NO_RULE};
	if (!ask->unserved)
		policy_decide(ask->rules.image, &ask->identity, &request, &w->decision);
	w->options = w->decision.verdict == POLICY_ALLOW
			     ? policy_rule_options(ask->rules.image, w->decision.rule)
			     : NULL;
	return w->options;
}

/* --- mounts ------------------------------------------------------------------------------- */

/* What the path is on; 0: nobody can tell. */
static uint64_t
mount_of(const char *path)
{
	struct statx status;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) <
		    0 ||
	    !(status.stx_mask & STATX_MNT_ID))
		return 0;
	return status.stx_mnt_id;
}

/* Where rules begin with the same directory as this path's, one with `**` is enough. */
static int
note_recursive(void *context, const struct policy_reach *reach)
{
	const struct walk *w = context;
	size_t n = w->decision.prefix ?: 1;

	return reach->recursive && strlen(reach->directory) == n &&
	       memcmp(reach->directory, w->path, n) == 0;
}

/* The mount that the broker does not leave; 0: it does. */
static uint64_t
bounds_of(struct walk *w)
{
	_cleanup_free_ char *prefix = NULL;

	if (!w->options ||
	    policy_reach(w->ask->rules.image, &w->ask->identity, note_recursive, w) != 0)
		return 0;
	prefix = cli_format("%.*s", w->decision.prefix ?: 1, w->path);
	return mount_of(prefix);
}

static enum found
look_at_mount(const struct walk *w, const char *part, const struct stat *status,
	      struct object *object)
{
	struct policy_rule rule;

	policy_rule_describe(w->ask->rules.image, w->decision.rule, &rule);
	note(object, part, attributes_kind(status->st_mode));
	object->why = cli_format("on another file system than that with which %s:%u begins: the "
				 "broker will not go there (error=EXDEV in its log)",
				 rule.file, rule.line);
	object->remedy = cli_format("write '**' in the pattern, which takes in what is mounted "
				    "below, or a rule that begins with %s",
				    part);
	return FOUND_END;
}

/* --- what a path ends at ------------------------------------------------------------------ */

static struct held
held_of(const struct walk *w, const char *path)
{
	return (struct held){w->ask, w->verbs, w->options, path, w->led};
}

static enum found
look_at_nothing(const struct walk *w, const char *part, bool is_last, struct object *object)
{
	const struct held held = held_of(w, part);
	struct unmet unmet = {0};

	if (errno != ENOENT)
		return FOUND_END;
	if (!is_last || !w->creates) {
		note(object, part, "missing")->refused = false;
		return FOUND_END;
	}
	if (!w->options || held_create(&held, &unmet))
		return FOUND_END;
	note(object, part, "missing");
	object->condition = unmet.condition;
	object->remedy = unmet.remedy;
	return FOUND_UNMET;
}

static char *
list_command(const struct walk *w)
{
	_cleanup_free_ char *who = cli_shell_word(w->ask->who_text),
			    *path = cli_shell_word(w->path);

	return cli_format("the verb for it is list: %s %s list %s", w->ask->command, who, path);
}

/* Of what is to be opened. */
static bool
type_holds(const struct walk *w, unsigned type)
{
	return type & (w->options ? w->options->types : (unsigned)POLICY_TYPE_REG);
}

static enum found
look_at_end(const struct walk *w, const struct stat *status, struct object *object)
{
	unsigned type = policy_type_of(status->st_mode);
	const struct held held = held_of(w, w->path);
	struct unmet unmet = {0};
	const char *name;

	note(object, w->path, attributes_kind(status->st_mode));
	if (w->verbs & opens && S_ISDIR(status->st_mode)) {
		object->remedy = list_command(w);
		return FOUND_END;
	}
	if (w->asks_directory && !S_ISDIR(status->st_mode)) {
		object->why = cli_format("no directory, as the link to it says that it is: the "
					 "broker will not give it (error=ENOTDIR in its log)");
		return FOUND_END;
	}
	if (w->verbs & opens && !type_holds(w, type)) {
		name = object_type(object);
		object->remedy = name ? cli_format("to give it, a rule needs 'type=%s'", name)
				      : cli_format("no rule can give one");
		return FOUND_UNMET;
	}
	if (!w->options || held_object(&held, status, &unmet)) {
		object_clear(object);
		return FOUND_END;
	}
	object->condition = unmet.condition;
	object->remedy = unmet.remedy;
	return FOUND_UNMET;
}

/* --- links -------------------------------------------------------------------------------- */

/* Go where it leads, if the broker would. */
static enum found
go_on(struct walk *w, const char *part, const struct stat *status, struct object *object)
{
	const struct held held = held_of(w, part);
	struct unmet unmet = {0};
	enum policy_link_end asks;
	struct policy_led led;
	char *next;

	object->denied = true;
	if (w->n_links == FOLLOW_LINKS_MAX) {
		object->why = cli_format("one more symbolic link, and they lead in a circle or are "
					 "more than %d: the broker will not follow it "
					 "(error=ELOOP in its log)",
					 FOLLOW_LINKS_MAX);
		return FOUND_END;
	}
	if (!held_link(&held, status, &led, &unmet)) {
		object->condition = unmet.condition;
		object->remedy = unmet.remedy;
		return FOUND_UNMET;
	}
	next = follow(w->path, strlen(part), &asks);
	if (!next && errno == ELOOP)
		object->why = cli_format("a symbolic link that has '..' behind a name, or leads to "
					 "no path: the broker will not follow it "
					 "(error=ELOOP in its log)");
	else
		object_clear(object);
	if (!next)
		return FOUND_END;
	if (!w->link)
		w->link = cli_format("%s", part);
	free(w->path);
	w->path = next;
	w->asks_directory |= asks != POLICY_LINK_ANY;
	w->creates &= asks != POLICY_LINK_INSIDE;
	w->led = led;
	w->n_links++;
	w->from = 0;
	return FOUND_LINK;
}

static enum found
look_at_link(struct walk *w, const char *part, const struct stat *status, struct object *object)
{
	note(object, part, "symbolic link");
	object->real = follow_really(w->path);
	if (!w->options)
		return FOUND_END;
	if (strlen(part) <= w->decision.prefix) {
		struct policy_rule rule;

		policy_rule_describe(w->ask->rules.image, w->decision.rule, &rule);
		object->why = cli_format("a symbolic link, with which %s:%u begins: the broker "
					 "follows none there (error=ENOENT in its log)",
					 rule.file, rule.line);
		object->remedy = cli_format("write the real path in the rule: fdbroker check shows "
					    "it");
		return FOUND_END;
	}
	if (!w->options->symlinks_beneath)
		return FOUND_UNMET;
	return go_on(w, part, status, object);
}

/* --- the way ------------------------------------------------------------------------------ */

/* By one rule. */
static enum found
look(struct walk *w, struct object *object)
{
	_cleanup_free_ char *part = cli_format("%s", w->path);
	uint64_t bounds = bounds_of(w);
	size_t at = 0;

	do {
		struct stat status;

		at += 1 + strcspn(w->path + at + 1, "/");
		part[at] = '\0';
		if (lstat(part, &status) < 0)
			return look_at_nothing(w, part, !w->path[at], object);
		if (bounds != 0 && at > w->decision.prefix && mount_of(part) != bounds)
			return look_at_mount(w, part, &status, object);
		if (S_ISLNK(status.st_mode))
			return look_at_link(w, part, &status, object);
		if (!w->path[at])
			return look_at_end(w, &status, object);
		part[at] = w->path[at];
	} while (true);
}

/* The policy says no, before any rule was tried. */
static void
look_denied(struct walk *w, struct object *object)
{
	_cleanup_free_ char *who = cli_shell_word(w->ask->who_text),
			    *path = cli_shell_word(w->path);
	char verbs[POLICY_VERBS_TEXT_MAX];

	if (w->n_links == 0) {
		(void)look(w, object);
		return;
	}
	policy_verbs_text(w->verbs, verbs);
	object->refused = true;
	if (w->decision.rule == POLICY_NO_RULE) {
		object->why = cli_format("where no rule allows %s", verbs);
	} else {
		struct policy_rule rule;

		policy_rule_describe(w->ask->rules.image, w->decision.rule, &rule);
		object->why = cli_format("where %s:%u denies %s", rule.file, rule.line, verbs);
	}
	object->remedy =
		cli_format("ask about that: %s %s %s %s", w->ask->command, who, verbs, path);
}

/* The first is kept, but for one that only is of another type. */
static void
keep(struct object *first, struct object *found)
{
	if ((first->path && first->condition) || (first->path && !found->condition)) {
		object_clear(found);
		return;
	}
	object_clear(first);
	*first = *found;
	*found = (struct object){0};
}

void
object_look(const struct ask *ask, unsigned verbs, struct object *ret_object)
{
	struct walk w = {.ask = ask,
			 .verbs = verbs,
			 .path = cli_format("%s", ask->path),
			 .creates = verbs & POLICY_CREATE};
	struct object first = {0}, object = {0};
	enum found found = FOUND_LINK;

	while (found != FOUND_END && decide(&w)) {
		found = look(&w, &object);
		if (found == FOUND_LINK)
			object_clear(&first);
		if (found != FOUND_UNMET)
			continue;
		keep(&first, &object);
		w.from = w.decision.next;
	}
	if (found == FOUND_LINK)
		look_denied(&w, &object);
	else if (found == FOUND_UNMET)
		keep(&object, &first);
	object_clear(&first);
	object.denied |= object.refused && w.n_links > 0;
	object.link = w.link;
	object.leads = w.link ? cli_format("%s", w.path) : NULL;
	free(w.path);
	*ret_object = object;
}

void
object_clear(struct object *object)
{
	free(object->path);
	free(object->link);
	free(object->leads);
	free(object->real);
	free(object->condition);
	free(object->why);
	free(object->remedy);
	*object = (struct object){0};
}

/* --- in words ----------------------------------------------------------------------------- */

const char *
object_type(const struct object *object)
{
	for (size_t i = 0; object->path && i < ELEMENTS(types); i++)
		if (strcmp(object->kind, types[i].kind) == 0)
			return types[i].name;
	return NULL;
}

static char *
end_text(const struct object *object)
{
	bool is_missing = strcmp(object->kind, "missing") == 0;
	bool is_link = strcmp(object->kind, "symbolic link") == 0;

	if (object->condition)
		return cli_format("%s: the broker will not %s it, as its log would say: %s",
				  object->path,
				  is_missing ? "create"
				  : is_link  ? "follow"
					     : "give",
				  object->condition);
	if (object->why)
		return cli_format("%s is %s", object->path, object->why);
	if (is_missing)
		return cli_format("%s does not exist", object->path);
	if (strcmp(object->kind, "directory") == 0)
		return cli_format("%s is a directory: directories are listed, not opened",
				  object->path);
	return cli_format("%s is a %s: the broker will not give it", object->path, object->kind);
}

char *
object_text(const struct object *object)
{
	_cleanup_free_ char *end = object->path ? end_text(object) : NULL;

	if (!object->link)
		return end ? cli_format("%s", end) : NULL;
	return cli_format("%s is a symbolic link and leads to %s%s%s", object->link, object->leads,
			  end           ? "; "
			  : object->why ? ", "
					: "",
			  end           ? end
			  : object->why ? object->why
					: "");
}

char *
object_advice(const struct object *object)
{
	_cleanup_free_ char *real =
		object->real && object->refused
			? cli_format("the real path to ask for is %s", object->real)
			: NULL;

	if (!real && !object->remedy)
		return NULL;
	return cli_format("%s%s%s", real ?: "", real && object->remedy ? "; " : "",
			  object->remedy ?: "");
}

json_t *
object_json(const struct object *object)
{
	_cleanup_free_ char *text = object_text(object);
	json_t *value = cli_json_object();

	if (!text) {
		json_decref(value);
		return cli_json_null();
	}
	cli_json_put(value, "path", cli_json_text(object->path ?: object->link));
	cli_json_put(value, "kind", cli_json_text(object->path ? object->kind : "symbolic link"));
	cli_json_put(value, "real", cli_json_text(object->real));
	cli_json_put(value, "leads", cli_json_text(object->leads));
	cli_json_put(value, "condition", cli_json_text(object->condition));
	cli_json_put(value, "refused", cli_json_bool(object->refused));
	cli_json_put(value, "text", cli_json_text(text));
	cli_json_put(value, "remedy", cli_json_text(object->remedy));
	return value;
}
