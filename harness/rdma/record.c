/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/net/peer.h"

_Static_assert(2 * CT_RDMA_HALF == CT_TOKEN_LENGTH, "a record shows half of the token");

const char *const ct_rdma_memory_names[] = {"host", "dma-buf", "peer-memory", NULL};

enum { GID_DIGITS = 32, WORD = 16, MAX_NUMBERS = 1 << 20 };

struct writer {
	char *out;
	size_t size, length;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format,
						      ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(writer->out + writer->length, writer->size - writer->length, format,
		      arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= writer->size - writer->length)
		writer->full = true;
	else
		writer->length += (size_t)n;
}

/* "1a3+1*40,200": forty numbers from 0x1a3 in steps of one, then 0x200. All in hexadecimal. */
static void put_runs(struct writer *writer, char name, const uint32_t *numbers, unsigned n)
{
	put(writer, " %c=", name);
	if (n == 0)
		put(writer, "-");
	for (unsigned i = 0; i < n && !writer->full;) {
		uint32_t step = i + 1 < n ? numbers[i + 1] - numbers[i] : 0;
		unsigned count = 1;

		while (i + count < n && numbers[i + count] - numbers[i + count - 1] == step)
			count++;
		if (count < 3)
			count = 1;
		put(writer, "%s%" PRIx32, i ? "," : "", numbers[i]);
		if (count > 1)
			put(writer, "+%" PRIx32 "*%x", step, count);
		i += count;
	}
}

bool ct_rdma_record_print(const struct ct_rdma_record *record, char *out, size_t size,
			  struct ct_error *err)
{
	struct writer writer = {.out = out, .size = size};

	put(&writer, "rdma1 %s mtu=%u reads=%u lid=%u gid=", record->half, record->mtu,
	    record->reads, record->lid);
	for (size_t i = 0; i < sizeof record->gid.raw; i++)
		put(&writer, "%02x", record->gid.raw[i]);
	put(&writer, " psn=%" PRIx32 " qkey=%" PRIx32 " in=%s at=%" PRIx64 "+%" PRIx64, record->psn,
	    record->qkey, ct_rdma_memory_names[record->memory], record->address, record->bytes);
	put_runs(&writer, 'q', record->qpns, record->n_qpns);
	put_runs(&writer, 'k', record->rkeys, record->n_rkeys);
	if (!writer.full)
		return true;
	out[0] = '\0';
	return ct_usage(err,
			"the numbers of %u queue pairs and %u memory regions don't fit into one "
			"message: ask for fewer",
			record->n_qpns, record->n_rkeys);
}

/* Reads one hexadecimal number and moves behind it. */
static bool hex(const char **at, uint32_t *value)
{
	char *end;
	unsigned long number;

	if (!strchr("0123456789abcdef", **at) || !**at)
		return false;
	number = strtoul(*at, &end, 16);
	if (number > UINT32_MAX || end == *at)
		return false;
	*at = end;
	*value = (uint32_t)number;
	return true;
}

static bool read_run(const char **at, uint32_t *first, uint32_t *step, uint32_t *count)
{
	*step = 0;
	*count = 1;
	if (!hex(at, first))
		return false;
	if (**at != '+')
		return true;
	++*at;
	if (!hex(at, step) || **at != '*')
		return false;
	++*at;
	return hex(at, count) && *count > 0 && *count <= MAX_NUMBERS;
}

static bool parse_runs(const char *text, uint32_t **numbers, unsigned *n)
{
	*numbers = NULL;
	*n = 0;
	if (strcmp(text, "-") == 0)
		return true;
	for (const char *at = text;; at++) {
		uint32_t first, step, count, *grown;

		if (!read_run(&at, &first, &step, &count) || *n + count > MAX_NUMBERS)
			return false;
		grown = realloc(*numbers, (*n + count) * sizeof *grown);
		if (!grown)
			return false;
		*numbers = grown;
		for (uint32_t i = 0; i < count; i++)
			grown[(*n)++] = first + i * step;
		if (*at == '\0')
			return true;
		if (*at != ',')
			return false;
	}
}

static bool parse_gid(const char *text, union ibv_gid *gid)
{
	if (strlen(text) != GID_DIGITS || strspn(text, "0123456789abcdef") != GID_DIGITS)
		return false;
	for (size_t i = 0; i < sizeof gid->raw; i++) {
		const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		gid->raw[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static bool parse_memory(const char *word, enum ct_rdma_memory *memory)
{
	for (unsigned i = 0; ct_rdma_memory_names[i]; i++) {
		*memory = (enum ct_rdma_memory)i;
		if (strcmp(word, ct_rdma_memory_names[i]) == 0)
			return true;
	}
	return false;
}

bool ct_rdma_record_parse(struct ct_rdma_record *record, const char *text, struct ct_error *err)
{
	const size_t room = strlen(text) + 1;
	char gid[GID_DIGITS + 1] = "", memory[WORD + 1] = "";
	char *qpns = calloc(1, room), *keys = calloc(1, room);
	int end = -1;
	bool good;

	memset(record, 0, sizeof *record);
	if (!qpns || !keys) {
		free(qpns);
		free(keys);
		return ct_broken_errno(err, "memory for a record");
	}
	/* Each list is at most as long as the text, which is what the two buffers hold. */
	good = sscanf(text,
		      "rdma1 %16[0-9a-f] mtu=%u reads=%u lid=%" SCNu16
		      " gid=%32[0-9a-f] psn=%" SCNx32 " qkey=%" SCNx32 " in=%16[a-z-] at=%" SCNx64
		      "+%" SCNx64 " q=%s k=%s%n",
		      record->half, &record->mtu, &record->reads, &record->lid, gid, &record->psn,
		      &record->qkey, memory, &record->address, &record->bytes, qpns, keys,
		      &end) == 12 &&
	       end == (int)room - 1 && parse_gid(gid, &record->gid) &&
	       parse_memory(memory, &record->memory) &&
	       parse_runs(qpns, &record->qpns, &record->n_qpns) &&
	       parse_runs(keys, &record->rkeys, &record->n_rkeys);
	free(qpns);
	free(keys);
	if (good)
		return true;
	ct_rdma_record_free(record);
	return ct_broken(err,
			 "what the other end said is no RDMA record: is it the same workload?");
}

void ct_rdma_record_free(struct ct_rdma_record *record)
{
	free(record->qpns);
	free(record->rkeys);
	memset(record, 0, sizeof *record);
}

static const char *half_of(const char *token, enum ct_rdma_side side)
{
	return side == CT_RDMA_WORKLOAD ? token : token + CT_RDMA_HALF;
}

bool ct_rdma_record_sign(struct ct_rdma_record *record, const char *token, enum ct_rdma_side side,
			 struct ct_error *err)
{
	if (!token || strlen(token) != CT_TOKEN_LENGTH)
		return ct_broken(err, "no token of this campaign to show to the other end");
	memcpy(record->half, half_of(token, side), CT_RDMA_HALF);
	record->half[CT_RDMA_HALF] = '\0';
	return true;
}

bool ct_rdma_record_check(const struct ct_rdma_record *record, const char *token,
			  enum ct_rdma_side side, struct ct_error *err)
{
	if (!token || strlen(token) != CT_TOKEN_LENGTH ||
	    memcmp(record->half, half_of(token, side), CT_RDMA_HALF) != 0)
		return ct_broken(err, "the other end is not of this campaign: its token is "
				      "another one");
	if (record->gid.raw[0] == 0xff)
		return ct_broken(err, "the other end named a multicast address: nothing is sent "
				      "to it");
	return true;
}
