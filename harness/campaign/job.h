/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job file, parsed and checked. Everything a user can get wrong in it is refused here, with
 * file, line, the nearest valid name and the allowed range; nothing later has to look again.
 */
#ifndef COTENANT_CAMPAIGN_JOB_H
#define COTENANT_CAMPAIGN_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/bench.h"
#include "harness/core/error.h"
#include "harness/tenant/common.h"
#include "harness/tenant/limits.h"
#include "noise/noise.h"

enum { CT_NAME_MAX = 64, CT_MAX_INTENSITIES = 32, CT_MAX_PARTS = 16 };

/* How a campaign is laid out. */
enum ct_design {
	CT_DESIGN_BLOCKS, /* baseline and treatment side by side, a cell at a time */
	CT_DESIGN_LOCKIN  /* all aggressors at once, each switched at a frequency of its own */
};

/* Where work runs and behind which boundary. Strings are owned; "" where not given. */
struct ct_tenant {
	char name[CT_NAME_MAX];
	char *cpus;    /* location string; "": all CPUs */
	char *memory;  /* location string, "any", or "": near the CPUs */
	char *via;     /* "" or "local": a child of the harness; else the words of a launcher */
	char *address; /* numeric address its peers listen on; "": that of `nic`, or 127.0.0.1 */
	char *nic;     /* network device whose address is used when `address` is not given; or "" */
	char *gpu;     /* GPU or slice of one: index, UUID, PCI address; "" is the first */
	char *program; /* this program's path behind the boundary; "": the same as here */
	bool shared;   /* may use CPUs that other tenants use */
	struct ct_limits limits;
	unsigned line; /* where it was declared, for messages; 0: not from a file */
};

/* The tenants of a workload's other ends, rank 1 first. None: one, in the workload's tenant. */
struct ct_peers {
	unsigned tenants[CT_PEERS_MAX];
	unsigned n;
};

struct ct_victim_entry {
	char name[CT_NAME_MAX];
	const struct ct_victim_ops *ops;
	unsigned tenant; /* index into ct_job.tenants */
	struct ct_peers peers;
	struct ct_victim_common common;
	void *options; /* ops->options_size bytes */
	unsigned line;
};

struct ct_aggressor_entry {
	char name[CT_NAME_MAX];
	const struct ct_aggressor_ops *ops;
	unsigned tenant;
	struct ct_peers peers;
	double intensities[CT_MAX_INTENSITIES]; /* percent, ascending as given */
	unsigned n_intensities;
	/* Several at once: indexes into ct_job.aggressors. `ops` is then ct_mix; 0: one alone. */
	unsigned parts[CT_MAX_PARTS], n_parts;
	bool has_frequency; /* the job file names one */
	struct ct_aggressor_common common;
	void *options;
	unsigned line;
};

/* One isolation configuration: the tenants as it sees them. */
struct ct_config {
	char name[CT_NAME_MAX];
	char *expect;              /* "" or an environment that must be in force */
	struct ct_tenant *tenants; /* n_tenants of the job, with this config's overrides applied */
	bool left_out;             /* not run here: another machine's part of the same plan */
	unsigned line;
};

struct ct_job {
	char *path;
	char *text;      /* the file as read, for the result */
	char *overrides; /* the --set words, one a line */
	char name[CT_NAME_MAX];
	char *description;
	enum ct_design design;
	uint64_t replicates;
	uint64_t warmup_ns, measure_ns, recovery_ns, epoch_ns;
	struct ct_tenant *tenants;
	size_t n_tenants;
	struct ct_victim_entry *victims;
	size_t n_victims;
	struct ct_aggressor_entry *aggressors;
	size_t n_aggressors;
	struct ct_config *configs; /* at least one: "local" when the file names none */
	size_t n_configs;
};

/* `sets`: words of --set, "suite.replicates=2", "tenant.victim.cpus=core:1",
 * "victim.dram.working_set=32M". */
bool ct_job_load(struct ct_job *job, const char *path, const char *const *sets, size_t n_sets,
		 struct ct_error *err);
/* The same from memory; `path` is only used in messages. */
bool ct_job_parse(struct ct_job *job, const char *path, const char *text, const char *const *sets,
		  size_t n_sets, struct ct_error *err);
/* Leaves out every config that is not among `names`, "a,b"; "" leaves out none. */
bool ct_job_select_configs(struct ct_job *job, const char *names, struct ct_error *err);
/* The aggressors of a cell: the parts of a mix, or the one alone. Returns how many. */
size_t ct_job_parts(const struct ct_job *job, unsigned aggressor, unsigned parts[CT_MAX_PARTS]);
/* What several aggressors at once are called: no workload of its own, so not in the registry. */
extern const struct ct_aggressor_ops ct_mix;
/* The first config that is not left out; there is always one. */
size_t ct_job_first_config(const struct ct_job *job);
void ct_job_free(struct ct_job *job);

/* Sets one tenant key ("cpus", "via", ...); shared by job files, --set and `bench`/`noise`. */
bool ct_tenant_set(struct ct_tenant *tenant, const char *key, const char *value,
		   struct ct_error *err);
/* Everything empty. On failure ct_tenant_free may still be called. */
bool ct_tenant_init(struct ct_tenant *tenant, const char *name, struct ct_error *err);
/* What only the keys together show; the message names the tenant. */
bool ct_tenant_check(const struct ct_tenant *tenant, struct ct_error *err);
/* `to` is initialised here. */
bool ct_tenant_copy(struct ct_tenant *to, const struct ct_tenant *from, struct ct_error *err);
void ct_tenant_free(struct ct_tenant *tenant);
extern const char *const ct_tenant_keys[]; /* NULL-terminated */

#endif
