/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/verbs.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libibverbs.so.1"

struct symbol {
	const char *name;
	size_t offset; /* of its pointer in struct ct_verbs */
	bool optional;
};

#define SYMBOL(symbol, member)                                    \
	{                                                         \
#symbol, offsetof(struct ct_verbs, member), false \
	}

static const struct symbol symbols[] = {
	SYMBOL(ibv_get_device_list, get_device_list),
	SYMBOL(ibv_free_device_list, free_device_list),
	SYMBOL(ibv_get_device_name, get_device_name),
	SYMBOL(ibv_open_device, open_device),
	SYMBOL(ibv_close_device, close_device),
	SYMBOL(ibv_query_device, query_device),
	SYMBOL(ibv_query_port, query_port_compat),
	SYMBOL(_ibv_query_gid_ex, query_gid_ex),
	SYMBOL(ibv_alloc_pd, alloc_pd),
	SYMBOL(ibv_dealloc_pd, dealloc_pd),
	SYMBOL(ibv_reg_mr, reg_mr),
	{"ibv_reg_dmabuf_mr", offsetof(struct ct_verbs, reg_dmabuf_mr), true},
	SYMBOL(ibv_dereg_mr, dereg_mr),
	SYMBOL(ibv_create_comp_channel, create_comp_channel),
	SYMBOL(ibv_destroy_comp_channel, destroy_comp_channel),
	SYMBOL(ibv_create_cq, create_cq),
	SYMBOL(ibv_destroy_cq, destroy_cq),
	SYMBOL(ibv_get_cq_event, get_cq_event),
	SYMBOL(ibv_ack_cq_events, ack_cq_events),
	SYMBOL(ibv_create_qp, create_qp),
	SYMBOL(ibv_modify_qp, modify_qp),
	SYMBOL(ibv_destroy_qp, destroy_qp),
	SYMBOL(ibv_create_ah, create_ah),
	SYMBOL(ibv_destroy_ah, destroy_ah),
	SYMBOL(ibv_wc_status_str, wc_status_str),
};

bool ct_verbs_load(struct ct_verbs *verbs, struct ct_error *err)
{
	*verbs = (struct ct_verbs){.library = dlopen(LIBRARY, RTLD_NOW | RTLD_NODELETE)};
	if (!verbs->library)
		return ct_broken(err,
				 "no RDMA here: " LIBRARY " can't be loaded (%s); install the "
				 "packages libibverbs1 and ibverbs-providers",
				 dlerror());
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		void *address = dlsym(verbs->library, symbols[i].name);

		if (!address && !symbols[i].optional)
			return ct_broken(err,
					 LIBRARY " has no %s: it is older than rdma-core 32; "
						 "install a newer libibverbs1",
					 symbols[i].name);
		/* POSIX lets a data pointer from dlsym stand for a function. */
		memcpy((char *)verbs + symbols[i].offset, &address, sizeof address);
	}
	return true;
}

/* What the header does in ibv_query_port, whose symbol fills an older, shorter structure. */
int ct_verbs_query_port(const struct ct_verbs *verbs, struct ibv_context *context, uint8_t port,
			struct ibv_port_attr *attr)
{
	struct verbs_context *extended = verbs_get_ctx_op(context, query_port);

	memset(attr, 0, sizeof *attr);
	if (extended)
		return extended->query_port(context, port, attr, sizeof *attr);
	return verbs->query_port_compat(context, port, (struct _compat_ibv_port_attr *)attr);
}
