/* SPDX-License-Identifier: MIT */
/*
 * fdbroker: open files that a privileged broker holds the right to.
 *
 *     #include <fdbroker.h>
 *     int fd = broker_open("/var/log/auth.log", O_RDONLY);
 *
 * Link with `pkg-config --libs fdbroker`. The functions are safe to call from several threads and
 * in a forked child; they print nothing, never exit, raise no SIGPIPE and touch no signal state.
 */
#ifndef FDBROKER_H
#define FDBROKER_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BROKER_PUBLIC_     __attribute__((visibility("default")))
#define BROKER_CHECK_      __attribute__((warn_unused_result))
#define BROKER_NONNULL_    __attribute__((nonnull))
#define BROKER_NONNULL_FN_ __attribute__((nonnull(1, 2)))
#else
#define BROKER_PUBLIC_
#define BROKER_CHECK_
#define BROKER_NONNULL_
#define BROKER_NONNULL_FN_
#endif

/* Where the broker listens unless FDBROKER_SOCKET says otherwise. */
#define BROKER_SOCKET_DEFAULT "/run/fdbroker/socket"

/* Milliseconds that a call waits for the broker before it fails with ETIMEDOUT. */
#define BROKER_TIMEOUT_DEFAULT 5000

/*
 * Open a file through the broker, as open(2) would.
 *
 * path: absolute and canonical: 1 to 4096 bytes, at most 64 components of at most 255 bytes each,
 * no empty, "." or ".." component, no trailing "/". A symbolic link in it is followed only where the
 * rule says symlinks=beneath, and only if the path that it names is permitted as well.
 *
 * flags: O_RDONLY, O_WRONLY or O_RDWR, with any of O_CREAT (and with it O_EXCL), O_APPEND, O_TRUNC
 * (both only with write access), O_NONBLOCK, O_SYNC, O_DSYNC, O_DIRECT, O_NOCTTY, O_NOFOLLOW,
 * O_LARGEFILE and O_CLOEXEC. The descriptor always has close-on-exec set; clear it with fcntl(2) if
 * it has to survive an exec.
 *
 * mode, with O_CREAT: of a file that is created, which belongs to the caller's effective uid. It gets
 * those of these bits that the rule's mode= has too (0600 if it says nothing), and never a set-id or
 * sticky bit. The umask is not looked at.
 *
 * The socket is FDBROKER_SOCKET from the environment, else BROKER_SOCKET_DEFAULT. A server that
 * runs neither as root, nor as the effective uid of the caller, nor as the uid (decimal) that
 * FDBROKER_SERVER_UID says, is refused. Both variables are ignored in set-id programs. A server
 * that looks like uid 65534 has no uid in the caller's user namespace: it is refused unless
 * FDBROKER_SERVER_UID says 65534. One connection a thread is kept and made anew after fork(2), after a
 * change of effective ids and when the broker asks for it.
 *
 * Returns a new descriptor, or -1 and errno:
 *
 *   EACCES     the policy does not allow it, whether the file exists or not; or the file is not
 *              what may be given out: a condition of the rule does not hold, or it is a set-id file
 *              and not only to be read; or one was created and the file system gave it to somebody else.
 *              broker_error_reason() may say more, and the broker's log does
 *   EINVAL     path is not canonical, or a flag is not for the broker (O_PATH, O_TMPFILE, ...)
 *   ENOTCONN   no broker to be reached, or what answers there is not to be trusted
 *   EPROTO     the answer was not understood, or the request was not; with O_CREAT | O_EXCL also: the
 *              broker went away, and the file may have been created
 *   ETIMEDOUT  no answer in BROKER_TIMEOUT_DEFAULT milliseconds: the file system does not answer, or
 *              somebody does not give up a lease on the file (fcntl(2), F_SETLEASE)
 *   EBUSY      a limit of the broker is reached; later may work. With O_CREAT | O_EXCL nothing was created
 *   EMFILE     this process has no room for the descriptor
 *   ENFILE, ENOMEM  as for open(2)
 *
 * and what the open itself said: ENOENT, EEXIST, EISDIR, ENOTDIR, ELOOP, EXDEV, EROFS, ENXIO, ETXTBSY, ...
 * EAGAIN comes only with O_NONBLOCK: somebody holds a lease on the file, or others exchange what is on the
 * path all the time.
 * A null path is not an error that is reported: it is undefined, as the attribute says.
 */
BROKER_PUBLIC_ int broker_open(const char *path, int flags, ...) BROKER_NONNULL_ BROKER_CHECK_;

/*
 * What a file is, as statx(2) says it: needs the verb stat, or read.
 *
 * path: as for broker_open(); may be a directory. flags: 0, or AT_SYMLINK_NOFOLLOW: of a symbolic link
 * itself. ret_status: stx_mask says which fields are set: STATX_BASIC_STATS and, where the file system
 * knows it, STATX_BTIME; stx_mnt_id and what comes behind it are 0. struct statx is that of <sys/stat.h>
 * with _GNU_SOURCE.
 *
 * Returns 0, or -1 and errno as broker_open() does; *ret_status is not touched then.
 */
struct statx;
BROKER_PUBLIC_ int broker_stat(const char *path, int flags,
			       struct statx *ret_status) BROKER_NONNULL_ BROKER_CHECK_;

/*
 * Call fn for each name in a directory that a rule grants list, stat or read; needs the verb list.
 *
 * path: as for broker_open(). fn: context, the name (1 to 255 bytes and a NUL, valid until fn returns;
 * any bytes but "/": escape them for a terminal), and its type, DT_REG and the like of <dirent.h>,
 * DT_UNKNOWN where the file system does not say; never "." and "..". It may call functions of this
 * library. Names that come or go meanwhile may be told or not, as by readdir(3); the order is the file
 * system's. BROKER_TIMEOUT_DEFAULT is for some hundred names each.
 *
 * Returns 0 after the last one; what fn returned when that was not 0, which ends it; or -1 and errno as
 * broker_open() does, and ENOTDIR.
 */
typedef int broker_list_fn(void *context, const char *name, unsigned char type);
BROKER_PUBLIC_ int broker_list(const char *path, broker_list_fn *fn,
			       void *context) BROKER_NONNULL_FN_ BROKER_CHECK_;

/*
 * Why the policy refused this thread's last call, in the words of whoever wrote it (because="..."): 1 to
 * 1020 bytes of printable ASCII, valid until the next call. NULL: the rule says nothing, or it was no
 * refusal by a rule, or no rule at all allows the caller anything.
 */
BROKER_PUBLIC_ const char *broker_error_reason(void);

#undef BROKER_PUBLIC_
#undef BROKER_CHECK_
#undef BROKER_NONNULL_
#undef BROKER_NONNULL_FN_

#ifdef __cplusplus
}
#endif

#endif
