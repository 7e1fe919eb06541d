/* SPDX-License-Identifier: MIT */
/*
 * A worker that an attacker owns completely. The real second phase is entered by the real functions,
 * each layer alone and all together; then each act of acts-*.c is tried in a process of its own.
 * Without any layer each of them succeeds: that is what shows that it is one. Layers are switched
 * here only. With --table it prints the table of SECURITY.md.
 */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "broker/filter.h"
#include "broker/ipc.h"
#include "broker/layers.h"
#include "broker/sys.h"
#include "broker/worker/confine.h"
#include "tests/harness.h"

struct column {
	const char *name;
	uint32_t layers;
	bool process; /* the steps that belong to no layer */
	bool all;     /* confine(), as a worker calls it */
};

enum {
	NONE = 0,
	TREES = 1,
	LANDLOCK = 5,
	SECCOMP = 6,
	ALL = 7,
};

static const struct column columns[] = {
	[NONE] = {"none"},
	[TREES] = {"trees", LAYER_TREES},
	{"caps", LAYER_CAPS},
	{"user", LAYER_USER},
	{"process", .process = true},
	[LANDLOCK] = {"landlock", LAYER_LANDLOCK},
	[SECCOMP] = {"seccomp", LAYER_SECCOMP},
	[ALL] = {"all", LAYERS_ALL, .all = true},
};

/* What became of an act: 0, an errno value, or one of these. */
enum {
	KILLED = -1,    /* by the filter */
	NO_EFFECT = -2, /* nothing was refused, and nothing happened */
	BROKEN = -3,
	UNKNOWN = -4, /* this kernel, or this build, cannot tell */
};

struct set {
	const struct act *acts;
	const size_t *n;
};
static const struct set sets[] = {
	{acts_files, &n_acts_files},
	{acts_given, &n_acts_given},
	{acts_processes, &n_acts_processes},
	{acts_system, &n_acts_system},
};

enum {
	ACTS_MAX = 256,
};

static struct scene scene;
static struct policy_image *image;
static struct policy_identity identity;
static int results[ACTS_MAX][ELEMENTS(columns)];

/* Shared with the process of an act, which may not be able to say anything any more. */
static struct report {
	_Atomic int confined, done, result;
} * report;

static void
compile(const char *directory)
{
	const struct policy_peer peer = {
		.has_uid = true, .uid = PEER, .has_gid = true, .gid = PEER};
	struct policy_diag diag = {.out = stderr};
	struct policy_source source = {.name = "test.policy"};
	static uint32_t subjects[POLICY_SUBJECTS_MAX];
	static char text[1024];
	static void *bytes;
	const uid_t uid = PEER;
	size_t size, n;

	source.size = (size_t)snprintf(text, sizeof(text),
				       "policy 1\n"
				       "allow user:%d read %s/read/*\n"
				       "deny user:%d read %s/read/denied\n"
				       "allow user:%d read,write,create %s/write/*\n"
				       "allow user:%d read %s/one/file\n"
				       "allow user:%d read %s/other/*\n",
				       PEER, directory, PEER, directory, PEER, directory, PEER,
				       directory, OTHER_PEER, directory);
	source.text = text;
	assert_int_equal(policy_compile(&source, 1, 0, &diag, &bytes, &size), 0);
	assert_int_equal(policy_image_from_memory(bytes, size, &image), 0);
	assert_int_equal(policy_subjects(image, &peer, subjects, POLICY_SUBJECTS_MAX, &n), 0);
	policy_identity_init(&identity, subjects, n, &uid, NULL);
}

/* The descriptors of a tree. */
static void
tree_of(const struct trees *trees, const char *name, int *ret_read_only, int *ret_writable)
{
	for (size_t i = 0; i < trees->n_trees; i++)
		if (strcmp(trees->trees[i].directory, scene_path(&scene, name)) == 0) {
			*ret_read_only = trees->trees[i].read_only;
			if (ret_writable)
				*ret_writable = trees->trees[i].writable;
		}
}

static int
set_admin(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	const unsigned admin = CAP_TO_MASK(CAP_SYS_ADMIN);

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].effective = on ? data[0].effective | admin : data[0].effective & ~admin;
	return TRY(SYS_capset, &header, data);
}

/* Who may not clone mounts gets the host's directories. */
static int
make_trees(const struct column *column, struct trees *trees)
{
	const bool private = column->layers & LAYER_TREES;
	int r = private ? 0 : set_admin(false);

	if (r == 0)
		r = trees_make(trees, image, &identity);
	if (r == 0 && !private)
		r = set_admin(true);
	scene.read = scene.write = scene.one = -1;
	tree_of(trees, "read", &scene.read, NULL);
	tree_of(trees, "write", &(int){0}, &scene.write);
	tree_of(trees, "one", &scene.one, NULL);
	if (r == 0 &&
	    (trees->is_private != private || scene.read < 0 || scene.write < 0 || scene.one < 0))
		r = -EINVAL;
	return r;
}

/* The descriptors of a worker, where it has them. */
static int
take_places(void)
{
	const int ends[] = {scene.control[1], scene.notes[1], scene.audit[1], scene.ended[1]};
	int moved[ELEMENTS(ends)];

	for (size_t i = 0; i < ELEMENTS(ends); i++) {
		moved[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 200);
		if (moved[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < ELEMENTS(ends); i++)
		if (dup2(moved[i], IPC_CONTROL + (int)i) < 0)
			return -errno;
	scene.notes[1] = IPC_NOTES;
	return 0;
}

/*
 * The scene's descriptors are above those places.
 */
static void
keep_places(void)
{
	for (int fd = IPC_CONTROL; fd < 10; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			assert_return_code(open("/dev/null", O_RDONLY | O_CLOEXEC), errno);
}

static int
enter(const struct column *column, const struct confinement *c, size_t end)
{
	uint32_t layers;
	int r = 1;

	if (column->all && end == n_confine_steps)
		return confine(c, &layers) < 0 || layers != LAYERS_ALL ? -ENOTSUP : 0;
	for (size_t i = 0; i < end && r == 1; i++) {
		const struct confine_step *step = &confine_steps[i];

		if (step->layers == 0 ? column->process : !(step->layers & ~column->layers))
			r = step->enter(c);
	}
	return r == 1 ? 0 : r < 0 ? r : -ENOTSUP;
}

/* Become a worker of the peer, as far as this column goes: n of the steps. */
static int
become_worker(const struct column *column, size_t n)
{
	static struct trees trees;
	static const gid_t groups[] = {GROUP};
	const struct confinement confinement = {
		.trees = &trees,
		.required = LAYERS_ALL,
		.own_uid = HELPERS,
		.own_gid = HELPERS,
		.peer_uid = PEER,
		.peer_gid = PEER,
		.groups = groups,
		.n_groups = ELEMENTS(groups),
		.memory = 64u << 20,
	};
	int r = make_trees(column, &trees);

	umask(0);
	if (r == 0)
		r = take_places();
	if (r == 0 && column->all)
		r = confine_begin();
	return r < 0 ? r : enter(column, &confinement, n);
}

static void __attribute__((noreturn)) try_act(const struct act *act, const struct column *column)
{
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = become_worker(column, n_confine_steps);
	if (r < 0) {
		fprintf(stderr, "# cannot enter %s: %s\n", column->name, strerror(-r));
		_exit(1);
	}
	report->confined = 1;
	r = act->act(&scene);
	report->result = r;
	report->done = 1;
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

static int
result_of(const struct act *act, int status)
{
	if (!report->confined)
		return BROKEN;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	/* It has become another program. */
	if (!report->done)
		return WIFEXITED(status) ? 0 : BROKEN;
	if (report->result != 0)
		return report->result == -ACT_BROKEN ? BROKEN : -report->result;
	return !act->effect || act->effect(&scene) ? 0 : NO_EFFECT;
}

static int
run(const struct act *act, size_t column)
{
	int status = -1, r;
	pid_t pid;

	if (column == LANDLOCK &&
	    (sys_landlock_abi() < 0 || sys_landlock_abi() < act->landlock_abi))
		return UNKNOWN;
	if (FILTER_SANITIZED && act->runtime)
		return UNKNOWN;
	scene_set(&scene, act->victim);
	*report = (struct report){};
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		try_act(act, &columns[column]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	r = result_of(act, status);
	scene_strike(&scene);
	return r;
}

static bool
lacks(const struct act *act, int result)
{
	return act->may_lack && (result == ENOSYS || result == EOPNOTSUPP || result == ENOTTY ||
				 result == EPERM || result == EINVAL);
}

/* Call fn for each act with its number. */
static void
each(void (*fn)(const struct act *act, int *cells))
{
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(sets); i++)
		for (size_t j = 0; j < *sets[i].n; j++) {
			assert_true(n < ACTS_MAX);
			fn(&sets[i].acts[j], results[n++]);
		}
}

static void
fill(const struct act *act, int *cells)
{
	for (size_t i = 0; i < ELEMENTS(columns) && act->name; i++)
		cells[i] = i > NONE && lacks(act, cells[NONE]) ? UNKNOWN : run(act, i);
}

static const char *
text_of(int result)
{
	switch (result) {
	case 0:
		return "-";
	case KILLED:
		return "killed";
	case NO_EFFECT:
		return "no effect";
	case UNKNOWN:
		return "?";
	case BROKEN:
		return "BROKEN";
	default:
		return strerrorname_np(result);
	}
}

static int
setup(void **state)
{
	const struct rlimit none = {0, RLIM_INFINITY};
	struct rlimit core;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)state;
	if (needs_root())
		return 0;
	/* Not every machine gives it to root, and a limit would be none. */
	assert_return_code(prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0), errno);
	assert_return_code(syscall(SYS_capget, &header, data), errno);
	data[0].effective &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	data[0].permitted &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	assert_return_code(syscall(SYS_capset, &header, data), errno);
	/* Nobody keeps a picture of what the filter kills; the hard limit stays. */
	assert_return_code(getrlimit(RLIMIT_CORE, &core), errno);
	core.rlim_cur = none.rlim_cur;
	assert_return_code(setrlimit(RLIMIT_CORE, &core), errno);
	keep_places();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(report != MAP_FAILED);
	scenes_begin(&scene);
	compile(scene.directory);
	each(fill);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (image)
		scenes_end(&scene);
	return 0;
}

/* --- what has to hold ------------------------------------------------------------------------- */

static unsigned wrong;

static void
complain(const struct act *act, size_t column, int result, const char *what)
{
	printf("# %s: with %s: %s: %s\n", act->name, columns[column].name, text_of(result), what);
	wrong++;
}

static void
check_none(const struct act *act, int *cells)
{
	if (!act->name)
		return;
	if (lacks(act, cells[NONE]))
		printf("# %s: this kernel has it not: %s\n", act->name, text_of(cells[NONE]));
	else if (cells[NONE] != 0 && cells[NONE] != UNKNOWN)
		complain(act, NONE, cells[NONE], "should succeed");
	for (size_t i = 0; i < ELEMENTS(columns); i++)
		if (cells[i] == BROKEN)
			complain(act, i, cells[i], "has to tell something");
}

static void
check_all(const struct act *act, int *cells)
{
	if (!act->name || cells[ALL] == UNKNOWN)
		return;
	if (act->open != (cells[ALL] == 0))
		complain(act, ALL, cells[ALL],
			 act->open ? "is said not to be stopped" : "has to be stopped");
}

static void
test_each_is_an_act(void **state)
{
	(void)state;
	wrong = 0;
	each(check_none);
	assert_int_equal(wrong, 0);
}

static void
test_all_layers(void **state)
{
	(void)state;
	wrong = 0;
	each(check_all);
	assert_int_equal(wrong, 0);
}

static unsigned stopped[ELEMENTS(columns)];

static void
count_stopped(const struct act *act, int *cells)
{
	for (size_t i = 0; i < ELEMENTS(columns) && act->name; i++)
		stopped[i] += cells[i] != 0 && cells[i] != UNKNOWN && cells[i] != BROKEN;
}

static void
test_each_layer_alone(void **state)
{
	(void)state;
	each(count_stopped);
	for (size_t i = TREES; i < ELEMENTS(columns); i++) {
		printf("# %s: %u\n", columns[i].name, stopped[i]);
		if (i != LANDLOCK || sys_landlock_abi() > 0)
			assert_true(stopped[i] > 0);
	}
}

static void
print_row(const struct act *act, int *cells)
{
	if (!act->name) {
		printf("| **%s** |", act->group);
		for (size_t i = TREES; i < ELEMENTS(columns); i++)
			printf(" |");
		puts("");
		return;
	}
	printf("| %s |", act->name);
	for (size_t i = TREES; i < ELEMENTS(columns); i++)
		printf(" %s |", text_of(cells[i]));
	puts("");
}

static void
print_table(void)
{
	printf("| act |");
	for (size_t i = TREES; i < ELEMENTS(columns); i++)
		printf(" %s |", columns[i].name);
	printf("\n|---|");
	for (size_t i = TREES; i < ELEMENTS(columns); i++)
		printf("---|");
	puts("");
	each(print_row);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_an_act),
		cmocka_unit_test(test_all_layers),
		cmocka_unit_test(test_each_layer_alone),
	};

	if (argc == 2 && strcmp(argv[1], "--table") == 0) {
		setup(NULL);
		print_table();
		teardown(NULL);
		return 0;
	}
	return cmocka_run_group_tests_name("attack/confinement", tests, setup, teardown);
}
