/* SPDX-License-Identifier: MIT */
/* Runs in: log process. Trusts: the broker. Distrusts: the compiler's messages, as text. */
#include "broker/log/status.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/layers.h"

enum {
	MESSAGES_MAX = 32768, /* bytes of the compiler's messages that are shown */
};

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

static void
put_load(FILE *text, const struct ipc_status *status, int messages)
{
	static char bytes[MESSAGES_MAX];
	ssize_t n = messages < 0 ? 0 : pread(messages, bytes, sizeof(bytes), 0);

	fprintf(text, "\"load\":{\"serial\":%llu,\"busy\":%s,\"ok\":%s,\"time\":%lld,\"messages\":",
		(unsigned long long)status->loads, status->load_busy ? "true" : "false",
		status->load_ok ? "true" : "false", (long long)status->load_time);
	put_string(text, bytes, n < 0 ? 0 : (size_t)n);
	fprintf(text, "},\n");
}

static const char *
name_of(const char *const *names, size_t n, uint32_t number)
{
	return number < n && names[number] ? names[number] : "?";
}

/* In the order of the table, each true or false. */
static void
put_layers(FILE *text, uint32_t layers)
{
	fprintf(text, "\"layers\":{");
	for (unsigned i = 0; i < n_layer_names; i++)
		fprintf(text, "%s\"%s\":%s", i ? "," : "", layer_names[i].name,
			layers & layer_names[i].layer ? "true" : "false");
	fprintf(text, "}");
}

static void
put_worker(FILE *text, const struct ipc_worker *w)
{
	static const char *const kinds[] = {
		[IPC_IDENTITY] = "identity", [IPC_ANY] = "any", [IPC_REFUSER] = "refuser"};
	static const char *const states[] = {[IPC_WORKER_STARTING] = "starting",
					     [IPC_WORKER_READY] = "ready",
					     [IPC_WORKER_FINISHING] = "draining",
					     [IPC_WORKER_FAILED] = "failed"};

	fprintf(text,
		"{\"id\":%u,\"pid\":%d,\"kind\":\"%s\",\"uid\":%u,\"gid\":%u,\"account\":%u,"
		"\"generation\":%llu,\"state\":\"%s\",\"age\":%lld,\"connections\":%llu,"
		"\"open\":%llu,",
		w->number, w->pid, name_of(kinds, sizeof(kinds) / sizeof(kinds[0]), w->kind),
		w->uid, w->gid, w->account, (unsigned long long)w->generation,
		name_of(states, sizeof(states) / sizeof(states[0]), w->state),
		(long long)(now_ms() - w->started) / 1000, (unsigned long long)w->passed,
		(unsigned long long)w->open);
	put_layers(text, w->layers);
	fprintf(text, "}");
}

static void
put_workers(FILE *text, const char *workers, uint32_t n)
{
	struct ipc_worker worker;
	fprintf(text, "\"workers\":[");
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&worker, workers + i * sizeof(worker), sizeof(worker));
		fprintf(text, "%s", i ? ",\n " : "");
		put_worker(text, &worker);
	}
	fprintf(text, "]}\n");
}

static void
put_status(FILE *text, const struct status_fixed *fixed, const struct ipc_status *status,
	   const char *workers, int messages)
{
	fprintf(text, "{\"version\":\"%s\",\"pid\":%d,\"uid\":%u,\n\"socket\":", FDBROKER_VERSION,
		status->pid, status->uid);
	put_string(text, fixed->socket, strlen(fixed->socket));
	fprintf(text, ",\n\"policy\":[");
	for (size_t i = 0; fixed->policy[i]; i++) {
		fprintf(text, "%s", i ? "," : "");
		put_string(text, fixed->policy[i], strlen(fixed->policy[i]));
	}
	fprintf(text, "],\n\"generation\":%llu,\"rules\":%llu,\n",
		(unsigned long long)status->generation, (unsigned long long)status->rules);
	put_load(text, status, messages);
	put_layers(text, status->layers);
	fprintf(text, ",\n\"accepted\":%llu,\"refused\":%llu,\n",
		(unsigned long long)status->accepted, (unsigned long long)status->refused);
	put_workers(text, workers, status->n_workers);
}

/* The mode of the socket says the same; a descriptor that was passed on does not know it. */
static bool
is_admin(int connection, uid_t broker)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == broker);
}

void
status_write(const struct status_fixed *fixed, const void *message, size_t size, int connection,
	     int messages)
{
	static char bytes[1 << 20]; /* messages, paths (each byte is at most six), workers */
	const int room = sizeof(bytes);
	struct ipc_status status;
	FILE *text;

	if (size < sizeof(status))
		return;
	memcpy(&status, message, sizeof(status));
	if (!is_admin(connection, status.uid) ||
	    size != sizeof(status) + status.n_workers * sizeof(struct ipc_worker))
		return;
	text = fmemopen(bytes, sizeof(bytes), "w");
	if (!text)
		return;
	put_status(text, fixed, &status, (const char *)message + sizeof(status), messages);
	/* Room for all of it at once: nobody is waited for. */
	(void)setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (fflush(text) == 0 && write(connection, bytes, (size_t)ftell(text)) < 0)
		bytes[0] = '\0';
	fclose(text);
}
