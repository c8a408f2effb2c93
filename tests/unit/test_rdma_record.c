/* SPDX-License-Identifier: Apache-2.0 */
/* What two RDMA ends tell each other: it comes back as it was written, and nothing else is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/rdma/record.h"

#define TOKEN "0123456789abcdeffedcba9876543210"
#define OTHER "00000000000000000000000000000000"

enum { ROOM = 8192 };

static struct ct_rdma_record sample(uint32_t *qpns, unsigned n_qpns, uint32_t *rkeys,
				    unsigned n_rkeys)
{
	struct ct_rdma_record record = {.mtu = 1024,
					.reads = 16,
					.lid = 7,
					.gid.raw = {[10] = 0xff, 0xff, 10, 0, 0, 2},
					.psn = 0xabcdef,
					.qkey = 0x7fffffff,
					.address = UINT64_C(0x7f0011223000),
					.bytes = 4096,
					.memory = CT_RDMA_PEER_MEMORY,
					.qpns = qpns,
					.n_qpns = n_qpns,
					.rkeys = rkeys,
					.n_rkeys = n_rkeys};

	assert_true(ct_rdma_record_sign(&record, TOKEN, CT_RDMA_PEER, NULL));
	return record;
}

static void round_trip(const struct ct_rdma_record *record)
{
	struct ct_rdma_record back;
	char text[ROOM];

	assert_true(ct_rdma_record_print(record, text, sizeof text, NULL));
	assert_true(ct_rdma_record_parse(&back, text, NULL));
	assert_string_equal(back.half, record->half);
	assert_int_equal(back.mtu, record->mtu);
	assert_int_equal(back.reads, record->reads);
	assert_int_equal(back.lid, record->lid);
	assert_memory_equal(&back.gid, &record->gid, sizeof back.gid);
	assert_int_equal(back.psn, record->psn);
	assert_int_equal(back.qkey, record->qkey);
	assert_true(back.address == record->address && back.bytes == record->bytes);
	assert_int_equal(back.memory, record->memory);
	assert_int_equal(back.n_qpns, record->n_qpns);
	assert_int_equal(back.n_rkeys, record->n_rkeys);
	for (unsigned i = 0; i < back.n_qpns; i++)
		assert_int_equal(back.qpns[i], record->qpns[i]);
	for (unsigned i = 0; i < back.n_rkeys; i++)
		assert_int_equal(back.rkeys[i], record->rkeys[i]);
	ct_rdma_record_free(&back);
}

static void comes_back_as_written(void **state)
{
	uint32_t one[] = {0x11}, odd[] = {5, 9, 8, 7, 6, 100, 0xffffff, 3, 3, 3};
	struct ct_rdma_record record = sample(one, 1, odd, 10);

	(void)state;
	round_trip(&record);
	record = sample(odd, 10, NULL, 0);
	round_trip(&record);
}

static void every_kind_of_memory_has_its_word(void **state)
{
	uint32_t one[] = {0x11};
	struct ct_rdma_record record = sample(one, 1, one, 1), back;
	char text[ROOM], *word;

	(void)state;
	for (unsigned i = 0; ct_rdma_memory_names[i]; i++) {
		record.memory = (enum ct_rdma_memory)i;
		round_trip(&record);
	}
	record.memory = CT_RDMA_HOST_MEMORY;
	assert_true(ct_rdma_record_print(&record, text, sizeof text, NULL));
	word = strstr(text, "in=host");
	assert_non_null(word);
	memcpy(word, "in=hose", 7);
	assert_false(ct_rdma_record_parse(&back, text, NULL));
}

static void thousands_that_go_up_evenly_fit(void **state)
{
	static uint32_t qpns[10000], rkeys[5000];
	struct ct_rdma_record record;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		qpns[i] = 0x200 + i;
	for (uint32_t i = 0; i < 5000; i++)
		rkeys[i] = 0x1ed00 + i * 0x101;
	record = sample(qpns, 10000, rkeys, 5000);
	round_trip(&record);
}

static void what_does_not_fit_is_an_error(void **state)
{
	static uint32_t qpns[4000];
	struct ct_rdma_record record;
	struct ct_error err = {0};
	char text[ROOM];

	(void)state;
	for (uint32_t i = 0; i < 4000; i++)
		qpns[i] = i * i;
	record = sample(qpns, 4000, NULL, 0);
	assert_false(ct_rdma_record_print(&record, text, sizeof text, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "4000 queue pairs"));
}

/* Every text that is cut anywhere, and every text with one changed byte, is refused or read; it
 * never leaves lists behind or reads beyond its end (run under the address sanitizer). */
static void damaged_texts(void **state)
{
	uint32_t qpns[] = {1, 2, 3, 9}, rkeys[] = {0x100, 0x200, 0x300};
	struct ct_rdma_record record = sample(qpns, 4, rkeys, 3), back;
	char text[ROOM], damaged[ROOM];
	size_t length;

	(void)state;
	assert_true(ct_rdma_record_print(&record, text, sizeof text, NULL));
	length = strlen(text);
	for (size_t cut = 0; cut < length; cut++) {
		memcpy(damaged, text, cut);
		damaged[cut] = '\0';
		if (ct_rdma_record_parse(&back, damaged, NULL))
			ct_rdma_record_free(&back);
		assert_null(back.qpns);
	}
	for (size_t i = 0; i < length; i++) {
		static const char bytes[] = " -+*,z0f\n\x80";

		for (const char *byte = bytes; *byte; byte++) {
			memcpy(damaged, text, length + 1);
			damaged[i] = *byte;
			if (ct_rdma_record_parse(&back, damaged, NULL))
				ct_rdma_record_free(&back);
		}
	}
	assert_false(ct_rdma_record_parse(&back, "127.0.0.1:4000", NULL));
	assert_false(ct_rdma_record_parse(&back, "", NULL));
}

static void only_this_campaigns_other_side_is_talked_to(void **state)
{
	uint32_t one[] = {0x11};
	struct ct_rdma_record record = sample(one, 1, NULL, 0);
	struct ct_error err = {0};

	(void)state;
	assert_true(ct_rdma_record_check(&record, TOKEN, CT_RDMA_PEER, &err));
	assert_false(ct_rdma_record_check(&record, TOKEN, CT_RDMA_WORKLOAD, &err));
	assert_false(ct_rdma_record_check(&record, OTHER, CT_RDMA_PEER, &err));
	assert_non_null(strstr(err.text, "token"));
	assert_false(ct_rdma_record_check(&record, "short", CT_RDMA_PEER, &err));
	record.gid.raw[0] = 0xff;
	assert_false(ct_rdma_record_check(&record, TOKEN, CT_RDMA_PEER, &err));
	assert_non_null(strstr(err.text, "multicast"));
	assert_false(ct_rdma_record_sign(&record, NULL, CT_RDMA_PEER, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_written),
		cmocka_unit_test(every_kind_of_memory_has_its_word),
		cmocka_unit_test(thousands_that_go_up_evenly_fit),
		cmocka_unit_test(what_does_not_fit_is_an_error),
		cmocka_unit_test(damaged_texts),
		cmocka_unit_test(only_this_campaigns_other_side_is_talked_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
