/* SPDX-License-Identifier: MIT */
/* Runs in: broker. What an admin may know, as JSON. Reads nothing from whoever asks. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/daemon/daemon.h"
#include "broker/layers.h"

/* What does not fit is left out, which a reader sees: it is no JSON then. */
struct text {
	size_t used;
	char bytes[8 * MESSAGES_MAX];
};

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...)
{
	size_t room = sizeof(text->bytes) - text->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text->bytes + text->used, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		text->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* A JSON string of any bytes: those above ASCII as the code points of the same number. */
static void
put_string(struct text *text, const char *bytes, size_t n)
{
	put(text, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\')
			put(text, "\\%c", c);
		else if (c == '\n')
			put(text, "\\n");
		else if (c < ' ' || c >= 0x7f)
			put(text, "\\u%04x", c);
		else
			put(text, "%c", c);
	}
	put(text, "\"");
}

static void
put_workers(struct text *text, const struct broker *b)
{
	static const char *const kinds[] = {
		[IPC_IDENTITY] = "identity", [IPC_ANY] = "any", [IPC_REFUSER] = "refuser"};
	static const char *const states[] = {[WORKER_STARTING] = "starting",
					     [WORKER_READY] = "ready",
					     [WORKER_FINISHING] = "draining"};
	const char *between = "";

	put(text, "\"workers\":[");
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		const struct worker *w = &b->workers[i];

		if (w->state == WORKER_FREE)
			continue;
		put(text,
		    "%s{\"id\":%u,\"pid\":%d,\"kind\":\"%s\",\"uid\":%u,\"gid\":%u,\"generation\":%"
		    "llu,"
		    "\"state\":\"%s\",\"age\":%lld,\"connections\":%llu}",
		    between, w->number, w->pid, kinds[w->identity.kind], w->identity.uid,
		    w->identity.gid, (unsigned long long)w->generation, states[w->state],
		    (long long)(now_ms() - w->started) / 1000, (unsigned long long)w->connections);
		between = ",\n ";
	}
	put(text, "]");
}

static void
put_status(struct text *text, const struct broker *b)
{
	put(text, "{\"version\":\"%s\",\"pid\":%d,\"uid\":%u,\n\"socket\":", FDBROKER_VERSION,
	    getpid(), geteuid());
	put_string(text, b->options.socket, strlen(b->options.socket));
	put(text, ",\n\"policy\":[");
	for (size_t i = 0; i < b->options.n_policy; i++) {
		put(text, "%s", i ? "," : "");
		put_string(text, b->options.policy[i], strlen(b->options.policy[i]));
	}
	put(text, "],\n\"generation\":%llu,\"rules\":%u,\n", (unsigned long long)b->generation,
	    b->image ? policy_image_rules(b->image) : 0);
	put(text, "\"load\":{\"serial\":%lu,\"busy\":%s,\"ok\":%s,\"time\":%lld,\"messages\":",
	    b->load.serial, b->load.pid > 0 ? "true" : "false", b->load.ok ? "true" : "false",
	    (long long)b->load.time);
	put_string(text, b->load.text, b->load.n_text);
	put(text, "},\n\"layers\":{");
	for (unsigned i = 0; i < n_layer_names; i++)
		put(text, "%s\"%s\":%s", i ? "," : "", layer_names[i].name,
		    b->layers & layer_names[i].layer ? "true" : "false");
	put(text, "},\n\"accepted\":%llu,\"refused\":%llu,\n", (unsigned long long)b->accepted,
	    (unsigned long long)b->refused);
	put_workers(text, b);
	put(text, "}\n");
}

/* The mode of the socket says the same; a descriptor that was passed on does not know it. */
static bool
is_admin(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void
status_serve(struct broker *b)
{
	static struct text text;
	int fd;

	while ((fd = accept4(b->admin, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		/* Room for all of it at once, so that nobody has to be waited for. */
		int room = (int)sizeof(text.bytes);

		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		if (is_admin(fd)) {
			text.used = 0;
			put_status(&text, b);
			(void)send(fd, text.bytes, text.used, MSG_DONTWAIT | MSG_NOSIGNAL);
		}
		close(fd);
	}
}
