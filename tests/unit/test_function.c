/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of network functions, on machines that tests/fixtures/probe/make.py writes and on this one;
 * and what functions count.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "harness/core/clock.h"
#include "harness/net/ethtool.h"
#include "harness/net/function.h"
#include "harness/net/netlink.h"
#include "harness/net/nic_counters.h"
#include "harness/tenant/near_nic.h"
#include "tests/unit/probe_checks.h"

static char root[BUILT_PATH];

static struct ct_probe_source machine(const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "fixtures/probe/%s", name);
	return (struct ct_probe_source){.root = built(path, root)};
}

static struct ct_function resolved(const struct ct_probe_source *source, const char *nic)
{
	struct ct_function function;
	struct ct_error err = {0};

	if (!ct_function_resolve(nic, source, &function, &err))
		fail_msg("%s", err.text);
	return function;
}

static void refused(const struct ct_probe_source *source, const char *nic, const char *why)
{
	struct ct_function function;
	struct ct_error err = {0};

	if (ct_function_resolve(nic, source, &function, &err))
		fail_msg("'%s' was taken for %s", nic, function.device);
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, why))
		fail_msg("got \"%s\", want \"%s\"", err.text, why);
}

/* ---- names ---- */

static void every_name_of_a_function_leads_to_the_same(void **state)
{
	(void)state;
	static const char *const names[] = {
		"ens1f0v0",     "vf:ens1f0np0/0", "vf:mlx5_0/0",       "mlx5_2",
		"0000:41:00.1", "41:00.1",        "vf:0000:41:00.0/0", "vf:41:00.0/0"};
	const struct ct_probe_source source = machine("sriov-nic");

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct ct_function function = resolved(&source, names[i]);

		assert_int_equal(function.kind, CT_FUNCTION_VF);
		assert_string_equal(function.netdev, "ens1f0v0");
		assert_string_equal(function.rdma, "mlx5_2");
		assert_string_equal(function.pci, "0000:41:00.1");
		assert_string_equal(function.pf, "0000:41:00.0");
		assert_string_equal(function.driver, "mlx5_core");
		assert_int_equal(function.vf_index, 0);
		assert_int_equal(function.numa_node, 0);
	}
}

static void a_physical_function_is_its_own(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("sriov-nic");
	const struct ct_function function = resolved(&source, "pf:ens2f0np0");

	assert_int_equal(function.kind, CT_FUNCTION_PF);
	assert_string_equal(function.pci, "0000:a1:00.0");
	assert_string_equal(function.pf, "0000:a1:00.0");
	assert_string_equal(function.rdma, "mlx5_1");
	assert_int_equal(function.vf_index, -1);
	assert_int_equal(function.numa_node, 1);
}

/* It waits for a guest: its driver is vfio-pci, and it has no network device. */
static void a_function_given_away_has_no_network_device(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("sriov-nic");
	const struct ct_function function = resolved(&source, "vf:ens1f0np0/2");
	struct ct_error err = {0};

	assert_string_equal(function.driver, "vfio-pci");
	assert_string_equal(function.netdev, "");
	assert_false(ct_function_needs_netdev(&function, "vf:ens1f0np0/2", &err));
	assert_non_null(strstr(err.text, "its driver is vfio-pci"));
	assert_false(ct_function_needs_rdma(&function, "vf:ens1f0np0/2", &err));
	assert_non_null(strstr(err.text, "no RDMA device"));
}

static void a_guests_function_does_not_know_its_card(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("vgpu-guest");
	struct ct_function function = resolved(&source, "eth1");
	char text[160];

	assert_int_equal(function.kind, CT_FUNCTION_VF);
	assert_string_equal(function.pf, "");
	assert_int_equal(function.vf_index, -1);
	assert_non_null(strstr(ct_function_text(&function, text, sizeof text), "not visible"));
	function = resolved(&source, "eth0");
	assert_int_equal(function.kind, CT_FUNCTION_DEVICE);
	assert_string_equal(function.driver, "e1000");
}

/* The kernel gives up on a path with ".." while anything is renamed, anywhere. */
static void renames_elsewhere_hide_nothing(void **state)
{
	const struct ct_probe_source source = machine("vgpu-guest");
	char folder[] = "/tmp/cotenant-test-XXXXXX", one[64], other[64];
	pid_t renamer;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(one, sizeof one, "%s/one", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	assert_int_equal(mkdir(one, 0700), 0);
	renamer = fork();
	if (renamer == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the test fails before it is ended */
	while (renamer == 0) {
		rename(one, other);
		rename(other, one);
	}
	for (int i = 0; i < 3000; i++)
		assert_string_equal(resolved(&source, "eth0").driver, "e1000");
	kill(renamer, SIGKILL);
	waitpid(renamer, NULL, 0);
	rmdir(one);
	rmdir(other);
	rmdir(folder);
}

static void what_is_not_there_is_named_with_what_is(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("sriov-nic");

	refused(&source, "ens1f0v", "did you mean 'ens1f0v0'?");
	refused(&source, "mlx5_9", "did you mean 'mlx5_");
	refused(&source, "0000:99:00.0", "no network device, RDMA device or PCI function");
	refused(&source, "../../../etc", "no network device");
	refused(&source, "", "there are: ens1f0np0");
	refused(&source, "vf:ens1f0np0/8", "ens1f0np0 (VFs 0 to 7)");
	refused(&source, "vf:ens1f0np0", "such as vf:eth0/3");
	refused(&source, "vf:ens1f0np0/", "such as vf:eth0/3");
	refused(&source, "vf:ens1f0np0/1x", "such as vf:eth0/3");
	refused(&source, "vf:/1", "such as vf:eth0/3");
	refused(&source, "vf:ens1f0v1/0", "is no physical function (kind: vf)");
	refused(&source, "pf:ens1f0v1", "physical functions here: ens1f0np0 (VFs 0 to 7)");
	refused(&source, "pf:", "no network device");
}

static void loopback_is_software(void **state)
{
	(void)state;
	const struct ct_function function = resolved(&ct_probe_live, "lo");

	assert_int_equal(function.kind, CT_FUNCTION_SOFTWARE);
	assert_string_equal(function.netdev, "lo");
	assert_string_equal(function.device, "");
	refused(&ct_probe_live, "pf:lo", "lo is no physical function (kind: software)");
}

/* ---- how they lie ---- */

static enum ct_function_relation relation(const struct ct_probe_source *source, const char *a,
					  const char *b)
{
	const struct ct_function first = resolved(source, a), second = resolved(source, b);
	const enum ct_function_relation one = ct_function_relation(&first, &second);

	assert_int_equal(one, ct_function_relation(&second, &first));
	return one;
}

static void functions_of_one_card_are_told_from_others(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("sriov-nic");
	struct ct_function port, other;

	assert_int_equal(relation(&source, "ens1f0v0", "ens1f0v1"), CT_RELATION_ONE_PF);
	assert_int_equal(relation(&source, "ens1f0v0", "ens1f0np0"), CT_RELATION_ONE_PF);
	assert_int_equal(relation(&source, "mlx5_2", "ens1f0v0"), CT_RELATION_SAME);
	assert_int_equal(relation(&source, "ens1f0v0", "ens2f0v0"), CT_RELATION_APART);
	assert_int_equal(relation(&source, "ens1f0np0", "ens2f0np0"), CT_RELATION_APART);
	port = resolved(&source, "ens1f0np0");
	other = port;
	strcpy(other.device, "0000:41:00.7");
	strcpy(other.pci, "0000:41:00.7");
	strcpy(other.pf, "0000:41:00.7");
	assert_int_equal(ct_function_relation(&port, &other), CT_RELATION_ONE_CARD);
	/* A subfunction shares the PF's address and is another function all the same. */
	other = port;
	other.kind = CT_FUNCTION_SUB;
	strcpy(other.device, "mlx5_core.sf.4");
	assert_int_equal(ct_function_relation(&port, &other), CT_RELATION_ONE_PF);
}

static void a_guest_can_not_tell(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("vgpu-guest");

	assert_int_equal(relation(&source, "eth0", "eth1"), CT_RELATION_UNKNOWN);
	assert_int_equal(relation(&ct_probe_live, "lo", "lo"), CT_RELATION_SAME);
}

static void a_function_survives_being_written_down(void **state)
{
	(void)state;
	static const char *const names[] = {"ens1f0v3", "ens2f0np0", "vf:ens1f0np0/2"};
	const struct ct_probe_source source = machine("sriov-nic");
	struct ct_function back;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct ct_function function = resolved(&source, names[i]);
		json_t *json = ct_function_json(&function);

		assert_true(ct_function_read(json, &back));
		assert_memory_equal(&back, &function, sizeof back);
		json_decref(json);
	}
	assert_false(ct_function_read(NULL, &back));
}

static void a_location_can_be_near_the_tenants_own(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("sriov-nic");
	struct ct_error err = {0};
	char *out;

	assert_true(ct_near_nic("near:nic/core:0,near:nic", "ens1f0v1", &source, &out, &err));
	assert_string_equal(out, "near:0000:41:00.2/core:0,near:0000:41:00.2");
	free(out);
	assert_true(ct_near_nic("near:nic0", NULL, &source, &out, &err));
	assert_string_equal(out, "near:nic0");
	free(out);
	assert_true(ct_near_nic(NULL, NULL, &source, &out, &err));
	assert_null(out);
	assert_false(ct_near_nic("near:nic", NULL, &source, &out, &err));
	assert_non_null(strstr(err.text, "names no nic"));
}

/* ---- what they count ---- */

static double counter(const double *values, const char *name)
{
	for (size_t i = 0; ct_nic_counter_table[i].name; i++) {
		if (strcmp(ct_nic_counter_table[i].name, name) == 0)
			return values[i];
	}
	fail_msg("no counter %s", name);
	return NAN;
}

static void files_are_read_into_the_right_counters(void **state)
{
	(void)state;
	const struct ct_probe_source source = machine("sriov-nic");
	struct ct_nic_counters *counters;
	double values[CT_COUNTERS_MAX];

	assert_true(ct_nic_counters_open("vf:ens1f0np0/0", &source, &counters));
	ct_nic_counters_read(counters, values);
	assert_true(counter(values, "rx_packets") == 1000);
	assert_true(counter(values, "rx_dropped") == 3);
	assert_true(counter(values, "rx_missed") == 7);
	assert_true(counter(values, "rdma_rx_packets") == 50);
	assert_true(counter(values, "rdma_tx_packets") == 60);
	assert_true(counter(values, "rdma_cnp_sent") == 1);
	assert_true(counter(values, "rdma_cnp_handled") == 2);
	assert_true(counter(values, "rdma_ecn_marked") == 3);
	assert_true(counter(values, "rdma_out_of_sequence") == 4);
	assert_true(counter(values, "rdma_sequence_errors") == 5);
	assert_true(counter(values, "rdma_rnr") == 6);
	assert_true(counter(values, "rdma_timeouts") == 7);
	assert_true(counter(values, "rdma_duplicates") == 8);
	assert_true(isnan(counter(values, "rdma_no_buffer")));
	assert_true(isnan(counter(values, "vf_rx_packets")));
	assert_true(isnan(counter(values, "port_rx_pfc")));
	ct_nic_counters_close(counters);
	assert_false(ct_nic_counters_open("ens7", &source, &counters));
	/* It has neither a network nor an RDMA device. */
	assert_false(ct_nic_counters_open("vf:ens1f0np0/2", &source, &counters));
}

/* Loopback counts what goes through it. The bound is a thousand times what it takes here. */
static void loopback_counts_and_costs_little(void **state)
{
	(void)state;
	enum { READINGS = 100 };
	struct ct_nic_counters *counters;
	double values[CT_COUNTERS_MAX];
	uint64_t begin;

	assert_true(ct_nic_counters_open("lo", &ct_probe_live, &counters));
	ct_nic_counters_read(counters, values);
	assert_true(counter(values, "rx_packets") >= 0);
	/* The two are not read at once, and others may use loopback too. */
	for (int i = 0;
	     i < READINGS && counter(values, "rx_packets") != counter(values, "tx_packets"); i++)
		ct_nic_counters_read(counters, values);
	assert_true(counter(values, "rx_packets") == counter(values, "tx_packets"));
	assert_true(isnan(counter(values, "vf_rx_packets")));
	begin = ct_monotonic_ns();
	for (int i = 0; i < READINGS; i++)
		ct_nic_counters_read(counters, values);
	begin = ct_monotonic_ns() - begin;
	print_message("a reading of loopback's counters took %.1f us\n",
		      (double)begin / READINGS / 1e3);
	assert_true(begin < READINGS * UINT64_C(20000000));
	ct_nic_counters_close(counters);
}

static void a_driver_s_names_are_chosen_by_the_first_that_matches(void **state)
{
	(void)state;
	enum { STRIDE = 32, N = 6 };
	static const char names[N][STRIDE] = {"rx_prio0_pause",          "rx_prio3_pause",
					      "rx_prio3_pause_duration", "rx_global_pause",
					      "rx_pause_ctrl_phy",       "rx_prio9_pause"};
	const struct ct_ethtool_rule pfc = {{"rx_prio[0-7]_pause", "rx_global_pause"}, 1};
	const struct ct_ethtool_rule all = {{"nothing", "rx_global_pause", "rx_pause_ctrl_phy"}, 1};
	bool chosen[N];

	assert_int_equal(ct_ethtool_choose(&pfc, names[0], N, STRIDE, chosen), 2);
	assert_true(chosen[0] && chosen[1] && !chosen[2] && !chosen[3] && !chosen[5]);
	assert_int_equal(ct_ethtool_choose(&all, names[0], N, STRIDE, chosen), 1);
	assert_true(chosen[3] && !chosen[4]);
	/* Loopback has no statistics of a driver. */
	assert_null(ct_ethtool_open("lo", &pfc, 1));
	assert_null(ct_ethtool_open("nosuch0", &pfc, 1));
}

/* An answer as the kernel gives it: rtnl_fill_vfinfo() of net/core/rtnetlink.c. */
static size_t answer_of_a_pf(char *buffer)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nlattr *list, *one, *stats;

	message->nlmsg_type = RTM_NEWLINK;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(message, IFLA_NUM_VF, 2);
	list = mnl_attr_nest_start(message, IFLA_VFINFO_LIST);
	for (uint32_t vf = 0; vf < 2; vf++) {
		const struct ifla_vf_mac mac = {.vf = vf};

		one = mnl_attr_nest_start(message, IFLA_VF_INFO);
		mnl_attr_put(message, IFLA_VF_MAC, sizeof mac, &mac);
		stats = mnl_attr_nest_start(message, IFLA_VF_STATS);
		mnl_attr_put_u64(message, IFLA_VF_STATS_RX_PACKETS, 100 + vf);
		mnl_attr_put_u64(message, IFLA_VF_STATS_TX_BYTES, 200 + vf);
		mnl_attr_put_u64(message, IFLA_VF_STATS_TX_DROPPED, 300 + vf);
		mnl_attr_nest_end(message, stats);
		mnl_attr_nest_end(message, one);
	}
	mnl_attr_nest_end(message, list);
	return message->nlmsg_len;
}

static void a_pf_tells_the_counters_of_each_vf(void **state)
{
	(void)state;
	_Alignas(8) char buffer[1024] = {0};
	const size_t length = answer_of_a_pf(buffer);
	struct ct_vf_stats stats;

	assert_true(ct_netlink_parse_vf_stats(buffer, length, 1, &stats));
	assert_true(stats.rx_packets == 101 && stats.tx_bytes == 201 && stats.tx_dropped == 301);
	assert_true(isnan(stats.rx_bytes) && isnan(stats.rx_dropped));
	assert_true(ct_netlink_parse_vf_stats(buffer, length, 0, &stats));
	assert_true(stats.rx_packets == 100);
	assert_false(ct_netlink_parse_vf_stats(buffer, length, 2, &stats));
	for (size_t cut = 0; cut < length; cut++)
		assert_false(ct_netlink_parse_vf_stats(buffer, cut, 1, &stats));
}

static void loopback_has_settings_and_no_virtual_functions(void **state)
{
	(void)state;
	struct ct_netdev_settings settings;
	struct ct_netlink netlink;
	struct ct_vf_stats stats;
	struct ct_error err = {0};

	assert_true(ct_netlink_open(&netlink, &err));
	assert_true(ct_netlink_settings(&netlink, 1, &settings, &err));
	assert_true(settings.mtu > 0);
	assert_false(ct_netlink_vf_stats(&netlink, 1, 0, &stats, &err));
	assert_true(isnan(stats.rx_packets));
	assert_false(ct_netlink_settings(&netlink, 0x7fffffff, &settings, &err));
	assert_true(ct_netlink_remove(&netlink, "nosuch0", &err));
	ct_netlink_close(&netlink);
	ct_netlink_close(&netlink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_of_a_function_leads_to_the_same),
		cmocka_unit_test(a_physical_function_is_its_own),
		cmocka_unit_test(a_function_given_away_has_no_network_device),
		cmocka_unit_test(a_guests_function_does_not_know_its_card),
		cmocka_unit_test(renames_elsewhere_hide_nothing),
		cmocka_unit_test(what_is_not_there_is_named_with_what_is),
		cmocka_unit_test(loopback_is_software),
		cmocka_unit_test(functions_of_one_card_are_told_from_others),
		cmocka_unit_test(a_guest_can_not_tell),
		cmocka_unit_test(a_function_survives_being_written_down),
		cmocka_unit_test(a_location_can_be_near_the_tenants_own),
		cmocka_unit_test(files_are_read_into_the_right_counters),
		cmocka_unit_test(loopback_counts_and_costs_little),
		cmocka_unit_test(a_driver_s_names_are_chosen_by_the_first_that_matches),
		cmocka_unit_test(a_pf_tells_the_counters_of_each_vf),
		cmocka_unit_test(loopback_has_settings_and_no_virtual_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
