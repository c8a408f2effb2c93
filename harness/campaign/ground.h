/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground a campaign stands on, established before anything is measured: where every tenant
 * really is under each config, that nobody overlaps who must not, that the environment is the one
 * the job expects, which workloads can run, and what each aggressor does alone at full speed.
 */
#ifndef COTENANT_CAMPAIGN_GROUND_H
#define COTENANT_CAMPAIGN_GROUND_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/campaign/crew.h"
#include "harness/campaign/job.h"
#include "harness/core/error.h"

/* A workload that can't run under a config fails its cells with this reason; the rest goes on. */
struct ct_fitness {
	char *why_not;    /* NULL: it runs */
	json_t *ready;    /* READY message of a victim; NULL for aggressors */
	double solo_rate; /* aggressors: units/s alone at full speed */
};

struct ct_config_ground {
	struct ct_placement *placements; /* one a tenant */
	char *victim_cpus, *noise_cpus;  /* lists of OS indexes on the controller's host */
	struct ct_fitness *victims, *aggressors;
};

struct ct_ground {
	const struct ct_job *job;
	struct ct_config_ground *configs; /* one a config of the job */
	char token[CT_TOKEN_LENGTH + 1];
	json_t *probe; /* this machine (harness/probe) */
	char *hwloc_xml;
};

/* Called before each step that takes time, for progress; `text` such as "calibrating 'stream'". */
typedef void ct_ground_step(void *context, const char *text);

/* False: nothing can be measured (usage), or the machine failed, or interrupted. */
bool ct_ground_prepare(struct ct_ground *ground, struct ct_links *links, const struct ct_job *job,
		       ct_ground_step *step, void *context, struct ct_error *err);
/*
 * The parts of it, for one workload outside a campaign: placing all tenants (token included), and
 * the solo rate of one aggressor, measured for `seconds`.
 */
bool ct_ground_place(struct ct_ground *ground, struct ct_links *links, const struct ct_job *job,
		     struct ct_error *err);
bool ct_ground_calibrate(struct ct_links *links, struct ct_link *aggressor, double seconds,
			 double *rate, struct ct_error *err);
void ct_ground_free(struct ct_ground *ground);

/* Moves this process off the CPUs that a config measures on. */
bool ct_ground_step_aside(const struct ct_ground *ground, const struct ct_links *links,
			  size_t config, struct ct_error *err);

#endif
