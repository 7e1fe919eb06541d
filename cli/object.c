/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attributes.h"
#include "held.h"
#include "json.h"
#include "text.h"

enum {
	LINKS_MAX = 40, /* as in the kernel */
};

static const unsigned opens = POLICY_READ | POLICY_WRITE | POLICY_CREATE;

static bool
any_allows(const struct ask *ask, const uint32_t *allows, size_t n, unsigned type)
{
	for (size_t i = 0; i < n; i++) {
		const struct policy_options *options =
			policy_rule_options(ask->rules.image, allows[i]);

		if (type == 0 ? options->symlinks_beneath : options->types & type)
			return true;
	}
	return n == 0 && type == POLICY_TYPE_REG;
}

/* The condition that the first of these rules has and the object does not meet; NULL: one rule will do. */
static char *
unmet_by_all(const struct ask *ask, unsigned verbs, const uint32_t *allows, size_t n,
	     const struct stat *status)
{
	unsigned type = verbs & opens ? policy_type_of(status->st_mode) : 0;
	char *first = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct policy_options *options =
			policy_rule_options(ask->rules.image, allows[i]);
		_cleanup_free_ char *unmet = NULL;

		if (type != 0 && !(options->types & type))
			continue;
		unmet = held_unmet(ask, verbs, options, status);
		if (!unmet) {
			free(first);
			return NULL;
		}
		if (!first) {
			first = unmet;
			unmet = NULL;
		}
	}
	return first;
}

/* What the path ends at. */
static void
look_at_end(const struct ask *ask, unsigned verbs, const uint32_t *allows, size_t n,
	    const struct stat *status, struct object *object)
{
	unsigned type = policy_type_of(status->st_mode);

	if (!(verbs & opens) || (type != 0 && any_allows(ask, allows, n, type))) {
		object->condition = unmet_by_all(ask, verbs, allows, n, status);
		if (!object->condition)
			return;
	}
	object->path = cli_format("%s", ask->path);
	object->kind = attributes_kind(status->st_mode);
	object->refused = true;
}

/* Where a path really leads; what does not exist stays as it is. NULL: nobody can tell. */
static char *
resolve(const char *path)
{
	char *now = cli_format("%s", path);
	size_t at = 0, links = 0;

	while (now[at]) {
		_cleanup_free_ char *part = NULL, *target = NULL, *before = NULL;
		struct stat status;

		at += 1 + strcspn(now + at + 1, "/");
		part = cli_format("%.*s", (int)at, now);
		if (lstat(part, &status) < 0)
			break;
		if (!S_ISLNK(status.st_mode))
			continue;
		before = now;
		target = ++links < LINKS_MAX ? realpath(part, NULL) : NULL;
		if (!target)
			return NULL;
		now = cli_format("%s%s", strcmp(target, "/") == 0 ? "" : target, before + at);
		at = 0;
	}
	return now;
}

void
object_look(const struct ask *ask, unsigned verbs, const uint32_t *allows, size_t n,
	    struct object *ret_object)
{
	_cleanup_free_ char *part = cli_format("%s", ask->path);
	struct object object = {0};
	struct stat status;
	size_t at = 0;

	do {
		at += 1 + strcspn(ask->path + at + 1, "/");
		part[at] = '\0';
		if (lstat(part, &status) < 0) {
			if (errno == ENOENT && !(verbs & POLICY_CREATE && !ask->path[at])) {
				object.path = cli_format("%s", part);
				object.kind = "missing";
			}
			break;
		}
		if (S_ISLNK(status.st_mode)) {
			object.path = cli_format("%s", part);
			object.kind = "symbolic link";
			object.real = resolve(ask->path);
			object.refused = !any_allows(ask, allows, n, 0);
			break;
		}
		if (!ask->path[at])
			look_at_end(ask, verbs, allows, n, &status, &object);
		part[at] = ask->path[at];
	} while (ask->path[at]);
	*ret_object = object;
}

void
object_clear(struct object *object)
{
	free(object->path);
	free(object->real);
	free(object->condition);
	*object = (struct object){0};
}

char *
object_text(const struct object *object)
{
	if (!object->path)
		return NULL;
	if (strcmp(object->kind, "missing") == 0)
		return cli_format("%s does not exist", object->path);
	if (object->condition)
		return cli_format("%s: the broker will not give it, as its log would say: %s",
				  object->path, object->condition);
	if (strcmp(object->kind, "directory") == 0)
		return cli_format("%s is a directory: directories are listed, not opened",
				  object->path);
	return cli_format("%s is a %s%s", object->path, object->kind,
			  object->refused ? ": the broker will not give it" : "");
}

json_t *
object_json(const struct object *object)
{
	json_t *value = cli_json_object();

	if (!object->path) {
		json_decref(value);
		return cli_json_null();
	}
	cli_json_put(value, "path", cli_json_text(object->path));
	cli_json_put(value, "kind", cli_json_text(object->kind));
	cli_json_put(value, "real", cli_json_text(object->real));
	cli_json_put(value, "condition", cli_json_text(object->condition));
	cli_json_put(value, "refused", cli_json_bool(object->refused));
	return value;
}
