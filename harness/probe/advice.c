/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user should know, or change, before measuring: one function a rule, each of which reads
 * the probe's own statements and quotes their evidence.
 */
#include "harness/probe/sections.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/probe/statement.h"

/* Exit latencies above this are seen in every wakeup. */
static const double DEEP_IDLE_US = 20;

static void __attribute__((format(printf, 3, 4)))
advise(json_t *list, const char *evidence, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	json_array_append_new(list, json_pack("{s:s, s:s}", "text", text, "evidence", evidence));
}

static void on_clock(const json_t *probe, json_t *list)
{
	const char *current = ct_said_text(probe, "clocksource", "current");

	if (json_is_false(ct_said(probe, "cpu", "invariant_tsc")))
		advise(list, ct_evidence(probe, "cpu", "invariant_tsc"),
		       "no invariant time stamp counter: samples are timed with clock_gettime, "
		       "which "
		       "costs more and resolves less");
	else if (current && strcmp(current, "tsc") != 0 && ct_said(probe, "cpu", "invariant_tsc"))
		advise(list, ct_evidence(probe, "clocksource", "current"),
		       "the kernel's clock source is %s: reading the time is slow for every "
		       "workload "
		       "that does; boot with clocksource=tsc if the counter is sound",
		       current);
}

static void on_frequency(const json_t *probe, json_t *list)
{
	const char *governor = ct_said_text(probe, "frequency", "governor");
	double latency;

	if (governor && strcmp(governor, "performance") != 0)
		advise(list, ct_evidence(probe, "frequency", "governor"),
		       "the frequency governor is %s: latencies move with the clock; "
		       "cpupower frequency-set -g performance (root) holds it",
		       governor);
	if (json_is_true(ct_said(probe, "frequency", "boost")))
		advise(list, ct_evidence(probe, "frequency", "boost"),
		       "boost is on: a busy neighbour lowers the clock of everybody, which is part "
		       "of "
		       "what is measured; switch it off to leave that out");
	if (ct_said_number(probe, "frequency", "idle_exit_latency_us", &latency) &&
	    latency > DEEP_IDLE_US)
		advise(list, ct_evidence(probe, "frequency", "idle_exit_latency_us"),
		       "CPUs may sleep so deeply that waking takes %.0f us: it shows in wakeup and "
		       "tcp_rr; cpupower idle-set -D %.0f (root) forbids it",
		       latency, DEEP_IDLE_US);
}

static void on_cpus(const json_t *probe, json_t *list)
{
	const char *isolated = ct_said_text(probe, "topology", "isolated");
	double active;

	if (ct_said_number(probe, "topology", "smt_active", &active) && active == 1)
		advise(list, ct_evidence(probe, "topology", "smt_active"),
		       "cores have two hardware threads: core:N takes both, so that no stranger "
		       "runs "
		       "beside a victim; same-core-as:T places a neighbour there on purpose");
	if (isolated && isolated[0] == '\0')
		advise(list, ct_evidence(probe, "topology", "isolated"),
		       "no CPU is isolated: the scheduler may run others beside a victim; the "
		       "epochs "
		       "tell (involuntary switches); isolcpus= and nohz_full= at boot prevent it");
}

static void on_kernel(const json_t *probe, json_t *list)
{
	double runtime, period, value;

	if (ct_said_number(probe, "kernel", "rt_runtime_us", &runtime) &&
	    ct_said_number(probe, "kernel", "rt_period_us", &period) && runtime >= 0 &&
	    runtime < period)
		advise(list, ct_evidence(probe, "kernel", "rt_runtime_us"),
		       "real-time throttling stops SCHED_FIFO threads after %.0f of %.0f us; write "
		       "-1 "
		       "to sched_rt_runtime_us to lift it",
		       runtime, period);
	if (ct_said_number(probe, "kernel", "numa_balancing", &value) && value != 0)
		advise(list, ct_evidence(probe, "kernel", "numa_balancing"),
		       "automatic NUMA balancing unmaps pages to watch accesses: page faults that "
		       "no "
		       "workload asked for; write 0 to switch it off");
	if (ct_said_number(probe, "kernel", "nmi_watchdog", &value) && value != 0)
		advise(list, ct_evidence(probe, "kernel", "nmi_watchdog"),
		       "the NMI watchdog interrupts every CPU and holds a counter; write 0 to "
		       "switch "
		       "it off");
}

static void on_limits(const json_t *probe, json_t *list)
{
	double value;

	if (ct_said_number(probe, "process", "memlock_bytes", &value) && value >= 0 &&
	    !ct_said_has(probe, "process", "capabilities", "cap_ipc_lock"))
		advise(list, ct_evidence(probe, "process", "memlock_bytes"),
		       "only %.0f KiB of memory can be locked: larger working sets stay unlocked; "
		       "raise it with ulimit -l or CAP_IPC_LOCK",
		       value / 1024);
	if (ct_said_number(probe, "cgroup", "cpu_limit", &value))
		advise(list, ct_evidence(probe, "cgroup", "cpu_limit"),
		       "a control group limits this process to %.2f CPUs: it will be throttled, "
		       "and "
		       "that is measured with everything else",
		       value);
	if (ct_said_number(probe, "memory", "swap_bytes", &value) && value > 0)
		advise(list, ct_evidence(probe, "memory", "swap_bytes"),
		       "there is swap: memory that could not be locked may leave; swapoff -a "
		       "(root)");
	if (json_is_false(ct_said(probe, "perf", "counters")))
		advise(list, ct_evidence(probe, "perf", "counters"),
		       "no hardware counters here: misses and cycles can't be told beside "
		       "latencies");
}

static void on_hypervisor(const json_t *probe, json_t *list)
{
	if (!json_is_true(ct_said(probe, "hypervisor", "present")))
		return;
	advise(list, ct_evidence(probe, "hypervisor", "present"),
	       "this is a virtual machine: which hardware threads and caches its CPUs really "
	       "share, "
	       "and who else uses them, is not visible from inside; look at the steal of the "
	       "epochs");
}

/* "0000:41:00.1", or "0000:41:00.1 (ens1)" when a network device rides on it. */
static void name_function(const json_t *device, char *out, size_t size)
{
	const json_t *netdev = json_array_get(json_object_get(device, "netdevs"), 0);

	snprintf(out, size, "%s%s%s%s", json_string_value(json_object_get(device, "name")),
		 netdev ? " (" : "", netdev ? json_string_value(netdev) : "", netdev ? ")" : "");
}

static void on_links(const json_t *probe, json_t *list)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(probe, "pci"), i, device)
	{
		const json_t *link = json_object_get(device, "link");
		bool port = json_object_get(link, "limited_by") != NULL;
		char name[128], evidence[256];

		if (!json_is_true(json_object_get(link, "degraded")))
			continue;
		name_function(device, name, sizeof name);
		snprintf(evidence, sizeof evidence, "%.200s/{current,max}_link_{speed,width}",
			 json_string_value(json_object_get(device, "evidence")));
		advise(list, evidence,
		       "the PCIe link of %s runs at %g GT/s x%lld, the device can %g GT/s x%lld: "
		       "%s",
		       name, json_real_value(json_object_get(link, "gt_per_s")),
		       (long long)json_integer_value(json_object_get(link, "width")),
		       json_real_value(json_object_get(link, "max_gt_per_s")),
		       (long long)json_integer_value(json_object_get(link, "max_width")),
		       port ? "its slot can do no more"
			    : "reseat the card, look at its slot, its riser and the firmware's "
			      "settings");
	}
}

/* The function that interrupts, as far as the list of devices knows it. */
static const json_t *function_named(const json_t *probe, const char *name)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(probe, "pci"), i, device)
	{
		const char *have = json_string_value(json_object_get(device, "name"));

		if (have && name && strcmp(have, name) == 0)
			return device;
	}
	return NULL;
}

static void on_interrupts(const json_t *probe, json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(ct_said(probe, "interrupts", "devices"), i, one)
	{
		const char *cpus = json_string_value(json_object_get(one, "isolated_cpus"));
		const char *name = json_string_value(json_object_get(one, "name"));
		const json_t *device = function_named(probe, name);
		char text[128];

		if (!cpus)
			continue;
		snprintf(text, sizeof text, "%.100s", name);
		if (device)
			name_function(device, text, sizeof text);
		advise(list, json_string_value(json_object_get(one, "evidence")),
		       "interrupts of %s land on isolated CPUs (%s): write other CPUs to "
		       "/proc/irq/N/smp_affinity_list (root), or place no victim there",
		       text, cpus);
	}
	if (json_is_true(ct_said(probe, "daemons", "irqbalance")))
		advise(list, ct_evidence(probe, "daemons", "irqbalance"),
		       "irqbalance moves interrupts while it is measured: stop it, or ban the "
		       "victims' CPUs in its settings");
}

static bool answers_for_others(const json_t *device)
{
	const json_t *ignore = json_object_get(device, "arp_ignore");
	const char *state = json_string_value(json_object_get(device, "state"));

	return json_object_get(device, "vf_of") && ignore && json_integer_value(ignore) == 0 &&
	       state && strcmp(state, "up") == 0;
}

/* Another function of the same PF that does the same, among the devices before `i`; else NULL. */
static const json_t *also_answering(const json_t *network, size_t i)
{
	const json_t *device = json_array_get(network, i), *other;
	size_t k;

	json_array_foreach(network, k, other)
	{
		if (k >= i)
			break;
		if (answers_for_others(other) &&
		    json_equal(json_object_get(device, "vf_of"), json_object_get(other, "vf_of")))
			return other;
	}
	return NULL;
}

/*
 * Linux answers a question for any of its addresses on whichever device it comes in, and functions
 * of one PF hear the same questions: what is meant for one may go to the other, an aggressor's
 * flood to the function of the victim.
 */
static void on_addresses(const json_t *probe, json_t *list)
{
	const json_t *network = json_object_get(probe, "network"), *device;
	size_t i;

	json_array_foreach(network, i, device)
	{
		const json_t *other =
			answers_for_others(device) ? also_answering(network, i) : NULL;

		if (!other)
			continue;
		advise(list, "/proc/sys/net/ipv4/conf/{all,NAME}/arp_ignore",
		       "%s and %s are functions of one PF and answer for each other's addresses: "
		       "what is sent to one may arrive at the other; sysctl -w "
		       "net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 (root) "
		       "keeps them apart",
		       json_string_value(json_object_get(other, "name")),
		       json_string_value(json_object_get(device, "name")));
		return;
	}
}

static void on_caches(const json_t *probe, json_t *list)
{
	if (json_is_true(ct_said(probe, "resctrl", "l3_allocation")) &&
	    json_is_false(ct_said(probe, "resctrl", "mounted")))
		advise(list, ct_evidence(probe, "resctrl", "l3_allocation"),
		       "the L3 cache can be divided among tenants, but resctrl is not mounted: "
		       "mount -t resctrl resctrl /sys/fs/resctrl (root)");
}

/* What the PCI list has not said already: a container may not see it. */
static void on_gpu_link(const json_t *probe, const json_t *gpu, json_t *list)
{
	const char *pci = ct_said_text(gpu, NULL, "pci");
	double width, widest;

	if (json_object_get(function_named(probe, pci), "link") ||
	    !ct_said_number(gpu, NULL, "link_width", &width) ||
	    !ct_said_number(gpu, NULL, "link_max_width", &widest) || width <= 0 || width >= widest)
		return;
	advise(list, ct_evidence(gpu, NULL, "link_width"),
	       "the PCIe link of %s has %.0f lanes and could have %.0f: look at its slot and its "
	       "riser",
	       json_string_value(json_object_get(gpu, "name")), width, widest);
}

static bool differ(const json_t *gpu, const char *now, const char *pending)
{
	const json_t *a = ct_said(gpu, NULL, now), *b = ct_said(gpu, NULL, pending);

	return a && b && !json_equal(a, b);
}

static void on_gpus(const json_t *probe, json_t *list)
{
	const json_t *gpu;
	size_t i;

	json_array_foreach(json_object_get(probe, "nvidia_gpus"), i, gpu)
	{
		const char *name = json_string_value(json_object_get(gpu, "name"));
		const char *persistence = ct_said_text(gpu, NULL, "persistence");

		if (json_is_true(ct_said(gpu, NULL, "lost"))) {
			advise(list, ct_evidence(gpu, NULL, "lost"),
			       "%s has fallen off the bus: reboot, or power-cycle the machine; "
			       "look for Xid in the kernel's log",
			       name);
			continue;
		}
		on_gpu_link(probe, gpu, list);
		if (differ(gpu, "mig", "mig_pending"))
			advise(list, ct_evidence(gpu, NULL, "mig_pending"),
			       "%s changes its MIG mode at the next reset: what is measured now "
			       "is not what will be then",
			       name);
		if (differ(gpu, "ecc", "ecc_pending"))
			advise(list, ct_evidence(gpu, NULL, "ecc_pending"),
			       "%s changes its ECC mode at the next reset, and with it its memory "
			       "bandwidth",
			       name);
		if (persistence && strcmp(persistence, "off") == 0)
			advise(list, ct_evidence(gpu, NULL, "persistence"),
			       "%s is shut down when nobody uses it, and starting it takes "
			       "seconds: nvidia-smi -pm 1 (root)",
			       name);
	}
}

void ct_probe_advice(json_t *probe)
{
	static void (*const rules[])(const json_t *, json_t *) = {
		on_hypervisor, on_clock,     on_frequency,  on_cpus,   on_kernel, on_limits,
		on_links,      on_addresses, on_interrupts, on_caches, on_gpus,
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		rules[i](probe, list);
	json_object_set_new(probe, "advice", list);
}
