/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of the sanitizers' runtime, if it is there. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static unsigned char input[FUZZ_INPUT_MAX];
static volatile size_t input_size;
static bool drawing; /* the fuzzer's own fault */
static char kept[4096];
static uint64_t state;

unsigned
fuzz_draw(unsigned below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % below;
}

char *
fuzz_read(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *text;

	if (fd < 0 || fstat(fd, &status) < 0)
		err(2, "%s", path);
	text = malloc((size_t)status.st_size + 1);
	if (!text || read(fd, text, (size_t)status.st_size) != status.st_size)
		err(2, "%s", path);
	text[status.st_size] = '\0';
	close(fd);
	*ret_size = (size_t)status.st_size;
	return text;
}

/* Called where nothing can be relied on: system calls only. */
static void
keep_input(void)
{
	static const char said[] = "the input is kept in ";
	int fd;

	if (drawing || !*kept)
		return;
	fd = open(kept, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, input, input_size) != (ssize_t)input_size)
		return;
	(void)!write(STDERR_FILENO, said, sizeof(said) - 1);
	(void)!write(STDERR_FILENO, kept, strlen(kept));
	(void)!write(STDERR_FILENO, "\n", 1);
	*kept = '\0';
}

static void
on_signal(int signal)
{
	static const char slow[] = "this input takes too long\n";

	if (signal == SIGALRM)
		(void)!write(STDERR_FILENO, slow, sizeof(slow) - 1);
	keep_input();
	_exit(128 + signal);
}

static void
catch_death(void)
{
	static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	struct sigaction action = {.sa_handler = on_signal};

	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_input);
	/* Of memory errors the sanitizers say more, and then call back. */
	for (size_t i = 0; i < (__sanitizer_set_death_callback ? 2 : sizeof(signals) / sizeof(int));
	     i++)
		sigaction(signals[i], &action, NULL);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t
try_input(const struct fuzzer *fuzzer)
{
	/* A copy of exactly this size: what is read behind it is found. */
	unsigned char *copy = malloc(input_size ? input_size : 1);
	uint64_t start = now_ms();

	if (!copy)
		err(2, "malloc");
	memcpy(copy, input, input_size);
	alarm(FUZZ_INPUT_SECONDS);
	fuzzer->try(copy, input_size);
	alarm(0);
	free(copy);
	return now_ms() - start;
}

static int
replay(const struct fuzzer *fuzzer, char **files)
{
	for (; *files; files++) {
		size_t size;
		char *text = fuzz_read(*files, &size);

		if (size > FUZZ_INPUT_MAX)
			errx(2, "%s is too long for an input", *files);
		memcpy(input, text, size);
		input_size = size;
		free(text);
		printf("%s: %llu ms\n", *files, (unsigned long long)try_input(fuzzer));
	}
	return 0;
}

int
fuzz_main(const struct fuzzer *fuzzer, int argc, char **argv)
{
	static const struct option options[] = {
		{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'r'},
		{"directory", required_argument, NULL, 'd'},
		{},
	};
	unsigned long inputs = 0, seconds = 60, seed = (unsigned long)now_ms() ^ (unsigned)getpid();
	uint64_t end, slowest = 0;
	const char *directory = ".";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = strtoul(optarg, NULL, 0);
		else if (option == 'r')
			seed = strtoul(optarg, NULL, 0);
		else if (option == 'd')
			directory = optarg;
		else
			return 2;
	}
	catch_death();
	if (optind < argc)
		return replay(fuzzer, argv + optind);
	printf("%s: seed %lu, %lu seconds\n", fuzzer->name, seed, seconds);
	fflush(stdout);
	state = seed;
	end = now_ms() + seconds * 1000;
	do {
		uint64_t took;

		snprintf(kept, sizeof(kept), "%s/%s-%lu-%lu", directory, fuzzer->name, seed,
			 inputs);
		drawing = true;
		input_size = fuzzer->draw(input, sizeof(input));
		drawing = false;
		took = try_input(fuzzer);
		slowest = took > slowest ? took : slowest;
		inputs++;
	} while (now_ms() < end);
	printf("%s: %lu inputs, the slowest took %llu ms\n", fuzzer->name, inputs,
	       (unsigned long long)slowest);
	return fuzzer->summary && !fuzzer->summary() ? 1 : 0;
}
