/* SPDX-License-Identifier: MIT */
/*
 * fdbrokerd: accepts connections, asks the kernel who made them, hands each to the worker of that
 * identity. Runs as root. Reads the kernel's word about a peer, the validated policy image, and
 * single bytes that workers write; never a byte that a client sent.
 *
 * One thread, one loop, fixed tables. Each part has a section here and a file of its own.
 */
#pragma once

#include <err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/ipc.h"
#include "policy/policy.h"

enum {
	OPTIONS_POLICY_MAX = 16,
	WORKERS_PER_IDENTITY = 4, /* one, and three more while that one does not take connections */
	/* Of an account. One user can be thousands of uids and sets of groups. */
	WORKERS_PER_ACCOUNT = 32,
	REFUSERS_ROOM = 8,              /* of all workers; one, the next one, and those that hang */
	CONNECTIONS_PER_ACCOUNT = 4096, /* at workers of its own */
	FINISH_MS = 2000,               /* for a worker that was told to finish */
	HANGS_MS = 1000,                /* one that takes nothing for so long hangs */
	PATIENCE_MS = 10000,            /* with one that hangs: longer than clients wait */
	COMPILE_MS = 10000,
	RESTART_MS = 1000,    /* between two starts of the same helper */
	TELL_MS = 100,        /* until a log process that had no room may have some */
	ENDED_AT_ONCE = 4096, /* ends of connections that one look at a worker takes in */
	SPAWN_LOWEST = 9,     /* of our descriptors: below are those that helpers are given */
	PAUSE_MS = 100,       /* when there is no descriptor for a connection */
	HOLD_MS = 2,          /* when the refuser has no room for one */
	NOTES_PER_SECOND = 10,
};

/* The command line. */
struct options {
	const char *socket;
	const char *admin;
	const char *policy[OPTIONS_POLICY_MAX];
	size_t n_policy;
	const char *libexec; /* NULL: beside fdbrokerd, else FDBROKER_LIBEXEC */
	const char *user;    /* NULL: fdbroker, else nobody */
	uint32_t required;   /* layers */
};

enum helper { HELPER_WORKER, HELPER_COMPILE, HELPER_LOG, N_HELPERS };

/* A connection on its way to a worker, which gets a descriptor of its own. */
struct passing {
	int fd;
	struct ipc_connection what;
	char unit[POLICY_UNIT_MAX];
};

/* Who a worker serves. */
struct identity {
	struct ipc_identity head;
	uint32_t ids[IPC_GROUPS_MAX + POLICY_SUBJECTS_MAX];
};

/* Bytes that are in use; the rest is never touched. */
static inline size_t
identity_size(const struct identity *identity)
{
	return sizeof(identity->head) +
	       (identity->head.n_groups + identity->head.n_subjects) * sizeof(identity->ids[0]);
}

/* Of a worker. AUDIT: kept for a log process that has to be started again. */
enum channel { CONTROL, NOTES, AUDIT, ENDED, N_CHANNELS };

struct worker {
	struct ipc_worker shown;
	bool told;            /* the log process knows its pipe */
	bool hung;            /* it was told to finish because it took nothing any more */
	int ends[N_CHANNELS]; /* the broker's */
	uint32_t untaken;     /* of what it was sent, when we last looked; */
	int64_t took;         /* when it had last taken some, or all */
	int64_t deadline;     /* 0, or when it is told to finish, or killed if it was told */
	int64_t notes_since;  /* start of the second that notes_count counts in */
	unsigned notes_count;
};

struct load {
	pid_t pid; /* 0: none runs */
	int image;
	int messages;
	int64_t deadline;
	bool again;         /* asked for while one ran */
	int shown_messages; /* of the one that ended last; -1: there are none */
};

struct broker {
	struct options options;
	bool is_root;
	uid_t own_uid; /* of the helpers; -1: the broker's own */
	gid_t own_gid;
	int null;
	int helpers[N_HELPERS];
	int epoll, signals, listener, admin;
	ino_t listener_inode, admin_inode; /* of the files that we made; 0: none */
	bool accepting;
	int64_t stop_by;          /* 0, or when to end, whatever still hangs */
	int64_t accept_at;        /* 0, or when to accept again */
	int64_t wake;             /* when the next deadline is due */
	struct ipc_status status; /* what admins are told; most of it is kept nowhere else */
	struct ipc_page *page;
	int page_fd;
	struct policy_image *image; /* NULL: nothing has loaded, everything is denied */
	int image_fd;
	struct identity any; /* what a peer gets whom only `any` rules reach */
	struct load load;
	pid_t log_pid;
	int log;
	int64_t log_started;
	struct passing passing; /* its fd is -1, or waits for room at the refuser */
	int64_t passing_since;
	uint32_t last_worker, running; /* number of the newest worker; how many there are */
	struct worker *refuser;        /* NULL: one is started at refuser_at */
	int64_t refuser_at;
	struct worker workers[IPC_WORKERS_MAX];
	struct identity identities[IPC_WORKERS_MAX]; /* of the workers, apart: they are large */
};

/* What epoll tells of: the kind above, the number of the worker below. */
enum event_kind { EVENT_SIGNALS = 1, EVENT_LISTENER, EVENT_ADMIN, EVENT_NOTES };
#define EVENT(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))

/* Close and forget; takes -1. */
static inline void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Each part that has processes or deadlines has the same two functions. x_reap(): a child ended; true
 * if it was one of this part. x_tick(): do what is due by now, and wake_at() for what is not yet.
 */

/* --- main.c ------------------------------------------------------------------------------ */

void wake_at(struct broker *b, int64_t when);             /* call each x_tick() by then */
bool is_due(struct broker *b, int64_t when, int64_t now); /* or else wake_at() */
int watch(struct broker *b, int fd, uint64_t event);

/* --- options.c --------------------------------------------------------------------------- */

/* Prints what is wrong, or what was asked for, and exits with 2 or 0. */
void options_parse(struct options *options, int argc, char **argv);

/* --- listen.c ---------------------------------------------------------------------------- */

/* Take the sockets over from the service manager or make them. -ECANCELED: it has said why not. */
int listen_start(struct broker *b);
void listen_stop(struct broker *b);
void listen_pause(struct broker *b, int ms); /* no connections for so long */
void listen_resume(struct broker *b);
/*
 * See to it that no descriptors can be sent to a connection. False: some may have been: the kernel
 * has no such option, or it was not set yet on the listener when the client connected.
 */
bool listen_close_rights(int fd);

/* --- peer.c ------------------------------------------------------------------------------ */

/*
 * Who is at the other end, by the kernel's word: peer, account and unit of the connection, set in any
 * case. Returns 0, or the errno value that the refuser is to answer with.
 */
int peer_identify(struct broker *b, struct passing *passing, struct identity *ret_identity);

/* What only `any` rules give, for the image in force. */
void peer_find_any(struct broker *b);

/* --- spawn.c ----------------------------------------------------------------------------- */

int spawn_open_helpers(struct broker *b); /* all programs, once; -ECANCELED: it has said why not */
/*
 * A helper with fds as its descriptors from 3 on and no environment. title: its name in the list of
 * processes, if not the program's. It dies with the broker. Returns its pid or a negative errno
 * value.
 */
pid_t spawn_helper(const struct broker *b, enum helper helper, const int *fds, size_t n_fds,
		   const char *title);

/* --- workers.c --------------------------------------------------------------------------- */

/* Pass it on to the worker of that identity, new or not. 0 or an errno value. */
int workers_pass(struct broker *b, const struct identity *identity, const struct passing *passing);
/* Have the refuser answer it. False: not now. */
bool workers_refuse(struct broker *b, const struct passing *passing);
/* Connections that a worker has open. */
uint64_t worker_open(struct worker *worker);
/* How many workers of its own an account has, and connections at them. */
unsigned workers_count(struct broker *b, uid_t account, uint64_t *ret_open);
int workers_start_refuser(struct broker *b);
void workers_note(struct broker *b, uint32_t index); /* read what that one noted */
/* Tell all to answer what is queued and to end. */
void workers_finish_all(struct broker *b);
bool workers_reap(struct broker *b, pid_t pid, int status);
void workers_tick(struct broker *b, int64_t now);

/* --- load.c ------------------------------------------------------------------------------ */

/* Have the policy compiled, and put into force when that worked; load_reap() sees the end of it. */
void load_begin(struct broker *b);
bool load_reap(struct broker *b, pid_t pid, int status);
void load_tick(struct broker *b, int64_t now);

/* --- logger.c ---------------------------------------------------------------------------- */

int logger_start(struct broker *b);
bool logger_reap(struct broker *b, pid_t pid, int status);
void logger_tick(struct broker *b, int64_t now);
/* Who is behind that worker (connection NULL), or behind that connection of it. */
void logger_tell(struct broker *b, struct worker *worker, const struct ipc_connection *connection);
void logger_tell_messages(struct broker *b); /* of the last load: they become lines */
/* Have the log process answer every admin that waits. Without one they get end of file. */
void logger_serve_admins(struct broker *b);

/* --- notify.c ---------------------------------------------------------------------------- */

/* Tell the service manager (sd_notify(3)'s protocol). No-op without one. */
void notify(const char *state);
