/* SPDX-License-Identifier: MIT */
/* Runs in: broker. What an admin may know, as JSON. Reads nothing from whoever asks. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/daemon/daemon.h"
#include "broker/layers.h"

/* A JSON string of any bytes: those above ASCII as the code points of the same number. */
static void
put_string(FILE *text, const char *bytes, size_t n)
{
	fprintf(text, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\')
			fprintf(text, "\\%c", c);
		else if (c == '\n')
			fprintf(text, "\\n");
		else if (c < ' ' || c >= 0x7f)
			fprintf(text, "\\u%04x", c);
		else
			fputc(c, text);
	}
	fprintf(text, "\"");
}

/* The last of it. */
static void
put_workers(FILE *text, const struct broker *b)
{
	static const char *const kinds[] = {
		[IPC_IDENTITY] = "identity", [IPC_ANY] = "any", [IPC_REFUSER] = "refuser"};
	static const char *const states[] = {[WORKER_STARTING] = "starting",
					     [WORKER_READY] = "ready",
					     [WORKER_FINISHING] = "draining",
					     [WORKER_FAILED] = "failed"};
	const char *between = "";

	fprintf(text, "\"workers\":[");
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		const struct worker *w = &b->workers[i];

		if (w->state == WORKER_FREE)
			continue;
		fprintf(text,
			"%s{\"id\":%u,\"pid\":%d,\"kind\":\"%s\",\"uid\":%u,\"gid\":%u,"
			"\"generation\":%llu,\"state\":\"%s\",\"age\":%lld,\"connections\":%llu}",
			between, w->number, w->pid, kinds[w->identity.kind], w->identity.uid,
			w->identity.gid, (unsigned long long)w->generation, states[w->state],
			(long long)(now_ms() - w->started) / 1000,
			(unsigned long long)w->connections);
		between = ",\n ";
	}
	fprintf(text, "]}\n");
}

static void
put_status(FILE *text, const struct broker *b)
{
	fprintf(text, "{\"version\":\"%s\",\"pid\":%d,\"uid\":%u,\n\"socket\":", FDBROKER_VERSION,
		getpid(), geteuid());
	put_string(text, b->options.socket, strlen(b->options.socket));
	fprintf(text, ",\n\"policy\":[");
	for (size_t i = 0; i < b->options.n_policy; i++) {
		fprintf(text, "%s", i ? "," : "");
		put_string(text, b->options.policy[i], strlen(b->options.policy[i]));
	}
	fprintf(text, "],\n\"generation\":%llu,\"rules\":%u,\n", (unsigned long long)b->generation,
		b->image ? policy_image_rules(b->image) : 0);
	fprintf(text, "\"load\":{\"serial\":%lu,\"busy\":%s,\"ok\":%s,\"time\":%lld,\"messages\":",
		b->load.serial, b->load.pid > 0 ? "true" : "false", b->load.ok ? "true" : "false",
		(long long)b->load.time);
	put_string(text, b->load.text, b->load.n_text);
	fprintf(text, "},\n\"layers\":{");
	for (unsigned i = 0; i < n_layer_names; i++)
		fprintf(text, "%s\"%s\":%s", i ? "," : "", layer_names[i].name,
			b->layers & layer_names[i].layer ? "true" : "false");
	fprintf(text, "},\n\"accepted\":%llu,\"refused\":%llu,\n", (unsigned long long)b->accepted,
		(unsigned long long)b->refused);
	put_workers(text, b);
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
	static char bytes[1 << 20]; /* messages, paths (each byte is at most six), workers */
	int fd, room = sizeof(bytes);

	while ((fd = accept4(b->admin, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		FILE *text = is_admin(fd) ? fmemopen(bytes, sizeof(bytes), "w") : NULL;

		if (text) {
			put_status(text, b);
			/* Room for all of it at once, so that nobody has to be waited for. */
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
			if (fflush(text) == 0)
				(void)send(fd, bytes, (size_t)ftell(text),
					   MSG_DONTWAIT | MSG_NOSIGNAL);
			fclose(text);
		}
		close(fd);
	}
}
