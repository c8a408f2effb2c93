/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libnvidia-ml.so.1 on machines without a GPU, loaded by the same dlopen. What it
 * answers is a text file, named by the environment variable COTENANT_NVML_STANDIN; a line a fact:
 *
 *   driver 550.54.15              nvmlSystemGetDriverVersion
 *   cuda 12040
 *   init 9                        status of nvmlInit_v2
 *   gpu model=NVIDIA_X pci=00000000:81:00.0 memory_mib=81559 mig=1 compute_mode=0 ...
 *                                 one more GPU; '_' stands for a blank in a text;
 *                                 mig_pending=1: off after the next reset, =2: on
 *                                 gpm=1 sm_active=37: it has GPM counters, and what one says;
 *                                 energy_mj=5 replays=1: added with every question
 *   mig gpu=0 index=2 gi=3 ci=0 slices=1 compute_slices=1 memory_mib=9856 sms=16
 *                                 a MIG device of a GPU
 *   distance 0 1 10               level of a pair
 *   fail SYMBOL 15 [gpu]          status of a call, for all GPUs or one
 *   later SYMBOL 15 4             status of a call, from the fourth time on
 *   hang SYMBOL                   a call that does not return
 *   crash SYMBOL                  one that never will
 *
 * Compiled with -DSTANDIN_OLD it is a library of an early driver: no _v2 of anything, no MIG, no
 * vGPU, no MPS.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_GPUS = 64, MAX_MIGS = 256, MAX_RULES = 64, MAX_PAIRS = 64, TEXT = 96 };
enum status {
	GOOD = 0,
	UNINITIALISED = 1,
	INVALID = 2,
	NOT_SUPPORTED = 3,
	NOT_FOUND = 6,
	TOO_SMALL = 7,
};

/* A handle: a GPU, or one of its MIG devices. */
struct device {
	int gpu; /* index of the GPU, or of a MIG device's parent */
	int is_mig;
	char model[TEXT], pci[TEXT], uuid[TEXT];
	unsigned long memory_mib;
	unsigned mig, mig_pending, compute_mode, virtualization, host_vgpu, persistence, ecc,
		mps_clients, sm_mhz, memory_mhz, power_mw, generation, max_generation, width,
		max_width, gpm, sm_active, switches, temperature, reasons, energy_mj, replays,
		ecc_errors;
	unsigned long long used_mj;
	unsigned replayed;
	unsigned index, gi, ci, slices, compute_slices, sms;
};

struct rule {
	char symbol[TEXT];
	int status, gpu; /* gpu -1: all */
	char kind;       /* fail, later, hang, crash */
	int at, calls;
};

static struct {
	int initialised, init_status, cuda;
	char driver[TEXT];
	struct device gpus[MAX_GPUS], migs[MAX_MIGS];
	struct rule rules[MAX_RULES];
	int pairs[MAX_PAIRS][3];
	unsigned n_gpus, n_migs, n_rules, n_pairs;
} state;

/* ---- the file ---- */

static void set_text(char out[TEXT], const char *value)
{
	snprintf(out, TEXT, "%s", value);
	for (char *c = out; *c; c++)
		*c = *c == '_' ? ' ' : *c;
}

static void set(struct device *d, const char *key, const char *value)
{
	const struct {
		const char *key;
		unsigned *field;
	} numbers[] = {
		{"mig", &d->mig},
		{"mig_pending", &d->mig_pending},
		{"compute_mode", &d->compute_mode},
		{"virtualization", &d->virtualization},
		{"host_vgpu", &d->host_vgpu},
		{"persistence", &d->persistence},
		{"ecc", &d->ecc},
		{"mps_clients", &d->mps_clients},
		{"sm_mhz", &d->sm_mhz},
		{"memory_mhz", &d->memory_mhz},
		{"power_mw", &d->power_mw},
		{"generation", &d->generation},
		{"max_generation", &d->max_generation},
		{"width", &d->width},
		{"max_width", &d->max_width},
		{"gpm", &d->gpm},
		{"sm_active", &d->sm_active},
		{"switches", &d->switches},
		{"temperature", &d->temperature},
		{"reasons", &d->reasons},
		{"energy_mj", &d->energy_mj},
		{"replays", &d->replays},
		{"ecc_errors", &d->ecc_errors},
		{"index", &d->index},
		{"gi", &d->gi},
		{"ci", &d->ci},
		{"slices", &d->slices},
		{"compute_slices", &d->compute_slices},
		{"sms", &d->sms},
	};

	if (strcmp(key, "model") == 0) {
		set_text(d->model, value);
	} else if (strcmp(key, "pci") == 0) {
		snprintf(d->pci, TEXT, "%s", value);
	} else if (strcmp(key, "uuid") == 0) {
		snprintf(d->uuid, TEXT, "%s", value);
	} else if (strcmp(key, "memory_mib") == 0) {
		d->memory_mib = strtoul(value, NULL, 10);
	} else if (strcmp(key, "gpu") == 0) {
		d->gpu = atoi(value);
	} else {
		for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
			if (strcmp(key, numbers[i].key) == 0) {
				*numbers[i].field = (unsigned)strtoul(value, NULL, 10);
				return;
			}
		}
		fprintf(stderr, "nvml stand-in: no key '%s'\n", key);
		abort();
	}
}

static void read_device(struct device *d, char *rest)
{
	for (char *word; (word = strsep(&rest, " \t")) != NULL;) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value = '\0';
		set(d, word, value + 1);
	}
}

static void read_line(char *line)
{
	char *rest = line;
	const char *word = strsep(&rest, " \t");
	struct rule *rule = &state.rules[state.n_rules < MAX_RULES ? state.n_rules : 0];
	int *pair = state.pairs[state.n_pairs < MAX_PAIRS ? state.n_pairs : 0];

	if (!word[0] || word[0] == '#' || !rest)
		return;
	if (strcmp(word, "driver") == 0) {
		snprintf(state.driver, TEXT, "%s", rest);
	} else if (strcmp(word, "cuda") == 0) {
		state.cuda = atoi(rest);
	} else if (strcmp(word, "init") == 0) {
		state.init_status = atoi(rest);
	} else if (strcmp(word, "gpu") == 0 && state.n_gpus < MAX_GPUS) {
		state.gpus[state.n_gpus].gpu = (int)state.n_gpus;
		read_device(&state.gpus[state.n_gpus++], rest);
	} else if (strcmp(word, "mig") == 0 && state.n_migs < MAX_MIGS) {
		state.migs[state.n_migs].is_mig = 1;
		read_device(&state.migs[state.n_migs++], rest);
	} else if (strcmp(word, "distance") == 0 && state.n_pairs < MAX_PAIRS) {
		state.n_pairs += sscanf(rest, "%d %d %d", &pair[0], &pair[1], &pair[2]) == 3;
	} else if (state.n_rules < MAX_RULES) {
		*rule = (struct rule){.gpu = -1, .kind = word[0]};
		state.n_rules += sscanf(rest, "%95s %d %d", rule->symbol, &rule->status,
					rule->kind == 'l' ? &rule->at : &rule->gpu) >= 1;
	}
}

static void read_file(void)
{
	const char *path = getenv("COTENANT_NVML_STANDIN");
	FILE *file = path ? fopen(path, "r") : NULL;
	char line[1024];

	memset(&state, 0, sizeof state);
	while (file && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		read_line(line);
	}
	if (file)
		fclose(file);
}

/* ---- what happens before an answer ---- */

static int status_of(const char *symbol, const struct device *device)
{
	if (!state.initialised)
		return UNINITIALISED;
	for (unsigned i = 0; i < state.n_rules; i++) {
		struct rule *rule = &state.rules[i];

		if (strcmp(rule->symbol, symbol) != 0 ||
		    (rule->gpu >= 0 && (!device || device->gpu != rule->gpu)))
			continue;
		if (rule->kind == 'l' && ++rule->calls < rule->at)
			continue;
		while (rule->kind == 'h')
			pause();
		if (rule->kind == 'c')
			raise(SIGSEGV);
		return rule->status;
	}
	return GOOD;
}

static int give(const char *symbol, const struct device *device, unsigned value, unsigned *out)
{
	int status = device && out ? status_of(symbol, device) : INVALID;

	if (status == GOOD)
		*out = value;
	return status;
}

static int give_text(const char *symbol, const struct device *device, const char *value, char *out,
		     unsigned size)
{
	int status = status_of(symbol, device);

	if (status == GOOD && strlen(value) >= size)
		return TOO_SMALL;
	if (status == GOOD)
		strcpy(out, value);
	return status;
}

/* ---- NVML's names ---- */

#ifdef STANDIN_OLD
#define NEW(name) name
#else
#define NEW(name) name##_v2
#endif

int NEW(nvmlInit)(void);
int NEW(nvmlInit)(void)
{
	read_file();
	state.initialised = state.init_status == GOOD;
	return state.initialised ? status_of("nvmlInit_v2", NULL) : state.init_status;
}

int nvmlShutdown(void);
int nvmlShutdown(void)
{
	int status = status_of("nvmlShutdown", NULL);

	state.initialised = 0;
	return status;
}

int nvmlSystemGetDriverVersion(char *out, unsigned size);
int nvmlSystemGetDriverVersion(char *out, unsigned size)
{
	return give_text("nvmlSystemGetDriverVersion", NULL, state.driver, out, size);
}

int NEW(nvmlDeviceGetCount)(unsigned *count);
int NEW(nvmlDeviceGetCount)(unsigned *count)
{
	*count = state.n_gpus;
	return status_of("nvmlDeviceGetCount_v2", NULL);
}

int NEW(nvmlDeviceGetHandleByIndex)(unsigned index, struct device **device);
int NEW(nvmlDeviceGetHandleByIndex)(unsigned index, struct device **device)
{
	if (index >= state.n_gpus)
		return INVALID;
	*device = &state.gpus[index];
	return status_of("nvmlDeviceGetHandleByIndex_v2", *device);
}

int nvmlDeviceGetName(const struct device *d, char *out, unsigned size);
int nvmlDeviceGetName(const struct device *d, char *out, unsigned size)
{
	return give_text("nvmlDeviceGetName", d, d->model, out, size);
}

int nvmlDeviceGetUUID(const struct device *d, char *out, unsigned size);
int nvmlDeviceGetUUID(const struct device *d, char *out, unsigned size)
{
	return give_text("nvmlDeviceGetUUID", d, d->uuid, out, size);
}

struct pci_v2 {
	char address[16];
	unsigned domain, bus, device, ids, subsystem, reserved[4];
};
struct pci_v3 {
	char address_v2[16];
	unsigned domain, bus, device, ids, subsystem;
	char address[32];
};

#ifdef STANDIN_OLD
int nvmlDeviceGetPciInfo(const struct device *d, struct pci_v2 *info);
int nvmlDeviceGetPciInfo(const struct device *d, struct pci_v2 *info)
{
	memset(info, 0, sizeof *info);
	/* Four digits of the domain. */
	snprintf(info->address, sizeof info->address, "%.15s", d->pci + 4);
	return status_of("nvmlDeviceGetPciInfo", d);
}
#else
int nvmlDeviceGetPciInfo_v3(const struct device *d, struct pci_v3 *info);
int nvmlDeviceGetPciInfo_v3(const struct device *d, struct pci_v3 *info)
{
	memset(info, 0, sizeof *info);
	snprintf(info->address, sizeof info->address, "%.31s", d->pci);
	return status_of("nvmlDeviceGetPciInfo_v3", d);
}
#endif

struct memory {
	unsigned long long total, free, used;
};
int nvmlDeviceGetMemoryInfo(const struct device *d, struct memory *memory);
int nvmlDeviceGetMemoryInfo(const struct device *d, struct memory *memory)
{
	memory->total = memory->free = (unsigned long long)d->memory_mib << 20;
	memory->used = 0;
	return status_of("nvmlDeviceGetMemoryInfo", d);
}

#define NUMBER(symbol, value)                              \
	int symbol(const struct device *d, unsigned *out); \
	int symbol(const struct device *d, unsigned *out)  \
	{                                                  \
		return give(#symbol, d, value, out);       \
	}

NUMBER(nvmlDeviceGetComputeMode, d->compute_mode)
NUMBER(nvmlDeviceGetPersistenceMode, d->persistence)
NUMBER(nvmlDeviceGetPowerManagementLimit, d->power_mw)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, d->power_mw)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, d->generation)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, d->max_generation)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, d->width)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, d->max_width)

int nvmlDeviceGetPowerManagementLimitConstraints(const struct device *d, unsigned *least,
						 unsigned *most);
int nvmlDeviceGetPowerManagementLimitConstraints(const struct device *d, unsigned *least,
						 unsigned *most)
{
	*least = d->power_mw / 2;
	*most = d->power_mw;
	return status_of("nvmlDeviceGetPowerManagementLimitConstraints", d);
}

int nvmlDeviceGetEccMode(const struct device *d, unsigned *now, unsigned *pending);
int nvmlDeviceGetEccMode(const struct device *d, unsigned *now, unsigned *pending)
{
	*now = *pending = d->ecc;
	return status_of("nvmlDeviceGetEccMode", d);
}

int nvmlDeviceGetClockInfo(const struct device *d, int clock, unsigned *mhz);
int nvmlDeviceGetClockInfo(const struct device *d, int clock, unsigned *mhz)
{
	return give("nvmlDeviceGetClockInfo", d, (clock == 2 ? d->memory_mhz : d->sm_mhz) / 2, mhz);
}

int nvmlDeviceGetMaxClockInfo(const struct device *d, int clock, unsigned *mhz);
int nvmlDeviceGetMaxClockInfo(const struct device *d, int clock, unsigned *mhz)
{
	return give("nvmlDeviceGetMaxClockInfo", d, clock == 2 ? d->memory_mhz : d->sm_mhz, mhz);
}

#ifndef STANDIN_OLD

int nvmlSystemGetNVMLVersion(char *out, unsigned size);
int nvmlSystemGetNVMLVersion(char *out, unsigned size)
{
	return give_text("nvmlSystemGetNVMLVersion", NULL, "12.standin", out, size);
}

int nvmlSystemGetCudaDriverVersion_v2(int *version);
int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = state.cuda;
	return status_of("nvmlSystemGetCudaDriverVersion_v2", NULL);
}

NUMBER(nvmlDeviceGetVirtualizationMode, d->virtualization)
NUMBER(nvmlDeviceGetGpuInstanceId, d->gi)
NUMBER(nvmlDeviceGetComputeInstanceId, d->ci)

int nvmlDeviceGetHostVgpuMode(const struct device *d, unsigned *mode);
int nvmlDeviceGetHostVgpuMode(const struct device *d, unsigned *mode)
{
	return d->virtualization == 3 ? give("nvmlDeviceGetHostVgpuMode", d, d->host_vgpu, mode)
				      : NOT_SUPPORTED;
}

int nvmlDeviceGetMPSComputeRunningProcesses_v3(const struct device *d, unsigned *count, void *list);
int nvmlDeviceGetMPSComputeRunningProcesses_v3(const struct device *d, unsigned *count, void *list)
{
	int status = status_of("nvmlDeviceGetMPSComputeRunningProcesses_v3", d);
	unsigned room = *count;

	(void)list;
	*count = d->mps_clients;
	return status != GOOD ? status : room < d->mps_clients ? TOO_SMALL : GOOD;
}

int nvmlDeviceGetMigMode(const struct device *d, unsigned *now, unsigned *pending);
int nvmlDeviceGetMigMode(const struct device *d, unsigned *now, unsigned *pending)
{
	*now = d->mig;
	*pending = d->mig_pending ? d->mig_pending - 1 : d->mig;
	return status_of("nvmlDeviceGetMigMode", d);
}

NUMBER(nvmlDeviceGetMaxMigDeviceCount, 7)

int nvmlDeviceGetMigDeviceHandleByIndex(const struct device *d, unsigned index,
					struct device **mig);
int nvmlDeviceGetMigDeviceHandleByIndex(const struct device *d, unsigned index, struct device **mig)
{
	int status = status_of("nvmlDeviceGetMigDeviceHandleByIndex", d);

	for (unsigned i = 0; status == GOOD && i < state.n_migs; i++) {
		if (state.migs[i].gpu == d->gpu && state.migs[i].index == index) {
			*mig = &state.migs[i];
			return GOOD;
		}
	}
	return status == GOOD ? NOT_FOUND : status;
}

struct attributes {
	unsigned sms, shared[5], slices, compute_slices;
	unsigned long long memory_mib;
};
int nvmlDeviceGetAttributes_v2(const struct device *d, struct attributes *has);
int nvmlDeviceGetAttributes_v2(const struct device *d, struct attributes *has)
{
	if (!d->is_mig)
		return NOT_SUPPORTED;
	*has = (struct attributes){.sms = d->sms,
				   .slices = d->slices,
				   .compute_slices = d->compute_slices,
				   .memory_mib = d->memory_mib};
	return status_of("nvmlDeviceGetAttributes_v2", d);
}

int nvmlDeviceGetTopologyCommonAncestor(const struct device *a, const struct device *b, int *level);
int nvmlDeviceGetTopologyCommonAncestor(const struct device *a, const struct device *b, int *level)
{
	*level = 50;
	for (unsigned i = 0; i < state.n_pairs; i++) {
		const int *pair = state.pairs[i];

		if ((pair[0] == a->gpu && pair[1] == b->gpu) ||
		    (pair[0] == b->gpu && pair[1] == a->gpu))
			*level = pair[2];
	}
	return status_of("nvmlDeviceGetTopologyCommonAncestor", a);
}

/* ---- what a GPU counts ---- */

NUMBER(nvmlDeviceGetPowerUsage, d->power_mw / 2)

int nvmlDeviceGetPcieReplayCounter(struct device *d, unsigned *value);
int nvmlDeviceGetPcieReplayCounter(struct device *d, unsigned *value)
{
	d->replayed += d->replays;
	return give("nvmlDeviceGetPcieReplayCounter", d, d->replayed, value);
}

#define WIDE(symbol, value)                                    \
	int symbol(struct device *d, unsigned long long *out); \
	int symbol(struct device *d, unsigned long long *out)  \
	{                                                      \
		*out = value;                                  \
		return status_of(#symbol, d);                  \
	}

WIDE(nvmlDeviceGetTotalEnergyConsumption, d->used_mj += d->energy_mj)
WIDE(nvmlDeviceGetCurrentClocksThrottleReasons, d->reasons)

int nvmlDeviceGetTemperature(const struct device *d, int sensor, unsigned *celsius);
int nvmlDeviceGetTemperature(const struct device *d, int sensor, unsigned *celsius)
{
	return sensor ? INVALID : give("nvmlDeviceGetTemperature", d, d->temperature, celsius);
}

int nvmlDeviceGetTotalEccErrors(const struct device *d, int kind, int since,
				unsigned long long *errors);
int nvmlDeviceGetTotalEccErrors(const struct device *d, int kind, int since,
				unsigned long long *errors)
{
	if (!d->ecc)
		return NOT_SUPPORTED;
	*errors = kind == 0 && since == 0 ? d->ecc_errors : 0;
	return status_of("nvmlDeviceGetTotalEccErrors", d);
}

/* As the real one: not while a GPU is cut into instances. */
int nvmlDeviceGetUtilizationRates(const struct device *d, unsigned percent[2]);
int nvmlDeviceGetUtilizationRates(const struct device *d, unsigned percent[2])
{
	percent[0] = d->sm_active;
	percent[1] = 0;
	return d->mig ? NOT_SUPPORTED : status_of("nvmlDeviceGetUtilizationRates", d);
}

/* ---- GPM ---- */

int nvmlGpmQueryDeviceSupport(const struct device *d, unsigned support[2]);
int nvmlGpmQueryDeviceSupport(const struct device *d, unsigned support[2])
{
	if (support[0] != 1)
		return INVALID;
	support[1] = d->gpm;
	return status_of("nvmlGpmQueryDeviceSupport", d);
}

struct sample {
	const struct device *of;
};
int nvmlGpmSampleAlloc(struct sample **sample);
int nvmlGpmSampleAlloc(struct sample **sample)
{
	*sample = calloc(1, sizeof **sample);
	return *sample ? status_of("nvmlGpmSampleAlloc", NULL) : 20;
}

int nvmlGpmSampleFree(struct sample *sample);
int nvmlGpmSampleFree(struct sample *sample)
{
	free(sample);
	return GOOD;
}
int nvmlGpmSampleGet(const struct device *d, struct sample *sample);
int nvmlGpmSampleGet(const struct device *d, struct sample *sample)
{
	sample->of = d;
	return d->gpm ? status_of("nvmlGpmSampleGet", d) : NOT_SUPPORTED;
}

int nvmlGpmMigSampleGet(const struct device *d, unsigned instance, struct sample *sample);
int nvmlGpmMigSampleGet(const struct device *d, unsigned instance, struct sample *sample)
{
	for (unsigned i = 0; i < state.n_migs; i++) {
		if (state.migs[i].gpu == d->gpu && state.migs[i].gi == instance)
			sample->of = &state.migs[i];
	}
	return sample->of && d->gpm ? status_of("nvmlGpmMigSampleGet", d) : INVALID;
}

struct metrics {
	unsigned version, n;
	const struct sample *older, *newer;
	struct {
		unsigned id;
		int status;
		double value;
		const char *names[3];
	} metrics[];
};
int nvmlGpmMetricsGet(struct metrics *m);
int nvmlGpmMetricsGet(struct metrics *m)
{
	enum { SM_ACTIVE = 2, PCIE_TX = 20, SWITCHES = 172 };
	const struct device *d = m->newer->of;

	if (m->version != 1 || m->older->of != d)
		return INVALID;
	for (unsigned i = 0; i < m->n; i++) {
		const unsigned id = m->metrics[i].id;

		m->metrics[i].status = id > 100 && d->switches == 0 ? NOT_SUPPORTED : GOOD;
		m->metrics[i].value = id == SM_ACTIVE  ? d->sm_active
				      : id == PCIE_TX  ? 3
				      : id == SWITCHES ? d->switches
						       : 0;
	}
	return status_of("nvmlGpmMetricsGet", d);
}

#endif
