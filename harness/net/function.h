/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network function that a tenant's `nic` names: which netdev, RDMA device and PCI function that
 * is, whose virtual function, and on which NUMA node. Grammar:
 *
 *   eth0  mlx5_0  0000:3b:00.1     a network device, an RDMA device, a PCI function
 *   pf:eth0                        the same, and it must be a physical function
 *   vf:eth0/3                      the fourth virtual function of that physical function
 *
 * After `pf:` and `vf:` all three kinds of name are taken. Everything is read from the folders of
 * a probe's source, so that a recorded machine resolves as a living one does. What is seen is what
 * the tenant sees: a network device in another network namespace has no name here, its PCI
 * function has.
 */
#ifndef COTENANT_NET_FUNCTION_H
#define COTENANT_NET_FUNCTION_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/probe/source.h"

enum ct_function_kind {
	CT_FUNCTION_SOFTWARE, /* loopback, veth, bridge, soft-RoCE over one: nothing on a bus */
	CT_FUNCTION_DEVICE,   /* a device that is not divided: no SR-IOV here */
	CT_FUNCTION_PF,
	CT_FUNCTION_VF,
	CT_FUNCTION_SUB /* a subfunction of a PF, on the auxiliary bus (mlx5, ice) */
};
/* "software", "device", "pf", "vf", "sf": in the order of the enum; NULL-terminated. */
extern const char *const ct_function_kind_names[];

enum { CT_FUNCTION_NAME = 64, CT_FUNCTION_PCI = 24 };

struct ct_function {
	enum ct_function_kind kind;
	char netdev[CT_FUNCTION_NAME]; /* "": none that can be seen from here */
	char rdma[CT_FUNCTION_NAME];   /* "": none */
	char device[CT_FUNCTION_NAME]; /* on its bus: "0000:41:00.2", "mlx5_core.sf.4"; "": none */
	char pci[CT_FUNCTION_PCI];     /* "": software */
	char pf[CT_FUNCTION_PCI];      /* of its PF, itself for a PF; "": none or not visible */
	char driver[CT_FUNCTION_NAME]; /* "": none is bound */
	int vf_index;                  /* -1: no virtual function, or its number is not visible */
	int numa_node;                 /* -1: none or not known */
};

/* Usage errors name what there is, and the nearest name. */
bool ct_function_resolve(const char *nic, const struct ct_probe_source *source,
			 struct ct_function *function, struct ct_error *err);
/* For workloads that need one of the two: why this function has none, else true. */
bool ct_function_needs_netdev(const struct ct_function *function, const char *nic,
			      struct ct_error *err);
bool ct_function_needs_rdma(const struct ct_function *function, const char *nic,
			    struct ct_error *err);

/* How two functions of one host lie to each other. */
enum ct_function_relation {
	CT_RELATION_ONE_PF,   /* different functions of one physical function */
	CT_RELATION_ONE_CARD, /* different physical functions (ports) of one card */
	CT_RELATION_SAME,     /* one and the same function */
	CT_RELATION_APART,    /* different cards */
	CT_RELATION_UNKNOWN /* software, or a guest's view: the physical function is not visible */
};
/* "one-pf", "one-card", "same-function", "apart", "unknown"; NULL-terminated. */
extern const char *const ct_function_relation_names[];
enum ct_function_relation ct_function_relation(const struct ct_function *a,
					       const struct ct_function *b);

/* {"kind", "netdev", "rdma", "pci", "pf", "vf_index", "numa_node", "driver"}: what is known. */
json_t *ct_function_json(const struct ct_function *function);
/* Back from that. False: no such object. */
bool ct_function_read(const json_t *json, struct ct_function *function);
/* "vf0 (VF 3 of 0000:41:00.0)". Writes at most `size` bytes, returns `out`. */
const char *ct_function_text(const struct ct_function *function, char *out, size_t size);

#endif
