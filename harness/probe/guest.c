/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is told about its own time and nesting: the clock that its hypervisor keeps for it,
 * the time that was stolen, whether it may run guests itself. Adds to the section of the
 * hypervisor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

/* Documentation/virt/kvm/x86/cpuid.rst: bits of EAX of the signature's leaf + 1. */
enum {
	KVM_CLOCK = 1u << 0 | 1u << 3,
	KVM_STEAL_TIME = 1u << 5,
};
/* Hypervisor TLFS, 2.4: leaf 0x40000003 EAX bit 9, leaf 0x40000004 EAX bit 12. */
enum {
	HYPERV_REFERENCE_TSC = 1u << 9,
	HYPERV_NESTED = 1u << 12,
};

/* The first of a hypervisor's leaves by its signature, which may lie behind that of another. */
static bool find_leaf(const struct ct_probe_source *source, const char *signature, uint32_t *leaf)
{
	for (*leaf = UINT32_C(0x40000000); *leaf < UINT32_C(0x40001000); *leaf += 0x100) {
		uint32_t r[CT_CPUID_REGISTERS];
		char text[13];

		if (!ct_probe_cpuid(source, *leaf, r))
			return false;
		memcpy(text, &r[CT_CPUID_EBX], 12);
		text[12] = '\0';
		if (strcmp(text, signature) == 0)
			return true;
	}
	return false;
}

/* EAX of a leaf relative to a signature. */
static bool features(const struct ct_probe_source *source, const char *signature, uint32_t offset,
		     uint32_t *leaf, uint32_t *eax)
{
	uint32_t r[CT_CPUID_REGISTERS];

	if (!find_leaf(source, signature, leaf) || !ct_probe_cpuid(source, *leaf + offset, r))
		return false;
	*leaf += offset;
	*eax = r[CT_CPUID_EAX];
	return true;
}

/* The kernel registers a paravirtual clock when it is offered one, used or not. */
static void say_clock(const struct ct_probe_source *source, const json_t *probe, json_t *section)
{
	static const char *const clocks[] = {"kvm-clock", "hyperv_clocksource_tsc_page",
					     "hyperv_clocksource_msr", "xen"};
	const char *available = ct_said_text(probe, "clocksource", "available");
	const char *evidence = ct_evidence(probe, "clocksource", "available");
	uint32_t leaf, eax;

	for (size_t i = 0; available && i < sizeof clocks / sizeof clocks[0]; i++) {
		if (!strstr(available, clocks[i]))
			continue;
		ct_say(section, "paravirtual_clock", json_string(clocks[i]), "%s: %s", evidence,
		       available);
		return;
	}
	if (features(source, "KVMKVMKVM", 1, &leaf, &eax) && (eax & KVM_CLOCK))
		ct_say(section, "paravirtual_clock", json_string("kvm-clock"),
		       "CPUID 0x%x EAX 0x%x, bits 0 and 3: offered, not registered", leaf, eax);
	else if (features(source, "Microsoft Hv", 3, &leaf, &eax) && (eax & HYPERV_REFERENCE_TSC))
		ct_say(section, "paravirtual_clock", json_string("hyperv_clocksource_tsc_page"),
		       "CPUID 0x%x EAX 0x%x, bit 9: offered, not registered", leaf, eax);
	else if (available)
		ct_say(section, "paravirtual_clock", json_string("none"), "%s: %s", evidence,
		       available);
	else
		ct_say(section, "paravirtual_clock", NULL, "%s", evidence);
}

/* Ticks of all CPUs since boot: user nice system idle iowait irq softirq steal (proc(5)). */
static bool read_steal(const struct ct_probe_source *source, double *steal, double *all)
{
	enum { FIELDS = 8, STEAL = 7 };
	char *text = ct_source_file(source, "/proc/stat"), *at = text;
	bool good = text && strncmp(text, "cpu ", 4) == 0;

	*all = *steal = 0;
	at += good ? 4 : 0;
	for (int i = 0; good && i < FIELDS; i++) {
		char *end;

		*steal = strtod(at, &end);
		good = end > at && *steal >= 0 && (*end == ' ' || *end == '\n');
		*all += *steal;
		at = end;
	}
	free(text);
	return good && *all > 0 && *all < 1e18;
}

/* A share of 0 means nothing unless the hypervisor reports at all. */
static void say_steal(const struct ct_probe_source *source, json_t *section)
{
	double steal = 0, all = 0;
	bool counted = read_steal(source, &steal, &all);
	uint32_t leaf, eax;

	if (features(source, "KVMKVMKVM", 1, &leaf, &eax))
		ct_say(section, "steal_reported", json_boolean(eax & KVM_STEAL_TIME),
		       "CPUID 0x%x EAX 0x%x, bit 5", leaf, eax);
	else if (find_leaf(source, "XenVMMXenVMM", &leaf))
		ct_say(section, "steal_reported", json_true(),
		       "CPUID 0x%x: Xen's run states always count it", leaf);
	else if (counted && steal > 0)
		ct_say(section, "steal_reported", json_true(), "/proc/stat: %.0f ticks stolen",
		       steal);
	else
		ct_say(section, "steal_reported", NULL,
		       "no leaf of KVM's features in CPUID, and nothing stolen in /proc/stat");
	if (counted)
		ct_say(section, "steal_share", json_real(steal / all),
		       "/proc/stat cpu: %.0f of %.0f ticks since boot", steal, all);
	else
		ct_say(section, "steal_share", NULL, "/proc/stat cpu: missing or nonsense");
}

static void say_nesting(const struct ct_probe_source *source, const json_t *probe, json_t *section)
{
	const json_t *flags = ct_said(probe, "cpu", "flags");
	const char *evidence = ct_evidence(probe, "cpu", "flags");
	uint32_t leaf, eax;

	if (flags)
		ct_say(section, "nesting_offered",
		       json_boolean(ct_said_has(probe, "cpu", "flags", "vmx") ||
				    ct_said_has(probe, "cpu", "flags", "svm")),
		       "%s vmx, svm: whether this guest may run guests", evidence);
	else
		ct_say(section, "nesting_offered", NULL, "%s", evidence);
	if (features(source, "Microsoft Hv", 4, &leaf, &eax) && (eax & HYPERV_NESTED))
		ct_say(section, "nested", json_true(), "CPUID 0x%x EAX 0x%x, bit 12", leaf, eax);
	else
		ct_say(section, "nested", NULL,
		       "a hypervisor does not tell its guests whether it is a guest itself");
}

void ct_probe_guest(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object_get(probe, "hypervisor");

	if (!json_is_true(ct_said(probe, "hypervisor", "present")))
		return;
	say_clock(source, probe, section);
	say_steal(source, section);
	say_nesting(source, probe, section);
}
