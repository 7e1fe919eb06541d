#!/bin/bash
# SPDX-License-Identifier: MIT
# Each fuzzer for a few seconds, always with the same numbers; `make fuzz` runs them for longer and with others.
. "$(dirname "$0")/../lib.sh"
: "${FUZZERS:=$BUILD/tests/fuzz}"
cd "$(dirname "$0")/../.." || exit 1

for name in grammar image; do
	ok "fuzz-$name" "$FUZZERS/fuzz-$name" --seconds 5 --seed 1 --directory "$T"
done
ok "random policies, with another seed" tests/fuzz/fuzz-seeds.sh 3 "$T" "$BUILD/tests/policy/test-naive" FDBROKER_FUZZ_POLICIES=500

# A fuzzer that finds nothing could be one that does not look.
printf 'policy 1\nallow any raed /a\n' >"$T/bad.policy"
ok "an input can be tried again" "$FUZZERS/fuzz-grammar" "$T/bad.policy"
said=$("$FUZZERS/fuzz-fault" --seconds 5 --seed 1 --directory "$T" 2>&1)
status=$?
ok "a fault ends the fuzzer" test $status != 0
has "and its input is kept" "is kept in $T/fuzz-fault-1-" "$said"
ok "which has the fault" grep -q "^crash" "$T"/fuzz-fault-1-*
is "and has it again" 1 "$("$FUZZERS/fuzz-fault" "$T"/fuzz-fault-1-* >/dev/null 2>&1; echo $(($? != 0)))"
said=$(env FUZZ_FAULT=read "$FUZZERS/fuzz-fault" --seconds 5 --seed 2 --directory "$T" 2>&1)
has "the sanitizers notice what is read behind an input" "heap-buffer-overflow" "$said"
has "which is kept too" "is kept in $T/fuzz-fault-2-" "$said"
said=$(env FUZZ_FAULT=slow "$FUZZERS/fuzz-fault" --seconds 5 --seed 1 --directory "$T" 2>&1)
has "an input that takes too long ends it too" "takes too long" "$said"
finished
