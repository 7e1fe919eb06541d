/* SPDX-License-Identifier: MIT */
/*
 * The contract between the processes of the broker: what passes over which descriptor, and why each
 * is safe when the process at the other end is hostile.
 *
 * control  broker to worker, SOCK_SEQPACKET, one way: the broker's end is shut for reading before
 *          the worker exists, and its sends never wait. First a struct ipc_setup, then connections.
 *          End of file means: finish what is queued and exit. A hostile worker can stop reading,
 *          which costs the broker a failed send, and a look at how much lies there unread.
 *
 * notes    worker to broker, a pipe of single bytes, enum ipc_note. The broker reads at most
 *          IPC_NOTES_MAX of them at a time and takes nothing from them but "replace", "idle" and
 *          which layers to show. A hostile worker can have itself replaced.
 *
 * ended    worker to broker, a pipe: a byte for each connection that has ended. The broker reads it
 *          when it counts, a bounded number at a time, and believes no more than it passed on. A
 *          hostile worker can have too many or too few of its own clients' connections counted.
 *
 * audit    worker to log process, a pipe of struct ipc_record, each at most PIPE_BUF and so whole.
 *          The broker holds the reading end for the log process and never reads it. What a record
 *          says of a peer is not believed: the log process stamps it from what the broker told it.
 *          A hostile worker can hand its end on, which then outlives it: the log process lets go of
 *          the pipe when another worker has its place.
 *
 * log      broker to log process, SOCK_SEQPACKET, one way, as control. With the connections of admins,
 *          which the log process answers: it has what only root may ask for, and can lie to root.
 *
 * image    the policy, sealed against writing, mapped read-only.
 *
 * page     one page in a memfd that only the broker's own mapping can write (F_SEAL_FUTURE_WRITE). A
 *          hostile worker can tell its clients the key that is in it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Descriptors that a helper process finds at its start; no other is open. */
enum ipc_descriptor {
	IPC_CONTROL = 3, /* worker: control; log process: log */
	IPC_NOTES = 4,
	IPC_AUDIT = 5,
	IPC_ENDED = 6,
	IPC_PAGE = 7,
	IPC_IMAGE = 8, /* not before the first load */
};

/*
 * The same for fdbroker-compile: memfds that it writes to and never maps. The second is its standard
 * error, too, from when it gives up its privileges; the log process makes lines of it.
 */
enum {
	IPC_COMPILE_IMAGE = 3,
	IPC_COMPILE_MESSAGES = 4,
};

struct ipc_page {
	/*
	 * The policy generation in force: a worker that was made for another one answers nothing.
	 */
	_Atomic uint64_t generation;
	/*
	 * Random, the same for the broker's life: hides from clients what places in directories say of
	 * names. A cursor means the same to the worker that takes over.
	 */
	uint64_t cursor_key[2];
};

enum ipc_kind {
	IPC_IDENTITY = 1, /* one uid, its groups, the rules that can apply to it */
	IPC_ANY = 2,      /* every peer whom only `any` rules reach */
	IPC_REFUSER = 3,  /* owns nothing, opens nothing, says no */
};

enum {
	IPC_GROUPS_MAX = 1024,
	IPC_SETUP_MAX = 32768,
};

/*
 * Who a worker serves. Followed by n_groups gid_t and n_subjects uint32_t, each ascending. Two are
 * the same if all their bytes are.
 */
struct ipc_identity {
	uint32_t kind; /* enum ipc_kind */
	/* File system ids of the worker: the peer's. */
	uid_t uid;
	gid_t gid;
	uint32_t n_groups;
	uint32_t n_subjects;
};

/* The first message on a worker's control socket. Followed by a struct ipc_identity. */
struct ipc_setup {
	uint32_t required; /* layers without which the worker must not serve, broker/layers.h */
	uint32_t worker;   /* number of the worker, for messages */
	uint64_t generation;
	/*
	 * Real, effective and saved ids of the worker; -1: it keeps those that it was started with.
	 */
	uid_t own_uid;
	gid_t own_gid;
};

/*
 * One connection, with its socket as the only descriptor. Followed by the system unit that the peer
 * is in, with a NUL; empty: none, or nobody asked.
 */
struct ipc_connection {
	uint64_t number;     /* of the connection, for the audit */
	uint64_t generation; /* of the policy that sent it here, be it to the refuser */
	struct ucred peer;   /* SO_PEERCRED of the connection */
	uid_t account;       /* whom it counts for: the peer, or the owner of its range of ids */
	uint32_t refusal;    /* 0: serve; else the errno value to answer every request with */
	uint32_t asked;      /* enum policy_asks: what the broker wanted to know of the peer */
	uint32_t may_hold;   /* not 0: descriptors may have been sent to it (worker/hangup.h) */
	uint32_t reserved;
};

enum {
	IPC_UNIT_MAX = 256, /* with its NUL */
	IPC_CONNECTION_MAX = sizeof(struct ipc_connection) + IPC_UNIT_MAX,
};

enum ipc_note {
	IPC_NOTE_REPLACE = 'r', /* what this worker was made of is out of date */
	IPC_NOTE_IDLE = 'i',    /* no connection for a while, or no room for any: end it */
	IPC_NOTE_LAYERS = 0x80, /* + set of layers: confined and ready */
};

enum {
	IPC_NOTES_MAX = 64,
};

/*
 * Broker to log process. IPC_LOG_WORKER carries the reading end of the worker's audit pipe,
 * IPC_LOG_MESSAGES the file with the compiler's messages, which are to be lines of the log.
 * IPC_LOG_STATUS is a struct ipc_status with an admin's connection and, after the first load, the
 * file with the compiler's messages.
 */
enum ipc_log_kind {
	IPC_LOG_WORKER = 1,
	IPC_LOG_CONNECTION = 2,
	IPC_LOG_STATUS = 3,
	IPC_LOG_MESSAGES = 4,
};

struct ipc_log {
	uint32_t kind; /* enum ipc_log_kind */
	uint32_t worker;
	uint64_t connection; /* IPC_LOG_CONNECTION */
	uint64_t generation; /* of the policy by which the worker, or the connection, was chosen */
	struct ucred peer; /* of the connection; IPC_LOG_WORKER: pid 0 and whom the worker serves */
	uint32_t slot; /* IPC_LOG_WORKER: its place, below IPC_WORKERS_MAX; who had it has ended */
};

enum ipc_worker_state {
	IPC_WORKER_FREE = 0,
	IPC_WORKER_STARTING,
	IPC_WORKER_READY,
	IPC_WORKER_FINISHING,
	IPC_WORKER_FAILED, /* ended before it was ready: the identity waits a while for the next */
};

/* What may be known of a worker. */
struct ipc_worker {
	uint32_t number;
	pid_t pid;
	uint32_t kind;  /* enum ipc_kind */
	uint32_t state; /* enum ipc_worker_state */
	uid_t uid;      /* whom it serves */
	gid_t gid;
	uid_t account;
	uint32_t layers;
	uint64_t generation;
	uint64_t passed; /* connections */
	uint64_t open;   /* of them, as far as it has said */
	int64_t started; /* milliseconds, CLOCK_MONOTONIC */
};

/* Followed by n_workers struct ipc_worker. */
struct ipc_status {
	uint32_t kind; /* IPC_LOG_STATUS */
	pid_t pid;     /* of the broker */
	uid_t uid;
	uint32_t layers;
	uint64_t generation;
	uint64_t rules;
	uint64_t accepted, refused;
	uint64_t loads; /* that ended */
	int64_t load_time;
	uint32_t load_ok, load_busy;
	uint32_t n_workers;
	uint32_t reserved;
};

enum {
	IPC_WORKERS_MAX = 256,
	IPC_STATUS_MAX = sizeof(struct ipc_status) + IPC_WORKERS_MAX * sizeof(struct ipc_worker),
};

enum {
	IPC_RECORD_MAX = 4096, /* PIPE_BUF: written whole or not at all, pipe(7) */
	IPC_RULE_MAX = 256,
	IPC_BECAUSE_MAX = 1020,
};

enum ipc_outcome {
	IPC_DENIED = 0, /* by the policy, a condition, a limit */
	IPC_FAILED,     /* permitted, and then not possible */
	IPC_GRANTED,
	IPC_LOST, /* of nothing: only that others were lost */
	IPC_OUTCOMES_N,
};

/* Of a rule, when it does not hold. */
enum ipc_condition {
	IPC_CONDITION_NONE = 0,
	IPC_CONDITION_TYPE,
	IPC_CONDITION_OWNER,
	IPC_CONDITION_STRICT,
	IPC_CONDITION_SYMLINK,    /* somebody else's led there; mode and owner are the link's */
	IPC_CONDITION_PRIVILEGES, /* of every rule: no set-id file is given for writing */
	IPC_CONDITIONS_N,
};

/*
 * One decision. Followed by the rule's file:line, why it is so, the path, and what was asked if a link
 * led from there to the path; these are cut to fit, and none ends with a NUL.
 */
struct ipc_record {
	uint16_t length;      /* of the whole record */
	uint16_t rule_length; /* 0: no rule */
	uint16_t because_length;
	uint16_t path_length; /* bytes that follow */
	uint16_t asked_length;
	uint16_t path_cut;         /* not 0: there was more of the path, or of what was asked */
	uint16_t condition;        /* enum ipc_condition */
	uint16_t directory_length; /* bytes of the path: a directory is why; 0: the object is */
	uint64_t connection;
	uint32_t outcome; /* enum ipc_outcome */
	uint32_t error;   /* 0, or the errno value that the client got */
	uint32_t flags;   /* as asked */
	uint32_t verbs;
	uint32_t lost;  /* records that found the pipe full since the last one */
	uint32_t mode;  /* with a condition: st_mode of what is why, */
	uint32_t owner; /* and its user */
	uint32_t reserved;
};
