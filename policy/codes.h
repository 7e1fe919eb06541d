/* SPDX-License-Identifier: MIT */
/*
 * Every message about a policy. Codes are stable: a number is never given to something else, and
 * fdbroker.policy(5) explains each. `%` in a message stands for the argument of the report. P008 and
 * P040 were given to messages that are no more.
 */
#pragma once

#define POLICY_CODES(X)                                                                            \
	X(1, ERROR, CANNOT_OPEN, "cannot be read: %")                                              \
	X(2, ERROR, NOT_TEXT, "this is not a text file: it holds a NUL byte")                      \
	X(3, ERROR, CONTROL_BYTE, "control byte %")                                                \
	X(4, ERROR, LONG_LINE, "the line is longer than 65536 bytes")                              \
	X(5, ERROR, NO_HEADER, "a policy file begins with 'policy 1'")                             \
	X(6, ERROR, VERSION, "unknown version of the policy language: '%'")                        \
	X(7, ERROR, STATEMENT, "unknown statement '%'")                                            \
	X(9, ERROR, INCOMPLETE, "the statement is not complete: it needs %")                       \
	X(10, ERROR, VERB, "unknown verb '%'")                                                     \
	X(11, ERROR, VERB_ANY, "'any' stands for all verbs only in a deny")                        \
	X(12, ERROR, TARGET, "a target begins with '/' or '@', not with '%'")                      \
	X(13, ERROR, EMPTY_COMPONENT, "empty path component")                                      \
	X(14, ERROR, GLOBSTAR, "'**' must be a whole path component")                              \
	X(15, ERROR, GLOBSTAR_TWICE, "two '**' side by side")                                      \
	X(16, ERROR, SPECIAL, "'%' must be escaped")                                               \
	X(17, ERROR, ESCAPE, "bad escape '%'")                                                     \
	X(18, ERROR, DOT_COMPONENT, "'%' as a path component never matches")                       \
	X(19, ERROR, PATTERN_LIMIT, "this pattern goes beyond a limit: %")                         \
	X(20, ERROR, SET_UNKNOWN, "unknown set '%'")                                               \
	X(21, ERROR, SET_TWICE, "the set '%' is defined twice")                                    \
	X(22, ERROR, SET_NAME, "'%' is not a name of a set")                                       \
	X(23, ERROR, SET_NESTED, "a set holds patterns, not other sets")                           \
	X(24, ERROR, ATOM, "'%' does not say who")                                                 \
	X(25, ERROR, WHO_EMPTY, "something is missing in '%'")                                     \
	X(26, ERROR, ID, "'%' is not a name or an id")                                             \
	X(27, ERROR, UNKNOWN_DENIED, "there is no % (in a deny)")                                  \
	X(28, WARNING, UNKNOWN_ALLOWED, "there is no %: THIS PART OF THE RULE MATCHES NOBODY")     \
	X(29, ERROR, DENY_WHO, "a deny names only 'any', 'user:' or 'label:', not '%'")            \
	X(30, ERROR, ANY_WRITES, "'any' is allowed to read, stat and list only, not to %")         \
	X(31, ERROR, TWO_PEERS, "nobody % at once")                                                \
	X(32, ERROR, EXCEPT_TWICE, "'except' comes once in a rule")                                \
	X(33, ERROR, UNEXPECTED, "'%' is not expected here")                                       \
	X(34, ERROR, OPTION, "unknown option '%'")                                                 \
	X(35, ERROR, NO_NEWLINE, "the last line has no end: is the file cut off?")                 \
	X(36, ERROR, PREFIXES, "the rules of '%' reach more than 256 different places")            \
	X(37, ERROR, TOO_LARGE, "the policy is too large: %")                                      \
	X(38, ERROR, QUOTE, "the quotation mark is never closed")                                  \
	X(39, ERROR, PATTERN_COMMA, "a name in a pattern ends in ','")                             \
	X(41, ERROR, OWNER, "owned by uid %, who is neither root nor the user of this process")    \
	X(42, ERROR, WRITABLE, "group or others may write to it (mode %)")                         \
	X(43, ERROR, LINK, "a symbolic link, and not to /dev/null")                                \
	X(44, ERROR, NOT_REGULAR, "not a regular file")                                            \
	X(45, NOTE, OTHER_NAME, "not read: %")                                                     \
	X(46, ERROR, TOO_MANY_FILES, "more than % policy files")                                   \
	X(47, ERROR, UNSTABLE, "the files keep changing while they are read")                      \
	X(48, ERROR, SUBJECT_NAME, "'%' is not a name of a subject")                               \
	X(49, ERROR, SUBJECT_TWICE, "the subject '%' is defined twice")                            \
	X(50, ERROR, SUBJECT_UNKNOWN, "unknown subject '%'")                                       \
	X(51, ERROR, SUBJECT_CYCLE, "the subject '%' is defined by itself")                        \
	X(52, ERROR, WHO_LIMIT, "too many different peers in one rule: %")                         \
	X(53, ERROR, UNIT, "'%' is not the name of a unit")                                        \
	X(54, ERROR, UNIT_ALONE, "'%' does not say whose processes it means")                      \
	X(55, ERROR, LABEL, "'%' is not a security label")                                         \
	X(56, ERROR, OPTION_TWICE, "the option '%' comes twice")                                   \
	X(57, ERROR, OPTION_EMPTY, "the option '%' needs a value")                                 \
	X(58, ERROR, OPTION_FLAG, "the option '%' takes no value")                                 \
	X(59, ERROR, OPTION_VALUE, "bad value in '%'")                                             \
	X(60, ERROR, OPTION_DENY, "a deny has no conditions: '%'")                                 \
	X(61, ERROR, OPTION_VERBS, "'%' means nothing in this rule")                               \
	X(62, WARNING, UNTIL_PAST, "the last day of this rule is over: %")                         \
	X(63, ERROR, ID_TWICE, "the id '%' is given twice")                                        \
	X(64, ERROR, OWNER_UNKNOWN, "there is no user '%' to own anything")                        \
	X(65, ERROR, PEER, "'%' does not say what one peer is")                                    \
	X(66, WARNING, PEER_UNKNOWN, "there is no %: THIS EXPECTATION IS NOT CHECKED")             \
	X(67, ERROR, EXPECT_PATH, "an expectation is about one path, not '%'")                     \
	X(68, ERROR, EXPECT, "expected %")                                                         \
	X(69, ERROR, DEAD, "this rule can never take effect: %")                                   \
	X(70, WARNING, DEAD_TARGET, "this target can never take effect: %")                        \
	X(71, WARNING, COVERED, "another rule covers this one: %")                                 \
	X(72, WARNING, TOGETHER, "two rules together do not grant %")                              \
	X(73, NOTE, NOT_REVIEWED, "not every pair of rules was compared: %")                       \
	X(74, ERROR, CLASS, "'%' is not a character class")                                        \
	X(75, ERROR, BRACES, "'%' is not a list of alternatives")                                  \
	X(76, ERROR, VARIABLE, "unknown variable '%'")                                             \
	X(77, ERROR, LINKED, "there is a symbolic link in the path of this rule: %")               \
	X(78, WARNING, LINKED_HERE, "there is a symbolic link in the path of this rule, here: %")  \
	X(79, NOTE, ABSENT, "this rule begins with what does not exist: %")                        \
	X(80, WARNING, CROWDED, "decisions in % may be given up, and then deny")                   \
	X(81, ERROR, SUBJECTS, "the rules say more than 1024 different things of this peer")       \
	X(82, NOTE, REPLACED, "not read: %")                                                       \
	X(83, WARNING, OVERFLOW, "% CAN NEVER MATCH")                                              \
	X(84, NOTE, SUBUIDS, "of these ids some count as no owner's: %")                           \
	X(85, ERROR, UNITS, "too many units are named for %")

enum policy_code {
#define X(number, severity, name, message) POLICY_CODE_##name = number,
	POLICY_CODES(X)
#undef X
};
