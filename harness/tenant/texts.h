/* SPDX-License-Identifier: Apache-2.0 */
/* The list of texts by rank that a worker gets: endpoints in SETUP, everybody's in CONNECT. */
#ifndef COTENANT_TENANT_TEXTS_H
#define COTENANT_TENANT_TEXTS_H

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/net/peer.h"

struct ct_texts {
	const char *items[CT_RANKS_MAX]; /* point into `owner` */
	unsigned n;                      /* ranks; 0: there was no list */
	json_t *owner;
};

/* The array `member` of a message; none leaves the list empty. On failure nothing is kept. */
bool ct_texts_read(struct ct_texts *texts, const json_t *message, const char *member,
		   struct ct_error *err);
void ct_texts_free(struct ct_texts *texts);

#endif
