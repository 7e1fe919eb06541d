/* SPDX-License-Identifier: MIT */
/*
 * Which system unit a process is in, from the text of its /proc/PID/cgroup: lines
 * "NUMBER:CONTROLLERS:PATH", of which PATH may end in names that its user has chosen.
 *
 * The service manager alone makes what lies in a slice, and it names what it makes after its units.
 * So the first name of the path that is no slice is the unit, and whoever was given what lies below
 * cannot change it. What lies below counts only where it looks like the kernel's mark of a path that
 * is of no use: then there is no unit.
 */
#include <string.h>

#include "policy.h"
#include "words.h"

/* A piece of the text. */
struct piece {
	const char *at;
	size_t length;
};

static bool
ends_with(struct piece name, const char *end)
{
	size_t n = strlen(end);

	return name.length >= n && memcmp(name.at + name.length - n, end, n) == 0;
}

/* The name of a unit with this suffix, and with something before it. */
static bool
is_unit(struct piece name, const char *suffix)
{
	if (name.length >= POLICY_UNIT_MAX || name.length <= strlen(suffix) ||
	    !ends_with(name, suffix))
		return false;
	for (size_t i = 0; i < name.length; i++)
		if (!policy_is_unit_byte(name.at[i]))
			return false;
	return name.at[0] != '@';
}

/* Those that have processes, if only for a moment. */
static bool
can_hold_processes(struct piece name)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (is_unit(name, suffixes[i]))
			return true;
	return false;
}

/* What is before the separator, which goes too. False: it is not there. */
static bool
take(struct piece *rest, char separator, struct piece *ret_before)
{
	const char *end = memchr(rest->at, separator, rest->length);

	if (!end)
		return false;
	*ret_before = (struct piece){rest->at, (size_t)(end - rest->at)};
	rest->at = end + 1;
	rest->length -= ret_before->length + 1;
	return true;
}

/* The next component; false: there is none. A '_' at its beginning is systemd's escape. */
static bool
take_component(struct piece *path, struct piece *ret_name)
{
	struct piece name;

	if (path->length == 0)
		return false;
	if (!take(path, '/', &name)) {
		name = *path;
		path->length = 0;
	}
	if (name.length > 0 && name.at[0] == '_') {
		name.at++;
		name.length--;
	}
	*ret_name = name;
	return true;
}

static bool
unit_of_path(struct piece path, char ret_unit[POLICY_UNIT_MAX])
{
	struct piece name;

	/* A group outside of the root that the broker sees, and one that was removed. */
	if (path.length == 0 || path.at[0] != '/' || memmem(path.at, path.length, "/../", 4) ||
	    ends_with(path, "/..") || ends_with(path, " (deleted)"))
		return false;
	path.at++;
	path.length--;
	while (take_component(&path, &name)) {
		if (is_unit(name, ".slice"))
			continue;
		if (!can_hold_processes(name))
			return false;
		memcpy(ret_unit, name.at, name.length);
		ret_unit[name.length] = '\0';
		return true;
	}
	return false;
}

/* "0" and nothing is the unified hierarchy, which counts where it is. */
static bool
is_unified(struct piece number, struct piece controllers)
{
	return policy_word_is(number.at, number.length, "0") && controllers.length == 0;
}

bool
policy_unit_of(const char *cgroups, size_t size, char ret_unit[POLICY_UNIT_MAX])
{
	struct piece rest = {cgroups, size}, line, number, controllers, found = {NULL, 0};
	bool unified = false;

	/* The unified hierarchy is the last line: without the end nothing is known. */
	if (size == 0 || cgroups[size - 1] != '\n' || memchr(cgroups, '\0', size))
		return false;
	while (take(&rest, '\n', &line)) {
		if (!take(&line, ':', &number) || !take(&line, ':', &controllers))
			return false;
		if (is_unified(number, controllers)) {
			if (unified)
				return false;
			unified = true;
			found = line;
		} else if (policy_word_is(controllers.at, controllers.length, "name=systemd") &&
			   !unified) {
			if (found.at)
				return false;
			found = line;
		}
	}
	return found.at && unit_of_path(found, ret_unit);
}
