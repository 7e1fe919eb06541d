/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <string.h>
#include <sys/xattr.h>

#include "attributes.h"
#include "text.h"

void
unmet_clear(struct unmet *unmet)
{
	free(unmet->condition);
	free(unmet->remedy);
	*unmet = (struct unmet){0};
}

/* Of the directories above path. False: nobody here can tell. */
static bool
look(const char *path, struct policy_chain *ret_chain)
{
	_cleanup_free_ char *part = cli_format("%s", path);
	struct policy_chain chain = {};
	struct stat status;

	for (char *slash = part; slash; slash = strchr(slash + 1, '/')) {
		size_t length = slash > part ? (size_t)(slash - part) : 1;
		char was = part[length];

		part[length] = '\0';
		if (lstat(part, &status) < 0 || !S_ISDIR(status.st_mode))
			return false;
		part[length] = was;
		policy_chain_add(&chain, length, &status);
	}
	*ret_chain = chain;
	return true;
}

/* Who asks; of whom nothing is known, what belongs to this user is as good as theirs. */
static uid_t
peer_of(const struct ask *ask, uid_t owner)
{
	return ask->who.peer.has_uid ? ask->who.peer.uid : owner;
}

static char *
user_text(uid_t uid)
{
	const char *name = attributes_user(uid);

	return name ? cli_format("%s", name) : cli_format("%u", uid);
}

/* --- strictmodes -------------------------------------------------------------------------- */

static char *
strict_remedy(const struct held *held, const struct policy_chain *chain, const struct stat *object,
	      const struct policy_directory *blame)
{
	_cleanup_free_ char *directory = cli_format("%.*s", (int)blame->length, held->path);
	_cleanup_free_ char *word = cli_shell_word(directory);
	bool is_foreign = blame->owner != 0 && blame->owner != object->st_uid;
	bool others_write = blame->mode & (S_IWGRP | S_IWOTH);
	_cleanup_free_ char *own =
		is_foreign ? cli_format("chown root %s", word) : cli_format("%s", "");
	_cleanup_free_ char *shut =
		others_write ? cli_format("chmod go-w %s", word) : cli_format("%s", "");
	struct policy_directory other;

	if (policy_chain_holds(chain, object, peer_of(held->ask, object->st_uid),
			       POLICY_STRICT_STICKY, &other))
		return cli_format("%s; or 'strictmodes=sticky' in the rule: then what others put "
				  "into %s is given too",
				  shut, directory);
	return cli_format("%s%s%s; or 'strictmodes=no' in the rule: then whoever owns or may write "
			  "a directory above decides which file the peer gets by this name",
			  own, *own && *shut ? " && " : "", shut);
}

static bool
strict_holds(const struct held *held, const struct policy_chain *chain, const struct stat *object,
	     struct unmet *ret_unmet)
{
	struct policy_directory blame;

	if (policy_chain_holds(chain, object, peer_of(held->ask, object->st_uid),
			       held->options->strict, &blame))
		return true;
	*ret_unmet = (struct unmet){
		cli_format("condition=strictmodes directory=\"%.*s\" mode=0%o owner=%u",
			   (int)blame.length, held->path, blame.mode & 07777, blame.owner),
		strict_remedy(held, chain, object, &blame),
	};
	return false;
}

/* --- the others --------------------------------------------------------------------------- */

/* What the broker's log says of the object itself, or of a link. Takes the remedy over. */
static bool
unmet_object(const char *condition, const struct stat *object, char *remedy,
	     struct unmet *ret_unmet)
{
	*ret_unmet = (struct unmet){
		cli_format("condition=%s mode=0%o owner=%u", condition, object->st_mode & 07777,
			   object->st_uid),
		remedy,
	};
	return false;
}

static char *
owner_remedy(const struct held *held)
{
	const struct policy_options *options = held->options;
	_cleanup_free_ char *word = cli_shell_word(held->path);
	_cleanup_free_ char *owner = NULL;

	if (options->owner == POLICY_OWNER_PEER && !held->ask->who.peer.has_uid)
		return cli_format("the rule gives a peer its own files only: 'owner=peer'");
	owner = user_text(options->owner == POLICY_OWNER_PEER  ? held->ask->who.peer.uid
			  : options->owner == POLICY_OWNER_UID ? options->owner_uid
							       : 0);
	return cli_format("chown %s %s; or another 'owner=' in the rule", owner, word);
}

static char *
led_remedy(uid_t by)
{
	_cleanup_free_ char *user = user_text(by);

	return cli_format("a link of somebody else's than root and the peer leads only to files of "
			  "its own owner: let root make it (chown -h root), or "
			  "'strictmodes=no' in the link's rule: then %s chooses which of the "
			  "files that the peer may have it gets",
			  user);
}

static bool
owner_holds(const struct held *held, const struct stat *object, struct unmet *ret_unmet)
{
	const struct stat link = {.st_mode = S_IFLNK | 0777, .st_uid = held->led.by};

	if (!policy_owner_holds(held->options, object->st_uid, peer_of(held->ask, object->st_uid)))
		return unmet_object("owner", object, owner_remedy(held), ret_unmet);
	if (!policy_led_holds(&held->led, object->st_uid))
		return unmet_object("symlink", &link, led_remedy(held->led.by), ret_unmet);
	return true;
}

static bool
is_privileged(const char *path, const struct stat *object, bool *ret_bits)
{
	*ret_bits = object->st_mode & (S_ISUID | S_ISGID);
	return S_ISREG(object->st_mode) &&
	       (*ret_bits || lgetxattr(path, "security.capability", NULL, 0) >= 0);
}

bool
held_object(const struct held *held, const struct stat *object, struct unmet *ret_unmet)
{
	_cleanup_free_ char *word = cli_shell_word(held->path);
	struct policy_chain chain;
	bool bits;

	if (!owner_holds(held, object, ret_unmet))
		return false;
	if (held->options->strict != POLICY_STRICT_NO && look(held->path, &chain) &&
	    !strict_holds(held, &chain, object, ret_unmet))
		return false;
	if (held->verbs & POLICY_WRITE && is_privileged(held->path, object, &bits))
		return unmet_object("set-id", object,
				    cli_format("%s %s, if it needs no privileges; no rule "
					       "gives it out for writing",
					       bits ? "chmod ug-s" : "setcap -r", word),
				    ret_unmet);
	return true;
}

bool
held_create(const struct held *held, struct unmet *ret_unmet)
{
	size_t length = (size_t)(strrchr(held->path, '/') - held->path);
	_cleanup_free_ char *parent = cli_format("%.*s", (int)(length ?: 1), held->path);
	struct stat wanted = {.st_mode = S_IFREG}, directory;
	struct policy_chain chain = {};

	/* What holds of nobody's, holds of no peer's. */
	if (lstat(parent, &directory) < 0 || (length > 0 && !look(parent, &chain)))
		return true;
	wanted.st_uid =
		peer_of(held->ask, chain.owned.length > 0 ? chain.owned.owner : directory.st_uid);
	if (!(held->options->types & POLICY_TYPE_REG)) {
		*ret_unmet = (struct unmet){
			cli_format("condition=type is=reg mode=00 owner=%u", wanted.st_uid),
			cli_format("a new file is a regular one: the rule needs 'type=reg'")};
		return false;
	}
	/* As the broker: that somebody moved the directory there, and then what they could put into it. */
	if (!strict_holds(held, &chain, &directory, ret_unmet))
		return false;
	policy_chain_add(&chain, length ?: 1, &directory);
	if (!policy_owner_holds(held->options, wanted.st_uid, wanted.st_uid))
		return unmet_object("owner", &wanted,
				    cli_format("a new file belongs to the peer: the rule needs "
					       "'owner=peer', or none"),
				    ret_unmet);
	return owner_holds(held, &wanted, ret_unmet) &&
	       strict_holds(held, &chain, &wanted, ret_unmet);
}

bool
held_link(const struct held *held, const struct stat *link, struct policy_led *ret_led,
	  struct unmet *ret_unmet)
{
	struct policy_led led = held->led;
	struct policy_chain chain;

	*ret_led = led;
	if (held->options->strict == POLICY_STRICT_NO)
		return true;
	if (look(held->path, &chain) && !strict_holds(held, &chain, link, ret_unmet))
		return false;
	if (!policy_led_on(&led, link->st_uid, peer_of(held->ask, link->st_uid)))
		return unmet_object("symlink", link, led_remedy(link->st_uid), ret_unmet);
	*ret_led = led;
	return true;
}
