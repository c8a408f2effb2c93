/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/record.h"

#include <stdlib.h>

void ct_block_record_free(struct ct_block_record *record)
{
	for (size_t i = 0; i < CT_PHASES_PER_BLOCK; i++) {
		free(record->phases[i].buckets);
		free(record->phases[i].epochs);
		free(record->phases[i].noise);
		free(record->phases[i].slowest);
	}
	*record = (struct ct_block_record){0};
}
