/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/texts.h"

#include <string.h>

bool ct_texts_read(struct ct_texts *texts, const json_t *message, const char *member,
		   struct ct_error *err)
{
	json_t *list = json_object_get(message, member);
	size_t i;
	json_t *item;

	*texts = (struct ct_texts){.n = 0};
	if (!list)
		return true;
	if (!json_is_array(list) || json_array_size(list) > CT_RANKS_MAX)
		return ct_usage(err, "bad list '%s'", member);
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (!text || strlen(text) >= CT_ENDPOINT_MAX)
			return ct_usage(err, "bad list '%s'", member);
		texts->items[i] = text;
	}
	texts->n = (unsigned)json_array_size(list);
	texts->owner = json_incref(list);
	return true;
}

void ct_texts_free(struct ct_texts *texts)
{
	json_decref(texts->owner);
	*texts = (struct ct_texts){.n = 0};
}
