/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the job reader: what its files share. Users of jobs include job.h. */
#ifndef COTENANT_CAMPAIGN_JOB_READER_H
#define COTENANT_CAMPAIGN_JOB_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/document.h"
#include "harness/campaign/job.h"

enum { CT_JOB_MAX_NAMES = 256 }; /* that a message chooses the nearest from */

/* Index of a tenant, or -1; and the refusal of one that is not there. */
int ct_job_find_tenant(const struct ct_job *job, const char *name);
const char *ct_job_list_tenants(const struct ct_job *job, char *out, size_t size);
bool ct_job_unknown_tenant(const struct ct_job *job, const char *name, struct ct_error *err);

/* Adds a table's names to names[n..]; returns how many there are then. */
size_t ct_job_add_names(const struct ct_param *table, const char **names, size_t n);
/* Sets and marks as used what the table knows. */
bool ct_job_take_params(const struct ct_document *document, struct ct_section *section,
			const struct ct_param *table, void *options, struct ct_error *err);
/* One section each. On failure ct_job_free still frees what was made. */
bool ct_job_read_suite(struct ct_job *job, const struct ct_document *document,
		       struct ct_error *err);
bool ct_job_read_victim(const struct ct_job *job, const struct ct_document *document,
			struct ct_section *section, struct ct_victim_entry *victim,
			struct ct_error *err);
bool ct_job_read_aggressor(const struct ct_job *job, const struct ct_document *document,
			   struct ct_section *section, struct ct_aggressor_entry *aggressor,
			   struct ct_error *err);
/* The parts of a mix, "membw+llc"; all aggressors of the job have been read. */
bool ct_job_read_mix(const struct ct_job *job, struct ct_aggressor_entry *mix, const char *list,
		     struct ct_error *err);
/* For design = lockin: frequencies, checks, and the mix of all. Room for one more aggressor. */
bool ct_job_finish_lockin(struct ct_job *job, struct ct_error *err);

#endif
