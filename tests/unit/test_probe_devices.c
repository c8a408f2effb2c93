/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * PCI functions, RDMA, interrupts, memory nodes, divided caches and what a guest is told, on
 * machines that tests/fixtures/probe/make.py writes; and on damaged copies of them.
 */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/core/rng.h"
#include "harness/probe/cpu_set.h"
#include "tests/unit/probe_checks.h"

static json_t *probe_machine(const char *name, bool identify)
{
	char root[BUILT_PATH], path[64];
	struct ct_probe_source source = {.identify = identify};

	snprintf(path, sizeof path, "fixtures/probe/%s", name);
	source.root = built(path, root);
	return probe_of(&source);
}

static bool flag_of(const json_t *device, const char *key)
{
	return json_is_true(json_object_get(device, key));
}

/* ---- sets of CPUs ---- */

static void lists_and_masks_of_cpus_are_read(void **state)
{
	(void)state;
	struct ct_cpu_set set, other;
	char text[64];

	assert_true(ct_cpu_set_list(&set, "0-3,8,70-71\n"));
	assert_int_equal(ct_cpu_set_count(&set), 7);
	assert_string_equal(ct_cpu_set_text(&set, text, sizeof text), "0-3,8,70-71");
	assert_true(ct_cpu_set_mask(&other, "ff,00000101"));
	assert_string_equal(ct_cpu_set_text(&other, text, sizeof text), "0,8,32-39");
	ct_cpu_set_cut(&set, &other);
	assert_string_equal(ct_cpu_set_text(&set, text, sizeof text), "0,8");
	ct_cpu_set_join(&set, &other);
	assert_int_equal(ct_cpu_set_count(&set), 10);
	assert_true(ct_cpu_set_list(&set, ""));
	assert_int_equal(ct_cpu_set_count(&set), 0);
	/* The last CPU of all, and a text that is too long for its room. */
	assert_true(ct_cpu_set_list(&set, "8191"));
	assert_string_equal(ct_cpu_set_text(&set, text, sizeof text), "8191");
	assert_true(ct_cpu_set_list(&set, "0,2,4,6,8"));
	assert_string_equal(ct_cpu_set_text(&set, text, 8), "0,2...");
}

static void nonsense_is_no_set_of_cpus(void **state)
{
	(void)state;
	static const char *const lists[] = {
		"8192",  "3-1", "-1", "0-", "a", "0,,a", "0-3;5", "1-2-3", "99999999999999999999",
		"0-8192"};
	struct ct_cpu_set set;
	char mask[3000];

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		if (ct_cpu_set_list(&set, lists[i]))
			fail_msg("'%s' was taken", lists[i]);
		assert_int_equal(ct_cpu_set_count(&set), 0);
	}
	assert_false(ct_cpu_set_mask(&set, ""));
	assert_false(ct_cpu_set_mask(&set, "fg"));
	memset(mask, 'f', sizeof mask);
	mask[sizeof mask - 1] = '\0';
	assert_false(ct_cpu_set_mask(&set, mask));
	assert_int_equal(ct_cpu_set_count(&set), 0);
}

/* ---- PCI ---- */

static void functions_know_their_card_and_their_number(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);
	const json_t *pf = entry(probe, "pci", "0000:41:00.0");
	const json_t *vf = entry(probe, "pci", "0000:41:00.3");

	assert_int_equal(json_array_size(json_object_get(probe, "pci")), 2 + 16 + 1);
	assert_int_equal(json_array_size(json_object_get(probe, "sriov")), 18);
	assert_int_equal(number_of(pf, "vfs_enabled"), 8);
	assert_int_equal(number_of(pf, "vfs_possible"), 16);
	assert_int_equal(json_array_size(json_object_get(pf, "vfs")), 8);
	assert_string_equal(text_of(pf, "kind"), "network");
	assert_string_equal(text_of(vf, "vf_of"), "0000:41:00.0");
	assert_int_equal(number_of(vf, "vf_index"), 2);
	assert_string_equal(text_of(vf, "driver"), "vfio-pci");
	assert_null(json_object_get(vf, "netdevs"));
	assert_null(json_object_get(vf, "link")); /* a virtual function has no lanes of its own */
	/* Across the slot: the eighth function of a card is 01.0. */
	vf = entry(probe, "pci", "0000:a1:01.0");
	assert_int_equal(number_of(vf, "vf_index"), 7);
	assert_string_equal(text_of(entry(probe, "network", "ens2f0v7"), "vf_of"), "0000:a1:00.0");
	assert_int_equal(number_of(entry(probe, "network", "ens2f0v7"), "vf_index"), 7);
	expects(probe, "sriov");
	expects(probe, "baremetal");
	refuses(probe, "passthrough", "this is none");
	json_decref(probe);
}

static void what_the_iommu_can_not_keep_apart_is_seen(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);
	const json_t *apart = entry(probe, "pci", "0000:41:00.3");
	const json_t *a = entry(probe, "pci", "0000:a1:00.7");
	const json_t *b = entry(probe, "pci", "0000:a1:01.0");

	assert_int_equal(number_of(apart, "iommu_group_devices"), 1);
	assert_int_equal(number_of(a, "iommu_group_devices"), 2);
	assert_string_equal(text_of(a, "iommu_group"), text_of(b, "iommu_group"));
	assert_int_equal(number_of(apart, "numa_node"), 0);
	assert_int_equal(number_of(a, "numa_node"), 1);
	json_decref(probe);
}

static void a_link_below_what_its_device_can_is_reported(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);
	const json_t *good = json_object_get(entry(probe, "pci", "0000:41:00.0"), "link");
	const json_t *bad = json_object_get(entry(probe, "pci", "0000:a1:00.0"), "link");
	const json_t *slot = json_object_get(entry(probe, "pci", "0000:a5:00.0"), "link");

	assert_false(flag_of(good, "degraded"));
	assert_true(flag_of(bad, "degraded"));
	assert_int_equal(number_of(bad, "width"), 8);
	assert_int_equal(number_of(bad, "max_width"), 16);
	assert_true(json_real_value(json_object_get(bad, "gt_per_s")) == 16.0);
	assert_null(json_object_get(bad, "limited_by"));
	assert_true(flag_of(slot, "degraded"));
	assert_string_equal(text_of(slot, "limited_by"), "port");
	assert_true(advises(probe, "of 0000:a1:00.0 (ens2f0np0) runs at 16 GT/s x8, the device can "
				   "32 GT/s x16: reseat"));
	assert_true(advises(probe, "of 0000:a5:00.0 runs at 8 GT/s x4, the device can 16 GT/s x4: "
				   "its slot can do no more"));
	assert_false(advises(probe, "0000:41:00.0 (ens1f0np0) runs"));
	json_decref(probe);
	/* An idle GPU lowers its speed, and that is no fault. */
	probe = probe_machine("mig-node", false);
	good = json_object_get(entry(probe, "pci", "0000:1b:00.0"), "link");
	assert_true(json_real_value(json_object_get(good, "gt_per_s")) == 2.5);
	assert_false(flag_of(good, "degraded"));
	assert_false(advises(probe, "PCIe link"));
	json_decref(probe);
}

static void a_guest_tells_hardware_from_its_hypervisors_work(void **state)
{
	(void)state;
	json_t *probe = probe_machine("vgpu-guest", false);
	const json_t *vf = entry(probe, "pci", "0000:07:00.0");
	const json_t *made = entry(probe, "pci", "0000:00:05.0");

	assert_true(flag_of(vf, "vf_by_id")); /* no physfn in a guest */
	assert_null(json_object_get(vf, "emulated_by"));
	assert_string_equal(text_of(made, "emulated_by"),
			    "qemu"); /* Intel's ids, QEMU's subsystem */
	expects(probe, "sriov");
	expects(probe, "passthrough");
	json_array_clear(json_object_get(probe, "pci"));
	json_array_clear(json_object_get(probe, "network"));
	refuses(probe, "sriov", "no virtual function found");
	json_array_clear(json_object_get(probe, "gpus"));
	refuses(probe, "passthrough", "no GPU in /sys/bus/pci/devices");
	json_decref(probe);
}

/* ---- RDMA ---- */

static void rdma_devices_know_what_they_ride_on(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);
	const json_t *pf = entry(probe, "rdma", "mlx5_0"), *vf = entry(probe, "rdma", "mlx5_2");
	const json_t *port = json_array_get(json_object_get(pf, "ports"), 0);
	const json_t *gids = json_object_get(port, "gids"), *third = json_array_get(gids, 3);
	char *text = json_dumps(probe, 0);

	assert_int_equal(json_array_size(json_object_get(pf, "netdevs")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(vf, "netdevs"), 0)),
			    "ens1f0v0");
	assert_string_equal(text_of(vf, "vf_of"), "0000:41:00.0");
	assert_int_equal(number_of(vf, "vf_index"), 0);
	assert_int_equal(json_array_size(gids), 4); /* of eight entries; the others are empty */
	assert_string_equal(text_of(third, "type"), "RoCE v2");
	assert_string_equal(text_of(third, "scope"), "ipv4");
	assert_string_equal(text_of(third, "netdev"), "ens1f0np0");
	assert_int_equal(number_of(third, "index"), 3);
	/* Addresses name the machine. */
	assert_null(strstr(text, "c000:0205"));
	assert_null(strstr(text, "0200:00ff:fe00:0001"));
	free(text);
	json_decref(probe);
	probe = probe_machine("sriov-nic", true);
	pf = entry(probe, "rdma", "mlx5_0");
	gids = json_object_get(json_array_get(json_object_get(pf, "ports"), 0), "gids");
	assert_string_equal(text_of(json_array_get(gids, 3), "gid"),
			    "0000:0000:0000:0000:0000:ffff:c000:0205");
	assert_string_equal(text_of(pf, "node_guid"), "0200:00ff:fe00:0001");
	json_decref(probe);
}

/* ---- interrupts, nodes, caches, daemons ---- */

static void interrupts_are_told_by_device(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);
	const json_t *section = json_object_get(probe, "interrupts");
	const json_t *devices = json_object_get(section, "devices");
	const json_t *stray = entry(devices, "value", "0000:41:00.0");
	const json_t *tidy = entry(devices, "value", "0000:a1:00.0");
	const json_t *other = entry(devices, "value", "acpi");

	says(probe, "interrupts", "default_cpus", "0-7");
	says_number(probe, "interrupts", "on_isolated_cpus", 1);
	assert_int_equal(number_of(stray, "interrupts"), 4);
	assert_string_equal(text_of(stray, "allowed_cpus"), "0-15");
	assert_string_equal(text_of(stray, "cpus"), "0-2,9");
	assert_string_equal(text_of(stray, "isolated_cpus"), "9");
	assert_string_equal(text_of(tidy, "cpus"), "4-7");
	assert_null(json_object_get(tidy, "isolated_cpus"));
	assert_string_equal(text_of(other, "cpus"), "0");
	assert_true(
		advises(probe, "interrupts of 0000:41:00.0 (ens1f0np0) land on isolated CPUs (9)"));
	assert_true(advises(probe, "irqbalance moves interrupts"));
	assert_false(advises(probe, "interrupts of 0000:a1:00.0"));
	says(probe, "topology", "boot_isolcpus", "8-11");
	says(probe, "topology", "boot_rcu_nocbs", "8-11");
	says(probe, "topology", "boot_irqaffinity", "0-7");
	json_decref(probe);
	probe = probe_machine("mig-node", false);
	says(probe, "topology", "boot_isolcpus", "");
	says_number(probe, "interrupts", "on_isolated_cpus", 0);
	assert_false(advises(probe, "irqbalance"));
	json_decref(probe);
}

static void nodes_have_cpus_memory_and_distances(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);
	const json_t *node = entry(probe, "numa", "node1");
	const json_t *distances = json_object_get(node, "distances");

	assert_int_equal(json_array_size(json_object_get(probe, "numa")), 2);
	assert_string_equal(text_of(node, "cpus"), "8-15");
	assert_int_equal(number_of(node, "bytes"), INT64_C(65536000) * 1024);
	assert_int_equal(json_integer_value(json_array_get(distances, 0)), 21);
	assert_int_equal(json_integer_value(json_array_get(distances, 1)), 10);
	json_decref(probe);
}

static void what_can_be_divided_is_said(void **state)
{
	(void)state;
	json_t *probe = probe_machine("sriov-nic", false);

	assert_true(json_is_true(ct_said(probe, "resctrl", "l3_allocation")));
	assert_true(json_is_false(ct_said(probe, "resctrl", "l2_allocation")));
	assert_true(json_is_true(ct_said(probe, "resctrl", "mounted")));
	says_number(probe, "resctrl", "cache_ways", 15);
	says_number(probe, "resctrl", "least_ways", 1);
	says(probe, "resctrl", "l3_shared_mask", "6000");
	says_number(probe, "resctrl", "cache_classes", 15);
	says_number(probe, "resctrl", "least_bandwidth_percent", 10);
	says_number(probe, "resctrl", "groups", 1);
	assert_true(ct_said_has(probe, "resctrl", "monitoring", "mbm_total_bytes"));
	assert_false(advises(probe, "resctrl is not mounted"));
	json_decref(probe);
	probe = probe_machine("mig-node", false);
	assert_true(advises(probe, "resctrl is not mounted"));
	json_decref(probe);
}

static void daemons_are_denied_only_where_all_processes_are_seen(void **state)
{
	(void)state;
	static const struct ct_probe_source container = {.root = "tests/fixtures/probe/kvm"};
	json_t *probe = probe_machine("sriov-nic", false);

	assert_true(json_is_true(ct_said(probe, "daemons", "irqbalance")));
	assert_true(json_is_false(ct_said(probe, "daemons", "tuned")));
	json_decref(probe);
	probe = probe_of(&container);
	does_not_say(probe, "daemons", "tuned");
	json_decref(probe);
}

static void a_guest_is_told_about_its_time(void **state)
{
	(void)state;
	static const struct ct_probe_source kvm = {.root = "tests/fixtures/probe/kvm"};
	json_t *probe = probe_machine("vgpu-guest", false);

	says(probe, "hypervisor", "paravirtual_clock", "kvm-clock");
	assert_true(json_is_true(ct_said(probe, "hypervisor", "steal_reported")));
	assert_non_null(strstr(ct_evidence(probe, "hypervisor", "steal_reported"), "bit 5"));
	says_number(probe, "hypervisor", "steal_share", 0.005);
	assert_true(json_is_true(ct_said(probe, "hypervisor", "nesting_offered")));
	does_not_say(probe, "hypervisor", "nested");
	json_decref(probe);
	probe = probe_of(&kvm); /* no leaf of features, no /proc/stat */
	does_not_say(probe, "hypervisor", "steal_reported");
	does_not_say(probe, "hypervisor", "steal_share");
	json_decref(probe);
	probe = probe_machine("sriov-nic", false); /* bare metal has no such questions */
	assert_null(json_object_get(json_object_get(probe, "hypervisor"), "steal_share"));
	json_decref(probe);
}

/* ---- damage ---- */

static struct {
	const char *from;
	char to[BUILT_PATH];
	struct ct_rng rng;
} copying; /* nftw has no room for an argument */

static size_t damaged(char *bytes, size_t used, size_t room)
{
	switch (ct_rng_below(&copying.rng, 8)) {
	case 0: /* cut */
		return used > 0 ? ct_rng_below(&copying.rng, used) : 0;
	case 1: /* some bytes are others */
		for (size_t i = 0; i < used; i += 1 + ct_rng_below(&copying.rng, 16))
			bytes[i] = (char)ct_rng_below(&copying.rng, 256);
		return used;
	case 2: /* all are */
		used = ct_rng_below(&copying.rng, room);
		for (size_t i = 0; i < used; i++)
			bytes[i] = (char)ct_rng_below(&copying.rng, 256);
		return used;
	case 3: /* absurd */
		return (size_t)snprintf(bytes, room, "%s",
					ct_rng_below(&copying.rng, 2) ? "-99999999999999999999\n"
								      : "18446744073709551615\n");
	default:
		return used;
	}
}

static int copy_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	char target[2 * BUILT_PATH], bytes[4096];
	size_t used;
	ssize_t n;
	FILE *file;

	(void)status;
	(void)ftw;
	snprintf(target, sizeof target, "%s%s", copying.to, path + strlen(copying.from));
	if (kind == FTW_D)
		return mkdir(target, 0755) != 0 && access(target, F_OK) != 0;
	if (kind == FTW_SL || kind == FTW_SLN) {
		n = readlink(path, bytes, sizeof bytes - 1);
		assert_true(n > 0);
		bytes[n] = '\0';
		return ct_rng_below(&copying.rng, 16) == 0 ? 0 : symlink(bytes, target);
	}
	file = fopen(path, "r");
	assert_non_null(file);
	used = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	if (ct_rng_below(&copying.rng, 16) == 0)
		return 0;
	used = damaged(bytes, used, sizeof bytes);
	file = fopen(target, "w");
	assert_non_null(file);
	fwrite(bytes, 1, used, file);
	return fclose(file);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void probe_damaged(const char *from, uint64_t seed)
{
	const char *const temporary = getenv("TMPDIR");
	struct ct_probe_source source = {.identify = seed % 2};
	json_t *probe;
	char *text;

	copying.from = from;
	snprintf(copying.to, sizeof copying.to, "%.500s/test_probe.XXXXXX",
		 temporary ? temporary : "/tmp");
	assert_non_null(mkdtemp(copying.to));
	ct_rng_seed(&copying.rng, seed);
	assert_int_equal(nftw(from, copy_one, 16, FTW_PHYS), 0);
	source.root = copying.to;
	probe = probe_of(&source);
	text = json_dumps(probe, 0);
	assert_non_null(text); /* what is no UTF-8 can't be dumped */
	for (const char *c = text; *c; c++) {
		if (*c < 0x20 || *c > 0x7e)
			fail_msg("seed %llu: byte %d", (unsigned long long)seed, *c);
	}
	for (size_t i = 0; ct_probe_expect_words[i]; i++) {
		struct ct_error err = {0};

		if (!ct_probe_expect(probe, ct_probe_expect_words[i], &err))
			assert_true(err.text[0] != '\0');
	}
	free(text);
	json_decref(probe);
	assert_int_equal(nftw(copying.to, remove_one, 16, FTW_PHYS | FTW_DEPTH), 0);
}

static void damaged_recordings_are_survived(void **state)
{
	(void)state;
	enum { ROUNDS = 8 };
	static const char *const made[] = {"sriov-nic", "mig-node", "vgpu-guest"};
	static const char *const kept[] = {"bare-metal", "kvm", "firecracker", "broken"};
	char path[64], root[BUILT_PATH];

	for (uint64_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
			snprintf(path, sizeof path, "fixtures/probe/%s", made[i]);
			probe_damaged(built(path, root), 100 * round + i);
		}
		for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
			snprintf(path, sizeof path, "tests/fixtures/probe/%s", kept[i]);
			probe_damaged(path, 100 * round + 50 + i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_masks_of_cpus_are_read),
		cmocka_unit_test(nonsense_is_no_set_of_cpus),
		cmocka_unit_test(functions_know_their_card_and_their_number),
		cmocka_unit_test(what_the_iommu_can_not_keep_apart_is_seen),
		cmocka_unit_test(a_link_below_what_its_device_can_is_reported),
		cmocka_unit_test(a_guest_tells_hardware_from_its_hypervisors_work),
		cmocka_unit_test(rdma_devices_know_what_they_ride_on),
		cmocka_unit_test(interrupts_are_told_by_device),
		cmocka_unit_test(nodes_have_cpus_memory_and_distances),
		cmocka_unit_test(what_can_be_divided_is_said),
		cmocka_unit_test(daemons_are_denied_only_where_all_processes_are_seen),
		cmocka_unit_test(a_guest_is_told_about_its_time),
		cmocka_unit_test(damaged_recordings_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
