/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the kernel's word about the client, the policy image.
 * Distrusts: the name of a unit or label, which the client may have chosen.
 */
#include "broker/worker/whoami.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What `from` and `next` mean: a line of the head, then the groups, then the rules. */
enum {
	LINE_GENERATION = 0,
	LINE_SERVED,
	LINE_UID,
	LINE_GID,
	LINE_PID,
	LINE_UNIT,
	LINE_LABEL,
	LINE_GROUPS,
	LINE_RULES = 1 << 24,
};

enum {
	RULES_AT_ONCE = 4096, /* that one request looks at: others wait meanwhile */
	SHOWN_MAX = 380,      /* bytes of a name: with them every line fits into an empty page */
	LABEL_MAX = 256,
};

struct page {
	size_t length;
	char text[WIRE_TEXT_MAX + 1];
};

/* Add a line, whole. False: the page is full. */
static bool __attribute__((format(printf, 2, 3))) add(struct page *page, const char *format, ...)
{
	size_t room = sizeof(page->text) - page->length;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(page->text + page->length, room, format, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= room)
		return false;
	page->length += (size_t)n;
	return true;
}

/* As printable ASCII, the backslash as \x5c too; what is too long ends with "...". */
static const char *
escape(const char *from, char to[SHOWN_MAX + 4])
{
	size_t length = 0;

	for (; *from; from++) {
		bool plain = *from >= 0x20 && *from <= 0x7e && *from != '\\';

		if (length + (plain ? 1 : 4) > SHOWN_MAX) {
			memcpy(to + length, "...", 3);
			length += 3;
			break;
		}
		length += (size_t)snprintf(to + length, SHOWN_MAX + 4 - length,
					   plain ? "%c" : "\\x%02x", (unsigned char)*from);
	}
	to[length] = '\0';
	return to;
}

/* What it is; "-": nothing, "?": no rule asks, so the broker did not look. */
static bool
add_fact(struct page *page, const char *key, bool asked, const char *value)
{
	char shown[SHOWN_MAX + 4];

	return add(page, "%s %s\n", key,
		   !asked              ? "?"
		   : !value || !*value ? "-"
				       : escape(value, shown));
}

static bool
add_label(struct page *page, const struct client *client)
{
	bool asked = client->asked & POLICY_ASKS_LABEL;
	char label[LABEL_MAX] = "";
	socklen_t size = sizeof(label) - 1;

	if (asked && getsockopt(client->fd, SOL_SOCKET, SO_PEERSEC, label, &size) < 0)
		label[0] = '\0';
	return add_fact(page, "label", asked, label);
}

static const char *
served(const struct server *server)
{
	switch (server->setup->peer.kind) {
	case IPC_IDENTITY:
		return "own";
	case IPC_ANY:
		return "any";
	case IPC_REFUSER:
	default:
		return "refused";
	}
}

static bool
add_head(struct page *page, const struct server *server, const struct client *client, uint32_t line)
{
	switch (line) {
	case LINE_GENERATION:
		return add(page, "generation %llu\n", (unsigned long long)client->generation);
	case LINE_SERVED:
		return add(page, "served %s\n", served(server));
	case LINE_UID:
		return add(page, "uid %u\n", client->peer.uid);
	case LINE_GID:
		return add(page, "gid %u\n", client->peer.gid);
	case LINE_PID:
		return add(page, "pid %d\n", client->peer.pid);
	case LINE_UNIT:
		return add_fact(page, "unit", client->asked & POLICY_ASKS_UNIT, client->unit);
	case LINE_LABEL:
	default:
		return add_label(page, client);
	}
}

/* From *at on; false: the page is full. Whoever has more groups than the broker takes shows "?". */
static bool
add_groups(struct page *page, const struct client *client, uint32_t *at)
{
	static gid_t groups[IPC_GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
		if (*at == LINE_GROUPS && !add(page, "group ?\n"))
			return false;
		return true;
	}
	for (; *at - LINE_GROUPS < size / sizeof(gid_t); ++*at)
		if (!add(page, "group %u\n", groups[*at - LINE_GROUPS]))
			return false;
	return true;
}

static bool
add_rule(struct page *page, const struct policy_image *image, uint32_t number)
{
	char verbs[POLICY_VERBS_TEXT_MAX], cut[SHOWN_MAX + 1];
	struct policy_rule rule;
	size_t length;

	policy_rule_describe(image, number, &rule);
	/* It is printable already. The end of a long name says most. */
	length = strlen(rule.file);
	if (length > SHOWN_MAX) {
		snprintf(cut, sizeof(cut), "...%s", rule.file + length - (SHOWN_MAX - 3));
		rule.file = cut;
	}
	return add(page, "rule %s %s %s:%u%s%s\n", rule.verdict == POLICY_ALLOW ? "allow" : "deny",
		   policy_verbs_text(rule.verbs, verbs), rule.file, rule.line, rule.id ? " " : "",
		   rule.id ? rule.id : "");
}

/* From *at on; false: the page is full, or it is enough for one request. */
static bool
add_rules(struct page *page, const struct setup *setup, uint32_t *at)
{
	bool has_rules = setup->image && setup->peer.kind != IPC_REFUSER;
	uint32_t n = has_rules ? policy_image_rules(setup->image) : 0, first = *at;

	for (; *at - LINE_RULES < n; ++*at) {
		if (*at - first == RULES_AT_ONCE)
			return false;
		if (policy_rule_applies(setup->image, &setup->identity, *at - LINE_RULES) &&
		    !add_rule(page, setup->image, *at - LINE_RULES))
			return false;
	}
	return true;
}

size_t
whoami_answer(const struct server *server, const struct client *client, uint32_t id, uint32_t from,
	      void *buffer)
{
	struct page page;
	bool fits = true;
	uint32_t at;

	page.length = 0;
	for (at = from; at < LINE_GROUPS && fits; at += fits)
		fits = add_head(&page, server, client, at);
	if (fits && at < LINE_RULES) {
		fits = add_groups(&page, client, &at);
		at = fits ? LINE_RULES : at;
	}
	if (fits && at >= LINE_RULES)
		fits = add_rules(&page, server->setup, &at);
	return wire_encode_page(buffer, id, fits ? 0 : at, page.text, page.length);
}
