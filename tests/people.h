/* SPDX-License-Identifier: MIT */
/* Clients that are somebody else: other ids, other processes, other namespaces. Needs root. */
#pragma once

#include "tests/harness.h"

/* What became of a request, as an exit status: an errno value of the broker's, or one of these. */
enum asked {
	ASK_GRANTED = 0,  /* with a descriptor of the file that was asked for */
	ASK_KERNEL = 128, /* + an errno value: it could not be sent, or not be connected */
	ASK_ENDED = 250,  /* the connection ended */
	ASK_ODD,          /* no answer to this request, or another file */
	ASK_BROKEN,       /* the test itself */
};

struct ids {
	uid_t uid;
	gid_t gid;
	size_t n_groups;
	gid_t groups[4];
};

/* Real, effective and saved ids, and groups; all capabilities go with uid 0. 0 or -1. */
int become(const struct ids *ids);

/*
 * Run act in a process with these ids (NULL: ours). What it returns is the result, 0 to 255; 255
 * also for a process that died. It asserts nothing: it has no test to fail.
 */
typedef int act_fn(void *context);
pid_t act_begin(const struct ids *ids, act_fn *act, void *context);
int act_end(pid_t pid);
int act_as(const struct ids *ids, act_fn *act, void *context);

/* Ask for who/NAME. credentials: NULL for those that the kernel gives. An enum asked. */
int ask(const struct harness *h, int socket, const struct ucred *credentials, const char *name);

/* Ask who one is: 0, or what ask() gives for no answer. */
int ask_who(int socket, const struct ucred *credentials);

/* The same as ask() on a connection of its own, by a process with these ids. */
int ask_as(const struct harness *h, const struct ids *ids, const char *name);

/* A connection of a process with these ids: the caller holds it, and ret_maker lives until told. */
struct maker {
	pid_t pid;
	int wire; /* closed: it ends */
	struct ucred credentials;
};
int connection_of(const struct harness *h, const struct ids *ids, struct maker *ret_maker);
void maker_end(struct maker *maker);

/* A connection of this process with these effective ids and groups; it is root before and after. */
int connect_as(const struct harness *h, const struct ids *ids);

/* Pass one descriptor over a socketpair. receive: the descriptor or -1. */
int pass_fd(int wire, int fd);
int take_fd(int wire);

/* One byte each way, for processes that wait for each other. 0 or -1. */
int tell(int wire);
int wait_told(int wire);

/* uid_map, gid_map or setgroups of a process. 0 or -1. */
int write_map(pid_t pid, const char *which, const char *map);

/* unshare(2) with CLONE_NEWUSER, and maps of uids and gids that one from outside writes. 0 or -1. */
int enter_mapped(int flags, const char *map);

/* Run as the first process of a pid namespace, with its own /proc. Returns what run returns. */
int in_pid_namespace(int (*run)(void));
