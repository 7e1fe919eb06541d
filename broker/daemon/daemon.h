/* SPDX-License-Identifier: MIT */
/*
 * fdbrokerd: accepts connections, asks the kernel who made them, hands each to the worker of that
 * identity. Runs as root. Reads the kernel's word about a peer, the validated policy image, and
 * single bytes that workers write; never a byte that a client sent.
 *
 * One thread, one loop, fixed tables. Each part has a section here and a file of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "policy/policy.h"

enum {
	OPTIONS_POLICY_MAX = 16,
	WORKERS_MAX = 256,
	WORKERS_PER_IDENTITY = 4, /* one, and three more while that one does not take connections */
	FINISH_MS = 2000,         /* for a worker that was told to finish */
	COMPILE_MS = 10000,
	RESTART_MS = 1000, /* between two starts of the same helper */
	PAUSE_MS = 100,    /* when there is no descriptor for a connection */
	NOTES_PER_SECOND = 10,
	MESSAGES_MAX = 32768, /* bytes of the compiler's messages that status shows */
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

enum helper {
	HELPER_WORKER,
	HELPER_COMPILE,
	HELPER_LOG,
	N_HELPERS,
};

/* Who a worker serves. Compared as a whole; the arrays are ascending. */
struct identity {
	enum ipc_kind kind;
	uid_t uid;
	gid_t gid;
	uint32_t n_groups;
	uint32_t n_subjects;
	gid_t groups[IPC_GROUPS_MAX];
	uint32_t subjects[POLICY_SUBJECTS_MAX];
};

enum worker_state {
	WORKER_FREE = 0,
	WORKER_STARTING,
	WORKER_READY,
	WORKER_FINISHING,
	WORKER_FAILED, /* ended before it was ready: the identity waits a while for the next */
};

struct worker {
	enum worker_state state;
	pid_t pid;
	uint32_t number;
	bool told; /* the log process knows its pipe */
	uint32_t layers;
	int control;
	int notes;
	int audit; /* reading end, kept for a log process that has to be started again */
	uint64_t generation;
	uint64_t connections;
	int64_t started;     /* milliseconds */
	int64_t deadline;    /* 0, or when it is told to finish, or killed if it was told */
	int64_t notes_since; /* start of the second that notes_count counts in */
	unsigned notes_count;
	struct identity identity;
};

struct load {
	pid_t pid; /* 0: none runs */
	int image;
	int messages;
	int64_t deadline;
	bool again;           /* asked for while one ran */
	unsigned long serial; /* loads that ended */
	bool ok;
	int64_t time; /* seconds since the epoch */
	size_t n_text;
	char text[MESSAGES_MAX];
};

struct broker {
	struct options options;
	bool is_root;
	uid_t own_uid; /* of the helpers; -1: the broker's own */
	gid_t own_gid;
	char account[2][12]; /* the same as text, for the helpers' command lines; "-" */
	int null;
	int helpers[N_HELPERS];
	int epoll, signals, listener, admin;
	ino_t listener_inode, admin_inode; /* of the files that we made; 0: none */
	bool accepting, stopping;
	int64_t accept_at; /* 0, or when to accept again */
	int64_t wake;      /* when the next deadline is due */
	uint32_t layers;
	struct ipc_page *page;
	int page_fd;
	uint64_t generation;
	struct policy_image *image; /* NULL: nothing has loaded, everything is denied */
	int image_fd;
	struct identity any; /* what a peer gets whom only `any` rules reach */
	struct load load;
	pid_t log_pid;
	int log;
	int64_t log_started;
	uint64_t accepted, refused;
	uint32_t last_worker, running; /* number of the newest worker; how many there are */
	struct worker *refuser;
	struct worker workers[WORKERS_MAX];
};

/* What epoll tells of: the kind above, the number of the worker below. */
enum event_kind {
	EVENT_SIGNALS = 1,
	EVENT_LISTENER,
	EVENT_ADMIN,
	EVENT_NOTES,
};
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

int64_t now_ms(void);                         /* CLOCK_MONOTONIC */
void wake_at(struct broker *b, int64_t when); /* call each x_tick() by then */
int watch(struct broker *b, int fd, uint64_t event);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- options.c --------------------------------------------------------------------------- */

/* Prints what is wrong, or what was asked for, and exits with 2 or 0. */
void options_parse(struct options *options, int argc, char **argv);

/* --- listen.c ---------------------------------------------------------------------------- */

/* Take the sockets over from the service manager or make them. -ECANCELED: it has said why not. */
int listen_start(struct broker *b);
void listen_stop(struct broker *b);
void listen_pause(struct broker *b); /* no descriptor left: do not spin */
void listen_resume(struct broker *b);

/* --- peer.c ------------------------------------------------------------------------------ */

/*
 * Who is at the other end, by the kernel's word. Returns 0, or the errno value that the refuser is
 * to answer with. ret_peer is set in either case.
 */
int peer_identify(const struct broker *b, int fd, struct ucred *ret_peer,
		  struct identity *ret_identity);

/* What only `any` rules give, for the image in force. */
void peer_find_any(struct broker *b);

/* --- spawn.c ----------------------------------------------------------------------------- */

/* A helper with fds as its descriptors from 3 on and no environment. It dies with the broker. */
struct spawn {
	enum helper helper;
	const int *fds;
	size_t n_fds;
	char *const *argv;
};
int spawn_open_helpers(struct broker *b);
int spawn_helper(const struct broker *b, const struct spawn *spawn, pid_t *ret_pid);

/* --- workers.c --------------------------------------------------------------------------- */

/* Pass a connection on to the worker of that identity, new or not. 0 or an errno value. */
int workers_pass(struct broker *b, const struct identity *identity, int fd,
		 const struct ipc_connection *what);
/* Have the refuser answer this one; closes nothing. */
void workers_refuse(struct broker *b, int fd, struct ipc_connection *what, int error);
int workers_start_refuser(struct broker *b);
void workers_note(struct broker *b, uint32_t index); /* read what that one noted */
/* Tell all to answer what is queued and to end. */
void workers_finish_all(struct broker *b, bool refuser_too);
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

/* --- status.c ---------------------------------------------------------------------------- */

/* Answer every admin that waits: the status as JSON, then end of file. */
void status_serve(struct broker *b);

/* --- notify.c ---------------------------------------------------------------------------- */

/* Tell the service manager (sd_notify(3)'s protocol). No-op without one. */
void notify(const char *state);
