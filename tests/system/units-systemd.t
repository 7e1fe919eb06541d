#!/bin/bash
# SPDX-License-Identifier: MIT
# Units as a real systemd makes them: services, templates, scopes, and those of a user's own manager.
. "$(dirname "$0")/../lib.sh"
needs_root
. "$(dirname "$0")/../systemd.sh"

# service NAME LINE...: a unit with these lines in its [Service].
service() {
	local name=$1
	shift
	printf '%s\n' '[Service]' "$@" >"$R/run/systemd/system/$name"
}

# Before systemd starts: a user, files, a policy, units.
prepare() {
	local name
	echo "fdbt:x:$A:$A::/run/fdbt:/bin/sh" >>"$R/etc/passwd"
	echo "fdbt:x:$A:" >>"$R/etc/group"
	mkdir -p "$R/run/test/policy" "$R/run/test/files" "$R/run/test/out"
	chmod 1777 "$R/run/test/out"
	for name in one two borg scope run manager; do echo $name >"$R/run/test/files/$name"; done
	chmod 600 "$R/run/test/files/"*
	cat >"$R/run/test/policy/10-test.policy" <<-END
		policy 1
		allow user:$A+unit:one.service read /run/test/files/one
		allow user:$A+unit:two.service read /run/test/files/two
		allow user:$A+unit:borg@*.service read /run/test/files/borg
		allow user:$A+unit:run-test.scope read /run/test/files/scope
		allow user:$A+unit:run-test.service read /run/test/files/run
		allow user:$A+unit:user@$A.service read /run/test/files/manager
	END
	cat >"$R/run/test/gets" <<-'END'
		#!/bin/sh
		export FDBROKER_SOCKET=/run/test/socket
		cd /run/test/files
		/run/build/fdbroker cat /run/test/files/one /run/test/files/two /run/test/files/borg /run/test/files/scope \
			/run/test/files/run /run/test/files/manager 2>/dev/null | tr '\n' ' ' >"/run/test/out/$1"
		exit 0
	END
	# Not the shell itself, and no longer a child of what systemd started.
	printf '#!/bin/sh\n(setsid /run/test/gets "$1")\n' >"$R/run/test/child"
	# As the user, talking to its own manager.
	printf '#!/bin/sh\nexec setpriv --reuid=%s --regid=%s --clear-groups env XDG_RUNTIME_DIR=/run/user/%s "$@"\n' \
		$A $A $A >"$R/run/test/by-user"
	chmod 755 "$R/run/test/by-user" "$R/run/test" "$R/run/test/gets" "$R/run/test/child"
	service broker.service 'ExecStart=/run/build/fdbrokerd --socket /run/test/socket --policy /run/test/policy' \
		'StandardError=file:/run/test/log'
	for name in one two three; do
		service $name.service Type=oneshot User=$A "ExecStart=/run/test/gets $name" "ExecStart=/run/test/child $name-child"
	done
	service borg@.service Type=oneshot User=$A "ExecStart=/run/test/gets borg-%i"
	# A user's manager as the distribution has it, but for the session that logind would make.
	mkdir -p "$R/run/systemd/system/user@.service.d" "$R/run/user/$A/systemd/user"
	printf '[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\n' >"$R/run/systemd/system/user@.service.d/test.conf"
	service user-runtime-dir@.service Type=oneshot RemainAfterExit=yes ExecStart=/bin/true
	for name in one borg@home; do
		printf '[Service]\nType=oneshot\nExecStart=/run/test/gets user-%s\n' "${name%@*}" >"$R/run/user/$A/systemd/user/$name.service"
	done
	chmod 700 "$R/run/user/$A"
	chown -R $A:$A "$R/run/user/$A"
}

export A
export -f service

# run NAME COMMAND...: there; what /run/test/gets NAME has written then.
run() {
	local name=$1 got
	shift
	in_systemd "$@" >/dev/null 2>"$T/said" || sed 's/^/# /' "$T/said" >&2
	got=$(in_systemd cat "/run/test/out/$name" 2>/dev/null)
	echo "${got:-nothing}" | sed 's/ $//'
}
units() {
	is "$1: a service is itself" "one" "$(run one systemctl start one.service)"
	is "$1: and so is what it starts" "one" "$(run one-child true)"
	is "$1: another of the same user is another" "two" "$(run two systemctl start two.service)"
	is "$1: what no rule names gets nothing" "nothing" "$(run three systemctl start three.service)"
	is "$1: an instance meets the pattern for its template" "borg" "$(run borg-home systemctl start borg@home.service)"
	is "$1: a transient service is itself" "run" \
		"$(run run systemd-run --quiet --wait --unit=run-test.service --uid=$A /run/test/gets run)"
	is "$1: one with another name is not" "nothing" \
		"$(run other systemd-run --quiet --wait --unit=run-other.service --uid=$A /run/test/gets other)"
	is "$1: a scope is itself" "scope" "$(run scope systemd-run --quiet --scope --unit=run-test.scope --uid=$A /run/test/gets scope)"
	is "$1: in a slice of its own as well" "run" \
		"$(run slice systemd-run --quiet --wait --unit=run-test.service --slice=a-b.slice --uid=$A /run/test/gets slice)"
	ok "$1: a user's own manager starts" in_systemd systemctl start user@$A.service
	is "$1: its unit of the same name is the manager's" "manager" \
		"$(run user-one /run/test/by-user systemctl --user start one.service)"
	is "$1: its instance of a template too" "manager" "$(run user-borg /run/test/by-user systemctl --user start borg@home.service)"
	is "$1: and a scope that it makes" "manager" \
		"$(run user-scope /run/test/by-user systemd-run --quiet --user --scope --unit=run-test.scope /run/test/gets user-scope)"
	is "$1: and what it runs for the moment" "manager" \
		"$(run user-run /run/test/by-user systemd-run --quiet --user --wait --unit=run-test.service /run/test/gets user-run)"
	is "$1: the real one is served as before" "one" "$(in_systemd rm /run/test/out/one; run one systemctl start one.service)"
}

[ -n "$(systemd_hierarchies)" ] || echo "Bail out! No unified hierarchy of control groups is mounted."
for hierarchy in $(systemd_hierarchies); do
	echo "# systemd with a $hierarchy hierarchy"
	systemd_up "$hierarchy" prepare
	is "$hierarchy: systemd comes up" 0 $?
	in_systemd systemctl start broker.service
	ok "$hierarchy: the broker runs" until_ok in_systemd grep -q 'listening on' /run/test/log
	units "$hierarchy"
	systemd_down
done
finished
