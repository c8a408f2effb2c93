/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks over RDMA (harness/net/transport.h): a reliable connection between any two neighbours. The
 * receiver of a message invites its sender: a small send says where the message may be written. The
 * sender writes it there by one RDMA write with immediate, whose completion tells the receiver that
 * all of it has come. So nothing is copied, and no sender ever meets a receiver that is not ready.
 */
#ifndef COTENANT_RDMA_TRANSPORT_VERBS_H
#define COTENANT_RDMA_TRANSPORT_VERBS_H

#include "harness/net/transport.h"
#include "harness/rdma/completion.h"
#include "harness/rdma/options.h"

/* What ct_transport_setup.options points to. */
struct ct_transport_verbs_options {
	struct ct_rdma_options rdma;
	int completion; /* enum ct_rdma_completion */
};

extern const struct ct_transport_ops ct_transport_verbs;

#endif
