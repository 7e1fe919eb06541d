#!/bin/bash
# SPDX-License-Identifier: MIT
# What a refusal says, with a real broker: the question that it proposes is one to that broker's policy.
. "$(dirname "$0")/../lib.sh"
needs_root

mkdir -m 700 "$T/data"
echo text >"$T/data/file"
mkfifo "$T/data/fifo"
policy 10-test.policy <<EOF
policy 1
allow user:$A read $T/data/** except $T/data/file
EOF
start_broker

says() { as "$1" "$BUILD/fdbroker" cat "$2" 2>&1; }

refusal=$(says $A "$T/data/file")
has "a refusal names both reasons" "$T/data/file: the broker's policy does not allow it, or it is no regular file; " "$refusal"
has "the question names directories" "fdbroker explain --policy DIR user:$A\\+group:$A read $T/data/file " "$refusal"
command=$(sed -n "s/.*broker's: '\(.*\)' names each DIR).*/\1/p" <<<"$refusal")
is "where they are is shown by" "fdbroker --socket $T/socket status" "$command"
has "it names them" "^ +$T/policy$" "$(eval "$command")"
question=$(sed -n "s/.*can ask: \(fdbroker explain .*\) (the policy.*/\1/p" <<<"$refusal")
has "the question gets the broker's answer" '^deny ' "$(eval "${question/DIR/$T/policy}" 2>&1)"
has "a FIFO is refused with the same words" "or it is no regular file" "$(says $A "$T/data/fifo")"
has "and the question tells why" "fifo is a FIFO: the broker will not give it" "$(fdbroker can --policy "$T/policy" user:$A read "$T/data/fifo" 2>&1)"

finished
