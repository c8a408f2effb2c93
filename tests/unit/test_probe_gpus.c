/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * GPUs through NVML: a stand-in for the library (tests/standin/nvml), loaded as the real one is,
 * answers from tests/fixtures/nvml, on machines recorded in tests/fixtures/probe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/probe_checks.h"

#define STANDIN "standin/libnvidia-ml.so.1"
#define OLD     "standin/old/libnvidia-ml.so.1"

struct setting {
	const char *machine; /* of the made ones */
	const char *library; /* of the built ones, or "/name" as dlopen() takes it without "/" */
	const char *answers; /* of tests/fixtures/nvml */
	bool identify;
	int limit_ms;
};

static json_t *probe_with(struct setting setting)
{
	char root[BUILT_PATH], library[BUILT_PATH], machine[64], answers[64];
	struct ct_probe_source source = {.identify = setting.identify,
					 .nvml_limit_ms = setting.limit_ms};

	snprintf(machine, sizeof machine, "fixtures/probe/%s", setting.machine);
	source.root = built(machine, root);
	source.nvml =
		setting.library[0] == '/' ? setting.library + 1 : built(setting.library, library);
	snprintf(answers, sizeof answers, "tests/fixtures/nvml/%s.txt", setting.answers);
	setenv("COTENANT_NVML_STANDIN", answers, 1);
	return probe_of(&source);
}

static json_t *mig_node(void)
{
	return probe_with((struct setting){"mig-node", STANDIN, "mig-node", false, 0});
}

static const json_t *gpu(const json_t *probe, size_t index)
{
	const json_t *one = json_array_get(json_object_get(probe, "nvidia_gpus"), index);

	assert_non_null(one);
	return one;
}

static const char *profile(const json_t *probe, size_t index, size_t mig)
{
	const json_t *list = ct_said(gpu(probe, index), NULL, "mig_devices");

	return ct_said_text(json_array_get(list, mig), NULL, "profile");
}

static const char *distance(const json_t *gpu, const char *to)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(gpu, "near"), i, one)
	{
		if (strcmp(text_of(one, "to"), to) == 0)
			return text_of(one, "distance");
	}
	return "";
}

/* The evidence of a null statement has these words. */
static void is_null_because(const json_t *section, const char *key, const char *words)
{
	assert_null(ct_said(section, NULL, key));
	if (!strstr(ct_evidence(section, NULL, key), words))
		fail_msg("%s: got \"%s\", want \"%s\"", key, ct_evidence(section, NULL, key),
			 words);
}

static void eight_gpus_and_their_slices_are_described(void **state)
{
	(void)state;
	json_t *probe = mig_node();

	says(probe, "nvml", "driver", "550.54.15");
	says_number(probe, "nvml", "cuda", 12040);
	assert_int_equal(json_array_size(json_object_get(probe, "nvidia_gpus")), 8);
	for (size_t i = 0; i < 4; i++) {
		const json_t *migs = ct_said(gpu(probe, i), NULL, "mig_devices");

		assert_int_equal(json_array_size(migs), 7);
		assert_string_equal(profile(probe, i, 6), "1g.10gb");
		says_number(json_array_get(migs, 6), NULL, "gpu_instance", 13);
		says_number(json_array_get(migs, 6), NULL, "memory_bytes", 9856.0 * (1 << 20));
	}
	assert_int_equal(json_array_size(ct_said(gpu(probe, 5), NULL, "mig_devices")), 0);
	assert_true(json_is_false(ct_said(gpu(probe, 6), NULL, "mig")));
	assert_null(json_object_get(gpu(probe, 6), "mig_devices"));
	says(gpu(probe, 0), NULL, "model", "NVIDIA H100 80GB HBM3");
	says(gpu(probe, 0), NULL, "pci", "0000:1b:00.0");
	says(gpu(probe, 0), NULL, "compute_mode", "default");
	says(gpu(probe, 0), NULL, "virtualization", "none");
	says(gpu(probe, 0), NULL, "persistence", "on");
	says_number(gpu(probe, 0), NULL, "sm_max_mhz", 1980);
	says_number(gpu(probe, 0), NULL, "power_limit_w", 700);
	says_number(gpu(probe, 0), NULL, "power_limit_min_w", 350);
	json_decref(probe);
}

static void a_profile_follows_from_slices_when_the_driver_does_not_name_it(void **state)
{
	(void)state;
	json_t *probe = mig_node();

	/* A hole between the first two: indexes are not dense. */
	assert_string_equal(profile(probe, 4, 0), "1c.3g.40gb");
	assert_string_equal(profile(probe, 4, 1), "2c.3g.40gb");
	assert_string_equal(profile(probe, 4, 2), "4g.40gb");
	json_decref(probe);
	/* Named for a share of 141 GB, not for the 16 GiB that are left of it. */
	probe = probe_with((struct setting){"mig-node", STANDIN, "h200", false, 0});
	assert_string_equal(profile(probe, 1, 0), "1g.18gb");
	assert_string_equal(profile(probe, 1, 1), "3g.71gb");
	assert_string_equal(profile(probe, 1, 2), "2g.35gb");
	json_decref(probe);
}

static void the_way_to_other_gpus_and_network_cards_is_told(void **state)
{
	(void)state;
	json_t *probe = mig_node();

	assert_string_equal(distance(gpu(probe, 0), "gpu1"), "node");
	assert_string_equal(distance(gpu(probe, 0), "gpu4"), "sys");
	assert_string_equal(distance(gpu(probe, 0), "nic0"), "pix");
	assert_string_equal(distance(gpu(probe, 0), "nic1"), "node");
	assert_string_equal(distance(gpu(probe, 4), "nic0"), "sys");
	assert_string_equal(distance(gpu(probe, 0), "gpu0"), "");
	json_decref(probe);
}

static void uuids_stay_out_unless_asked(void **state)
{
	(void)state;
	json_t *probe = mig_node();
	char *text = json_dumps(probe, 0);

	assert_null(strstr(text, "GPU-0"));
	assert_null(strstr(text, "MIG-0"));
	free(text);
	json_decref(probe);
	probe = probe_with((struct setting){"mig-node", STANDIN, "mig-node", true, 0});
	says(gpu(probe, 3), NULL, "uuid", "GPU-00000003-1111-2222-3333-444444444444");
	says(json_array_get(ct_said(gpu(probe, 0), NULL, "mig_devices"), 2), NULL, "uuid",
	     "MIG-00000200-1111-2222-3333-444444444444");
	json_decref(probe);
}

static void expectations_of_a_mig_node(void **state)
{
	(void)state;
	json_t *probe = mig_node();
	json_t *gpus = json_object_get(probe, "nvidia_gpus");

	expects(probe, "mig");
	expects(probe, "green");
	expects(probe, "timeslice"); /* the GPUs that are whole */
	refuses(probe, "vgpu", "nvmlDeviceGetVirtualizationMode says none");
	refuses(probe, "mps", "/tmp/nvidia-mps/control: missing");
	assert_true(advises(probe, "gpu7 changes its MIG mode"));
	assert_false(advises(probe, "gpu6 changes"));
	/* Mode on, and nothing in it: the folders that the driver keeps in /proc are no excuse. */
	for (int i = 0; i < 5; i++)
		json_array_remove(gpus, 0);
	refuses(probe, "mig", "MIG mode is on, but no instance exists");
	json_array_remove(gpus, 0);
	refuses(probe, "mig", "MIG mode is off (nvmlDeviceGetMigMode of gpu6)");
	json_decref(probe);
}

static void a_vgpu_guest_is_known_by_its_mode(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"vgpu-guest", STANDIN, "vgpu-guest", false, 0});

	says(gpu(probe, 0), NULL, "virtualization", "vgpu");
	says(probe, "nvml", "driver", "535.161.07");
	is_null_because(gpu(probe, 0), "mig", "not supported (3)");
	is_null_because(gpu(probe, 0), "power_limit_w", "not supported (3)");
	assert_true(json_is_false(ct_said(gpu(probe, 0), NULL, "lost")));
	expects(probe, "vgpu");
	expects(probe, "vm");
	refuses(probe, "mig", "no GPU instance exists");
	refuses(probe, "green", "need driver 550 or later: 535.161.07");
	/* Without its network card nothing here is passed through: a vGPU is a slice. */
	expects(probe, "passthrough");
	json_object_del(probe, "network");
	json_object_del(probe, "pci");
	refuses(probe, "passthrough", "but a vGPU");
	/* The mode alone is enough. */
	json_object_del(json_object_get(probe, "nvidia"), "vgpu");
	expects(probe, "vgpu");
	json_decref(probe);
}

static void mps_is_a_daemon_and_not_a_file(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"mps-node", STANDIN, "mps-node", false, 0});

	assert_true(json_is_true(ct_said(probe, "daemons", "nvidia-cuda-mps-control")));
	says(gpu(probe, 0), NULL, "compute_mode", "exclusive-process");
	says_number(gpu(probe, 0), NULL, "mps_clients", 3);
	expects(probe, "mps");
	refuses(probe, "timeslice", "MPS runs instead");
	refuses(probe, "mig", "MIG mode is off");
	json_decref(probe);
	probe = probe_with((struct setting){"mps-left", STANDIN, "h200", false, 0});
	refuses(probe, "mps", "/tmp/nvidia-mps/control is left over");
	expects(probe, "timeslice");
	json_decref(probe);
	/* No pipe where it is looked for, but clients: CUDA_MPS_PIPE_DIRECTORY was another. */
	probe = probe_with((struct setting){"mig-node", STANDIN, "mps-node", false, 0});
	expects(probe, "mps");
	refuses(probe, "timeslice", "gpu0 has compute mode exclusive-process");
	json_decref(probe);
}

static void a_gpu_that_fell_off_the_bus_is_named_and_the_others_speak(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"mps-left", STANDIN, "lost", false, 0});

	assert_int_equal(json_array_size(json_object_get(probe, "nvidia_gpus")), 3);
	assert_true(json_is_false(ct_said(gpu(probe, 0), NULL, "lost")));
	says_number(gpu(probe, 0), NULL, "sm_max_mhz", 1980);
	assert_true(json_is_true(ct_said(gpu(probe, 1), NULL, "lost")));
	assert_null(json_object_get(gpu(probe, 1), "model"));
	assert_true(json_is_true(ct_said(gpu(probe, 2), NULL, "lost")));
	is_null_because(gpu(probe, 2), "mig", "GPU is lost (15)");
	says(gpu(probe, 2), NULL, "model", "NVIDIA A100-SXM4-40GB");
	assert_true(advises(probe, "gpu1 has fallen off the bus"));
	assert_true(advises(probe, "gpu2 has fallen off the bus"));
	assert_false(advises(probe, "gpu0 has"));
	json_decref(probe);
}

static void a_library_without_its_driver_says_so(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"vgpu-guest", STANDIN, "no-driver", false, 0});

	assert_true(json_is_false(ct_said(probe, "nvml", "loaded")));
	assert_string_equal(ct_evidence(probe, "nvml", "loaded"),
			    "nvmlInit_v2: the driver is not loaded (9)");
	assert_int_equal(json_array_size(json_object_get(probe, "nvidia_gpus")), 0);
	json_decref(probe);
	/* On a machine without a GPU that is part of the answer. */
	probe = probe_with((struct setting){"sriov-nic", STANDIN, "no-driver", false, 0});
	refuses(probe, "mig", "no PCI device of vendor 10de); nvmlInit_v2: the driver is not");
	json_decref(probe);
}

static void functions_that_an_early_library_lacks_are_null_statements(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"mps-left", OLD, "h200", false, 0});

	assert_true(json_is_true(ct_said(probe, "nvml", "loaded")));
	is_null_because(json_object_get(probe, "nvml"), "cuda", "no such function (13)");
	says(gpu(probe, 0), NULL, "pci", "0000:0a:00.0");
	says_number(gpu(probe, 0), NULL, "link_width", 16);
	is_null_because(gpu(probe, 0), "mig", "nvmlDeviceGetMigMode: the library has no such");
	is_null_because(gpu(probe, 0), "virtualization", "no such function (13)");
	is_null_because(gpu(probe, 0), "mps_clients", "no such function (13)");
	assert_int_equal(json_array_size(json_object_get(gpu(probe, 0), "near")), 0);
	expects(probe, "timeslice");
	expects(probe, "green");
	refuses(probe, "mig", "no GPU instance exists"); /* what /proc says */
	json_decref(probe);
}

static void what_is_no_nvml_is_refused_with_the_loaders_words(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"sriov-nic", "/libnosuch.so.9", "h200", 0, 0});

	assert_non_null(strstr(ct_evidence(probe, "nvml", "loaded"), "libnosuch.so.9"));
	refuses(probe, "mig", "libnosuch.so.9");
	json_decref(probe);
	probe = probe_with((struct setting){"sriov-nic", "/libm.so.6", "h200", 0, 0});
	assert_string_equal(ct_evidence(probe, "nvml", "loaded"),
			    "nvmlInit_v2: the library has no such function (13)");
	json_decref(probe);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_call_that_hangs_costs_no_more_than_the_limit(void **state)
{
	(void)state;
	const double begin = seconds();
	json_t *probe = probe_with((struct setting){"mig-node", STANDIN, "hang", false, 300});

	assert_true(seconds() - begin < 20);
	assert_non_null(strstr(ct_evidence(probe, "nvml", "loaded"), "no answer within 0.3 s"));
	says(probe, "kernel", "release", "6.8.0-45-generic"); /* all else is there */
	expects(probe, "mig");                                /* by what the driver shows */
	json_decref(probe);
}

static void a_library_that_crashes_does_not_take_the_probe_along(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"mig-node", STANDIN, "crash", false, 0});

	assert_non_null(strstr(ct_evidence(probe, "nvml", "loaded"), "it crashed (Segmentation"));
	json_decref(probe);
}

static void text_of_the_library_is_made_printable(void **state)
{
	(void)state;
	json_t *probe = probe_with((struct setting){"mps-left", STANDIN, "h200", false, 0});

	says(gpu(probe, 0), NULL, "model", "NVIDIA H200?[31m");
	assert_true(advises(probe, "gpu1 is shut down when nobody uses it"));
	assert_true(advises(probe, "gpu1 has 8 lanes and could have 16"));
	assert_false(advises(probe, "gpu0 has"));
	json_decref(probe);
}

static void a_recorded_machine_is_asked_only_by_name(void **state)
{
	(void)state;
	char root[BUILT_PATH];
	const char *const folder = built("fixtures/probe/mig-node", root);
	struct ct_probe_source source;
	json_t *probe;

	unsetenv("COTENANT_NVML");
	source = ct_probe_recorded(folder);
	assert_null(source.nvml);
	probe = probe_of(&source);
	assert_string_equal(ct_evidence(probe, "nvml", "loaded"), "not asked: a recording");
	expects(probe, "mig"); /* by what the driver shows */
	refuses(probe, "timeslice", "MIG instances");
	json_decref(probe);
	assert_string_equal(ct_probe_this_machine().nvml, "libnvidia-ml.so.1");
	setenv("COTENANT_NVML", "", 1);
	assert_null(ct_probe_this_machine().nvml);
	setenv("COTENANT_NVML", "libother.so", 1);
	assert_string_equal(ct_probe_this_machine().nvml, "libother.so");
	assert_string_equal(ct_probe_recorded(folder).nvml, "libother.so");
	unsetenv("COTENANT_NVML");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_gpus_and_their_slices_are_described),
		cmocka_unit_test(a_profile_follows_from_slices_when_the_driver_does_not_name_it),
		cmocka_unit_test(the_way_to_other_gpus_and_network_cards_is_told),
		cmocka_unit_test(uuids_stay_out_unless_asked),
		cmocka_unit_test(expectations_of_a_mig_node),
		cmocka_unit_test(a_vgpu_guest_is_known_by_its_mode),
		cmocka_unit_test(mps_is_a_daemon_and_not_a_file),
		cmocka_unit_test(a_gpu_that_fell_off_the_bus_is_named_and_the_others_speak),
		cmocka_unit_test(a_library_without_its_driver_says_so),
		cmocka_unit_test(functions_that_an_early_library_lacks_are_null_statements),
		cmocka_unit_test(what_is_no_nvml_is_refused_with_the_loaders_words),
		cmocka_unit_test(a_call_that_hangs_costs_no_more_than_the_limit),
		cmocka_unit_test(a_library_that_crashes_does_not_take_the_probe_along),
		cmocka_unit_test(text_of_the_library_is_made_printable),
		cmocka_unit_test(a_recorded_machine_is_asked_only_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
