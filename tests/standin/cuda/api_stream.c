/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's functions: streams, events, graphs. */
#include <stdlib.h>

#include "tests/standin/cuda/functions.h"

/* ---- streams and events ---- */

int si_stream_create(struct stream **stream, unsigned flags, int priority)
{
	int status = ready("cuStreamCreateWithPriority");

	if (status || flags > 1)
		return status ? status : INVALID_VALUE;
	priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
	*stream = stream_make(priority, si_context_sms());
	return *stream ? SUCCESS : OUT_OF_MEMORY;
}

int si_stream_destroy(struct stream *stream)
{
	int status = enter("cuStreamDestroy");

	stream_end(stream);
	return status;
}

int si_stream_synchronize(struct stream *stream)
{
	int status = ready("cuStreamSynchronize");

	if (stream->capturing)
		return CAPTURE_UNSUPPORTED;
	stream_wait(stream);
	return status ? status : lost();
}

int si_stream_query(struct stream *stream)
{
	int status = ready("cuStreamQuery");

	return status ? status : stream_is_idle(stream) ? lost() : NOT_READY;
}

int si_stream_priority(struct stream *stream, int *priority)
{
	*priority = stream->priority;
	return ready("cuStreamGetPriority");
}

int si_event_create(struct event **event, unsigned flags)
{
	int status = ready("cuEventCreate");

	if (status)
		return status;
	*event = calloc(1, sizeof **event);
	if (!*event)
		return OUT_OF_MEMORY;
	pthread_mutex_init(&(*event)->lock, NULL);
	pthread_cond_init(&(*event)->reached_it, NULL);
	(*event)->timing = (flags & 2) == 0;
	return SUCCESS;
}

int si_event_destroy(struct event *event)
{
	int status = enter("cuEventDestroy");

	pthread_mutex_destroy(&event->lock);
	pthread_cond_destroy(&event->reached_it);
	free(event);
	return status;
}

int si_event_record(struct event *event, struct stream *stream)
{
	int status = ready("cuEventRecord");
	uint64_t ticket;

	if (status || !stream)
		return status ? status : INVALID_HANDLE;
	pthread_mutex_lock(&event->lock);
	ticket = ++event->asked;
	pthread_mutex_unlock(&event->lock);
	return stream_give(stream,
			   &(struct command){.what = RECORD, .event = event, .ticket = ticket});
}

static bool is_reached(struct event *event, uint64_t *time_ns)
{
	bool reached;

	pthread_mutex_lock(&event->lock);
	reached = event->reached == event->asked;
	*time_ns = event->time_ns;
	pthread_mutex_unlock(&event->lock);
	return reached;
}

int si_event_query(struct event *event)
{
	int status = ready("cuEventQuery");
	uint64_t when;

	return status ? status : is_reached(event, &when) ? lost() : NOT_READY;
}

int si_event_synchronize(struct event *event)
{
	int status = ready("cuEventSynchronize");

	pthread_mutex_lock(&event->lock);
	while (event->reached < event->asked)
		pthread_cond_wait(&event->reached_it, &event->lock);
	pthread_mutex_unlock(&event->lock);
	return status ? status : lost();
}

int si_event_elapsed(float *ms, struct event *begin, struct event *end)
{
	int status = ready("cuEventElapsedTime");
	uint64_t from, to;

	if (status)
		return status;
	if (!begin->timing || !end->timing || !begin->asked || !end->asked)
		return INVALID_HANDLE;
	if (!is_reached(begin, &from) || !is_reached(end, &to))
		return NOT_READY;
	*ms = (float)((double)to - (double)from) / 1e6f;
	return SUCCESS;
}

/* ---- graphs ---- */

int si_capture_begin(struct stream *stream, int mode)
{
	int status = ready("cuStreamBeginCapture");

	if (status || mode > 2 || stream->capturing)
		return status ? status : INVALID_VALUE;
	stream->capturing = true;
	return SUCCESS;
}

int si_capture_end(struct stream *stream, struct graph **graph)
{
	int status = ready("cuStreamEndCapture");

	stream->capturing = false;
	*graph = status ? NULL : malloc(sizeof **graph);
	if (!*graph) {
		graph_free(&stream->capture);
		return status ? status : OUT_OF_MEMORY;
	}
	**graph = stream->capture;
	stream->capture = (struct graph){NULL, NULL};
	return SUCCESS;
}

/* What can be launched has commands of its own: the graph may be destroyed before it. */
int si_graph_instantiate(struct graph **exec, struct graph *graph, uint64_t flags)
{
	int status = ready("cuGraphInstantiateWithFlags");

	(void)flags;
	if (status || !graph)
		return status ? status : INVALID_VALUE;
	*exec = malloc(sizeof **exec);
	if (!*exec)
		return OUT_OF_MEMORY;
	**exec = *graph;
	*graph = (struct graph){NULL, NULL};
	return SUCCESS;
}

int si_graph_upload(struct graph *exec, struct stream *stream)
{
	return exec && stream ? ready("cuGraphUpload") : INVALID_HANDLE;
}

int si_graph_launch(struct graph *exec, struct stream *stream)
{
	int status = ready("cuGraphLaunch");

	if (status || !exec || !stream)
		return status ? status : INVALID_HANDLE;
	return stream_give(stream, &(struct command){.what = GRAPH, .graph = exec});
}

int si_graph_exec_destroy(struct graph *exec)
{
	int status = enter("cuGraphExecDestroy");

	graph_free(exec);
	free(exec);
	return status;
}

int si_graph_destroy(struct graph *graph)
{
	int status = enter("cuGraphDestroy");

	graph_free(graph);
	free(graph);
	return status;
}
