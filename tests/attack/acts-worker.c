/* SPDX-License-Identifier: MIT */
/* How a process becomes a worker of the peer: by the real functions, layer by layer. */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "broker/ipc.h"
#include "broker/layers.h"
#include "broker/worker/confine.h"
#include "tests/harness.h"

const struct column columns[N_COLUMNS] = {
	[NONE] = {"none"},
	[TREES] = {"trees", LAYER_TREES},
	[CAPS] = {"caps", LAYER_CAPS},
	[USER] = {"user", LAYER_USER},
	[PROCESS] = {"process", .process = true},
	[LANDLOCK] = {"landlock", LAYER_LANDLOCK},
	[SECCOMP] = {"seccomp", LAYER_SECCOMP},
	[ALL] = {"all", LAYERS_ALL, .all = true},
};

struct scene here;
int (*before_steps)(void);
bool watch_nothing;
uint32_t required_layers = LAYERS_ALL, entered_layers;
static struct policy_image *image;
static struct policy_identity identity;

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
				       "allow user:%d read,write,create,list %s/write/*\n"
				       "allow user:%d read,list %s/one/file\n"
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
		if (strcmp(trees->trees[i].directory, scene_path(&here, name)) == 0) {
			*ret_read_only = trees->trees[i].roots[TREE_READ];
			if (ret_writable)
				*ret_writable = trees->trees[i].roots[TREE_WRITE];
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
	static struct watch watch;
	int r = watch_begin(&watch, PEER);

	/*
	 * What is watched makes the end of a process wait for the kernel to forget it, some 10 ms;
	 * only where it matters.
	 */
	watch.blind |= !column->all || watch_nothing;
	if (r == 0 && column->all)
		r = confine_begin();
	if (r == 0 && !private)
		r = set_admin(false);
	if (r == 0)
		r = trees_make(trees, &watch, image, &identity);
	if (r == 0 && !private)
		r = set_admin(true);
	here.read = here.write = here.written = here.one = -1;
	tree_of(trees, "read", &here.read, NULL);
	tree_of(trees, "write", &here.written, &here.write);
	tree_of(trees, "one", &here.one, NULL);
	if (r == 0 && (trees->is_private != private || here.read < 0 || here.write < 0 ||
		       here.written < 0 || here.one < 0))
		r = -EINVAL;
	return r;
}

/* The descriptors of a worker, where it has them. */
static int
take_places(void)
{
	const int ends[] = {here.control[1], here.notes[1], here.audit[1], here.ended[1]};
	int moved[ELEMENTS(ends)];

	for (size_t i = 0; i < ELEMENTS(ends); i++) {
		moved[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 200);
		if (moved[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < ELEMENTS(ends); i++)
		if (dup2(moved[i], IPC_CONTROL + (int)i) < 0)
			return -errno;
	here.notes[1] = IPC_NOTES;
	return 0;
}

/*
 * The scene's descriptors are above those places.
 */
static void
keep_places(void)
{
	for (int fd = IPC_CONTROL; fd <= WATCH_MOUNTS; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			assert_return_code(open("/dev/null", O_RDONLY | O_CLOEXEC), errno);
}

static int
enter(const struct column *column, const struct confinement *c, size_t end)
{
	const char *begun;
	int r = 1;

	if (column->all && end == n_confine_steps)
		return confine(c, &entered_layers, &begun);
	for (size_t i = 0; i < end && r == 1; i++) {
		const struct confine_step *step = &confine_steps[i];

		if (step->layers == 0 ? column->process || column->all
				      : !(step->layers & ~column->layers))
			r = step->enter(c);
	}
	return r == 1 ? 0 : r < 0 ? r : -ENOTSUP;
}

int
become_worker(const struct column *column, size_t n)
{
	static struct trees trees;
	static const gid_t groups[] = {GROUP};
	const struct confinement confinement = {
		.trees = &trees,
		.required = required_layers,
		.own_uid = HELPERS,
		.own_gid = HELPERS,
		.peer_uid = PEER,
		.peer_gid = PEER,
		.groups = groups,
		.n_groups = ELEMENTS(groups),
		.memory = 64u << 20,
	};
	int r = take_places();

	umask(0);
	if (r == 0)
		r = make_trees(column, &trees);
	if (r == 0 && before_steps)
		r = before_steps();
	/* Else the kernel takes all capabilities with the uid, and the ids could not be completed. */
	if (r == 0 && column->layers == LAYER_USER &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? r : enter(column, &confinement, n);
}

void
workers_begin(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	struct rlimit limit;

	/* Not every machine gives it to root, and with it a limit would be none. */
	assert_return_code(prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0), errno);
	assert_return_code(syscall(SYS_capget, &header, data), errno);
	data[0].effective &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	data[0].permitted &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	assert_return_code(syscall(SYS_capset, &header, data), errno);
	/* Nobody keeps a picture of what the filter kills; the hard limits stay. */
	assert_return_code(getrlimit(RLIMIT_CORE, &limit), errno);
	limit.rlim_cur = 0;
	assert_return_code(setrlimit(RLIMIT_CORE, &limit), errno);
	/* Not what it is after the second phase, whatever this machine gives. */
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	limit.rlim_cur = 1024;
	assert_true(limit.rlim_max > limit.rlim_cur);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	keep_places();
	scenes_begin(&here);
	compile(here.directory);
}
