/* SPDX-License-Identifier: MIT */
/* JSON on standard output. Nothing here fails; without memory the process ends. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* Text from outside, escaped as on a terminal, and the backslash too; NULL becomes null. */
json_t *cli_json_text(const char *text);
json_t *cli_json_bytes(const char *bytes, size_t n);

/* What the compiler has already escaped. */
json_t *cli_json_printable(const char *text);

json_t *cli_json_object(void);
json_t *cli_json_array(void);
json_t *cli_json_bool(bool value);
json_t *cli_json_integer(json_int_t value);
json_t *cli_json_null(void);

/* Both take value over. */
void cli_json_put(json_t *object, const char *key, json_t *value);
void cli_json_add(json_t *array, json_t *value);

/* ["read","write"] */
json_t *cli_json_verbs(unsigned verbs);

/* Write the object and free it. */
void cli_json_print(json_t *object);
