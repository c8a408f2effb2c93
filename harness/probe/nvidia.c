/* SPDX-License-Identifier: Apache-2.0 */
/* What NVIDIA's kernel driver says of itself in /proc, without its library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

#define NVIDIA "/proc/driver/nvidia"

/* A slice of a GPU that the driver has made: capabilities/gpu0/mig/gi1. */
static int64_t count_mig_instances(const struct ct_probe_source *source)
{
	struct ct_names gpus = ct_source_list(source, NVIDIA "/capabilities");
	int64_t instances = 0;

	for (size_t i = 0; i < gpus.n; i++) {
		struct ct_names slices;

		if (strncmp(gpus.names[i], "gpu", 3) != 0)
			continue;
		slices = ct_source_list(source, NVIDIA "/capabilities/%.64s/mig", gpus.names[i]);
		for (size_t k = 0; k < slices.n; k++)
			instances += strncmp(slices.names[k], "gi", 2) == 0;
		ct_names_free(&slices);
	}
	ct_names_free(&gpus);
	return instances;
}

/*
 * A guest's vGPU has a profile for a model: "NVIDIA A40-8Q", "GRID T4-2B". Digits and one letter
 * of A, B, C, Q behind the last dash.
 */
static bool is_vgpu_model(const char *model)
{
	const char *dash = strrchr(model, '-');
	size_t digits = dash ? strspn(dash + 1, "0123456789") : 0;

	return digits > 0 && dash[1 + digits] != '\0' && strchr("ABCQ", dash[1 + digits]) &&
	       dash[2 + digits] == '\0';
}

static void say_vgpus(const struct ct_probe_source *source, json_t *section)
{
	struct ct_names gpus = ct_source_list(source, NVIDIA "/gpus");
	struct ct_names mediated = ct_source_list(source, "/sys/bus/mdev/devices");
	json_t *models = json_array();
	bool guest = false;

	for (size_t i = 0; i < gpus.n; i++) {
		char *text =
			ct_source_file(source, NVIDIA "/gpus/%.64s/information", gpus.names[i]);
		char model[128];

		if (text && ct_text_field(text, "Model", model, sizeof model) && model[0]) {
			json_array_append_new(models, json_string(model));
			guest = guest || is_vgpu_model(model);
		}
		free(text);
	}
	ct_say(section, "models", models, NVIDIA "/gpus/*/information");
	if (guest)
		ct_say(section, "vgpu", json_true(), NVIDIA "/gpus/*/information: a vGPU profile");
	else if (mediated.n > 0)
		ct_say(section, "vgpu", json_true(), "/sys/bus/mdev/devices/%.100s",
		       mediated.names[0]);
	else
		ct_say(section, "vgpu", json_false(),
		       "no vGPU profile in " NVIDIA "/gpus, no device in /sys/bus/mdev/devices");
	ct_names_free(&gpus);
	ct_names_free(&mediated);
}

/*
 * The control daemon's default place; CUDA_MPS_PIPE_DIRECTORY moves it, for a process of this
 * machine. A crashed daemon leaves its pipe behind: where all processes can be seen, it must be
 * among them.
 */
static void say_mps(const struct ct_probe_source *source, const json_t *probe, json_t *section)
{
	const char *named = source->live ? getenv("CUDA_MPS_PIPE_DIRECTORY") : NULL;
	const char *folder = named && named[0] == '/' ? named : "/tmp/nvidia-mps";
	const json_t *runs = ct_said(probe, "daemons", "nvidia-cuda-mps-control");
	const char *evidence = ct_evidence(probe, "daemons", "nvidia-cuda-mps-control");

	if (!ct_source_exists(source, "%s/control", folder))
		ct_say(section, "mps", json_false(), "%s/control: missing", folder);
	else if (json_is_false(runs))
		ct_say(section, "mps", json_false(), "%s/control is left over; %s", folder,
		       evidence);
	else
		ct_say(section, "mps", json_true(), "%s/control; %s", folder, evidence);
}

void ct_probe_nvidia(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();

	ct_say_line(section, "driver", source, NVIDIA "/version");
	ct_say(section, "mig_instances", json_integer(count_mig_instances(source)),
	       NVIDIA "/capabilities/gpu*/mig/gi*");
	say_mps(source, probe, section);
	say_vgpus(source, section);
	json_object_set_new(probe, "nvidia", section);
}
