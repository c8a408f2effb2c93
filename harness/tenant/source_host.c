/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of the whole machine, of tenants and of everybody else, where a victim asks. */
#include "harness/tenant/source_host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/tenant/kernel_file.h"
#include "harness/tenant/sources.h"

#define TOTAL(name_, unit_, what_)                    \
	{                                             \
		name_, unit_, what_, CT_COUNTER_TOTAL \
	}

static const struct ct_counter table[] = {
	[CT_HOST_BUSY] = TOTAL("busy", "s", "CPU time of all CPUs, without idle, iowait and steal"),
	[CT_HOST_FORKS] = TOTAL("forks", "1", "processes and threads started"),
	[CT_HOST_SWITCHES] = TOTAL("switches", "1", "context switches of all CPUs"),
	[CT_HOST_INTERRUPTS] = TOTAL("interrupts", "1", "interrupts of all CPUs"),
	[CT_HOST_SOFTIRQS_NET] = TOTAL("softirqs_net", "1", "softirqs for received packets"),
	[CT_HOST_SOFTIRQS_BLOCK] = TOTAL("softirqs_block", "1", "softirqs of block devices"),
	[CT_HOST_PAGE_FAULTS] = TOTAL("page_faults", "1", "page faults, minor and major"),
	[CT_HOST_PAGES_ALLOCATED] = TOTAL("pages_allocated", "1", "pages allocated in all zones"),
	[CT_HOST_DISK] = TOTAL("disk", "B", "bytes read from and written to block devices"),
	{0},
};
_Static_assert(sizeof table / sizeof table[0] == CT_HOST_COUNTERS + 1, "a row for every counter");

struct host {
	struct ct_kernel_file stat, vmstat;
	double ticks_per_s;
};

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* What follows the first word of a line; NULL when that is another word. */
static const char *after(const char *line, const char *key)
{
	const size_t n = strlen(key);

	return strncmp(line, key, n) == 0 && line[n] == ' ' ? line + n : NULL;
}

/* NULL: no number is next. strtoull would take signs, and the next line's number. */
static const char *take_number(const char *at, uint64_t *value)
{
	at += strspn(at, " ");
	if (*at < '0' || *at > '9')
		return NULL;
	for (*value = 0; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(*value, 10U, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value))
			return NULL;
	}
	return *at == ' ' || *at == '\n' || *at == '\0' ? at : NULL;
}

/* The number in a column, from 0. */
static double number(const char *at, unsigned column)
{
	uint64_t value = 0;

	for (unsigned i = 0; at && i <= column; i++)
		at = take_number(at, &value);
	return at ? (double)value : NAN;
}

/* user, nice, system, irq, softirq; guests are in the first two already. */
static double busy_ticks(const char *at)
{
	static const unsigned columns[] = {0, 1, 2, 5, 6};
	double sum = 0;

	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		sum += number(at, columns[i]);
	return sum;
}

void ct_host_parse_stat(const char *text, double ticks_per_s, double *values)
{
	/* softirq: the sum, HI, TIMER, NET_TX, NET_RX, BLOCK (linux/interrupt.h) */
	static const struct {
		const char *key;
		unsigned column;
		enum ct_host_counter counter;
	} fields[] = {
		{"intr", 0, CT_HOST_INTERRUPTS},        {"ctxt", 0, CT_HOST_SWITCHES},
		{"processes", 0, CT_HOST_FORKS},        {"softirq", 4, CT_HOST_SOFTIRQS_NET},
		{"softirq", 5, CT_HOST_SOFTIRQS_BLOCK},
	};
	const size_t n = sizeof fields / sizeof fields[0];

	values[CT_HOST_BUSY] = NAN;
	for (size_t i = 0; i < n; i++)
		values[fields[i].counter] = NAN;
	for (const char *line = text; *line; line = next_line(line)) {
		const char *at = after(line, "cpu");

		if (at)
			values[CT_HOST_BUSY] = busy_ticks(at) / ticks_per_s;
		for (size_t i = 0; i < n; i++) {
			at = after(line, fields[i].key);
			if (at)
				values[fields[i].counter] = number(at, fields[i].column);
		}
	}
}

void ct_host_parse_vmstat(const char *text, double *values)
{
	static const char zones[] = "pgalloc_"; /* and the zone's name */
	double faults = NAN, in_kib = NAN, out_kib = NAN, allocated = 0;
	bool any = false;

	for (const char *line = text; *line; line = next_line(line)) {
		const char *at;

		if ((at = after(line, "pgfault")) != NULL)
			faults = number(at, 0);
		else if ((at = after(line, "pgpgin")) != NULL)
			in_kib = number(at, 0);
		else if ((at = after(line, "pgpgout")) != NULL)
			out_kib = number(at, 0);
		else if (strncmp(line, zones, sizeof zones - 1) == 0) {
			allocated += number(line + strcspn(line, " \n"), 0);
			any = true;
		}
	}
	values[CT_HOST_PAGE_FAULTS] = faults;
	values[CT_HOST_PAGES_ALLOCATED] = any ? allocated : NAN;
	values[CT_HOST_DISK] = (in_kib + out_kib) * 1024;
}

static void close_host(void *state)
{
	struct host *host = state;

	ct_kernel_file_close(&host->stat);
	ct_kernel_file_close(&host->vmstat);
	free(host);
}

static bool open_host(const struct ct_worker *worker, const json_t *device, void **state,
		      const struct ct_counter **counters)
{
	struct host *host;

	(void)device;
	if (!worker->host_counters)
		return false;
	host = calloc(1, sizeof *host);
	if (!host)
		return false;
	ct_kernel_file_open(&host->stat, "/proc/stat");
	ct_kernel_file_open(&host->vmstat, "/proc/vmstat");
	if (host->stat.fd < 0) {
		close_host(host);
		return false;
	}
	host->ticks_per_s = (double)sysconf(_SC_CLK_TCK);
	*counters = table;
	*state = host;
	return true;
}

static void read_host(void *state, double *values)
{
	struct host *host = state;
	const char *text = ct_kernel_file_read(&host->stat);

	ct_host_parse_stat(text ? text : "", host->ticks_per_s, values);
	text = ct_kernel_file_read(&host->vmstat);
	ct_host_parse_vmstat(text ? text : "", values);
}

const struct ct_counter_source ct_source_host = {
	.name = "host",
	.open = open_host,
	.read = read_host,
	.close = close_host,
};
