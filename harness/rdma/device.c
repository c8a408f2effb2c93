/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/device.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/net/function.h"

#define HOW_TO_GET_ONE                                                                           \
	"plug in an InfiniBand or RoCE adapter and load its driver, or make a software device: " \
	"'modprobe rdma_rxe' and 'rdma link add rxe0 type rxe netdev NETDEV'"

enum { SOFT_VENDOR = 0xffffff }; /* RXE_VENDOR_ID of Linux's drivers/infiniband/sw/rxe */

unsigned ct_rdma_mtu_bytes(enum ibv_mtu mtu)
{
	return 128u << (unsigned)mtu;
}

bool ct_rdma_is_soft(const struct ct_rdma_device *device)
{
	return device->attr.vendor_id == SOFT_VENDOR;
}

static const char *locked_memory(char *out, size_t size)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		snprintf(out, size,
			 "no limit of locked memory is set, so the machine or its "
			 "adapter is out of memory");
	else
		snprintf(out, size,
			 "this process may lock %llu KiB: raise 'ulimit -l' (memlock in "
			 "/etc/security/limits.conf), or use less memory",
			 (unsigned long long)limit.rlim_cur / 1024);
	return out;
}

bool ct_rdma_broken(struct ct_error *err, int code, const char *format, ...)
{
	char what[512], memory[192];
	const char *advice = "";
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	code = code < 0 ? -code : code;
	if (code == ENOMEM)
		advice = locked_memory(memory, sizeof memory);
	else if (code == EPERM || code == EACCES)
		advice = "the device files in /dev/infiniband must be readable and writable";
	else if (code == EOPNOTSUPP || code == ENOSYS)
		advice = "this device can't do it";
	return ct_broken(err, "%s: %s%s%s", what, strerror(code), advice[0] ? "; " : "", advice);
}

/* The library sees devices whose module for user programs is loaded; the kernel may have others. */
static bool none_here(struct ct_error *err)
{
	const bool kernel_has = access("/sys/class/infiniband", F_OK) == 0;
	struct ct_names names = {0};
	bool unseen;

	if (kernel_has)
		names = ct_source_list(&ct_probe_live, "/sys/class/infiniband");
	unseen = names.n > 0;
	ct_names_free(&names);
	if (unseen)
		return ct_broken(err, "the kernel has an RDMA device that programs can't use: load "
				      "ib_uverbs ('modprobe ib_uverbs'), install the package "
				      "ibverbs-providers, and see that /dev/infiniband is visible "
				      "here");
	return ct_broken(err, "no RDMA device: " HOW_TO_GET_ONE);
}

/* The name of the RDMA device that `nic` means: its own, or that of the function it names. */
static bool find_name(struct ct_rdma_device *device, struct ibv_device *const *list,
		      const char *nic, char name[CT_RDMA_NAME], struct ct_error *err)
{
	struct ct_function function;

	for (size_t i = 0; list[i]; i++) {
		if (strcmp(device->verbs.get_device_name(list[i]), nic) == 0) {
			snprintf(name, CT_RDMA_NAME, "%s", nic);
			return true;
		}
	}
	if (!ct_function_resolve(nic, &ct_probe_live, &function, err) ||
	    !ct_function_needs_rdma(&function, nic, err))
		return false;
	snprintf(name, CT_RDMA_NAME, "%s", function.rdma);
	device->netdev = function.netdev[0] ? if_nametoindex(function.netdev) : 0;
	return true;
}

static bool read_gid(const struct ct_rdma_device *device, unsigned port, int index,
		     struct ibv_gid_entry *entry)
{
	memset(entry, 0, sizeof *entry);
	return device->verbs.query_gid_ex(device->context, port, (uint32_t)index, entry, 0,
					  sizeof *entry) == 0;
}

static bool is_ipv4(const union ibv_gid *gid)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(gid->raw, mapped, sizeof mapped) == 0;
}

static bool is_link_local(const union ibv_gid *gid)
{
	return gid->raw[0] == 0xfe && (gid->raw[1] & 0xc0) == 0x80;
}

/* How good an entry is: 0 is unusable. */
static int rank_gid(const struct ct_rdma_device *device, const struct ibv_gid_entry *entry)
{
	if (device->netdev && entry->ndev_ifindex != device->netdev)
		return 0;
	if (entry->gid_type == IBV_GID_TYPE_ROCE_V1)
		return 1;
	if (entry->gid_type != IBV_GID_TYPE_ROCE_V2)
		return 0;
	if (is_ipv4(&entry->gid))
		return 4;
	return is_link_local(&entry->gid) ? 2 : 3;
}

static void describe_gid(struct ct_rdma_device *device, const struct ibv_gid_entry *entry)
{
	const char *kind = "IB";

	if (entry->gid_type == IBV_GID_TYPE_ROCE_V1)
		kind = "RoCE v1";
	else if (entry->gid_type == IBV_GID_TYPE_ROCE_V2)
		kind = is_ipv4(&entry->gid) ? "RoCE v2 IPv4" : "RoCE v2 IPv6";
	snprintf(device->gid_kind, sizeof device->gid_kind, "%s", kind);
}

static bool choose_gid(struct ct_rdma_device *device, int wanted, struct ct_error *err)
{
	struct ibv_gid_entry entry, best = {0};
	int best_rank = 0;

	if (wanted == CT_RDMA_GID_AUTO && !device->ethernet)
		wanted = 0;
	if (wanted != CT_RDMA_GID_AUTO) {
		if (!read_gid(device, device->port, wanted, &best))
			return ct_usage(err,
					"gid_index = %d: port %u of %s has no address there; "
					"'rdma link' or 'show_gids' lists them",
					wanted, device->port, device->name);
		device->gid_index = wanted;
		best_rank = 1;
	}
	for (int i = 0; wanted == CT_RDMA_GID_AUTO && i < device->port_attr.gid_tbl_len; i++) {
		int rank;

		if (!read_gid(device, device->port, i, &entry))
			continue;
		rank = rank_gid(device, &entry);
		if (rank <= best_rank)
			continue;
		best_rank = rank;
		best = entry;
		device->gid_index = i;
	}
	if (best_rank == 0)
		return ct_broken(err,
				 "port %u of %s has no address: give its network device one "
				 "('ip address add ...') and set it up ('ip link set ... up')",
				 device->port, device->name);
	device->gid = best.gid;
	describe_gid(device, &best);
	return true;
}

static bool has_netdev(const struct ct_rdma_device *device, unsigned port, int gids)
{
	struct ibv_gid_entry entry;

	for (int i = 0; i < gids; i++) {
		if (read_gid(device, port, i, &entry) && entry.ndev_ifindex == device->netdev)
			return true;
	}
	return false;
}

/* On a device with several ports a network device stands for one of them. */
static bool fits(const struct ct_rdma_device *device, unsigned port,
		 const struct ibv_port_attr *attr)
{
	return attr->state == IBV_PORT_ACTIVE &&
	       (device->netdev == 0 || device->attr.phys_port_cnt < 2 ||
		has_netdev(device, port, attr->gid_tbl_len));
}

static bool choose_port(struct ct_rdma_device *device, unsigned wanted, struct ct_error *err)
{
	if (wanted > device->attr.phys_port_cnt)
		return ct_usage(err, "port = %u: %s has %u", wanted, device->name,
				device->attr.phys_port_cnt);
	for (unsigned port = 1; port <= device->attr.phys_port_cnt; port++) {
		struct ibv_port_attr attr;

		if ((wanted && port != wanted) ||
		    ct_verbs_query_port(&device->verbs, device->context, (uint8_t)port, &attr) != 0)
			continue;
		if (!fits(device, port, &attr))
			continue;
		device->port = (uint8_t)port;
		device->port_attr = attr;
		device->ethernet = attr.link_layer == IBV_LINK_LAYER_ETHERNET;
		return true;
	}
	return ct_broken(err,
			 "%s has no active port%s: plug in its cable, set its network device up "
			 "('ip link set ... up'), or on InfiniBand start a subnet manager",
			 device->name, wanted ? " of that number" : "");
}

static bool open_one(struct ct_rdma_device *device, struct ibv_device *chosen, unsigned port,
		     int gid_index, struct ct_error *err)
{
	int code;

	snprintf(device->name, sizeof device->name, "%s", device->verbs.get_device_name(chosen));
	if (chosen->transport_type == IBV_TRANSPORT_IWARP)
		return ct_broken(err,
				 "%s is an iWARP device, whose connections only a connection "
				 "manager can make: name an InfiniBand or RoCE device",
				 device->name);
	device->context = device->verbs.open_device(chosen);
	if (!device->context)
		return ct_rdma_broken(err, errno, "RDMA device %s can't be opened", device->name);
	code = device->verbs.query_device(device->context, &device->attr);
	if (code != 0)
		ct_rdma_broken(err, code, "asking RDMA device %s what it is", device->name);
	else if (choose_port(device, port, err) && choose_gid(device, gid_index, err))
		return true;
	ct_rdma_device_close(device);
	return false;
}

/* Without a name the first device that works; the error is that of the last. */
static bool open_any(struct ct_rdma_device *device, struct ibv_device *const *list, unsigned port,
		     int gid_index, struct ct_error *err)
{
	for (size_t i = 0; list[i]; i++) {
		if (open_one(device, list[i], port, gid_index, err))
			return true;
	}
	return false;
}

static bool open_named(struct ct_rdma_device *device, struct ibv_device *const *list,
		       const char *nic, unsigned port, int gid_index, struct ct_error *err)
{
	char name[CT_RDMA_NAME];

	if (!find_name(device, list, nic, name, err))
		return false;
	for (size_t i = 0; list[i]; i++) {
		if (strcmp(device->verbs.get_device_name(list[i]), name) == 0)
			return open_one(device, list[i], port, gid_index, err);
	}
	return ct_broken(err,
			 "nic = %s: its RDMA device %s can't be used from here: load ib_uverbs, "
			 "install ibverbs-providers, and see that /dev/infiniband is visible here",
			 nic, name);
}

bool ct_rdma_device_open(struct ct_rdma_device *device, const char *nic, unsigned port,
			 int gid_index, struct ct_error *err)
{
	struct ibv_device **list;
	int n = 0;
	bool good;

	memset(device, 0, sizeof *device);
	if (!ct_verbs_load(&device->verbs, err))
		return false;
	list = device->verbs.get_device_list(&n);
	if (!list || n == 0) {
		if (list)
			device->verbs.free_device_list(list);
		return none_here(err);
	}
	good = nic && nic[0] ? open_named(device, list, nic, port, gid_index, err)
			     : open_any(device, list, port, gid_index, err);
	device->verbs.free_device_list(list);
	return good;
}

void ct_rdma_device_close(struct ct_rdma_device *device)
{
	if (device->context)
		device->verbs.close_device(device->context);
	device->context = NULL;
}

/* A tenant may name another device than the first: what counts here is that there is one. */
bool ct_rdma_available(char *why, size_t size)
{
	struct ct_error err = {0};
	struct ct_verbs verbs;
	struct ibv_device **list;
	int n = 0;

	if (!ct_verbs_load(&verbs, &err)) {
		snprintf(why, size, "%s", err.text);
		return false;
	}
	list = verbs.get_device_list(&n);
	if (list)
		verbs.free_device_list(list);
	if (list && n > 0)
		return true;
	none_here(&err);
	snprintf(why, size, "%s", err.text);
	return false;
}
