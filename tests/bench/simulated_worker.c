/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that measures nothing and answers at once, for `make bench PARTS=growth`: what is left
 * of a campaign's time is the harness's own. It speaks the whole protocol
 * (harness/tenant/protocol.h); its samples are 100 an epoch, drawn around 1 us, and its clock is
 * the machine's plus the time that its phases would have taken, so that epochs follow each other
 * and noise covers them.
 *
 *   COTENANT_SIMULATED_BUILD=ID simulated_worker worker
 *
 * ID is the controller's build id (`cotenant --version`), which refuses any other.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/core/frame.h"
#include "harness/core/hist.h"
#include "harness/core/rng.h"
#include "harness/core/version.h"
#include "harness/tenant/protocol.h"

enum { SAMPLES = 100, SLACK_S = 60 /* that the controller adds to what others may stay */ };

struct simulation {
	uint16_t number;   /* of the last frame sent */
	uint64_t ahead_ns; /* of the machine's clock */
	uint64_t loaded_ns;
	struct ct_rng rng;
};

static uint64_t now_ns(const struct simulation *simulation)
{
	return ct_monotonic_ns() + simulation->ahead_ns;
}

static bool send_bytes(struct simulation *simulation, unsigned type, const void *bytes,
		       size_t length, struct ct_error *err)
{
	return ct_frame_send(STDOUT_FILENO, &simulation->number, (uint16_t)type, bytes, length,
			     "controller", err);
}

static bool send(struct simulation *simulation, unsigned type, json_t *body, struct ct_error *err)
{
	char *text = json_dumps(body ? body : json_object(), JSON_COMPACT);
	bool good = text ? send_bytes(simulation, type, text, strlen(text), err)
			 : ct_broken(err, "memory for a message");

	json_decref(body);
	free(text);
	return good;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Samples of one epoch in order of size: 1 us and what an exponential adds to it. */
static void draw(struct simulation *simulation, uint64_t ps[SAMPLES])
{
	for (size_t i = 0; i < SAMPLES; i++)
		ps[i] = 1000000 + (uint64_t)(50000 * ct_rng_exponential(&simulation->rng));
	qsort(ps, SAMPLES, sizeof *ps, by_size);
}

static uint32_t fill_buckets(const uint64_t ps[SAMPLES], struct ct_bucket_wire *buckets)
{
	uint32_t n = 0;

	for (size_t i = 0; i < SAMPLES; i++) {
		const uint32_t index = ct_hist_index(ps[i]);

		if (n > 0 && buckets[n - 1].index == index)
			buckets[n - 1].count++;
		else
			buckets[n++] = (struct ct_bucket_wire){index, 1};
	}
	return n;
}

static bool send_epoch(struct simulation *simulation, uint64_t start_ns, uint64_t end_ns,
		       struct ct_error *err)
{
	unsigned char
		message[sizeof(struct ct_epoch_wire) + SAMPLES * sizeof(struct ct_bucket_wire)];
	struct ct_bucket_wire buckets[SAMPLES];
	uint64_t ps[SAMPLES];
	struct ct_epoch_wire wire = {.row = {.start_ns = start_ns,
					     .end_ns = end_ns,
					     .count = SAMPLES,
					     .frequency_hz = NAN,
					     .aggressor_rate = NAN,
					     .aggressor_share = NAN}};
	double sum = 0;

	draw(simulation, ps);
	for (size_t i = 0; i < SAMPLES; i++)
		sum += (double)ps[i];
	wire.n_buckets = fill_buckets(ps, buckets);
	wire.row.min_ns = (double)ps[0] / 1e3;
	wire.row.mean_ns = sum / SAMPLES / 1e3;
	wire.row.p50_ns = (double)ps[SAMPLES / 2] / 1e3;
	wire.row.p99_ns = (double)ps[SAMPLES - 2] / 1e3;
	wire.row.max_ns = (double)ps[SAMPLES - 1] / 1e3;
	memcpy(message, &wire, sizeof wire);
	memcpy(message + sizeof wire, buckets, wire.n_buckets * sizeof *buckets);
	return send_bytes(simulation, CT_MSG_EPOCH, message,
			  sizeof wire + wire.n_buckets * sizeof *buckets, err);
}

static uint64_t member(const json_t *body, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(body, name));
}

static bool run(struct simulation *simulation, const json_t *body, struct ct_error *err)
{
	const uint64_t warmup = member(body, "warmup_ns"), measure = member(body, "measure_ns");
	const uint64_t epoch = member(body, "epoch_ns"), from = now_ns(simulation) + warmup;

	for (uint64_t at = 0; at < measure; at += epoch) {
		if (!send_epoch(simulation, from + at, from + at + epoch, err))
			return false;
	}
	simulation->ahead_ns += warmup + measure;
	return send(simulation, CT_MSG_DONE, NULL, err);
}

/* What was asked for, over all of the phase. */
static bool unload(struct simulation *simulation, struct ct_error *err)
{
	const struct ct_noise_row row = {.start_ns = simulation->loaded_ns,
					 .end_ns = now_ns(simulation),
					 .units = 1,
					 .asked_units = 1,
					 .busy = 1,
					 .on_cpu = 1,
					 .runnable = 1};

	return send_bytes(simulation, CT_MSG_NOISE, &row, sizeof row, err) &&
	       send(simulation, CT_MSG_UNLOADED, NULL, err);
}

static json_t *ready(const json_t *setup)
{
	const char *role = json_string_value(json_object_get(setup, "role"));
	json_t *reply = json_pack("{s:s, s:s, s:s}", "cpus", "0", "nodes", "0", "netns", "");

	if (role && strcmp(role, "place") == 0)
		json_object_set_new(reply, "probe", json_object());
	if (role && strcmp(role, "victim") == 0)
		json_object_update_new(reply,
				       json_pack("{s:i, s:i, s:s, s:[], s:{s:s, s:f, s:f, s:f}}",
						 "operations_per_sample", 1, "bytes_per_operation",
						 0, "answer", "", "counters", "clock", "source",
						 "clock_gettime", "resolution_ns", 1.0, "cost_ns",
						 30.0, "ticks_per_s", 1e9));
	return reply;
}

static bool load(struct simulation *simulation, struct ct_error *err)
{
	simulation->loaded_ns = now_ns(simulation);
	return send(simulation, CT_MSG_LOADED, json_pack("{s:f}", "share", 1.0), err);
}

/* The phase of somebody else: it takes none of the time either. */
static void stay(struct simulation *simulation, const json_t *body)
{
	const uint64_t ns = member(body, "ns"), slack = SLACK_S * UINT64_C(1000000000);

	simulation->ahead_ns += ns > slack ? ns - slack : 0;
}

static bool answer(struct simulation *simulation, unsigned type, const json_t *body,
		   struct ct_error *err)
{
	switch (type) {
	case CT_MSG_SETUP:
		return send(simulation, CT_MSG_READY, ready(body), err);
	case CT_MSG_CLOCK:
		return send(simulation, CT_MSG_CLOCK_IS,
			    json_pack("{s:I}", "monotonic_ns", (json_int_t)ct_monotonic_ns()), err);
	case CT_MSG_CONNECT:
		return send(simulation, CT_MSG_CONNECTED, NULL, err);
	case CT_MSG_REHEARSE:
		return send(simulation, CT_MSG_REHEARSED, NULL, err);
	case CT_MSG_CALIBRATE:
		return send(simulation, CT_MSG_CALIBRATED, json_pack("{s:f}", "rate", 1e6), err);
	case CT_MSG_LOAD:
		return load(simulation, err);
	case CT_MSG_RUN:
		return run(simulation, body, err);
	case CT_MSG_UNLOAD:
		return unload(simulation, err);
	case CT_MSG_STAY:
		stay(simulation, body);
		return true;
	}
	return ct_usage(err, "unexpected %s", ct_message_name(type));
}

/* Until QUIT or end of file. */
static bool serve(struct simulation *simulation, struct ct_error *err)
{
	struct ct_frame_reader reader = {.numbered = true};
	struct ct_frame_header header = {.type = 0};
	const void *payload;
	bool good = true;
	int got = 0;

	while (good && !reader.at_end && header.type != CT_MSG_QUIT) {
		good = ct_frame_reader_fill(&reader, STDIN_FILENO, "controller", err);
		while (good &&
		       (got = ct_frame_reader_next(&reader, &header, &payload, "controller",
						   err)) == 1 &&
		       header.type != CT_MSG_QUIT) {
			json_t *body = json_loadb(payload, header.length, 0, NULL);

			good = answer(simulation, header.type, body, err);
			json_decref(body);
		}
		good = good && got >= 0;
	}
	ct_frame_reader_free(&reader);
	return good;
}

int main(void)
{
	struct simulation simulation = {.number = 0};
	const char *build_id = getenv("COTENANT_SIMULATED_BUILD");
	char boot_id[CT_BOOT_ID_TEXT];
	struct ct_error err = {0};

	ct_rng_seed(&simulation.rng, (uint64_t)getpid());
	if (send(&simulation, CT_MSG_HELLO,
		 json_pack("{s:i, s:s, s:i, s:s}", "version", CT_PROTOCOL_VERSION, "build_id",
			   build_id ? build_id : "", "pid", (int)getpid(), "boot_id",
			   ct_boot_id(boot_id)),
		 &err) &&
	    serve(&simulation, &err))
		return EXIT_SUCCESS;
	fprintf(stderr, "simulated_worker: %s\n", err.text);
	return EXIT_FAILURE;
}
