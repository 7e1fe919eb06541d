/* SPDX-License-Identifier: MIT */
/*
 * Every message about a policy. Codes are stable: a number is never given to something else, and
 * fdbroker.policy(5) explains each. `%` in a message stands for the argument of the report.
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
	X(8, ERROR, NOT_YET, "this version of fdbroker does not know %")                           \
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
	X(19, ERROR, PATTERN_LIMIT, "this pattern matches no path: %")                             \
	X(20, ERROR, SET_UNKNOWN, "unknown set '%'")                                               \
	X(21, ERROR, SET_TWICE, "the set '%' is defined twice")                                    \
	X(22, ERROR, SET_NAME, "'%' is not a name of a set")                                       \
	X(23, ERROR, SET_NESTED, "a set holds patterns, not other sets")                           \
	X(24, ERROR, ATOM, "'%' does not say who")                                                 \
	X(25, ERROR, WHO_EMPTY, "something is missing in '%'")                                     \
	X(26, ERROR, ID, "'%' is not a name or an id")                                             \
	X(27, ERROR, UNKNOWN_DENIED, "there is no % (in a deny)")                                  \
	X(28, WARNING, UNKNOWN_ALLOWED, "there is no %: THIS PART OF THE RULE MATCHES NOBODY")     \
	X(29, ERROR, DENY_WHO, "a deny names only 'any' or 'user:', not '%'")                      \
	X(30, ERROR, ANY_WRITES, "'any' is allowed to read, stat and list only, not to %")         \
	X(31, ERROR, TWO_USERS, "nobody is two users at once")                                     \
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
	X(48, ERROR, CLASS, "'%' is not a character class")                                        \
	X(49, ERROR, BRACES, "'%' is not a list of alternatives")                                  \
	X(50, ERROR, VARIABLE, "unknown variable '%'")                                             \
	X(70, ERROR, DEAD, "this rule can never take effect: %")                                   \
	X(71, WARNING, DEAD_TARGET, "this target can never take effect: %")                        \
	X(72, WARNING, COVERED, "another rule covers this one: %")                                 \
	X(73, WARNING, TOGETHER, "two rules together do not grant %")                              \
	X(74, NOTE, NOT_REVIEWED, "not every pair of rules was compared: %")

enum policy_code {
#define X(number, severity, name, message) POLICY_CODE_##name = number,
	POLICY_CODES(X)
#undef X
};
