/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <string.h>

#include "policy/policy.h"
#include "text.h"

static json_t *
made(json_t *value)
{
	if (!value)
		cli_out_of_memory();
	return value;
}

json_t *
cli_json_bytes(const char *bytes, size_t n)
{
	_cleanup_free_ char *text = cli_resize(NULL, n * 4 + 1, 1);
	size_t length = 0;

	/* The backslash too, so that \xHH is always a byte. */
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *one = NULL;

		if (bytes[i] == '\\') {
			memcpy(text + length, "\\x5c", 4);
			length += 4;
			continue;
		}
		one = cli_escape(bytes + i, 1);
		memcpy(text + length, one, strlen(one));
		length += strlen(one);
	}
	text[length] = '\0';
	return made(json_string(text));
}

json_t *
cli_json_printable(const char *text)
{
	return text ? made(json_string(text)) : cli_json_null();
}

json_t *
cli_json_text(const char *text)
{
	return text ? cli_json_bytes(text, strlen(text)) : cli_json_null();
}

json_t *
cli_json_object(void)
{
	return made(json_object());
}

json_t *
cli_json_array(void)
{
	return made(json_array());
}

json_t *
cli_json_bool(bool value)
{
	return json_boolean(value);
}

json_t *
cli_json_integer(json_int_t value)
{
	return made(json_integer(value));
}

json_t *
cli_json_null(void)
{
	return json_null();
}

void
cli_json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		cli_out_of_memory();
}

void
cli_json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		cli_out_of_memory();
}

json_t *
cli_json_verbs(unsigned verbs)
{
	json_t *array = cli_json_array();

	for (int i = 0; i < POLICY_VERBS_N; i++)
		if (verbs & 1u << i)
			cli_json_add(array, cli_json_text(policy_verb_names[i]));
	return array;
}

void
cli_json_print(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (!text)
		cli_out_of_memory();
	puts(text);
	free(text);
	json_decref(object);
}
