/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: a thread each, that does what it is given in order and beside the host. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/standin/cuda/standin.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void reach(struct event *event, uint64_t ticket)
{
	pthread_mutex_lock(&event->lock);
	if (ticket > event->reached) {
		event->reached = ticket;
		event->time_ns = now_ns();
	}
	pthread_cond_broadcast(&event->reached_it);
	pthread_mutex_unlock(&event->lock);
}

/* What reads or writes memory. */
static void touch(const struct command *command)
{
	switch (command->what) {
	case COPY:
		memmove(command->to, command->from, command->n);
		break;
	case SET8:
		memset(command->to, (int)command->value, command->n);
		break;
	case SET32:
		for (size_t i = 0; i < command->n; i++)
			((unsigned *)command->to)[i] = command->value;
		break;
	case LAUNCH:
		command->kernel->run(command->shape, command->arguments);
		break;
	default:
		break;
	}
}

/* A lost context does no more work, but it still comes to an end. */
static void work(const struct command *command)
{
	if (command->what == RECORD) {
		reach(command->event, command->ticket);
		return;
	}
	/* Also after a loss: whose function it is waits for it. */
	if (command->what == HOST)
		command->function(command->to);
	if (lost())
		return;
	if (command->what == GRAPH) {
		for (const struct command *c = command->graph->first; c; c = c->next)
			work(c);
	} else {
		device_enter();
		touch(command);
		device_leave();
	}
}

static void *run(void *argument)
{
	struct stream *stream = argument;

	pthread_mutex_lock(&stream->lock);
	for (;;) {
		struct command *command = stream->first;

		if (!command) {
			if (stream->quit)
				break;
			pthread_cond_wait(&stream->changed, &stream->lock);
			continue;
		}
		pthread_mutex_unlock(&stream->lock);
		work(command);
		pthread_mutex_lock(&stream->lock);
		stream->first = command->next;
		if (!stream->first)
			stream->last = NULL;
		stream->done++;
		free(command);
		pthread_cond_broadcast(&stream->changed);
	}
	pthread_mutex_unlock(&stream->lock);
	return NULL;
}

struct stream *stream_make(int priority, unsigned sms)
{
	struct stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return NULL;
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->changed, NULL);
	stream->priority = priority;
	stream->sms = sms;
	if (pthread_create(&stream->thread, NULL, run, stream) == 0)
		return stream;
	free(stream);
	return NULL;
}

void graph_free(struct graph *graph)
{
	while (graph->first) {
		struct command *command = graph->first;

		graph->first = command->next;
		free(command);
	}
	graph->last = NULL;
}

void stream_end(struct stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	stream->quit = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	pthread_join(stream->thread, NULL);
	graph_free(&stream->capture);
	pthread_mutex_destroy(&stream->lock);
	pthread_cond_destroy(&stream->changed);
	free(stream);
}

int stream_give(struct stream *stream, const struct command *command)
{
	struct command *copy = malloc(sizeof *copy);
	struct command **first, **last;

	if (!copy)
		return OUT_OF_MEMORY;
	*copy = *command;
	copy->next = NULL;
	pthread_mutex_lock(&stream->lock);
	first = stream->capturing ? &stream->capture.first : &stream->first;
	last = stream->capturing ? &stream->capture.last : &stream->last;
	if (*first)
		(*last)->next = copy;
	else
		*first = copy;
	*last = copy;
	if (!stream->capturing)
		stream->given++;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	return SUCCESS;
}

void stream_wait(struct stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	while (stream->done < stream->given)
		pthread_cond_wait(&stream->changed, &stream->lock);
	pthread_mutex_unlock(&stream->lock);
}

bool stream_is_idle(struct stream *stream)
{
	bool idle;

	pthread_mutex_lock(&stream->lock);
	idle = stream->done == stream->given;
	pthread_mutex_unlock(&stream->lock);
	return idle;
}
