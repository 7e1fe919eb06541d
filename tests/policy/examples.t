#!/bin/bash
# SPDX-License-Identifier: MIT
# policy/examples/ and the policy of README.md: each compiles, and does what its expectations say.
. tests/policy/shown.sh

for example in policy/examples/*.policy; do
	shown "$example" "$example"
done
for name in log-shipper backup web-server developers serial-device; do
	check "there is an example $name" test -f "policy/examples/$name.policy"
done

# Indented by four blanks, from its first line to the next one that is not.
awk '/^    policy 1$/ { in_it = 1 } in_it && !/^    / { exit } in_it { print substr($0, 5) }' README.md \
	>"$dir/readme.policy"
shown "the first policy of README.md" "$dir/readme.policy"
check "and it has less than fifteen lines" test "$(wc -l <"$dir/readme.policy")" -lt 15

# The tests above can fail.
sample=policy/examples/log-shipper.policy
not() { ! "$@"; }
if [ "$users" = yes ]; then
	sed '$a expect allow user:promtail read /etc/shadow' $sample >"$dir/one.policy"
	check "an expectation that does not hold is found" not is_clean
	sed '$a expect deny user:no-such-user-x read /etc/shadow' $sample >"$dir/one.policy"
	check "an expectation that is not checked is found" not is_clean
	sed '$a expect deny user:no-such-user-x read /etc/shadow' $sample >"$dir/sample"
	check "and it is none that was checked" not is_checked "$dir/sample"
	sed '$a allow user:promtail read /opt/log' $sample >"$dir/sample"
	check "a rule that no expectation is about is found" not is_needed "$dir/sample"
	sed 's,^allow .* list .*,& hidden,' $sample >"$dir/sample"
	check "so is an option that none is about" not is_needed "$dir/sample"
fi
finished
