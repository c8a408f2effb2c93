/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, and the objects made on them. */
#include "tests/standin/verbs/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct shared *shared;

static struct ibv_device devices[DEVICES];

void lock(void)
{
	if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&shared->lock);
}

void unlock(void)
{
	pthread_mutex_unlock(&shared->lock);
}

/* The entry "verb:number:nth:times" of COTENANT_VERBS_FAIL; nth is 1 when left out, times no end.
 */
static bool asked_to_fail(const char *verb, int *number, unsigned *nth, unsigned *times)
{
	const char *at = getenv("COTENANT_VERBS_FAIL");
	const size_t length = strlen(verb);

	*nth = 1;
	*times = UINT_MAX;
	while (at && *at) {
		if (strncmp(at, verb, length) == 0 && at[length] == ':')
			return sscanf(at + length, ":%d:%u:%u", number, nth, times) >= 1;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return false;
}

bool fails(const char *verb)
{
	static __thread struct {
		const char *verb;
		unsigned calls;
	} counts[16];
	int number;
	unsigned nth, times;

	if (!asked_to_fail(verb, &number, &nth, &times))
		return false;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		if (counts[i].verb && strcmp(counts[i].verb, verb) != 0)
			continue;
		counts[i].verb = verb;
		if (++counts[i].calls < nth || counts[i].calls - nth >= times)
			return false;
		errno = number;
		return true;
	}
	return false;
}

enum ibv_wc_status spoiled(void)
{
	static __thread unsigned completions;
	int status;
	unsigned nth, times;

	if (!asked_to_fail("wc", &status, &nth, &times) || ++completions < nth)
		return IBV_WC_SUCCESS;
	return (enum ibv_wc_status)status;
}

static bool initialise(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->lock, &attr);
	shared->next_pd = 1;
	shared->next_channel = 1;
	__atomic_store_n(&shared->ready, true, __ATOMIC_RELEASE);
	return true;
}

/* The first process makes the file; others wait for it to be ready. */
static bool attach(void)
{
	const char *path = getenv("COTENANT_VERBS_STANDIN");
	bool first = true;
	int fd;

	if (shared)
		return true;
	if (!path || !path[0])
		return false;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		first = false;
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd < 0 || ftruncate(fd, sizeof *shared) != 0)
		return false;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED) {
		shared = NULL;
		return false;
	}
	/* Other processes write into this one's memory, also where only parents may by default. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (first)
		return initialise();
	for (int i = 0; i < 5000 && !__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	return true;
}

struct ibv_device **ibv_get_device_list(int *n)
{
	struct ibv_device **list = calloc(DEVICES + 1, sizeof *list);

	*n = attach() ? DEVICES : 0;
	for (int i = 0; list && i < *n; i++) {
		snprintf(devices[i].name, sizeof devices[i].name, "standin%d", i);
		devices[i].node_type = IBV_NODE_CA;
		devices[i].transport_type = IBV_TRANSPORT_IB;
		list[i] = &devices[i];
	}
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

const char *ibv_get_device_name(struct ibv_device *device)
{
	return device->name;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct ibv_context *context;

	if (fails("open_device"))
		return NULL;
	context = calloc(1, sizeof *context);
	if (!context)
		return NULL;
	context->device = device;
	context->ops.poll_cq = standin_poll_cq;
	context->ops.req_notify_cq = standin_req_notify_cq;
	context->ops.post_send = standin_post_send;
	context->ops.post_recv = standin_post_recv;
	return context;
}

int ibv_close_device(struct ibv_context *context)
{
	free(context);
	return 0;
}

bool standin_is_soft(void)
{
	const char *soft = getenv("COTENANT_VERBS_SOFT");

	return soft && strcmp(soft, "1") == 0;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	(void)context;
	*attr = (struct ibv_device_attr){.vendor_id = standin_is_soft() ? SOFT_VENDOR : 0,
					 .max_qp = MAX_QPS,
					 .max_qp_wr = MAX_RECV,
					 .max_cq = MAX_CQS,
					 .max_cqe = MAX_CQE,
					 .max_mr = MAX_MRS,
					 .max_qp_rd_atom = MAX_READS,
					 .max_qp_init_rd_atom = MAX_READS,
					 .atomic_cap = IBV_ATOMIC_HCA,
					 .phys_port_cnt = 1};
	return 0;
}

static bool port_is(const char *word)
{
	const char *port = getenv("COTENANT_VERBS_PORT");

	return port && strcmp(port, word) == 0;
}

#undef ibv_query_port
int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *out)
{
	struct ibv_port_attr *attr = (struct ibv_port_attr *)out;

	(void)context;
	if (port != 1)
		return EINVAL;
	attr->state = port_is("down") ? IBV_PORT_DOWN : IBV_PORT_ACTIVE;
	attr->link_layer = port_is("ib") ? IBV_LINK_LAYER_INFINIBAND : IBV_LINK_LAYER_ETHERNET;
	attr->active_mtu = IBV_MTU_1024;
	attr->max_mtu = IBV_MTU_4096;
	attr->gid_tbl_len = 16;
	attr->max_msg_sz = MAX_MESSAGE;
	attr->lid = 1;
	return 0;
}

/* As rxe and mlx5 list them: v1 and v2 of the link-local address, then of an IPv4 one. */
int _ibv_query_gid_ex(struct ibv_context *context, uint32_t port, uint32_t index,
		      struct ibv_gid_entry *entry, uint32_t flags, size_t size)
{
	const uint8_t number = (uint8_t)(context->device - devices + 1);
	static const uint8_t link_local[16] = {0xfe, 0x80},
			     mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10};

	(void)flags;
	(void)size;
	if (port != 1 || index > 3)
		return ENODATA;
	memcpy(entry->gid.raw, index < 2 ? link_local : mapped, 16);
	entry->gid.raw[15] = number;
	entry->gid_index = index;
	entry->port_num = port;
	entry->gid_type = port_is("ib") ? IBV_GID_TYPE_IB
					: (index % 2 ? IBV_GID_TYPE_ROCE_V2 : IBV_GID_TYPE_ROCE_V1);
	return 0;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct ibv_pd *pd;

	if (fails("alloc_pd"))
		return NULL;
	pd = calloc(1, sizeof *pd);
	if (!pd)
		return NULL;
	lock();
	pd->context = context;
	pd->handle = shared->next_pd++;
	unlock();
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	free(pd);
	return 0;
}

/* A socket whose name carries the channel's number, so that any process can ring it. */
struct channel {
	struct ibv_comp_channel base;
	unsigned number;
	struct ibv_cq *cq;
};

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct channel *channel = calloc(1, sizeof *channel);
	int length;

	if (!channel || fails("create_comp_channel")) {
		free(channel);
		return NULL;
	}
	lock();
	channel->number = shared->next_channel++;
	unlock();
	channel->base.context = context;
	channel->base.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s.%u",
			  getenv("COTENANT_VERBS_STANDIN"), channel->number);
	if (channel->base.fd < 0 ||
	    bind(channel->base.fd, (struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) != 0) {
		free(channel);
		return NULL;
	}
	return &channel->base;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *base)
{
	close(base->fd);
	free(base);
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int entries, void *cookie,
			     struct ibv_comp_channel *channel, int vector)
{
	struct ibv_cq *cq;
	unsigned slot;

	(void)vector;
	if (fails("create_cq"))
		return NULL;
	if (entries > MAX_CQE) {
		errno = EINVAL;
		return NULL;
	}
	cq = calloc(1, sizeof *cq);
	lock();
	for (slot = 0; slot < MAX_CQS && shared->cqs[slot].used; slot++) {
	}
	if (!cq || slot == MAX_CQS) {
		unlock();
		free(cq);
		errno = ENOMEM;
		return NULL;
	}
	shared->cqs[slot].used = true;
	shared->cqs[slot].armed = false;
	shared->cqs[slot].pid = getpid();
	shared->cqs[slot].entries = (unsigned)entries;
	shared->cqs[slot].head = shared->cqs[slot].tail = 0;
	shared->cqs[slot].channel = channel ? ((struct channel *)channel)->number : 0;
	unlock();
	*cq = (struct ibv_cq){.context = context,
			      .channel = channel,
			      .cq_context = cookie,
			      .handle = slot,
			      .cqe = entries};
	if (channel)
		((struct channel *)channel)->cq = cq;
	return cq;
}

/* As the library does, it does not return before all events are acknowledged: a test would hang. */
int ibv_destroy_cq(struct ibv_cq *cq)
{
	if (cq->comp_events_completed != 0)
		abort();
	lock();
	shared->cqs[cq->handle].used = false;
	unlock();
	free(cq);
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *base, struct ibv_cq **cq, void **cookie)
{
	struct channel *channel = (struct channel *)base;
	char byte;

	if (recv(base->fd, &byte, 1, 0) < 0)
		return -1;
	*cq = channel->cq;
	*cookie = channel->cq->cq_context;
	channel->cq->comp_events_completed++;
	return 0;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned n)
{
	cq->comp_events_completed -= n;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct ibv_qp *qp;
	unsigned slot;

	if (fails("create_qp"))
		return NULL;
	if (attr->cap.max_inline_data > MAX_INLINE || attr->cap.max_recv_wr > MAX_RECV) {
		errno = EINVAL;
		return NULL;
	}
	qp = calloc(1, sizeof *qp);
	lock();
	for (slot = 0; slot < MAX_QPS && shared->qps[slot].used; slot++) {
	}
	if (!qp || slot == MAX_QPS) {
		unlock();
		free(qp);
		errno = ENOMEM;
		return NULL;
	}
	memset(&shared->qps[slot], 0, offsetof(struct shared_qp, receives));
	shared->qps[slot].used = true;
	shared->qps[slot].pid = getpid();
	shared->qps[slot].pd = pd->handle;
	shared->qps[slot].device = (unsigned)(pd->context->device - devices);
	shared->qps[slot].type = attr->qp_type;
	shared->qps[slot].state = IBV_QPS_RESET;
	shared->qps[slot].send_cq = attr->send_cq->handle;
	shared->qps[slot].recv_cq = attr->recv_cq->handle;
	shared->qps[slot].max_send = attr->cap.max_send_wr;
	shared->qps[slot].max_recv = attr->cap.max_recv_wr;
	shared->qps[slot].max_inline = attr->cap.max_inline_data;
	unlock();
	*qp = (struct ibv_qp){.context = pd->context,
			      .pd = pd,
			      .send_cq = attr->send_cq,
			      .recv_cq = attr->recv_cq,
			      .handle = slot,
			      .qp_num = qp_number(slot),
			      .qp_type = attr->qp_type};
	return qp;
}

/* What a transition must come with; a kernel refuses what lacks it or has more. */
static int wanted_mask(const struct shared_qp *qp, enum ibv_qp_state to)
{
	const bool rc = qp->type == IBV_QPT_RC, ud = qp->type == IBV_QPT_UD;

	switch (to) {
	case IBV_QPS_RESET:
		return IBV_QP_STATE;
	case IBV_QPS_INIT:
		return IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
		       (ud ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS);
	case IBV_QPS_RTR:
		return IBV_QP_STATE |
		       (ud ? 0 : IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN) |
		       (rc ? IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER : 0);
	case IBV_QPS_RTS:
		return IBV_QP_STATE | IBV_QP_SQ_PSN |
		       (rc ? IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
					IBV_QP_MAX_QP_RD_ATOMIC
			   : 0);
	default:
		return -1;
	}
}

/* RoCE: the address must be that of a device here, and of the kind of the sender's own. */
static bool reachable(const struct ibv_ah_attr *ah)
{
	if (port_is("ib"))
		return ah->dlid == 1;
	return ah->is_global && ah->grh.sgid_index <= 3 && ah->grh.dgid.raw[15] >= 1 &&
	       ah->grh.dgid.raw[15] <= DEVICES &&
	       (ah->grh.sgid_index < 2) == (ah->grh.dgid.raw[0] == 0xfe);
}

static int change(struct shared_qp *qp, const struct ibv_qp_attr *attr, int mask)
{
	const enum ibv_qp_state to = attr->qp_state;

	if (mask != wanted_mask(qp, to))
		return EINVAL;
	if (to == IBV_QPS_RESET) {
		qp->send_used = qp->unsignalled = 0;
		qp->recv_head = qp->recv_tail = 0;
	} else if (to == IBV_QPS_INIT && qp->state == IBV_QPS_RESET) {
		qp->qkey = attr->qkey;
		qp->access = attr->qp_access_flags;
	} else if (to == IBV_QPS_RTR && qp->state == IBV_QPS_INIT) {
		if (qp->type != IBV_QPT_UD && !reachable(&attr->ah_attr))
			return ETIMEDOUT;
		qp->dest = attr->dest_qp_num;
		qp->expected_psn = attr->rq_psn;
		qp->min_rnr_timer = attr->min_rnr_timer;
	} else if (to == IBV_QPS_RTS && qp->state == IBV_QPS_RTR) {
		qp->next_psn = attr->sq_psn;
		qp->rnr_retry = attr->rnr_retry;
		qp->retries = attr->retry_cnt;
		qp->timeout = attr->timeout;
	} else {
		return EINVAL;
	}
	qp->state = to;
	return 0;
}

int ibv_modify_qp(struct ibv_qp *base, struct ibv_qp_attr *attr, int mask)
{
	int code;

	if (fails("modify_qp"))
		return errno;
	lock();
	code = change(&shared->qps[base->handle], attr, mask);
	unlock();
	return code;
}

int ibv_destroy_qp(struct ibv_qp *qp)
{
	if (fails("destroy_qp"))
		return errno;
	lock();
	shared->qps[qp->handle].used = false;
	unlock();
	free(qp);
	return 0;
}

struct ibv_ah *ibv_create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr)
{
	struct ibv_ah *ah;

	if (fails("create_ah"))
		return NULL;
	if (!reachable(attr)) {
		errno = ETIMEDOUT;
		return NULL;
	}
	ah = calloc(1, sizeof *ah);
	if (ah)
		ah->pd = pd;
	return ah;
}

int ibv_destroy_ah(struct ibv_ah *ah)
{
	free(ah);
	return 0;
}

const char *ibv_wc_status_str(enum ibv_wc_status status)
{
	static const char *const names[] = {
		[IBV_WC_SUCCESS] = "success",
		[IBV_WC_LOC_PROT_ERR] = "local protection error",
		[IBV_WC_WR_FLUSH_ERR] = "Work Request Flushed Error",
		[IBV_WC_REM_ACCESS_ERR] = "remote access error",
		[IBV_WC_REM_INV_REQ_ERR] = "remote invalid request error",
		[IBV_WC_RETRY_EXC_ERR] = "transport retry counter exceeded",
		[IBV_WC_RNR_RETRY_EXC_ERR] = "RNR retry counter exceeded",
	};

	return (size_t)status < sizeof names / sizeof *names && names[status] ? names[status]
									      : "unknown";
}
