# SPDX-License-Identifier: MIT
# For the TAP scripts: the distribution's systemd as process 1 of namespaces of its own, over an overlay of this
# machine's root that is thrown away. Source it after lib.sh; then: systemd_up, in_systemd, systemd_down.
# shellcheck shell=bash

systemd_pid='' systemd_groups=() systemd_starter=''

# Hierarchies of the machine: the roots of the unified one and of systemd's own, if they are mounted.
systemd_unified='' systemd_named=''
while read -r _ _ _ root where rest; do
	case "$root ${rest##* - }" in
	"/ cgroup2 "*) systemd_unified=${systemd_unified:-$where} ;;
	"/ cgroup "*name=systemd*) systemd_named=${systemd_named:-$where} ;;
	esac
done </proc/self/mountinfo

# Which kinds of hierarchies systemd can be given here: unified, hybrid.
systemd_hierarchies() {
	[ -z "$systemd_unified" ] || echo unified
	[ -z "$systemd_unified" ] || [ -z "$systemd_named" ] || echo hybrid
}

# systemd_mounts HIERARCHY: the new root, in $R. Runs in the new namespaces.
systemd_mounts() {
	local name
	mount -t tmpfs -o mode=755 tmpfs "$T/systemd"
	mkdir "$T/systemd/upper" "$T/systemd/work" "$R"
	: >"$T/systemd/none"
	mount -t overlay -o "lowerdir=/,upperdir=$T/systemd/upper,workdir=$T/systemd/work" overlay "$R"
	mount -t proc -o nosuid,nodev,noexec proc "$R/proc"
	# The machine's own settings stay as they are.
	for name in sys sysrq-trigger; do
		[ -e "$R/proc/$name" ] || continue
		mount --bind "$R/proc/$name" "$R/proc/$name"
		mount -o remount,bind,ro "$R/proc/$name"
	done
	mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$R/sys"
	# Nor does it see other hierarchies of the machine, in which it would make groups.
	mount --bind "$T/systemd/none" "$R/proc/cgroups"
	if [ "$1" = hybrid ]; then
		mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$R/sys/fs/cgroup"
		mkdir "$R/sys/fs/cgroup/unified" "$R/sys/fs/cgroup/systemd"
		mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$R/sys/fs/cgroup/unified"
		mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$R/sys/fs/cgroup/systemd"
	else
		mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$R/sys/fs/cgroup"
	fi
	mount -t tmpfs -o mode=755,nosuid tmpfs "$R/dev"
	for name in null zero full random urandom tty; do
		: >"$R/dev/$name"
		mount --bind "/dev/$name" "$R/dev/$name"
	done
	ln -s /proc/self/fd "$R/dev/fd"
	mkdir "$R/dev/shm" "$R/dev/pts"
	for name in run tmp dev/shm; do mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$R/$name"; done
	chmod 755 "$R/run"
	# Where it is not on the root's own file system, the overlay does not have it.
	mkdir "$R/run/build"
	mount --bind "$BUILD" "$R/run/build"
}

# systemd_units: what is needed of the distribution's, and what would touch the machine is left out.
systemd_units() {
	local units=$R/run/systemd/system unit
	mkdir -p "$units"
	printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$units/test.target"
	for unit in systemd-journald-audit.socket systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
		systemd-udev-trigger.service systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service \
		systemd-update-utmp.service systemd-timesyncd.service systemd-random-seed.service systemd-logind.service \
		systemd-binfmt.service proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount sys-kernel-tracing.mount \
		sys-kernel-config.mount dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount timers.target; do
		ln -sf /dev/null "$units/$unit"
	done
}

# Process 1 of the new namespaces, until it is systemd.
systemd_boot() {
	set -eu
	R=$T/systemd/root
	systemd_mounts "$1"
	systemd_units
	"$2"
	hostname fdbroker-test
	cd "$R"
	mkdir run/old
	pivot_root . run/old
	umount -l /run/old
	rmdir /run/old
	mount --make-rshared /
	exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
		setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-wake_alarm,-syslog \
		/lib/systemd/systemd --system --log-target=journal --show-status=0 --unit=test.target
}

# systemd_up HIERARCHY SETUP: boot; the function SETUP runs before, with the new root in $R. The build directory is
# /run/build there. False: it does not come up, and what it said is shown.
systemd_up() {
	local group root state='' i
	mkdir -p "$T/systemd"
	systemd_groups=()
	for root in "$systemd_unified" ${systemd_named:+"$systemd_named"}; do
		group=$root/fdbroker-test-$$
		mkdir "$group" || return 1
		systemd_groups+=("$group")
	done
	(
		# These groups become the root of what systemd sees.
		for group in "${systemd_groups[@]}"; do echo 0 >"$group/cgroup.procs"; done
		export T BUILD
		# shellcheck disable=SC2163
		export -f systemd_boot systemd_mounts systemd_units "$2"
		# shellcheck disable=SC2016
		exec setsid unshare --pid --fork --mount --uts --ipc --net --cgroup --propagation private --kill-child=SIGKILL \
			bash -c 'systemd_boot "$@"' bash "$1" "$2" </dev/null >"$T/systemd.log" 2>&1
	) &
	systemd_starter=$!
	for ((i = 0; i < 1000; i++)); do
		systemd_pid=$(tr -d ' ' <"/proc/$systemd_starter/task/$systemd_starter/children" 2>/dev/null)
		if [ -n "$systemd_pid" ] && [ "$(cat "/proc/$systemd_pid/comm" 2>/dev/null)" = systemd ]; then break; fi
		kill -0 "$systemd_starter" 2>/dev/null || break
		sleep 0.01
	done
	for ((i = 0; i < 300; i++)); do
		state=$(in_systemd systemctl is-system-running 2>/dev/null)
		case $state in running | degraded) return 0 ;; esac
		kill -0 "$systemd_starter" 2>/dev/null || break
		sleep 0.03
	done
	sed "s/^/# systemd, '$state': /" "$T/systemd.log"
	return 1
}

# in_systemd COMMAND...: there, as root, in the group that systemd itself began in.
in_systemd() {
	nsenter -t "$systemd_pid" -m -p -u -i -n -C -- "$@"
}

# All of it ends, and is gone.
systemd_down() {
	local group
	[ -z "$systemd_starter" ] || kill -KILL "$systemd_starter" 2>/dev/null
	wait "$systemd_starter" 2>/dev/null
	systemd_starter='' systemd_pid=''
	for group in "${systemd_groups[@]}"; do
		[ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
	done
	for group in "${systemd_groups[@]}"; do until_ok find "$group" -depth -type d -delete; done
	systemd_groups=()
	rm -rf "$T/systemd"
}
# A second signal does not stop it.
trap 'trap "" INT TERM HUP; systemd_down; finish' EXIT
trap 'trap "" INT TERM HUP; exit 1' INT TERM HUP
