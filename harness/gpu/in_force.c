/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/in_force.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"

/* Members that are taken as they are; those that a device lacks are left out. */
static const char *const kept[] = {"name",        "pci",      "sms",   "all_sms",     "mps",
				   "mps_percent", "priority", "green", "rdma_memory", NULL};
/* What must not change while a campaign runs, and how an error calls it. */
static const struct {
	const char *member, *words;
} lasting[] = {{"uuid", "the device"},
	       {"sms", "multiprocessors"},
	       {"mps", "MPS"},
	       {"mps_percent", "the share of MPS"},
	       {"priority", "the priority"},
	       {"green", "the green context"}};

static const char *text_of(const json_t *gpu, const char *member)
{
	const char *text = json_string_value(json_object_get(gpu, member));

	return text ? text : "";
}

/* As a worker told it, or as it was kept. */
static bool is_mig(const json_t *gpu)
{
	return json_is_true(json_object_get(gpu, "mig")) ||
	       strncmp(text_of(gpu, "uuid"), "MIG-", 4) == 0;
}

json_t *ct_gpu_in_force(const json_t *device)
{
	json_t *gpu;

	if (!json_is_object(device))
		return NULL;
	gpu = json_pack("{s:b}", "mig", is_mig(device));
	for (size_t i = 0; gpu && kept[i]; i++) {
		json_t *value = json_object_get(device, kept[i]);

		if (value)
			json_object_set(gpu, kept[i], value);
	}
	return gpu;
}

/* A value for people: of a device, or "none". The text is free()d by the caller. */
static char *value_text(const json_t *value)
{
	return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
}

static bool differs(const char *words, const json_t *before, const json_t *now,
		    struct ct_error *err)
{
	char *was = value_text(before), *is = value_text(now);

	ct_broken(err,
		  "what this tenant has of its GPU has changed: %s was %s when the campaign began, "
		  "now it is %s",
		  words, was ? was : "none", is ? is : "none");
	free(was);
	free(is);
	return false;
}

bool ct_gpu_in_force_same(const json_t *before, const json_t *now, struct ct_error *err)
{
	for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++) {
		const json_t *was = json_object_get(before, lasting[i].member);
		const json_t *is = json_object_get(now, lasting[i].member);

		if ((was || is) && !json_equal(was, is))
			return differs(lasting[i].words, was, is, err);
	}
	return true;
}

bool ct_gpu_in_force_expect(const json_t *gpu, const char *expect, struct ct_error *err)
{
	char text[CT_GPU_IN_FORCE_TEXT];
	const bool mig = is_mig(gpu);
	const bool mps = json_is_true(json_object_get(gpu, "mps"));
	const bool green = json_object_get(gpu, "green") != NULL;

	ct_gpu_in_force_text(gpu, text);
	if (strcmp(expect, "mig") == 0 && !mig)
		return ct_usage(err,
				"expect = mig: its GPU is no MIG device: %s; name one, "
				"gpu = MIG-... or gpu = mig:PROFILE",
				text);
	if (strcmp(expect, "mps") == 0 && !mps)
		return ct_usage(err,
				"expect = mps: no MPS server stands between it and its GPU: %s; "
				"start nvidia-cuda-mps-control -d as this user",
				text);
	if (strcmp(expect, "green") == 0 && !green)
		return ct_usage(err,
				"expect = green: it has no green context: %s; name its "
				"multiprocessors, gpu = 0/sms:0-63",
				text);
	if (strcmp(expect, "timeslice") == 0 && (mig || mps))
		return ct_usage(err, "expect = timeslice: it does not take turns: %s", text);
	return true;
}

/* Appends; what no longer fits is cut. */
static void add(char out[CT_GPU_IN_FORCE_TEXT], const char *text)
{
	size_t used = strlen(out);

	snprintf(out + used, CT_GPU_IN_FORCE_TEXT - used, "%s%s", used ? ", " : "", text);
}

static void add_multiprocessors(const json_t *gpu, char out[CT_GPU_IN_FORCE_TEXT])
{
	const json_t *sms = json_object_get(gpu, "sms"), *all = json_object_get(gpu, "all_sms");
	const json_int_t has = json_integer_value(sms), of = json_integer_value(all);
	const char *frame = json_object_get(gpu, "green") ? "a green context of " : "";
	char text[96];

	if (!json_is_integer(sms))
		return;
	if (json_is_integer(all) && has != of)
		snprintf(text, sizeof text, "%s%lld of %lld multiprocessors", frame, (long long)has,
			 (long long)of);
	else
		snprintf(text, sizeof text, "%sall %lld multiprocessors", frame, (long long)has);
	add(out, text);
}

const char *ct_gpu_in_force_text(const json_t *gpu, char out[CT_GPU_IN_FORCE_TEXT])
{
	const json_t *percent = json_object_get(gpu, "mps_percent");
	const json_int_t priority = json_integer_value(json_object_get(gpu, "priority"));
	char text[160];

	out[0] = '\0';
	snprintf(text, sizeof text, "%.90s at %.20s", text_of(gpu, "name"), text_of(gpu, "pci"));
	add(out, text);
	if (is_mig(gpu))
		add(out, "a MIG device");
	add_multiprocessors(gpu, out);
	if (json_is_number(percent))
		snprintf(text, sizeof text, "a client of MPS with %g %% of the threads",
			 json_number_value(percent));
	else
		snprintf(text, sizeof text, "a client of MPS");
	if (json_is_true(json_object_get(gpu, "mps")))
		add(out, text);
	snprintf(text, sizeof text, "priority %lld", (long long)priority);
	if (priority != 0)
		add(out, text);
	snprintf(text, sizeof text, "RDMA to its memory by %.20s", text_of(gpu, "rdma_memory"));
	if (json_object_get(gpu, "rdma_memory"))
		add(out, text);
	ct_text_clean(out);
	return out;
}

const char *ct_gpu_in_force_between(const json_t *one, const json_t *other)
{
	const bool mig = is_mig(one) && is_mig(other);
	const bool mps = json_is_true(json_object_get(one, "mps")) &&
			 json_is_true(json_object_get(other, "mps"));
	const bool green = json_object_get(one, "green") && json_object_get(other, "green");

	if (!text_of(one, "pci")[0] || strcmp(text_of(one, "pci"), text_of(other, "pci")) != 0)
		return NULL;
	if (mig)
		return "side by side, each a MIG device of it";
	if (mps)
		return green ? "side by side through MPS, each on multiprocessors of its own"
			     : "side by side through MPS";
	/* A green context parts multiprocessors, not the time of two processes. */
	return green ? "in turns (time-slicing), also on multiprocessors of their own"
		     : "in turns (time-slicing)";
}
