/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/nic_counters.h"

#include <fcntl.h>
#include <math.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/net/ethtool.h"
#include "harness/net/function.h"
#include "harness/net/netlink.h"

/* The parts of the table, in its order. */
enum { N_NETDEV = 9, N_VF = 6, N_PORT = 8, N_OWN = 1, N_RDMA = 11 };
enum {
	FIRST_NETDEV = 0,
	FIRST_VF = FIRST_NETDEV + N_NETDEV,
	FIRST_PORT = FIRST_VF + N_VF,
	FIRST_OWN = FIRST_PORT + N_PORT,
	FIRST_RDMA = FIRST_OWN + N_OWN,
	N_COUNTERS = FIRST_RDMA + N_RDMA
};

#define TOTAL(name_, unit_, what_)                    \
	{                                             \
		name_, unit_, what_, CT_COUNTER_TOTAL \
	}

const struct ct_counter ct_nic_counter_table[] = {
	TOTAL("rx_packets", "1", "packets that the network device received"),
	TOTAL("tx_packets", "1", "packets that it sent"),
	TOTAL("rx_bytes", "B", "bytes that it received"),
	TOTAL("tx_bytes", "B", "bytes that it sent"),
	TOTAL("rx_dropped", "1", "received packets that were dropped for want of room"),
	TOTAL("tx_dropped", "1", "packets that were dropped on the way out"),
	TOTAL("rx_errors", "1", "packets received with errors"),
	TOTAL("tx_errors", "1", "packets that could not be sent"),
	TOTAL("rx_missed", "1", "packets that the device dropped: the host was too slow"),
	TOTAL("vf_rx_packets", "1", "packets received by the virtual function, as its PF counts"),
	TOTAL("vf_tx_packets", "1", "packets sent by the virtual function, as its PF counts"),
	TOTAL("vf_rx_bytes", "B", "bytes received by the virtual function, as its PF counts"),
	TOTAL("vf_tx_bytes", "B", "bytes sent by the virtual function, as its PF counts"),
	TOTAL("vf_rx_dropped", "1", "packets to the virtual function that its PF dropped"),
	TOTAL("vf_tx_dropped", "1", "packets from the virtual function that its PF dropped"),
	TOTAL("port_rx_pause", "1", "pause frames that the port received"),
	TOTAL("port_tx_pause", "1", "pause frames that the port sent"),
	TOTAL("port_rx_pfc", "1", "priority pause frames that the port received"),
	TOTAL("port_tx_pfc", "1", "priority pause frames that the port sent"),
	TOTAL("port_rx_pause_time", "ns", "time that the port was paused by its neighbour"),
	TOTAL("port_tx_pause_time", "ns", "time that the port had its neighbour paused"),
	TOTAL("port_rx_discards", "1", "packets that the port dropped for want of buffers"),
	TOTAL("port_tx_discards", "1", "packets that the port dropped on the way out"),
	TOTAL("rx_no_buffer", "1", "packets for which no receive descriptor was there"),
	TOTAL("rdma_rx_packets", "1", "RDMA packets received"),
	TOTAL("rdma_tx_packets", "1", "RDMA packets sent"),
	TOTAL("rdma_cnp_sent", "1", "congestion notifications sent"),
	TOTAL("rdma_cnp_handled", "1", "congestion notifications that slowed a sender here"),
	TOTAL("rdma_ecn_marked", "1", "RDMA packets received with a congestion mark"),
	TOTAL("rdma_out_of_sequence", "1", "RDMA packets received out of sequence"),
	TOTAL("rdma_sequence_errors", "1", "negative acknowledgements for a gap in the sequence"),
	TOTAL("rdma_rnr", "1", "receiver-not-ready answers received"),
	TOTAL("rdma_timeouts", "1", "requests that were sent again after a time-out"),
	TOTAL("rdma_duplicates", "1", "requests received twice"),
	TOTAL("rdma_no_buffer", "1", "RDMA packets for which no receive request was posted"),
	{0},
};
_Static_assert(sizeof ct_nic_counter_table / sizeof ct_nic_counter_table[0] == N_COUNTERS + 1,
	       "every counter belongs to a part");
_Static_assert((int)N_COUNTERS <= (int)CT_COUNTERS_MAX, "they fit into an epoch");

/* Files of /sys/class/net/DEV/statistics, in the order of the table. */
static const char *const netdev_files[N_NETDEV] = {"rx_packets", "tx_packets", "rx_bytes",
						   "tx_bytes",   "rx_dropped", "tx_dropped",
						   "rx_errors",  "tx_errors",  "rx_missed_errors"};

/*
 * Files of hw_counters or counters, by driver: mlx5, bnxt_re, irdma, rxe. What several of them hold
 * is added up. (Linux Documentation/ABI/testing/sysfs-class-infiniband; drivers' hw_counters.c)
 */
enum { ALTERNATIVES = 4 };
static const char *const rdma_files[N_RDMA][ALTERNATIVES] = {
	{"counters/port_rcv_packets", "hw_counters/rcvd_pkts", "hw_counters/rx_pkts"},
	{"counters/port_xmit_packets", "hw_counters/sent_pkts", "hw_counters/tx_pkts"},
	{"hw_counters/np_cnp_sent", "hw_counters/tx_cnp_pkts", "hw_counters/cnpSent"},
	{"hw_counters/rp_cnp_handled", "hw_counters/rx_cnp_pkts", "hw_counters/cnpHandled"},
	{"hw_counters/np_ecn_marked_roce_packets", "hw_counters/rx_ecn_marked_pkts",
	 "hw_counters/RxECNMrkd"},
	{"hw_counters/out_of_sequence", "hw_counters/oos_drop_count",
	 "hw_counters/out_of_seq_request"},
	{"hw_counters/packet_seq_err", "hw_counters/seq_err_naks_rcvd", "hw_counters/rcvd_seq_err"},
	{"hw_counters/rnr_nak_retry_err", "hw_counters/rnr_naks_rcvd", "hw_counters/rcvd_rnr_err"},
	{"hw_counters/local_ack_timeout_err", "hw_counters/to_retransmits",
	 "hw_counters/completer_retry_err"},
	{"hw_counters/duplicate_request", "hw_counters/dup_req"},
	{"hw_counters/out_of_buffer", "hw_counters/res_rx_no_buffer"},
};

/* mlx5, igb/ixgbe, i40e, ice, bnxt. Pause times of mlx5 are in microseconds. */
static const struct ct_ethtool_rule port_rules[N_PORT] = {
	{{"rx_global_pause", "rx_flow_control_xoff", "port.link_xoff_rx", "link_xoff_rx.nic",
	  "rx_pause_frames", "rx_pause_ctrl_phy", "rx_pause"},
	 1},
	{{"tx_global_pause", "tx_flow_control_xoff", "port.link_xoff_tx", "link_xoff_tx.nic",
	  "tx_pause_frames", "tx_pause_ctrl_phy", "tx_pause"},
	 1},
	{{"rx_prio[0-7]_pause", "rx_pb_[0-7]_pxoff", "port.rx_priority_[0-7]_xoff",
	  "rx_priority_[0-7]_xoff.nic", "rx_pfc_ena_frames_pri[0-7]"},
	 1},
	{{"tx_prio[0-7]_pause", "tx_pb_[0-7]_pxoff", "port.tx_priority_[0-7]_xoff",
	  "tx_priority_[0-7]_xoff.nic", "tx_pfc_ena_frames_pri[0-7]"},
	 1},
	{{"rx_prio[0-7]_pause_duration", "rx_global_pause_duration"}, 1e3},
	{{"tx_prio[0-7]_pause_duration", "tx_global_pause_duration"}, 1e3},
	{{"rx_discards_phy", "rx_no_dma_resources", "port.rx_discards", "rx_dropped.nic",
	  "rx_total_discard_pkts"},
	 1},
	{{"tx_discards_phy", "port.tx_dropped_link_down", "tx_dropped_link_down.nic",
	  "tx_total_discard_pkts"},
	 1},
};
static const struct ct_ethtool_rule own_rules[N_OWN] = {
	{{"rx_out_of_buffer", "rx_no_buffer_count", "rx_no_dma_resources", "rx_alloc_fail",
	  "rx_queue_[0-9]*_drops", "rx[0-9]*_drops"},
	 1},
};

struct files {
	int fds[ALTERNATIVES];
	size_t n;
};

/* A part of the table that is read with one method. */
struct group {
	void (*read)(struct ct_nic_counters *counters, double *values); /* NULL: not here */
	size_t first, n;
	uint64_t due_ns;
};

struct ct_nic_counters {
	struct files netdev[N_NETDEV], rdma[N_RDMA];
	struct ct_ethtool *port, *own;
	struct ct_netlink netlink;
	unsigned pf_ifindex, vf;
	struct group groups[5];
	size_t n_groups;
	double last[N_COUNTERS];
};

/* ---- files ---- */

static void open_file(struct files *files, const struct ct_probe_source *source, const char *path)
{
	char full[2 * CT_SOURCE_PATH];
	int fd;

	if (files->n == ALTERNATIVES)
		return;
	snprintf(full, sizeof full, "%s%s", strcmp(source->root, "/") == 0 ? "" : source->root,
		 path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		files->fds[files->n++] = fd;
}

/* The sum of what the files hold; sysfs makes its text anew for every reading at 0. */
static double read_files(const struct files *files)
{
	double total = files->n > 0 ? 0 : NAN;

	for (size_t i = 0; i < files->n; i++) {
		char text[32], *end;
		ssize_t n = pread(files->fds[i], text, sizeof text - 1, 0);

		if (n <= 0)
			return NAN;
		text[n] = '\0';
		total += (double)strtoull(text, &end, 10);
		if (end == text)
			return NAN;
	}
	return total;
}

static void close_files(struct files *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < files[i].n; k++)
			close(files[i].fds[k]);
	}
}

static void read_netdev(struct ct_nic_counters *counters, double *values)
{
	for (size_t i = 0; i < N_NETDEV; i++)
		values[i] = read_files(&counters->netdev[i]);
}

static void read_rdma(struct ct_nic_counters *counters, double *values)
{
	for (size_t i = 0; i < N_RDMA; i++)
		values[i] = read_files(&counters->rdma[i]);
}

/* ---- the kernel and the driver ---- */

static void read_port(struct ct_nic_counters *counters, double *values)
{
	ct_ethtool_read(counters->port, values);
}

static void read_own(struct ct_nic_counters *counters, double *values)
{
	ct_ethtool_read(counters->own, values);
}

static void read_vf(struct ct_nic_counters *counters, double *values)
{
	struct ct_vf_stats stats;

	ct_netlink_vf_stats(&counters->netlink, counters->pf_ifindex, counters->vf, &stats, NULL);
	values[0] = stats.rx_packets;
	values[1] = stats.tx_packets;
	values[2] = stats.rx_bytes;
	values[3] = stats.tx_bytes;
	values[4] = stats.rx_dropped;
	values[5] = stats.tx_dropped;
}

/* ---- opening ---- */

static void add_group(struct ct_nic_counters *counters,
		      void (*read)(struct ct_nic_counters *, double *), size_t first, size_t n)
{
	counters->groups[counters->n_groups++] =
		(struct group){.read = read, .first = first, .n = n};
}

static void open_netdev(struct ct_nic_counters *counters, const struct ct_probe_source *source,
			const char *netdev)
{
	size_t found = 0;

	for (size_t i = 0; netdev[0] && i < N_NETDEV; i++) {
		char path[CT_SOURCE_PATH];

		snprintf(path, sizeof path, "/sys/class/net/%s/statistics/%s", netdev,
			 netdev_files[i]);
		open_file(&counters->netdev[i], source, path);
		found += counters->netdev[i].n;
	}
	if (found > 0)
		add_group(counters, read_netdev, FIRST_NETDEV, N_NETDEV);
}

static void open_rdma(struct ct_nic_counters *counters, const struct ct_probe_source *source,
		      const char *rdma)
{
	struct ct_names ports = ct_source_list(source, "/sys/class/infiniband/%s/ports", rdma);
	size_t found = 0;

	/* A device whose ports belong to different network devices has one port a function today;
	 * of older ones the first port counts. */
	for (size_t i = 0; ports.n > 0 && i < N_RDMA; i++) {
		for (int k = 0; k < ALTERNATIVES && rdma_files[i][k]; k++) {
			char path[CT_SOURCE_PATH];

			snprintf(path, sizeof path, "/sys/class/infiniband/%s/ports/%.8s/%s", rdma,
				 ports.names[0], rdma_files[i][k]);
			open_file(&counters->rdma[i], source, path);
		}
		found += counters->rdma[i].n;
	}
	ct_names_free(&ports);
	if (found > 0)
		add_group(counters, read_rdma, FIRST_RDMA, N_RDMA);
}

static void open_vf(struct ct_nic_counters *counters, const char *pf_netdev, int vf)
{
	struct ct_vf_stats stats;

	counters->pf_ifindex = if_nametoindex(pf_netdev);
	counters->vf = (unsigned)vf;
	if (counters->pf_ifindex == 0 || !ct_netlink_open(&counters->netlink, NULL))
		return;
	if (ct_netlink_vf_stats(&counters->netlink, counters->pf_ifindex, counters->vf, &stats,
				NULL))
		add_group(counters, read_vf, FIRST_VF, N_VF);
}

/* Pause frames and discards are the port's: the PF knows them. */
static void open_driver(struct ct_nic_counters *counters, const char *netdev, const char *pf_netdev)
{
	if (pf_netdev[0])
		counters->port = ct_ethtool_open(pf_netdev, port_rules, N_PORT);
	if (counters->port)
		add_group(counters, read_port, FIRST_PORT, N_PORT);
	if (netdev[0])
		counters->own = ct_ethtool_open(netdev, own_rules, N_OWN);
	if (counters->own)
		add_group(counters, read_own, FIRST_OWN, N_OWN);
}

bool ct_nic_counters_open(const char *nic, const struct ct_probe_source *source,
			  struct ct_nic_counters **counters)
{
	struct ct_function function, pf = {.netdev = ""};

	if (!ct_function_resolve(nic, source, &function, NULL))
		return false;
	*counters = calloc(1, sizeof **counters);
	if (!*counters)
		return false;
	for (size_t i = 0; i < N_COUNTERS; i++)
		(*counters)->last[i] = NAN;
	if (!function.pf[0] || !ct_function_resolve(function.pf, source, &pf, NULL))
		pf = function;
	open_netdev(*counters, source, function.netdev);
	if (function.rdma[0])
		open_rdma(*counters, source, function.rdma);
	if (source->live) {
		open_driver(*counters, function.netdev, pf.netdev);
		if (function.kind == CT_FUNCTION_VF && function.vf_index >= 0 && pf.netdev[0])
			open_vf(*counters, pf.netdev, function.vf_index);
	}
	if ((*counters)->n_groups > 0)
		return true;
	ct_nic_counters_close(*counters);
	return false;
}

/* A driver that asks its firmware must not become a load of its own. */
static void read_group(struct ct_nic_counters *counters, struct group *group)
{
	enum { QUICK_NS = 1000000, REST = 50 };
	const uint64_t begin = ct_monotonic_ns();
	uint64_t took;

	if (begin < group->due_ns)
		return;
	group->read(counters, counters->last + group->first);
	took = ct_monotonic_ns() - begin;
	group->due_ns = took > QUICK_NS ? begin + REST * took : 0;
}

void ct_nic_counters_read(struct ct_nic_counters *counters, double *values)
{
	for (size_t i = 0; i < counters->n_groups; i++)
		read_group(counters, &counters->groups[i]);
	memcpy(values, counters->last, sizeof counters->last);
}

void ct_nic_counters_close(struct ct_nic_counters *counters)
{
	close_files(counters->netdev, N_NETDEV);
	close_files(counters->rdma, N_RDMA);
	if (counters->port)
		ct_ethtool_close(counters->port);
	if (counters->own)
		ct_ethtool_close(counters->own);
	ct_netlink_close(&counters->netlink);
	free(counters);
}
