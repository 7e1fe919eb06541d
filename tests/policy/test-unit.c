/* SPDX-License-Identifier: MIT */
/* From the text of /proc/PID/cgroup to the unit, with names that a user may have chosen. */
#include "policy-test.h"

#define NAME_200                                                                                   \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nn"                                                                                       \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nn"                                                                                       \
	"nnnnnnnnnnnnnnnnnnnn"
#define NAME_247 NAME_200 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct {
	const char *text;
	const char *unit; /* NULL: none */
} cases[] = {
	/* As systemd has them. */
	{"0::/system.slice/nginx.service\n", "nginx.service"},
	{"0::/init.scope\n", "init.scope"},
	{"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
	{"0::/system.slice/system-borg.slice/borg@-home\\x2da:b.service\n",
	 "borg@-home\\x2da:b.service"},
	{"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
	{"0::/system.slice/cups.socket\n", "cups.socket"},
	{"0::/system.slice/srv.mount\n", "srv.mount"},
	{"0::/system.slice/dev-sda1.swap\n", "dev-sda1.swap"},
	{"0::/-.slice/a.service\n", "a.service"},
	{"0::/machine.slice/machine-m.scope/payload/system.slice/cron.service\n",
	 "machine-m.scope"},
	{"0::/system.slice/docker-0123abc.scope/init.scope\n", "docker-0123abc.scope"},
	/* Escaped, once. */
	{"0::/system.slice/_.hidden.service\n", ".hidden.service"},
	{"0::/system.slice/__a.service\n", "_a.service"},
	{"0::/_cpu.slice/_cpu.service\n", "cpu.service"},
	{"0::/_a.slice/a.service\n", "a.service"},
	/* What a user has below the manager, or what a service does for itself, is not looked at. */
	{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service\n",
	 "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/../x\n", NULL},
	{"0::/user.slice/user-1000.slice/user@1000.service/..x\n", "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/0::/system.slice/nginx.service\n",
	 "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/:name=systemd:/system.slice/"
	 "nginx.service\n",
	 "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/\x1b[2J\xff \t%s\n",
	 "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service//nginx.service\n", "user@1000.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/" NAME_247 NAME_247 "\n",
	 "user@1000.service"},
	{"0::/user.slice/user-1000.slice/session-3.scope/system.slice/nginx.service\n",
	 "session-3.scope"},
	/* Hybrid and legacy. */
	{"12:cpu,cpuacct:/\n1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n",
	 "b.service"},
	{"0::/system.slice/b.service\n1:name=systemd:/system.slice/a.service\n", "b.service"},
	{"12:pids:/system.slice/c.service\n1:name=systemd:/system.slice/a.service\n", "a.service"},
	{"1:name=systemd:/system.slice/a.service\n12:pids:/x\n", "a.service"},
	{"1:name=systemd:/system.slice/a.service\n0::/\n", NULL},
	{"12:pids:/system.slice/c.service\n", NULL},
	{"1:name=systemd2:/system.slice/a.service\n", NULL},
	{"1:xname=systemd:/system.slice/a.service\n", NULL},
	{"1:cpu,name=systemd:/system.slice/a.service\n", NULL},
	{"1::/system.slice/a.service\n", NULL},
	{"00::/system.slice/a.service\n", NULL},
	{"0:cpu:/system.slice/a.service\n", NULL},
	/* No unit. */
	{"0::/\n", NULL},
	{"0::/system.slice\n", NULL},
	{"0::/system.slice/\n", NULL},
	{"0::/user.slice/user-1000.slice\n", NULL},
	{"0::/docker/0123abc\n", NULL},
	{"0::/docker/system.slice/nginx.service\n", NULL},
	{"0::/lxc/c1/system.slice/nginx.service\n", NULL},
	{"0::/nginx.service.d/system.slice/nginx.service\n", NULL},
	{"0::/a.timer\n", NULL},
	{"0::/a.target/b.service\n", NULL},
	{"0::/.service\n", NULL},
	{"0::/_.service\n", NULL},
	{"0::/.slice/a.service\n", NULL},
	{"0::/_.slice/a.service\n", NULL},
	{"0::/_/a.service\n", NULL},
	{"0::/@.service\n", NULL},
	{"0::/@a.slice/a.service\n", NULL},
	{"0::/Xslice/a.service\n", NULL},
	{"0::/a.slices/a.service\n", NULL},
	{"0::/a.Slice/a.service\n", NULL},
	{"0::/a b.slice/a.service\n", NULL},
	{"0::/a*.slice/a.service\n", NULL},
	{"0::/system.slice/a b.service\n", NULL},
	{"0::/system.slice/a\xc3\xa9.service\n", NULL},
	{"0::/system.slice/a\x01.service\n", NULL},
	{"0::/system.slice/*.service\n", NULL},
	{"0::/system.slice/a.service \n", NULL},
	{"0::/" NAME_247 ".service\n", NAME_247 ".service"},
	{"0::/" NAME_247 "n.service\n", NULL},
	{"0::/" NAME_247 "nnn.slice/a.service\n", NULL},
	/* Odd. */
	{"", NULL},
	{"\n", NULL},
	{"0::\n", NULL},
	{"0::system.slice/a.service\n", NULL},
	{"0:://system.slice/a.service\n", NULL},
	{"0::/system.slice//a.service\n", NULL},
	{"0::/../system.slice/a.service\n", NULL},
	{"0::/..\n", NULL},
	{"0::/system.slice/a.service/..\n", NULL},
	{"0::/../../a.service\n", NULL},
	{"0::/system.slice/a.service (deleted)\n", NULL},
	{"0::/system.slice/a.service/x (deleted)\n", NULL},
	{"0::/system.slice/a.service\n\n", NULL},
	{"\n0::/system.slice/a.service\n", NULL},
	{"0:/system.slice/a.service\n", NULL},
	{"0::/system.slice/a.service\nx\n", NULL},
	{"0::/system.slice/a.service\n0::/system.slice/a.service\n", NULL},
	{"1:name=systemd:/a.service\n2:name=systemd:/a.service\n", NULL},
	/* Cut off. */
	{"0::/system.slice/a.service", NULL},
	{"1:name=systemd:/system.slice/a.service\n0::/sys", NULL},
	{"1:name=systemd:/system.slice/a.service\n0", NULL},
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		size_t size = strlen(cases[i].text);
		/* Nothing behind the text is read. */
		_cleanup_free_ char *text = malloc(size ? size : 1);
		char unit[POLICY_UNIT_MAX] = "untouched";
		bool found;

		memcpy(text, cases[i].text, size);
		found = policy_unit_of(text, size, unit);
		if (found != (cases[i].unit != NULL))
			fail_msg("%s is %s", cases[i].text, found ? unit : "nothing");
		assert_string_equal(unit, cases[i].unit ?: "untouched");
	}
}

static void
test_nul(void **state)
{
	static const char text[] = "0::/system.slice/a.service\0/x\n";
	char unit[POLICY_UNIT_MAX];

	(void)state;
	assert_false(policy_unit_of(text, sizeof(text) - 1, unit));
	assert_false(policy_unit_of("0::/a.service\n\0", 15, unit));
}

/* The same, slowly and in another way: the path is split, then each name is looked at. */
static bool
naive_is(const char *name, const char *const *suffixes, size_t n)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    ":-_.\\@";

	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(name), end = strlen(suffixes[i]);

		if (length > end && length < 256 && strcmp(name + length - end, suffixes[i]) == 0 &&
		    strspn(name, bytes) == length && *name != '@')
			return true;
	}
	return false;
}

static bool
naive_unit_of(const char *text, char *ret_unit)
{
	static const char *const slice[] = {".slice"};
	static const char *const units[] = {".service", ".scope", ".socket", ".mount", ".swap"};
	_cleanup_free_ char *copy = strdup(text), *path = NULL;
	char *save = copy, *line, *name;
	int unified = 0, legacy = 0;

	if (!*text || text[strlen(text) - 1] != '\n')
		return false;
	copy[strlen(copy) - 1] = '\0';
	while ((line = strsep(&save, "\n")) != NULL) {
		char *at = strchr(line, ':');
		bool is_unified = strncmp(line, "0::", 3) == 0, is_legacy;

		if (!at || !strchr(at + 1, ':'))
			return false;
		is_legacy = strncmp(at, ":name=systemd:", 14) == 0;
		unified += is_unified;
		/* Which of two is meant is not known; behind the unified one it does not matter. */
		legacy += is_legacy && unified == 0;
		if (unified > 1 || legacy > 1)
			return false;
		if (!is_unified && (!is_legacy || unified > 0))
			continue;
		free(path);
		path = strdup(strchr(at + 1, ':') + 1);
	}
	if (!path || *path != '/' || strstr(path, "/../") ||
	    (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0) ||
	    (strlen(path) >= 10 && strcmp(path + strlen(path) - 10, " (deleted)") == 0))
		return false;
	save = path + 1;
	while ((name = strsep(&save, "/")) != NULL) {
		name += *name == '_';
		if (naive_is(name, slice, 1))
			continue;
		if (!naive_is(name, units, ELEMENTS(units)))
			return false;
		strcpy(ret_unit, name);
		return true;
	}
	return false;
}

static unsigned
draw(uint64_t *seed, unsigned below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*seed >> 33) % below;
}

static void
test_random(void **state)
{
	static const char *const words[] = {
		"0::/",       "1:name=systemd:/",
		"2:cpu:/",    "a",
		"user@1000",  ".slice",
		".slice/",    ".service",
		".scope",     "/",
		"_",          ".",
		"..",         "\n",
		"\n",         "\n0::/",
		":",          "@",
		" (deleted)", "-",
		"\\x2d",      " ",
		"*",          "system.slice/",
		"0",          ".socket",
		".mount",     ".swap",
		".timer",
	};
	unsigned long found = 0, none = 0;
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		char text[512] = "", unit[POLICY_UNIT_MAX] = "", naive[POLICY_UNIT_MAX] = "";
		bool is;

		if (draw(&seed, 4) > 0)
			strcpy(text, words[draw(&seed, 2)]);
		for (unsigned n = draw(&seed, 12); n > 0; n--)
			strcat(text, words[draw(&seed, ELEMENTS(words))]);
		if (draw(&seed, 8) > 0)
			strcat(text, "\n");
		is = policy_unit_of(text, strlen(text), unit);
		if (is != naive_unit_of(text, naive) || strcmp(unit, naive) != 0)
			fail_msg("%s: '%s', and '%s'", text, unit, naive);
		found += is;
		none += !is;
	}
	assert_true(found > 1000 && none > 1000);
	print_message("# %lu with a unit, %lu without\n", found, none);
}

/* Whatever a user writes below the manager of that user, at most the unit is lost. */
static void
test_user(void **state)
{
	static const char own[] = "0::/user.slice/user-1000.slice/user@1000.service/";
	uint64_t seed = 9;
	unsigned long found = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char text[400], unit[POLICY_UNIT_MAX];
		size_t n = sizeof(own) - 1;

		memcpy(text, own, n);
		for (unsigned k = draw(&seed, 300); k > 0; k--) {
			text[n] = "/.:_@ sliceservice\\0"[draw(&seed, 20)];
			if (draw(&seed, 4) == 0)
				text[n] = (char)draw(&seed, 256);
			/* The kernel makes no such group. */
			n += text[n] != '\n' && text[n] != '\0';
		}
		text[n++] = '\n';
		if (!policy_unit_of(text, n, unit))
			continue;
		assert_string_equal(unit, "user@1000.service");
		found++;
	}
	assert_true(found > 50000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
