#!/bin/bash
# SPDX-License-Identifier: MIT
# fuzz-seeds.sh SECONDS DIRECTORY PROGRAM SETTING=VALUE...: run a test program that takes FDBROKER_FUZZ_SEED with one
# seed after the other, until the time is over. What a failing run says is kept in DIRECTORY, with its seed.
set -u
seconds=$1 directory=$2 program=$3
shift 3
name=$(basename "$program")
seed=${FDBROKER_FUZZ_SEED:-$(($(date +%s) * 1000 + $$ % 1000))}
first=$seed end=$((SECONDS + seconds)) runs=0
mkdir -p "$directory"
while [ $runs = 0 ] || [ $SECONDS -lt $end ]; do
	kept=$directory/$name-$seed
	if ! env "$@" FDBROKER_FUZZ_SEED="$seed" CMOCKA_MESSAGE_OUTPUT=TAP "$program" >"$kept" 2>&1; then
		cat "$kept"
		echo "$name: failed with FDBROKER_FUZZ_SEED=$seed $*; what it said is kept in $kept"
		exit 1
	fi
	rm "$kept"
	seed=$((seed + 1)) runs=$((runs + 1))
done
echo "$name: $runs runs, seeds $first to $((seed - 1)), $*"
