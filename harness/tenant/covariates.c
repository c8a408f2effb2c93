/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/covariates.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/core/clock.h"

/* /proc/interrupts of a machine with hundreds of CPUs takes milliseconds; above this it is left
 * out. */
enum { INTERRUPTS_COST_LIMIT_NS = 500000 };

/* Reads a /proc or /sys file into memory of the caller's to free; NULL when it can't be read. */
static char *read_file(const char *path, size_t limit)
{
	char *text = malloc(limit + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	while (text && fd >= 0 && used < limit) {
		ssize_t got = read(fd, text + used, limit - used);

		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	if (!text || fd < 0 || used == 0) {
		free(text);
		return NULL;
	}
	text[used] = '\0';
	return text;
}

static double steal_of_cpu(const char *stat, int cpu)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	char key[32];
	const char *line;

	snprintf(key, sizeof key, "\ncpu%d ", cpu);
	line = strstr(stat, key);
	if (!line || sscanf(line + strlen(key), "%llu %llu %llu %llu %llu %llu %llu %llu", &user,
			    &nice, &system, &idle, &iowait, &irq, &softirq, &steal) != 8)
		return NAN;
	return (double)steal * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

static double read_steal(struct ct_covariate_sampler *sampler)
{
	const struct ct_place *place = sampler->place;
	const char *stat = ct_kernel_file_read(&sampler->stat);
	double sum = 0;

	if (!stat)
		return NAN;
	for (unsigned i = 0; i < ct_place_cpu_count(place); i++)
		sum += steal_of_cpu(stat, ct_place_cpu(place, i));
	return sum;
}

/* The header line names the CPUs of the columns; offline ones have none. */
static double sum_interrupts(char *text, const struct ct_place *place)
{
	enum { MAX_COLUMNS = 4096 };
	unsigned char *wanted = calloc(MAX_COLUMNS, 1);
	double sum = 0;
	int columns = 0;
	char *save_line, *save_word, *line;

	if (!wanted)
		return NAN;
	line = strtok_r(text, "\n", &save_line);
	for (char *word = line ? strtok_r(line, " ", &save_word) : NULL;
	     word && columns < MAX_COLUMNS; word = strtok_r(NULL, " ", &save_word)) {
		int cpu = strncmp(word, "CPU", 3) == 0 ? atoi(word + 3) : -1;

		wanted[columns++] = cpu >= 0 && hwloc_bitmap_isset(place->cpus, (unsigned)cpu);
	}
	while ((line = strtok_r(NULL, "\n", &save_line)) != NULL) {
		char *at = strchr(line, ':');

		for (int i = 0; at && i < columns; i++) {
			char *end;
			unsigned long long count = strtoull(at + (i == 0), &end, 10);

			if (end == at + (i == 0))
				break;
			sum += wanted[i] ? (double)count : 0.0;
			at = end;
		}
	}
	free(wanted);
	return sum;
}

static double read_interrupts(struct ct_covariate_sampler *sampler)
{
	uint64_t begin = ct_monotonic_ns();
	char *text;
	double sum;

	if (sampler->interrupts_cost_ns > INTERRUPTS_COST_LIMIT_NS)
		return NAN;
	text = ct_kernel_file_read(&sampler->interrupts);
	if (!text)
		return NAN;
	sum = sum_interrupts(text, sampler->place);
	sampler->interrupts_cost_ns = ct_monotonic_ns() - begin;
	return sum;
}

static double number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtod(at + strlen(key), NULL) : NAN;
}

static void read_thread(struct ct_covariate_sampler *sampler, struct ct_covariates *now)
{
	unsigned long long minor, major;
	const char *text, *after_name;

	now->involuntary_switches = now->voluntary_switches = NAN;
	now->minor_faults = now->major_faults = NAN;
	text = ct_kernel_file_read(&sampler->thread_status);
	if (text) {
		now->voluntary_switches = number_after(text, "\nvoluntary_ctxt_switches:");
		now->involuntary_switches = number_after(text, "\nnonvoluntary_ctxt_switches:");
	}
	text = ct_kernel_file_read(&sampler->thread_stat);
	/* proc(5): minflt and majflt are fields 10 and 12; the name in field 2 may hold anything.
	 */
	after_name = text ? strrchr(text, ')') : NULL;
	if (after_name && sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu",
				 &minor, &major) == 2) {
		now->minor_faults = (double)minor;
		now->major_faults = (double)major;
	}
}

static double read_frequency(struct ct_covariate_sampler *sampler)
{
	const char *khz = ct_kernel_file_read(&sampler->frequency);

	return khz ? strtod(khz, NULL) * 1e3 : NAN;
}

void ct_covariates_open(struct ct_covariate_sampler *sampler, const struct ct_place *place,
			pid_t thread, bool sparing)
{
	char path[96];

	*sampler = (struct ct_covariate_sampler){.place = place, .interrupts.fd = -1};
	ct_kernel_file_open(&sampler->stat, "/proc/stat");
	if (!sparing)
		ct_kernel_file_open(&sampler->interrupts, "/proc/interrupts");
	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
	ct_kernel_file_open(&sampler->thread_status, path);
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
	ct_kernel_file_open(&sampler->thread_stat, path);
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq",
		 ct_place_cpu(place, 0));
	ct_kernel_file_open(&sampler->frequency, path);
}

void ct_covariates_close(struct ct_covariate_sampler *sampler)
{
	/* One that was never opened, being zero, has no place. */
	if (!sampler->place)
		return;
	ct_kernel_file_close(&sampler->stat);
	ct_kernel_file_close(&sampler->interrupts);
	ct_kernel_file_close(&sampler->thread_status);
	ct_kernel_file_close(&sampler->thread_stat);
	ct_kernel_file_close(&sampler->frequency);
	sampler->place = NULL;
}

void ct_covariates_read(struct ct_covariate_sampler *sampler, struct ct_covariates *now)
{
	now->steal_ns = read_steal(sampler);
	now->interrupts = read_interrupts(sampler);
	now->frequency_hz = read_frequency(sampler);
	read_thread(sampler, now);
}

void ct_covariates_delta(const struct ct_covariates *before, const struct ct_covariates *now,
			 struct ct_epoch_row *row)
{
	row->steal_ns = now->steal_ns - before->steal_ns;
	row->involuntary_switches = now->involuntary_switches - before->involuntary_switches;
	row->voluntary_switches = now->voluntary_switches - before->voluntary_switches;
	row->minor_faults = now->minor_faults - before->minor_faults;
	row->major_faults = now->major_faults - before->major_faults;
	row->interrupts = now->interrupts - before->interrupts;
	row->frequency_hz = now->frequency_hz;
}

bool ct_thread_waiting_ns(pid_t thread, double *waiting_ns)
{
	char path[64];
	char *text;
	bool ok;

	snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)thread);
	text = read_file(path, 256);
	ok = text && sscanf(text, "%*f %lf", waiting_ns) == 1;
	free(text);
	return ok;
}

/* The path of this process in a cgroup hierarchy: v1 "N:cpu,cpuacct:/path", v2 "0::/path". */
static bool cgroup_path(const char *controller, char *out, size_t size)
{
	char *text = read_file("/proc/self/cgroup", 16 << 10);
	char *save, *line = text ? strtok_r(text, "\n", &save) : NULL;
	bool found = false;

	for (; line && !found; line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':');
		char *path = names ? strchr(names + 1, ':') : NULL;
		char padded[256];

		if (!path)
			continue;
		*path++ = '\0';
		snprintf(padded, sizeof padded, ",%s,", names + 1);
		found = strstr(padded, controller) != NULL;
		if (found)
			snprintf(out, size, "%s", path);
	}
	free(text);
	return found;
}

double ct_throttled_ns(void)
{
	static const struct {
		const char *controller, *mount, *key;
		double unit_ns;
	} hierarchies[] = {
		{",cpu,", "/sys/fs/cgroup/cpu", "throttled_time ", 1.0},
		{",,", "/sys/fs/cgroup", "throttled_usec ", 1000.0},
	};

	for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
		char path[512], file[640];
		char *text;
		double total;

		if (!cgroup_path(hierarchies[i].controller, path, sizeof path))
			continue;
		snprintf(file, sizeof file, "%s%s/cpu.stat", hierarchies[i].mount, path);
		text = read_file(file, 4 << 10);
		total = text ? number_after(text, hierarchies[i].key) : NAN;
		free(text);
		if (!isnan(total))
			return total * hierarchies[i].unit_ns;
	}
	return 0.0;
}
