/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a GPU, against the stand-in for its driver (tests/standin/cuda): which device a tenant's
 * `gpu` names, what of it is put into force and read back, and that every call that fails ends in
 * the driver's words with nothing left behind (under the sanitizers, no byte).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/gpu/device.h"
#include "harness/gpu/where.h"
#include "tests/unit/probe_checks.h"

/* ---- the words of `gpu =` ---- */

static struct ct_gpu_where parsed(const char *text)
{
	struct ct_gpu_where where;
	struct ct_error err = {0};

	if (!ct_gpu_where_parse(&where, text, &err))
		fail_msg("%s: %s", text, err.text);
	return where;
}

static void a_gpu_is_named_in_six_ways(void **state)
{
	(void)state;
	assert_int_equal(parsed(NULL).index, 0);
	assert_int_equal(parsed("").by, CT_GPU_BY_INDEX);
	assert_int_equal(parsed("3").index, 3);
	assert_int_equal(parsed("gpu7").index, 7);
	assert_int_equal(parsed("GPU-5fb1c0de").by, CT_GPU_BY_UUID);
	assert_false(parsed("GPU-5fb1c0de").is_mig);
	assert_true(parsed("MIG-5fb1c0de").is_mig);
	assert_int_equal(parsed("0000:41:00.0").by, CT_GPU_BY_PCI);
	assert_string_equal(parsed("near:mlx5_0").name, "mlx5_0");
	assert_string_equal(parsed("mig:1g.10gb").name, "1g.10gb");
	assert_string_equal(parsed("mig:1c.3g.40gb:2").name, "1c.3g.40gb");
	assert_int_equal(parsed("mig:1c.3g.40gb:2").index, 2);
}

static void a_part_of_it_follows_slashes(void **state)
{
	struct ct_gpu_where where = parsed("0/sms:64-127/priority:high");

	(void)state;
	assert_true(where.has_sms);
	assert_int_equal(where.first_sm, 64);
	assert_int_equal(where.last_sm, 127);
	assert_int_equal(where.priority, CT_GPU_PRIORITY_HIGH);
	assert_int_equal(parsed("0/sms:8").last_sm, 7);
	assert_true(parsed("/mps:50%").mps_percent == 50);
	assert_int_equal(parsed("gpu1/priority:-3").priority_number, -3);
}

static void nonsense_is_refused_with_what_there_is(void **state)
{
	static const char *const wrong[] = {
		"gpu",         "-1",        "256",       "GPU-",         "0000:41",
		"mig:",        "mig::1",    "near:",     "0/",           "0/sms:",
		"0/sms:9-3",   "0/sms:0",   "0/mps:50",  "0/mps:0%",     "0/mps:101%",
		"0/priority:", "0/cores:1", "0/sms:0-x", "0/priority:x", "0 /sms:1"};
	struct ct_gpu_where where;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct ct_error err = {0};

		if (ct_gpu_where_parse(&where, wrong[i], &err))
			fail_msg("'%s' was taken", wrong[i]);
		assert_int_equal(err.kind, CT_ERR_USAGE);
		assert_non_null(strstr(err.text, "take "));
	}
}

/* ---- near a network device ---- */

static void make_device(const char *root, const char *link, const char *path)
{
	char from[256], to[256], command[1400];

	snprintf(from, sizeof from, "%s/%s", root, link);
	snprintf(to, sizeof to, "%s/%s", root, path);
	snprintf(command, sizeof command, "mkdir -p '%s' \"$(dirname '%s')\" && ln -sfn '%s' '%s'",
		 to, from, to, from);
	assert_int_equal(system(command), 0); // NOLINT: a test, with names of its own
}

static void the_nearest_gpu_shares_the_most_bridges(void **state)
{
	static const char gpus[][CT_GPU_PCI] = {"0000:11:00.0", "0000:22:00.0", "0000:33:00.0"};
	char root[] = "/tmp/cotenant-near-XXXXXX", command[64];
	struct ct_error err = {0};
	size_t nearest = 9;

	(void)state;
	assert_non_null(mkdtemp(root));
	make_device(root, "bus/pci/devices/0000:11:00.0",
		    "devices/pci0000:10/0000:10:01.0/0000:11:00.0");
	make_device(root, "bus/pci/devices/0000:22:00.0",
		    "devices/pci0000:20/0000:20:01.0/0000:21:00.0/0000:22:00.0");
	make_device(root, "bus/pci/devices/0000:33:00.0",
		    "devices/pci0000:20/0000:20:02.0/0000:33:00.0");
	make_device(root, "class/net/fast0/device",
		    "devices/pci0000:20/0000:20:01.0/0000:21:01.0/0000:23:00.0");
	make_device(root, "class/infiniband/mlx5_9/device",
		    "devices/pci0000:10/0000:10:02.0/0000:12:00.0");
	assert_true(ct_gpu_nearest(root, "fast0", gpus, 3, &nearest, &err));
	assert_int_equal(nearest, 1);
	assert_true(ct_gpu_nearest(root, "mlx5_9", gpus, 3, &nearest, &err));
	assert_int_equal(nearest, 0);
	assert_false(ct_gpu_nearest(root, "lo", gpus, 3, &nearest, &err));
	assert_false(ct_gpu_nearest(root, "../../etc", gpus, 3, &nearest, &err));
	snprintf(command, sizeof command, "rm -r %s", root);
	assert_int_equal(system(command), 0); // NOLINT
}

/* ---- a driver ---- */

static void set_machine(const char *machine, const char *failures)
{
	char library[BUILT_PATH];

	setenv("COTENANT_CUDA", built("standin/libcuda.so.1", library), 1);
	setenv("COTENANT_CUDA_STANDIN", machine, 1);
	setenv("COTENANT_CUDA_FAIL", failures, 1);
	unsetenv("CUDA_VISIBLE_DEVICES");
	unsetenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
}

static void opens(struct ct_gpu *gpu, const char *where)
{
	struct ct_error err = {0};

	if (!ct_gpu_open(gpu, where, NULL, CT_CU_WAIT_SPIN, &err))
		fail_msg("%s: %s", where, err.text);
}

static void is_refused(const char *where, const char *words)
{
	struct ct_gpu gpu;
	struct ct_error err = {0};

	if (ct_gpu_open(&gpu, where, NULL, CT_CU_WAIT_SPIN, &err))
		fail_msg("%s: opened, though '%s' was due", where, words);
	if (!strstr(err.text, words))
		fail_msg("%s: '%s' does not say '%s'", where, err.text, words);
	assert_null(gpu.cuda);
}

static void without_a_driver_the_sentence_is_the_known_one(void **state)
{
	char why[256];

	(void)state;
	unsetenv("COTENANT_CUDA");
	if (!ct_cuda_present(why, sizeof why)) {
		assert_string_equal(why, "no NVIDIA driver: libcuda.so.1 not found");
		is_refused("", "no NVIDIA driver: libcuda.so.1 not found");
	}
	setenv("COTENANT_CUDA", "/nowhere/libcuda.so.1", 1);
	is_refused("", "no NVIDIA driver: /nowhere/libcuda.so.1");
	setenv("COTENANT_CUDA", "libm.so.6", 1);
	is_refused("", "libm.so.6 has no cuGetProcAddress");
}

static void an_old_driver_is_refused_by_its_version(void **state)
{
	(void)state;
	set_machine("cuda=11030", "");
	is_refused("", "(CUDA 11.3) has no cuGraphInstantiateWithFlags of CUDA 11.4");
	set_machine("cuda=12020", "");
	is_refused("0/sms:0-7", "green contexts came with CUDA 12.5; this driver is of CUDA 12.2");
}

static void devices_are_chosen_by_index_uuid_and_address(void **state)
{
	struct ct_gpu gpu;

	(void)state;
	set_machine("gpus=4", "");
	opens(&gpu, "2");
	assert_string_equal(gpu.pci, "0000:43:00.0");
	assert_int_equal(gpu.capability, 90);
	assert_int_equal(gpu.sms, 132);
	ct_gpu_close(&gpu);
	opens(&gpu, "GPU-10101010-1010-1010-1010-101010101013");
	assert_string_equal(gpu.pci, "0000:44:00.0");
	ct_gpu_close(&gpu);
	opens(&gpu, "00000000:42:00.0");
	assert_string_equal(gpu.uuid, "GPU-10101010-1010-1010-1010-101010101011");
	ct_gpu_close(&gpu);
	is_refused("4", "the driver shows 4 GPUs here, 0 to 3");
	is_refused("GPU-1010", "4 GPUs have a UUID that begins so");
	is_refused("GPU-2", "no GPU with this UUID");
	is_refused("0000:99:00.0", "no GPU at this address");
	is_refused("near:nic", "the tenant has no `nic`");
	is_refused("near:lo", "near:lo");
	set_machine("gpus=0", "");
	is_refused("", "no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE)");
}

static void a_mig_device_is_the_only_one_seen(void **state)
{
	char library[BUILT_PATH];
	struct ct_gpu gpu;

	(void)state;
	set_machine("mig=1 sms=16", "");
	opens(&gpu, "MIG-00001600-1111-2222-3333-444444444444");
	assert_string_equal(gpu.uuid, "MIG-00001600-1111-2222-3333-444444444444");
	assert_int_equal(gpu.sms, 16);
	ct_gpu_close(&gpu);
	setenv("COTENANT_NVML", built("standin/libnvidia-ml.so.1", library), 1);
	setenv("COTENANT_NVML_STANDIN", "tests/fixtures/nvml/mig-node.txt", 1);
	opens(&gpu, "mig:1g.10gb:8");
	assert_string_equal(gpu.uuid, "MIG-00001100-1111-2222-3333-444444444444");
	ct_gpu_close(&gpu);
	opens(&gpu, "mig:2c.3g.40gb");
	assert_string_equal(gpu.uuid, "MIG-00004200-1111-2222-3333-444444444444");
	ct_gpu_close(&gpu);
	is_refused("mig:7g.80gb", "profiles here: 1g.10gb, 1c.3g.40gb, 2c.3g.40gb, 4g.40gb");
	/* A driver that ignores the variable shows the whole GPUs. */
	set_machine("gpus=2", "");
	is_refused("MIG-00001600-1111-2222-3333-444444444444", "the driver shows 2");
	unsetenv("COTENANT_NVML");
}

static void a_green_context_has_the_multiprocessors_asked_for(void **state)
{
	struct ct_gpu gpu;
	json_t *json;

	(void)state;
	set_machine("sms=132 cc=90 cuda=12080", "");
	opens(&gpu, "0/sms:64-127/priority:low");
	assert_int_equal(gpu.sms, 64);
	assert_int_equal(gpu.all_sms, 132);
	assert_int_equal(gpu.sm_group, 8);
	json = ct_gpu_json(&gpu);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "green"), "first_sm")),
		64);
	json_decref(json);
	ct_gpu_close(&gpu);
	is_refused("0/sms:0-60",
		   "come in groups of 8, sms:0-7 to sms:0-127 (4 of 132 are in no group)");
	is_refused("0/sms:128-135", "come in groups of 8");
	set_machine("sms=108 cc=80", "");
	opens(&gpu, "0/sms:4-7");
	assert_int_equal(gpu.sms, 4);
	ct_gpu_close(&gpu);
}

static void priority_and_mps_are_read_back(void **state)
{
	struct ct_gpu gpu;

	(void)state;
	set_machine("", "");
	opens(&gpu, "0/priority:high");
	assert_int_equal(gpu.priority, -5);
	assert_false(gpu.mps);
	ct_gpu_close(&gpu);
	is_refused("0/priority:1", "priorities -5 (high) to 0 (low)");
	is_refused("0/mps:25%", "no MPS server stands between");
	set_machine("mps=1 mps_sms=34", "");
	opens(&gpu, "0/mps:25%");
	assert_true(gpu.mps);
	assert_int_equal(gpu.sms, 34);
	assert_string_equal(getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"), "25");
	ct_gpu_close(&gpu);
}

/* Every call on the way is made to fail, one after the other. */
static void every_failure_ends_in_the_drivers_words(void **state)
{
	static const char *const calls[] = {
		"cuInit",
		"cuDeviceGetCount",
		"cuDeviceGet",
		"cuDeviceGetName",
		"cuDeviceGetUuid",
		"cuDeviceGetPCIBusId",
		"cuDeviceTotalMem",
		"cuDeviceGetAttribute",
		"cuDevicePrimaryCtxSetFlags",
		"cuDevicePrimaryCtxRetain",
		"cuCtxSetCurrent",
		"cuDeviceGetDevResource",
		"cuDevSmResourceSplitByCount",
		"cuDevResourceGenerateDesc",
		"cuGreenCtxCreate",
		"cuCtxFromGreenCtx",
		"cuGreenCtxGetDevResource",
		"cuCtxGetStreamPriorityRange",
		"cuGreenCtxStreamCreate",
		"cuStreamGetPriority",
	};

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		char failure[96], words[160];

		snprintf(failure, sizeof failure, "%s:1:2", calls[i]);
		set_machine("", failure);
		snprintf(words, sizeof words, "%s: out of memory (CUDA_ERROR_OUT_OF_MEMORY)",
			 calls[i]);
		is_refused("0/sms:0-7/priority:high", words);
		snprintf(failure, sizeof failure, "%s:1:719", calls[i]);
		set_machine("", failure);
		is_refused("0/sms:0-7/priority:high", "unspecified launch failure");
	}
	set_machine("", "cuStreamCreateWithPriority:1:999");
	is_refused("", "cuStreamCreateWithPriority: CUDA error 999");
}

static void memory_has_bounds_and_runs_out(void **state)
{
	struct ct_gpu gpu;
	struct ct_error err = {0};
	ct_cu_address device, mapped;
	void *host = NULL;
	char text[16] = "seventeen bytes";

	(void)state;
	set_machine("memory_mib=1", "cuMemHostAlloc:2:2");
	opens(&gpu, "");
	assert_false(ct_gpu_alloc(&gpu, 2 << 20, &device, &err));
	assert_string_equal(err.text, "2097152 bytes of GPU memory: cuMemAlloc: out of memory "
				      "(CUDA_ERROR_OUT_OF_MEMORY)");
	assert_true(ct_gpu_alloc(&gpu, 16, &device, &err));
	assert_true(CT_CUDA(gpu.cuda, MemcpyHtoD, &err, device, text, sizeof text));
	assert_false(CT_CUDA(gpu.cuda, MemcpyHtoD, &err, device + 1, text, sizeof text));
	assert_true(ct_gpu_host_alloc(&gpu, 16, &host, &mapped, &err));
	assert_true(CT_CUDA(gpu.cuda, MemcpyDtoHAsync, &err, host, device, 16, gpu.stream));
	assert_true(ct_gpu_finish(&gpu, &err));
	assert_string_equal(host, text);
	ct_gpu_host_free(&gpu, host);
	assert_false(ct_gpu_host_alloc(&gpu, 16, &host, &mapped, &err));
	ct_gpu_free(&gpu, device);
	ct_gpu_close(&gpu);
}

/* After one of those errors nothing works any more, and closing still leaves nothing behind. */
static void a_lost_context_stays_lost(void **state)
{
	struct ct_gpu gpu;
	struct ct_error err = {0};
	ct_cu_address device;

	(void)state;
	set_machine("", "cuStreamSynchronize:2:700");
	opens(&gpu, "");
	assert_true(ct_gpu_alloc(&gpu, 16, &device, &err));
	assert_true(ct_gpu_finish(&gpu, &err));
	assert_false(ct_gpu_finish(&gpu, &err));
	assert_non_null(strstr(err.text, "illegal memory access"));
	assert_false(ct_gpu_use(&gpu, &err));
	assert_false(CT_CUDA(gpu.cuda, MemsetD8Async, &err, device, 0, 16, gpu.stream));
	assert_non_null(strstr(err.text, "illegal memory access"));
	ct_gpu_free(&gpu, device);
	ct_gpu_close(&gpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gpu_is_named_in_six_ways),
		cmocka_unit_test(a_part_of_it_follows_slashes),
		cmocka_unit_test(nonsense_is_refused_with_what_there_is),
		cmocka_unit_test(the_nearest_gpu_shares_the_most_bridges),
		cmocka_unit_test(without_a_driver_the_sentence_is_the_known_one),
		cmocka_unit_test(an_old_driver_is_refused_by_its_version),
		cmocka_unit_test(devices_are_chosen_by_index_uuid_and_address),
		cmocka_unit_test(a_mig_device_is_the_only_one_seen),
		cmocka_unit_test(a_green_context_has_the_multiprocessors_asked_for),
		cmocka_unit_test(priority_and_mps_are_read_back),
		cmocka_unit_test(every_failure_ends_in_the_drivers_words),
		cmocka_unit_test(memory_has_bounds_and_runs_out),
		cmocka_unit_test(a_lost_context_stays_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
