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
#define BROKER_PUBLIC_  __attribute__((visibility("default")))
#define BROKER_CHECK_   __attribute__((warn_unused_result))
#define BROKER_NONNULL_ __attribute__((nonnull))
#else
#define BROKER_PUBLIC_
#define BROKER_CHECK_
#define BROKER_NONNULL_
#endif

/* Where the broker listens unless FDBROKER_SOCKET says otherwise. */
#define BROKER_SOCKET_DEFAULT "/run/fdbroker/socket"

/* Milliseconds that a call waits for the broker before it fails with ETIMEDOUT. */
#define BROKER_TIMEOUT_DEFAULT 5000

/*
 * Open a file through the broker, as open(2) would.
 *
 * path: absolute and canonical: 1 to 4096 bytes, at most 64 components of at most 255 bytes each,
 * no empty, "." or ".." component, no trailing "/". No symbolic link in it is followed.
 *
 * flags: O_RDONLY, O_WRONLY or O_RDWR, with any of O_APPEND, O_TRUNC (only with write access),
 * O_NONBLOCK, O_SYNC, O_DSYNC, O_DIRECT, O_NOCTTY, O_NOFOLLOW, O_LARGEFILE and O_CLOEXEC. The
 * descriptor always has close-on-exec set; clear it with fcntl(2) if it has to survive an exec. A
 * third argument is accepted as open(2) accepts it.
 *
 * The socket is FDBROKER_SOCKET from the environment, else BROKER_SOCKET_DEFAULT. A server that
 * runs neither as root, nor as the effective uid of the caller, nor as the uid (decimal) that
 * FDBROKER_SERVER_UID says, is refused. Both variables are ignored in set-id programs. A server
 * that looks like uid 65534 has no uid in the caller's user namespace: it is refused unless
 * FDBROKER_SERVER_UID says 65534. One connection a thread is kept and made anew after fork(2), after a change of
 * effective ids and when the broker asks for it.
 *
 * Returns a new descriptor, or -1 and errno:
 *
 *   EACCES     the policy does not allow it, whether the file exists or not; or the file is not
 *              what may be given out: not a regular file, or a set-id file for writing
 *   EINVAL     path is not canonical, or a flag is not for the broker (O_CREAT, O_PATH, ...)
 *   ENOTCONN   no broker to be reached, or what answers there is not to be trusted
 *   EPROTO     the answer was not understood, or the request was not
 *   ETIMEDOUT  no answer in BROKER_TIMEOUT_DEFAULT milliseconds
 *   EBUSY      a limit of the broker is reached; later may work
 *   EMFILE     this process has no room for the descriptor
 *   ENFILE, ENOMEM  as for open(2)
 *
 * and what the open itself said: ENOENT, EISDIR, ELOOP, EROFS, ENXIO, ETXTBSY, EAGAIN, ...
 * A null path is not an error that is reported: it is undefined, as the attribute says.
 */
BROKER_PUBLIC_ int broker_open(const char *path, int flags, ...) BROKER_NONNULL_ BROKER_CHECK_;

#undef BROKER_PUBLIC_
#undef BROKER_CHECK_
#undef BROKER_NONNULL_

#ifdef __cplusplus
}
#endif

#endif
