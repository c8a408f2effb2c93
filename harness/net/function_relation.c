/* SPDX-License-Identifier: Apache-2.0 */
/* How functions lie to each other, and how they are written down. */
#include <stdio.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/net/function.h"

/* "0000:41:00.1" and "0000:41:00.0" are on one card: all but the last digit is equal. */
static bool on_one_card(const char *a, const char *b)
{
	const char *dot = strrchr(a, '.');

	return dot && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

enum ct_function_relation ct_function_relation(const struct ct_function *a,
					       const struct ct_function *b)
{
	if (a->device[0] && strcmp(a->device, b->device) == 0)
		return CT_RELATION_SAME;
	if (!a->device[0] || !b->device[0])
		return a->netdev[0] && strcmp(a->netdev, b->netdev) == 0 ? CT_RELATION_SAME
									 : CT_RELATION_UNKNOWN;
	if (a->pf[0] && strcmp(a->pf, b->pf) == 0)
		return CT_RELATION_ONE_PF;
	/* A guest's virtual functions, whose physical ones can't be seen from here. */
	if ((a->kind == CT_FUNCTION_VF && !a->pf[0]) || (b->kind == CT_FUNCTION_VF && !b->pf[0]))
		return CT_RELATION_UNKNOWN;
	return on_one_card(a->pf[0] ? a->pf : a->pci, b->pf[0] ? b->pf : b->pci)
		       ? CT_RELATION_ONE_CARD
		       : CT_RELATION_APART;
}

static void set_text(json_t *json, const char *key, const char *text)
{
	if (text[0])
		json_object_set_new(json, key, json_string(text));
}

static void set_number(json_t *json, const char *key, int number)
{
	if (number >= 0)
		json_object_set_new(json, key, json_integer(number));
}

json_t *ct_function_json(const struct ct_function *function)
{
	json_t *json = json_pack("{s:s}", "kind", ct_function_kind_names[function->kind]);

	set_text(json, "netdev", function->netdev);
	set_text(json, "rdma", function->rdma);
	set_text(json, "device", function->device);
	set_text(json, "pci", function->pci);
	set_text(json, "pf", function->pf);
	set_number(json, "vf_index", function->vf_index);
	set_number(json, "numa_node", function->numa_node);
	set_text(json, "driver", function->driver);
	return json;
}

static void get_text(const json_t *json, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(json, key));

	ct_text_print(out, size, "%s", text ? text : "");
}

static int get_number(const json_t *json, const char *key)
{
	const json_t *number = json_object_get(json, key);

	return json_is_integer(number) ? (int)json_integer_value(number) : -1;
}

bool ct_function_read(const json_t *json, struct ct_function *function)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));

	*function = (struct ct_function){.vf_index = get_number(json, "vf_index"),
					 .numa_node = get_number(json, "numa_node")};
	get_text(json, "netdev", function->netdev, sizeof function->netdev);
	get_text(json, "rdma", function->rdma, sizeof function->rdma);
	get_text(json, "device", function->device, sizeof function->device);
	get_text(json, "pci", function->pci, sizeof function->pci);
	get_text(json, "pf", function->pf, sizeof function->pf);
	get_text(json, "driver", function->driver, sizeof function->driver);
	for (int i = 0; kind && ct_function_kind_names[i]; i++) {
		if (strcmp(kind, ct_function_kind_names[i]) == 0) {
			function->kind = (enum ct_function_kind)i;
			return true;
		}
	}
	return false;
}

const char *ct_function_text(const struct ct_function *function, char *out, size_t size)
{
	const char *name = function->netdev[0] ? function->netdev
			   : function->rdma[0] ? function->rdma
					       : function->device;

	switch (function->kind) {
	case CT_FUNCTION_VF:
		if (function->pf[0])
			snprintf(out, size, "%s (VF %d of %s)", name, function->vf_index,
				 function->pf);
		else
			snprintf(out, size, "%s (VF %s, its PF is not visible)", name,
				 function->pci);
		break;
	case CT_FUNCTION_PF:
		snprintf(out, size, "%s (PF %s)", name, function->pci);
		break;
	case CT_FUNCTION_SUB:
		snprintf(out, size, "%s (subfunction %s of %s)", name, function->device,
			 function->pf);
		break;
	case CT_FUNCTION_DEVICE:
		snprintf(out, size, "%s (%s)", name, function->pci);
		break;
	case CT_FUNCTION_SOFTWARE:
		snprintf(out, size, "%s (software)", name);
		break;
	}
	return out;
}
