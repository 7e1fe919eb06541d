#!/bin/bash
# SPDX-License-Identifier: MIT
# A tree is cloned once for each thing that a rule adds: what is opened by another rule beneath the same
# prefix is worth no more for it.
. "$(dirname "$0")/../lib.sh"
needs_root

D=$T/d
mkdir -m 755 "$D" "$D/dev" "$D/zero"
install -m 755 /bin/true "$D/tool"
install -m 755 /bin/true "$D/other"
echo data >"$D/file"
mknod -m 600 "$D/dev/zero" c 1 5
mknod -m 600 "$D/dev/random" c 1 8
mknod -m 600 "$D/dev/full" c 1 7
mknod -m 600 "$D/dev/disk" b 1 0
mkfifo -m 600 "$D/dev/fifo"
echo regular >"$D/dev/file"
chmod 600 "$D/dev/file"
chown $A "$D/file" "$D/dev/file"
mknod -m 600 "$D/dev/two" c 1 5
mknod -m 600 "$D/dev/owt" c 1 5
mknod -m 600 "$D/dev/chr" c 1 5
mknod -m 600 "$D/dev/blk" b 1 0
echo regular >"$D/dev/reg"
chmod 600 "$D/dev/reg"
echo reverse >"$D/denwo"
echo twice >"$D/owned"
echo once >"$D/unowned"
echo root >"$D/either"
echo peer >"$D/other-one"
chmod 600 "$D/either" "$D/other-one"
chown $A "$D/other-one"
touch "$D/listed" # nothing that Landlock could permit there
chmod 600 "$D/owned" "$D/denwo" "$D/unowned"
chown $A "$D/owned" "$D/denwo" "$D/unowned"
policy 10-test.policy <<EOF
policy 1
allow user:$A read        $D/tool            exec
allow user:$A read        $D/other $D/file
allow user:$A write       $D/file
allow user:$A read,write  $D/dev/{zero,random,file} type=chr,reg
allow user:$A read        $D/dev/{full,disk,fifo}
allow user:$A read        $D/dev/two
allow user:$A read        $D/dev/two type=chr
allow user:$A read        $D/owned $D/unowned owner=root
allow user:$A read        $D/owned
allow user:$A read        $D/either $D/other-one owner=root
allow user:$A read        $D/either $D/other-one owner=peer
allow user:$A read        $D/dev/owt type=chr
allow user:$A read        $D/dev/owt
allow user:$A read        $D/denwo
allow user:$A read        $D/denwo owner=root
allow user:$A read        $D/dev/{chr,blk,reg} type=chr
allow user:$A read        $D/dev/{chr,blk,reg} type=blk
allow user:$A read        $D/dev/{chr,blk,reg}
allow user:$A list        $D/listed
EOF
start_broker

# with PATH COMMAND: run it with the file as descriptor 9.
with() { as $A "$BUILD/fdbroker" open ${flags:+--flags=$flags} --fd=9 "$1" -- bash -c "$2" 2>&1; }
flags=''
ok "what a rule with exec gives can be run" with "$D/tool" 'exec /proc/self/fd/9'
has "what another one gives, beside it, cannot" "Permission denied" "$(with "$D/other" 'exec /proc/self/fd/9')"
ok "where it lies it could" as $A "$D/other"
has "a descriptor to run is still one to read: no reopening for writing" "Read-only file system" \
	"$(chown $A "$D/tool"; with "$D/tool" 'exec 8<>/proc/self/fd/9')"
flags='write'
ok "one for writing writes" with "$D/file" 'echo more >&9'
flags=''
has "and the one for reading, of the same file and owner, cannot be reopened" "Read-only file system" \
	"$(with "$D/file" 'exec 8<>/proc/self/fd/9')"

is "a device, where the type says so" "0000" "$(with "$D/dev/zero" 'head -c 2 <&9 | od -An -tx1 | tr -d " \n"')"
flags=read,write
ok "for writing, too" with "$D/dev/zero" 'echo x >&9'
flags=''
# RNDGETENTCNT; what a worker may not is not taken from the descriptor.
has "its ioctl(2) are those of the device" "^entropy [0-9]" \
	"$(with "$D/dev/random" "perl -e 'open(F, \"<&=9\"); \$b = pack(\"i\", 0); ioctl(F, 0x80045200, \$b) or die \$!; print \"entropy \", unpack(\"i\", \$b)'")"
has "a device that no type names is refused" "type|Permission|does not allow" "$(with "$D/dev/full" true)"
has "a block device as well" "type|Permission|does not allow" "$(with "$D/dev/disk" true)"
has "and a FIFO" "type|Permission|does not allow" "$(timeout 5 bash -c "$(declare -f with as); A=$A BUILD=$BUILD flags=''; with $D/dev/fifo true")"
is "a regular file beneath the same rule is one" regular "$(with "$D/dev/file" 'cat <&9')"
has "and cannot be reopened" "Read-only file system" "$(with "$D/dev/file" 'exec 8<>/proc/self/fd/9')"
flags='write'
ok "but be opened for writing" with "$D/dev/file" 'echo more >&9'

# Of several rules one whose conditions hold is enough.
flags=''
is "a device that only the second of two rules opens" "0000" \
	"$(with "$D/dev/two" 'head -c 2 <&9 | od -An -tx1 | tr -d " \n"')"
is "a file whose owner only the first of two asks for" twice "$(with "$D/owned" 'cat <&9')"
is "the same in the other order" "0000" "$(with "$D/dev/owt" 'head -c 2 <&9 | od -An -tx1 | tr -d " \n"')"
is "and of the owner" reverse "$(with "$D/denwo" 'cat <&9')"
is "of two owners the one" root "$(with "$D/either" 'cat <&9')"
is "and the other" peer "$(with "$D/other-one" 'cat <&9')"
ok "of each type, by a rule of its own" with "$D/dev/chr" 'head -c 2 <&9 >/dev/null'
is "a regular file too" regular "$(with "$D/dev/reg" 'cat <&9')"
# There need not be such a disk; it is not the policy that says no.
is "and a block device" "" "$(with "$D/dev/blk" true | grep -E "type|Permission|does not allow")"
has "the counter-check: one without the second rule" "type|Permission|does not allow" "$(with "$D/unowned" true)"

stop_broker
is "SIGTERM ends it with 0" 0 $?
finished
