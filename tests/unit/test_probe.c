/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * The probe on recorded machines (tests/fixtures/probe): a bare-metal server, a KVM guest in a
 * container, a Firecracker guest, and a broken recording; then on this machine, whatever it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/probe/cgroup.h"
#include "harness/probe/probe.h"
#include "harness/probe/statement.h"
#include "tests/unit/probe_checks.h"

#define ROOT(name) "tests/fixtures/probe/" name

static const struct ct_probe_source bare_metal = {.root = ROOT("bare-metal")};
static const struct ct_probe_source kvm = {.root = ROOT("kvm")};
static const struct ct_probe_source firecracker = {.root = ROOT("firecracker")};
static const struct ct_probe_source broken = {.root = ROOT("broken")};

/* ---- the reader ---- */

static void files_become_bounded_printable_text(void **state)
{
	(void)state;
	char text[8], small[4];
	int64_t number;

	assert_true(ct_source_text(&broken, text, sizeof text, "/proc/sys/kernel/version"));
	assert_string_equal(text, "???");
	assert_true(ct_source_text(&bare_metal, small, sizeof small, "/proc/sys/kernel/arch"));
	assert_string_equal(small, "x86");
	assert_true(ct_source_text(&kvm, text, sizeof text, "/sys/devices/system/cpu/isolated"));
	assert_string_equal(text, "");
	assert_false(ct_source_text(&broken, text, sizeof text, "/proc/sys/kernel/osrelease"));
	assert_false(ct_source_text(&broken, text, sizeof text, "/no/such/file"));
	assert_true(ct_source_number(&bare_metal, &number, "/sys/class/net/%s/mtu", "ens1np0"));
	assert_int_equal(number, 9000);
	assert_true(
		ct_source_number(&bare_metal, &number, "/sys/bus/pci/devices/0000:81:00.0/vendor"));
	assert_int_equal(number, 0x10de);
	assert_false(ct_source_number(&broken, &number, "/proc/sys/kernel/sched_rt_runtime_us"));
	assert_false(ct_source_number(&broken, &number, "/proc/sys/kernel/sched_rt_period_us"));
	assert_false(ct_source_number(&broken, &number, "/sys/devices/system/cpu/online"));
}

static void links_of_a_recording_stay_inside_it(void **state)
{
	(void)state;
	char text[64];

	assert_true(ct_source_text(&broken, text, sizeof text, "/proc/cmdline"));
	assert_string_equal(text, "root=inside"); /* a link to /etc/inside */
	assert_false(ct_source_exists(&broken, "/etc/os-release"));
	assert_false(ct_source_exists(&broken, "/../../../../../../../../etc/passwd"));
	assert_true(ct_source_link(&bare_metal, text, sizeof text,
				   "/sys/class/net/ens1np0/device/driver"));
	assert_string_equal(text, "mlx5_core");
	assert_false(ct_source_link(&broken, text, sizeof text, "/proc/1/ns/net"));
}

static void a_fifo_or_a_device_is_not_read(void **state)
{
	(void)state;
	char folder[] = "/tmp/test_probe.XXXXXX", path[64], text[8];
	struct ct_probe_source source = {.root = folder};

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(ct_source_text(&source, text, sizeof text, "/fifo"));
	assert_false(ct_source_text(&ct_probe_live, text, sizeof text, "/dev/zero"));
	unlink(path);
	rmdir(folder);
}

static void names_come_in_natural_order(void **state)
{
	(void)state;
	struct ct_names names = ct_source_list(&bare_metal, "/sys/kernel/mm/hugepages");

	assert_int_equal(names.n, 2);
	assert_string_equal(names.names[0], "hugepages-2048kB");
	assert_string_equal(names.names[1], "hugepages-1048576kB");
	ct_names_free(&names);
	names = ct_source_list(&bare_metal, "/no/such/folder");
	assert_int_equal(names.n, 0);
	ct_names_free(&names);
}

static void fields_are_found_by_their_whole_name(void **state)
{
	(void)state;
	static const char text[] =
		"model name\t: Fine CPU 1\nmodel\t\t: 7\nempty:\ninactive_file 12\n"
		"Node 0 MemFree:  5 kB";
	char value[16];
	int64_t number;

	assert_true(ct_text_field(text, "model", value, sizeof value));
	assert_string_equal(value, "7");
	assert_true(ct_text_field(text, "model name", value, sizeof value));
	assert_string_equal(value, "Fine CPU 1");
	assert_true(ct_text_field(text, "inactive_file", value, sizeof value));
	assert_string_equal(value, "12");
	assert_true(ct_text_field(text, "empty", value, sizeof value));
	assert_string_equal(value, "");
	assert_true(ct_text_field(text, "Node 0 MemFree", value, sizeof value));
	assert_true(ct_text_number(value, &number));
	assert_int_equal(number, 5);
	assert_false(ct_text_field(text, "mod", value, sizeof value));
	assert_false(ct_text_field(NULL, "model", value, sizeof value));
	assert_false(ct_text_number("12 monkeys", &number));
	assert_false(ct_text_number("99999999999999999999", &number));
}

/* ---- control groups ---- */

static void limits_of_all_groups_above_count(void **state)
{
	(void)state;
	struct ct_cgroup_limit cpu = ct_cgroup_cpu_limit(&bare_metal);
	struct ct_cgroup_limit memory = ct_cgroup_memory_limit(&bare_metal);

	assert_int_equal(ct_cgroup_find(&bare_metal, "cpu").version, 2);
	assert_int_equal(ct_cgroup_find(&bare_metal, "nosuch").version, 0);
	assert_true(cpu.limited && cpu.value == 4.0); /* of the parent group */
	assert_string_equal(cpu.evidence, "/sys/fs/cgroup/user.slice/cpu.max: 400000 100000");
	assert_true(memory.limited && memory.value == 8589934592.0); /* memory.high */
}

static void version_1_is_read_as_well(void **state)
{
	(void)state;
	struct ct_cgroup group = ct_cgroup_find(&kvm, "memory");
	struct ct_cgroup_limit limit = ct_cgroup_cpu_limit(&kvm);

	assert_int_equal(group.version, 1);
	/* The mount shows the container's own group, so the path below it is empty. */
	assert_string_equal(group.folder, "/sys/fs/cgroup/memory");
	assert_true(limit.limited && limit.value == 0.5);
	limit = ct_cgroup_memory_limit(&kvm);
	assert_true(limit.limited && limit.value == 1073741824.0);
}

static void available_memory_is_what_the_tightest_group_leaves(void **state)
{
	(void)state;
	char where[1024];
	uint64_t bytes;

	/* memory.high 8 GiB - 2 GiB in use + 1 GiB of it inactive file pages. */
	assert_true(ct_memory_available(&bare_metal, &bytes, where, sizeof where));
	assert_int_equal(bytes, UINT64_C(7) << 30);
	assert_non_null(strstr(where, "memory.high"));
	/* 1 GiB - 768 MiB in use + 256 MiB of it inactive file pages. */
	assert_true(ct_memory_available(&kvm, &bytes, where, sizeof where));
	assert_int_equal(bytes, UINT64_C(512) << 20);
	assert_true(ct_memory_available(&firecracker, &bytes, where, sizeof where));
	assert_int_equal(bytes, UINT64_C(400000) << 10);
	assert_string_equal(where, "/proc/meminfo MemAvailable");
	assert_false(ct_memory_available(&broken, &bytes, where, sizeof where));
}

/* ---- recorded machines ---- */

static void a_bare_metal_server_is_described(void **state)
{
	(void)state;
	json_t *probe = probe_of(&bare_metal);

	says(probe, "kernel", "release", "6.1.0-18-amd64");
	says(probe, "kernel", "preemption", "dynamic");
	says(probe, NULL, "distribution", "Debian GNU/Linux 12 (bookworm)");
	says(probe, "cpu", "model_name", "Intel(R) Xeon(R) Platinum 8480+");
	says(probe, "cpu", "microcode", "0x2b0004d0");
	says_number(probe, "cpu", "family", 6);
	says_number(probe, "cpu", "model", 143);
	assert_true(json_is_true(ct_said(probe, "cpu", "invariant_tsc")));
	says_number(probe, "topology", "packages", 2);
	says_number(probe, "topology", "cores", 4);
	says_number(probe, "topology", "cpus", 8);
	says_number(probe, "topology", "numa_nodes", 2);
	says_number(probe, "topology", "smt_active", 1);
	says(probe, "topology", "isolated", "3,7");
	says(probe, "topology", "nohz_full", "");
	says(probe, "frequency", "governor", "powersave");
	says(probe, "frequency", "driver", "intel_pstate");
	assert_true(json_is_true(ct_said(probe, "frequency", "boost")));
	says_number(probe, "frequency", "idle_exit_latency_us", 170);
	says(probe, "clocksource", "current", "tsc");
	says(probe, "memory", "transparent_huge_pages", "always");
	says_number(probe, "memory", "total_bytes", 263000000.0 * 1024);
	says(probe, "mitigations", "meltdown", "Not affected");
	says_number(probe, "process", "memlock_bytes", 8388608);
	assert_int_equal(json_array_size(json_object_get(probe, "caches")), 4);
	assert_int_equal(json_array_size(json_object_get(probe, "huge_pages")), 2);
	assert_true(json_is_false(ct_said(probe, "hypervisor", "present")));
	says(probe, NULL, "container", "none");
	assert_int_equal(json_integer_value(ct_said(probe, "resctrl", "cache_ways")), 11);
	assert_int_equal(json_integer_value(ct_said(probe, "resctrl", "cache_classes")), 16);
	assert_int_equal(json_integer_value(ct_said(probe, "resctrl", "least_bandwidth_percent")),
			 10);
	assert_int_equal(json_integer_value(ct_said(probe, "interrupts", "on_isolated_cpus")), 1);
	json_decref(probe);
}

static void its_devices_and_their_functions_are_listed(void **state)
{
	(void)state;
	json_t *probe = probe_of(&bare_metal);
	const json_t *pf = entry(probe, "network", "ens1np0");
	const json_t *vf = entry(probe, "network", "ens1v0");
	const json_t *rdma = entry(probe, "rdma", "mlx5_0");
	const json_t *gpu = entry(probe, "gpus", "0000:81:00.0");
	const json_t *disk = entry(probe, "block", "nvme0n1"), *port, *link;

	assert_non_null(pf);
	assert_string_equal(text_of(pf, "driver"), "mlx5_core");
	assert_string_equal(text_of(pf, "pci"), "0000:41:00.0");
	/* Half of its lanes at half of their speed; the port rides on the function's netdev. */
	link = json_object_get(pf, "link");
	assert_int_equal(number_of(link, "width"), 8);
	assert_int_equal(number_of(link, "max_width"), 16);
	assert_true(json_is_true(json_object_get(link, "degraded")));
	port = json_array_get(json_object_get(rdma, "ports"), 0);
	assert_string_equal(json_string_value(json_array_get(json_object_get(port, "netdevs"), 0)),
			    "ens1np0");
	port = json_array_get(json_object_get(port, "gids"), 0);
	assert_null(json_object_get(port, "gid")); /* made of an address: only with --identify */
	assert_int_equal(number_of(pf, "speed_bits_per_s"), 400000000000);
	assert_int_equal(number_of(pf, "vfs_possible"), 8);
	assert_int_equal(number_of(pf, "vfs_enabled"), 2);
	assert_int_equal(json_array_size(json_object_get(pf, "vfs")), 2);
	assert_non_null(vf);
	assert_string_equal(text_of(vf, "vf_of"), "0000:41:00.0");
	assert_null(json_object_get(vf, "speed_bits_per_s")); /* -1: the link is down */
	assert_null(entry(probe, "network", "bonding_masters"));
	assert_non_null(rdma);
	assert_string_equal(text_of(rdma, "firmware"), "28.39.1002");
	assert_int_equal(json_array_size(json_object_get(rdma, "ports")), 1);
	assert_non_null(gpu);
	assert_string_equal(text_of(gpu, "maker"), "nvidia");
	assert_string_equal(text_of(gpu, "driver"), "nvidia");
	assert_int_equal(json_array_size(json_object_get(probe, "sriov")), 3);
	assert_non_null(disk);
	assert_string_equal(text_of(disk, "scheduler"), "none");
	assert_int_equal(number_of(disk, "rotational"), 0);
	assert_null(entry(probe, "block", "loop0"));
	json_decref(probe);
}

static void who_the_machine_is_stays_out_unless_asked(void **state)
{
	(void)state;
	struct ct_probe_source named = bare_metal;
	json_t *probe = probe_of(&bare_metal);
	char *text = json_dumps(probe, 0);

	assert_null(strstr(text, "example-host"));
	assert_null(strstr(text, "02:00:00:00:00:01"));
	free(text);
	json_decref(probe);
	named.identify = true;
	probe = probe_of(&named);
	says(probe, "kernel", "hostname", "example-host");
	assert_string_equal(text_of(entry(probe, "network", "ens1np0"), "mac"),
			    "02:00:00:00:00:01");
	json_decref(probe);
}

static void a_kvm_guest_is_seen_through_its_disguise(void **state)
{
	(void)state;
	json_t *probe = probe_of(&kvm);

	assert_true(json_is_true(ct_said(probe, "hypervisor", "present")));
	says(probe, "hypervisor", "name", "kvm"); /* behind Hyper-V's signature */
	assert_non_null(strstr(ct_evidence(probe, "hypervisor", "name"), "0x40000100"));
	says(probe, "hypervisor", "monitor", "qemu");
	says(probe, NULL, "container", "docker");
	assert_true(json_is_false(ct_said(probe, "cpu", "invariant_tsc")));
	assert_true(json_is_true(ct_said(probe, "namespaces", "own_network")));
	does_not_say(probe, "topology", "nohz_full");
	json_decref(probe);
}

static void a_firecracker_guest_is_known_by_its_devices(void **state)
{
	(void)state;
	json_t *probe = probe_of(&firecracker);

	says(probe, "hypervisor", "name", "kvm");
	says(probe, "hypervisor", "monitor", "firecracker");
	assert_non_null(strstr(ct_evidence(probe, "hypervisor", "monitor"),
			       "virtio_mmio.device=4K@0xd0000000:5"));
	/* The mark of an image on a disk of its own is not a container. */
	says(probe, NULL, "container", "none");
	assert_non_null(strstr(ct_evidence(probe, NULL, "container"), "/dev/root"));
	assert_string_equal(text_of(entry(probe, "network", "eth0"), "driver"), "virtio_net");
	json_decref(probe);
}

static void a_broken_recording_says_little_and_nothing_false(void **state)
{
	(void)state;
	json_t *probe = probe_of(&broken);
	char *text = json_dumps(probe, 0);

	assert_non_null(text);
	for (const char *c = text; *c; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
	does_not_say(probe, "kernel", "release");
	does_not_say(probe, "kernel", "rt_runtime_us");
	does_not_say(probe, "cpu", "family");
	does_not_say(probe, "cpu", "model_name");
	does_not_say(probe, "cpu", "invariant_tsc"); /* the flags are cut */
	does_not_say(probe, "hypervisor", "present");
	does_not_say(probe, "memory", "total_bytes");
	does_not_say(probe, "process", "capabilities");
	does_not_say(probe, "cgroup", "memory_limit_bytes");
	does_not_say(probe, "namespaces", "own_network");
	assert_int_equal(json_array_size(json_object_get(probe, "caches")), 0);
	assert_null(json_object_get(entry(probe, "network", "eth0"), "speed_bits_per_s"));
	assert_null(entry(probe, "block", "sda")); /* larger than any disk */
	refuses(probe, "baremetal", "can't be told on this machine");
	refuses(probe, "vm", "no hypervisor found");
	for (size_t i = 0; ct_probe_expect_words[i]; i++) {
		struct ct_error err = {0};

		if (!ct_probe_expect(probe, ct_probe_expect_words[i], &err))
			assert_true(err.text[0] != '\0');
	}
	free(text);
	json_decref(probe);
}

static void an_empty_folder_is_a_machine_nobody_knows(void **state)
{
	(void)state;
	char folder[] = "/tmp/test_probe.XXXXXX";
	struct ct_probe_source source = {.root = folder};
	json_t *probe;

	assert_non_null(mkdtemp(folder));
	probe = probe_of(&source);
	does_not_say(probe, "kernel", "release");
	does_not_say(probe, "hypervisor", "present");
	json_decref(probe);
	rmdir(folder);
}

static void a_root_that_is_no_folder_is_refused(void **state)
{
	(void)state;
	struct ct_probe_source source = {.root = ROOT("nosuch")};
	struct ct_error err = {0};

	assert_null(ct_probe(&source, NULL, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	source.root = ROOT("bare-metal/proc/cmdline");
	assert_null(ct_probe(&source, NULL, &err));
	assert_non_null(strstr(err.text, "is not a folder"));
}

/* ---- advice ---- */

static void advice_follows_from_what_is_seen(void **state)
{
	(void)state;
	json_t *server = probe_of(&bare_metal), *guest = probe_of(&kvm);

	assert_true(advises(server, "governor is powersave"));
	assert_true(advises(server, "boost is on"));
	assert_true(advises(server, "waking takes 170 us"));
	assert_true(advises(server, "two hardware threads"));
	assert_true(advises(server, "real-time throttling"));
	assert_true(advises(server, "0000:41:00.0 runs at 8 GT/s x8, the device can 16 GT/s x16"));
	assert_true(advises(server, "interrupts of irq 120 land on isolated CPUs (3)"));
	assert_false(advises(guest, "PCIe link")); /* "Unknown" and 255 are no link */
	assert_true(advises(server, "limits this process to 4.00 CPUs"));
	assert_false(advises(server, "no CPU is isolated"));
	assert_false(advises(server, "virtual machine"));
	assert_true(advises(guest, "virtual machine"));
	assert_true(advises(guest, "no invariant time stamp counter"));
	assert_true(advises(guest, "only 64 KiB of memory can be locked"));
	assert_false(advises(guest, "governor"));
	json_decref(server);
	json_decref(guest);
}

/* ---- expectations ---- */

static void a_machine_is_what_it_is(void **state)
{
	(void)state;
	json_t *server = probe_of(&bare_metal), *guest = probe_of(&kvm);

	expects(server, "baremetal");
	refuses(server, "vm", "no hypervisor");
	refuses(server, "container", "this process is in none");
	expects(server, "cgroup");
	refuses(server, "netns", "net:[4026531840]");
	expects(server, "sriov");
	refuses(server, "passthrough", "this is none");
	expects(server, "mig");
	refuses(server, "vgpu", "no vGPU profile");
	refuses(server, "mps", "nvidia-cuda-mps-control");
	expects(server, "green");
	refuses(server, "timeslice", "MIG instances");
	expects(guest, "vm");
	refuses(guest, "baremetal",
		"this is a virtual machine (hypervisor kvm): /proc/cpuinfo flags: hypervisor");
	expects(guest, "container");
	expects(guest, "netns");
	expects(guest, "sriov"); /* the driver is one for virtual functions only */
	expects(guest, "passthrough");
	json_decref(server);
	json_decref(guest);
}

static void what_is_missing_is_named(void **state)
{
	(void)state;
	json_t *guest = probe_of(&firecracker);

	refuses(guest, "mig",
		"expect = mig: no NVIDIA GPU with MIG mode found (no /proc/driver/nvidia, no PCI "
		"device of vendor 10de)");
	refuses(guest, "mps", "no PCI device of vendor 10de");
	refuses(guest, "green", "no PCI device of vendor 10de");
	refuses(guest, "timeslice", "no PCI device of vendor 10de");
	refuses(guest, "vgpu", "no PCI device of vendor 10de");
	refuses(guest, "sriov", "no sriov_totalvfs, no physfn");
	refuses(guest, "passthrough", "no GPU in /sys/bus/pci/devices");
	refuses(guest, "cgroup", "no limit in this process's control groups");
	refuses(guest, "baremetl", "did you mean 'baremetal'?");
	refuses(guest, "", "no such environment");
	json_decref(guest);
}

/* ---- this machine ---- */

static void this_machine_is_consistent(void **state)
{
	(void)state;
	struct ct_topology *topology;
	struct ct_error err = {0};
	const json_t *present;
	json_t *probe;
	double cpus;

	assert_true(ct_topology_load(&topology, true, &err));
	probe = ct_probe(&ct_probe_live, topology, &err);
	assert_non_null(probe);
	assert_non_null(ct_said_text(probe, "kernel", "release"));
	assert_non_null(ct_said_text(probe, "process", "allowed_cpus"));
	assert_non_null(ct_said(probe, "topology", "locations"));
	assert_non_null(entry(probe, "network", "lo"));
	if (ct_said_number(probe, "topology", "cpus", &cpus))
		assert_true(cpus == (double)sysconf(_SC_NPROCESSORS_ONLN));
	present = ct_said(probe, "hypervisor", "present");
	assert_true(ct_probe_expect(probe, "baremetal", &err) == json_is_false(present));
	assert_true(ct_probe_expect(probe, "vm", &err) == json_is_true(present));
	json_decref(probe);
	ct_topology_free(topology);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_become_bounded_printable_text),
		cmocka_unit_test(links_of_a_recording_stay_inside_it),
		cmocka_unit_test(a_fifo_or_a_device_is_not_read),
		cmocka_unit_test(names_come_in_natural_order),
		cmocka_unit_test(fields_are_found_by_their_whole_name),
		cmocka_unit_test(limits_of_all_groups_above_count),
		cmocka_unit_test(version_1_is_read_as_well),
		cmocka_unit_test(available_memory_is_what_the_tightest_group_leaves),
		cmocka_unit_test(a_bare_metal_server_is_described),
		cmocka_unit_test(its_devices_and_their_functions_are_listed),
		cmocka_unit_test(who_the_machine_is_stays_out_unless_asked),
		cmocka_unit_test(a_kvm_guest_is_seen_through_its_disguise),
		cmocka_unit_test(a_firecracker_guest_is_known_by_its_devices),
		cmocka_unit_test(a_broken_recording_says_little_and_nothing_false),
		cmocka_unit_test(an_empty_folder_is_a_machine_nobody_knows),
		cmocka_unit_test(a_root_that_is_no_folder_is_refused),
		cmocka_unit_test(advice_follows_from_what_is_seen),
		cmocka_unit_test(a_machine_is_what_it_is),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(this_machine_is_consistent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
