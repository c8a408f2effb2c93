/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/where.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/units.h"

enum { MAX_INDEX = 255, MAX_SM = 4095 };

/* A number without a sign, and where it ended. */
static bool take_number(const char **at, unsigned limit, unsigned *value)
{
	char *end;
	unsigned long number;

	if (!isdigit((unsigned char)**at))
		return false;
	number = strtoul(*at, &end, 10);
	*at = end;
	*value = (unsigned)number;
	return number <= limit;
}

static bool whole_number(const char *text, unsigned limit, unsigned *value)
{
	return take_number(&text, limit, value) && *text == '\0';
}

/* ---- which one ---- */

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool take_name(struct ct_gpu_where *where, enum ct_gpu_by by, const char *name)
{
	where->by = by;
	snprintf(where->name, sizeof where->name, "%s", name);
	return name[0] != '\0' && strlen(name) < sizeof where->name;
}

/* "1g.10gb" or "1g.10gb:2". */
static bool take_profile(struct ct_gpu_where *where, const char *text)
{
	char *colon;

	where->is_mig = true;
	if (!take_name(where, CT_GPU_BY_PROFILE, text))
		return false;
	colon = strchr(where->name, ':');
	if (!colon)
		return true;
	*colon = '\0';
	return colon > where->name && whole_number(colon + 1, MAX_INDEX, &where->index);
}

static bool is_pci(const char *text)
{
	unsigned domain, bus, slot, function;
	int end = 0;

	return sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) == 4 &&
	       text[end] == '\0';
}

static bool take_which(struct ct_gpu_where *where, const char *text)
{
	if (text[0] == '\0' || whole_number(text, MAX_INDEX, &where->index))
		return true;
	if (starts(text, "gpu"))
		return whole_number(text + 3, MAX_INDEX, &where->index);
	if (starts(text, "near:"))
		return take_name(where, CT_GPU_BY_NEAR, text + 5);
	if (starts(text, "mig:"))
		return take_profile(where, text + 4);
	where->is_mig = starts(text, "MIG-");
	if (where->is_mig || starts(text, "GPU-"))
		return take_name(where, CT_GPU_BY_UUID, text) && text[4] != '\0';
	return is_pci(text) && take_name(where, CT_GPU_BY_PCI, text);
}

/* ---- what of it ---- */

/* "0-63", or "8": the first eight. */
static bool take_sms(struct ct_gpu_where *where, const char *text)
{
	unsigned number;

	if (!take_number(&text, MAX_SM, &number))
		return false;
	where->has_sms = true;
	if (*text == '\0') {
		where->last_sm = number - 1;
		return number > 0;
	}
	where->first_sm = number;
	return *text++ == '-' && whole_number(text, MAX_SM, &where->last_sm) &&
	       where->first_sm <= where->last_sm;
}

static bool take_percent(struct ct_gpu_where *where, const char *text)
{
	return ct_parse_percent(text, &where->mps_percent, NULL) && where->mps_percent > 0 &&
	       where->mps_percent <= 100;
}

static bool take_priority(struct ct_gpu_where *where, const char *text)
{
	char *end;
	long number;

	if (strcmp(text, "high") == 0 || strcmp(text, "low") == 0) {
		where->priority = text[0] == 'h' ? CT_GPU_PRIORITY_HIGH : CT_GPU_PRIORITY_LOW;
		return true;
	}
	number = strtol(text, &end, 10);
	where->priority = CT_GPU_PRIORITY_NUMBER;
	where->priority_number = (int)number;
	return end != text && *end == '\0' && number >= -1000 && number <= 1000;
}

static bool take_part(struct ct_gpu_where *where, const char *part)
{
	if (starts(part, "sms:"))
		return take_sms(where, part + 4);
	if (starts(part, "mps:"))
		return take_percent(where, part + 4);
	return starts(part, "priority:") && take_priority(where, part + 9);
}

bool ct_gpu_where_parse(struct ct_gpu_where *where, const char *text, struct ct_error *err)
{
	char copy[192];
	char *rest = copy;

	*where = (struct ct_gpu_where){.by = CT_GPU_BY_INDEX};
	text = text ? text : "";
	snprintf(copy, sizeof copy, "%s", text);
	if (strlen(text) >= sizeof copy || !take_which(where, strsep(&rest, "/")))
		return ct_usage(
			err,
			"gpu = %.190s: no GPU is named like that; take an index (0), a UUID "
			"(GPU-..., MIG-...), a PCI address (0000:41:00.0), near:eth0 or "
			"mig:1g.10gb",
			text);
	while (rest) {
		const char *part = strsep(&rest, "/");

		if (!take_part(where, part))
			return ct_usage(
				err,
				"gpu = %s: '%s' is no part of a GPU; take sms:0-63, mps:50%% "
				"or priority:high (low, or a number)",
				text, part);
	}
	if (where->has_sms && where->mps_percent > 0)
		return ct_usage(
			err,
			"gpu = %s: a green context (sms:) and an MPS share (mps:) both limit "
			"the multiprocessors; take one",
			text);
	return true;
}
