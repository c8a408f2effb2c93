/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ranks of an NCCL collective tell each other before they join, as one line of text: the
 * kernel that they run under, their GPU, and from rank 0 the unique id, in hexadecimal.
 */
#ifndef COTENANT_BENCH_NCCL_CARD_H
#define COTENANT_BENCH_NCCL_CARD_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/gpu/nccl.h"

/* `id` NULL: of another rank than 0. */
void nccl_card_write(const char *pci, const struct ct_nccl_id *id, char *text, size_t size);
/* The unique id on the card of rank 0. */
bool nccl_card_id(const char *text, struct ct_nccl_id *id, struct ct_error *err);
/*
 * Where joining failed and two ranks sit on one GPU, adds that to the error: the library may or may
 * not tell, and never says what to do. MIG devices share an address. True when it was so.
 */
bool nccl_cards_explain(const char *const *texts, unsigned n_ranks, struct ct_error *err);

#endif
