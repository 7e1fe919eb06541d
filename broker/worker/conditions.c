/* SPDX-License-Identifier: MIT */
/* Runs in: worker, second phase. What a rule asks of an object, looked at on the object itself. */
#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include "broker/worker/access.h"

/* Which condition, and for the sake of what. */
static int
unmet(struct access *a, enum ipc_condition condition, const struct policy_directory *what)
{
	a->event.condition = condition;
	a->event.object = *what;
	return PLACE_UNMET;
}

static int
unmet_object(struct access *a, enum ipc_condition condition, const struct stat *object)
{
	const struct policy_directory what = {.mode = object->st_mode, .owner = object->st_uid};

	return unmet(a, condition, &what);
}

int
access_type_holds(struct access *a, const struct stat *object)
{
	if (S_ISDIR(object->st_mode))
		return -EISDIR;
	if (a->asks_directory)
		return a->flags & O_CREAT ? -EISDIR : -ENOTDIR;
	return policy_type_of(object->st_mode) & a->options->types
		       ? 0
		       : unmet_object(a, IPC_CONDITION_TYPE, object);
}

int
access_link_holds(struct access *a, const struct place *link, const struct stat *status)
{
	struct policy_chain chain;
	int r;

	if (a->options->strict == POLICY_STRICT_NO)
		return 0;
	r = place_chain(link, status, &chain);
	if (r == 0)
		r = access_strict_holds(a, status, &chain);
	if (r == 0 && !policy_led_on(&a->led, status->st_uid, a->client->peer.uid))
		r = unmet_object(a, IPC_CONDITION_SYMLINK, status);
	return r;
}

int
access_strict_holds(struct access *a, const struct stat *object, const struct policy_chain *chain)
{
	struct policy_directory blame;

	return policy_chain_holds(chain, object, a->client->peer.uid, a->options->strict, &blame)
		       ? 0
		       : unmet(a, IPC_CONDITION_STRICT, &blame);
}

int
access_chain(struct access *a, const struct stat *object, struct policy_chain *ret_chain)
{
	if (a->options->strict != POLICY_STRICT_NO)
		return place_chain(&a->place, object, ret_chain);
	*ret_chain = (struct policy_chain){};
	return 0;
}

int
access_conditions_hold(struct access *a, const struct stat *object,
		       const struct policy_chain *chain)
{
	if (!policy_owner_holds(a->options, object->st_uid, a->client->peer.uid))
		return unmet_object(a, IPC_CONDITION_OWNER, object);
	if (!policy_led_holds(&a->led, object->st_uid)) {
		const struct stat link = {.st_mode = S_IFLNK | 0777, .st_uid = a->led.by};

		return unmet_object(a, IPC_CONDITION_SYMLINK, &link);
	}
	return access_strict_holds(a, object, chain);
}

/* A shared mapping of such a file can be written without clearing its privileges (Linux 6.18). */
int
access_writable_holds(struct access *a, int fd, const struct stat *object)
{
	if (!(object->st_mode & (S_ISUID | S_ISGID)) &&
	    (fd < 0 || (fgetxattr(fd, "security.capability", NULL, 0) < 0 &&
			(errno == ENODATA || errno == ENOTSUP))))
		return 0;
	return unmet_object(a, IPC_CONDITION_PRIVILEGES, object);
}
