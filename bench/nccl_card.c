/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/nccl_card.h"

#include <stdio.h>
#include <string.h>

#include "harness/gpu/device.h"

enum { ID_DIGITS = 2 * CT_NCCL_ID_BYTES };

struct card {
	char kernel[40], pci[CT_GPU_PCI], id[ID_DIGITS + 1];
};

static void kernel_id(char out[40])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || fscanf(file, "%39s", out) != 1)
		snprintf(out, 40, "-");
	if (file)
		fclose(file);
}

void nccl_card_write(const char *pci, const struct ct_nccl_id *id, char *text, size_t size)
{
	char kernel[40];
	size_t n;

	kernel_id(kernel);
	n = (size_t)snprintf(text, size, "%s %s ", kernel, pci);
	for (size_t i = 0; id && i < CT_NCCL_ID_BYTES; i++, n += 2)
		snprintf(text + n, size - n, "%02x", id->bytes[i]);
	if (!id)
		snprintf(text + n, size - n, "-");
}

static bool read_card(const char *text, struct card *card)
{
	_Static_assert(CT_GPU_PCI > 15 && ID_DIGITS == 256, "the widths below");
	return sscanf(text, "%39s %15s %256s", card->kernel, card->pci, card->id) == 3;
}

bool nccl_card_id(const char *text, struct ct_nccl_id *id, struct ct_error *err)
{
	struct card card;

	if (!read_card(text, &card) || strlen(card.id) != ID_DIGITS)
		return ct_broken(err, "rank 0 told no unique id");
	for (size_t i = 0; i < CT_NCCL_ID_BYTES; i++) {
		unsigned byte;

		if (sscanf(card.id + 2 * i, "%2x", &byte) != 1)
			return ct_broken(err, "rank 0 told '%s' as unique id", card.id);
		id->bytes[i] = (unsigned char)byte;
	}
	return true;
}

static bool on_one_gpu(const char *a, const char *b)
{
	struct card one, other;

	return read_card(a, &one) && read_card(b, &other) && strcmp(one.kernel, "-") != 0 &&
	       strcmp(one.kernel, other.kernel) == 0 && strcmp(one.pci, other.pci) == 0;
}

bool nccl_cards_explain(const char *const *texts, unsigned n_ranks, struct ct_error *err)
{
	const struct ct_error said = *err;
	struct card card;

	for (unsigned a = 0; a < n_ranks; a++) {
		for (unsigned b = a + 1; b < n_ranks; b++) {
			if (!on_one_gpu(texts[a], texts[b]) || !read_card(texts[a], &card))
				continue;
			return ct_broken(err,
					 "%s; ranks %u and %u are both on the GPU at %s: NCCL "
					 "wants a whole GPU for each rank, and MIG devices of one "
					 "GPU count as one; name others with 'gpu'",
					 said.text, a, b, card.pci);
		}
	}
	return false;
}
