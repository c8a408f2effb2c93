/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between this process and the hardware: a hypervisor, a container. A name is only
 * given on evidence; a machine that hides its hypervisor well stays "false" or null, with what was
 * looked at.
 */
#include "harness/probe/sections.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/statement.h"

/* What was found so far; the first name wins, so that strong evidence is asked for first. */
struct finding {
	bool present;
	char evidence[512];
	const char *name, *monitor;
	char name_evidence[300], monitor_evidence[300];
};

static void found(struct finding *f, const char *evidence)
{
	size_t used = strlen(f->evidence);

	f->present = true;
	snprintf(f->evidence + used, sizeof f->evidence - used, "%s%s", used > 0 ? "; " : "",
		 evidence);
}

static void name_it(struct finding *f, const char *name, const char *monitor, const char *evidence)
{
	if (name && !f->name) {
		f->name = name;
		snprintf(f->name_evidence, sizeof f->name_evidence, "%s", evidence);
	}
	if (monitor && !f->monitor) {
		f->monitor = monitor;
		snprintf(f->monitor_evidence, sizeof f->monitor_evidence, "%s", evidence);
	}
}

/* ---- CPUID ---- */

static const struct {
	const char *signature, *name, *monitor;
} signatures[] = {
	{"KVMKVMKVM", "kvm", NULL},
	{"Linux KVM Hv", "kvm", NULL},
	{"VMwareVMware", "vmware", "vmware"},
	{"XenVMMXenVMM", "xen", "xen"},
	{"TCGTCGTCGTCG", "qemu-tcg", "qemu"},
	{"VBoxVBoxVBox", "virtualbox", "virtualbox"},
	{"bhyve bhyve ", "bhyve", "bhyve"},
	{"ACRNACRNACRN", "acrn", "acrn"},
	{" prl hyperv ", "parallels", "parallels"},
	{" lrpepyh  vr", "parallels", "parallels"},
	{"QNXQVMBSQG", "qnx", "qnx"},
	{"Jailhouse", "jailhouse", "jailhouse"},
	{"Microsoft Hv", "hyperv", NULL}, /* last: KVM and Xen imitate it for Windows guests */
};

/*
 * Signatures lie at 0x40000000, and where a hypervisor also imitates Hyper-V its own one follows
 * at 0x40000100 and further (Linux arch/x86/include/asm/cpuid/api.h, hypervisor leaves).
 */
static void ask_cpuid(const struct ct_probe_source *source, struct finding *f)
{
	const char *weak = NULL;
	char weak_evidence[96] = "";

	for (uint32_t leaf = UINT32_C(0x40000000); leaf < UINT32_C(0x40001000); leaf += 0x100) {
		uint32_t r[CT_CPUID_REGISTERS];
		char signature[13], evidence[96];

		if (!ct_probe_cpuid(source, leaf, r))
			break;
		memcpy(signature, &r[CT_CPUID_EBX], 12);
		signature[12] = '\0';
		for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
			if (strncmp(signature, signatures[i].signature,
				    strlen(signatures[i].signature)) != 0)
				continue;
			snprintf(evidence, sizeof evidence, "CPUID 0x%x signature '%s'", leaf,
				 signatures[i].signature);
			if (strcmp(signatures[i].name, "hyperv") == 0) {
				weak = "hyperv";
				memcpy(weak_evidence, evidence, sizeof evidence);
				break;
			}
			found(f, evidence);
			name_it(f, signatures[i].name, signatures[i].monitor, evidence);
			return;
		}
	}
	if (weak) {
		found(f, weak_evidence);
		name_it(f, weak, weak, weak_evidence);
	}
}

/* ---- /proc, /sys/hypervisor, the device tree ---- */

/* True when the flags are readable, whatever they say. Lines follow them; a file that ends there
 * was cut. */
static bool ask_cpuinfo(const struct ct_probe_source *source, struct finding *f)
{
	char *cpuinfo = ct_source_file(source, "/proc/cpuinfo");
	char *flags = cpuinfo ? strstr(cpuinfo, "\nflags") : NULL;
	char *end = flags ? strchr(flags + 1, '\n') : NULL;
	bool readable = end != NULL;

	if (readable) {
		*end = '\0';
		if (strstr(flags, " hypervisor"))
			found(f, "/proc/cpuinfo flags: hypervisor");
	}
	free(cpuinfo);
	return readable;
}

static void ask_kernel_files(const struct ct_probe_source *source, struct finding *f)
{
	char text[256], evidence[300];

	if (ct_source_text(source, text, sizeof text, "/sys/hypervisor/type") &&
	    isalpha((unsigned char)text[0])) {
		snprintf(evidence, sizeof evidence, "/sys/hypervisor/type: %.100s", text);
		found(f, evidence);
		name_it(f, strcmp(text, "xen") == 0 ? "xen" : NULL,
			strcmp(text, "xen") == 0 ? "xen" : NULL, evidence);
	}
	if (ct_source_text(source, text, sizeof text, "/proc/device-tree/hypervisor/compatible") &&
	    isalpha((unsigned char)text[0])) {
		snprintf(evidence, sizeof evidence,
			 "/proc/device-tree/hypervisor/compatible: %.100s", text);
		found(f, evidence);
		name_it(f,
			strstr(text, "kvm")   ? "kvm"
			: strstr(text, "xen") ? "xen"
					      : NULL,
			NULL, evidence);
	}
	if (ct_source_exists(source, "/sys/firmware/qemu_fw_cfg")) {
		found(f, "/sys/firmware/qemu_fw_cfg");
		name_it(f, NULL, "qemu", "/sys/firmware/qemu_fw_cfg");
	}
}

/* ---- firmware ---- */

static const struct {
	const char *word;
	const char *name, *monitor;
	bool alone; /* proves a virtual machine by itself; others also sell bare metal */
} firmware[] = {
	{"Firecracker", NULL, "firecracker", true},
	{"Cloud Hypervisor", NULL, "cloud-hypervisor", true},
	{"crosvm", NULL, "crosvm", true},
	{"VMware", "vmware", "vmware", true},
	{"VirtualBox", "virtualbox", "virtualbox", true},
	{"innotek", "virtualbox", "virtualbox", true},
	{"HVM domU", "xen", "xen", true},
	{"Parallels", "parallels", "parallels", true},
	{"Apple Virtualization", "apple", "apple", true},
	{"BHYVE", "bhyve", "bhyve", true},
	{"Virtual Machine", NULL, NULL, true}, /* Hyper-V's product name */
	{"QEMU", NULL, "qemu", true},
	{"Bochs", NULL, "qemu", true},
	{"KVM", "kvm", NULL, true},
	{"OpenStack", NULL, "qemu", true},
	{"Amazon EC2", NULL, "nitro", false},
	{"Google", NULL, "google", false},
	{"Alibaba", NULL, "alibaba", false},
};

static void ask_dmi(const struct ct_probe_source *source, struct finding *f)
{
	static const char *const files[] = {"product_name", "sys_vendor", "board_vendor",
					    "bios_vendor", "chassis_vendor"};

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char text[128], evidence[200];

		if (!ct_source_text(source, text, sizeof text, "/sys/class/dmi/id/%s", files[i]))
			continue;
		for (size_t k = 0; k < sizeof firmware / sizeof firmware[0]; k++) {
			if (!strstr(text, firmware[k].word))
				continue;
			snprintf(evidence, sizeof evidence, "/sys/class/dmi/id/%s: %s", files[i],
				 text);
			if (firmware[k].alone)
				found(f, evidence);
			if (f->present)
				name_it(f, firmware[k].name, firmware[k].monitor, evidence);
		}
	}
}

/* Every ACPI table names its maker in bytes 10 to 15 (ACPI specification, 5.2.6). */
static void ask_acpi(const struct ct_probe_source *source, struct finding *f)
{
	static const struct {
		const char *maker, *monitor;
	} makers[] = {{"FIRECK", "firecracker"},
		      {"CLOUDH", "cloud-hypervisor"},
		      {"CROSVM", "crosvm"},
		      {"BOCHS ", "qemu"}};
	static const char *const tables[] = {"FACP", "APIC", "DSDT"};

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		char header[16], evidence[96];

		if (ct_source_bytes(source, header, sizeof header, "/sys/firmware/acpi/tables/%s",
				    tables[i]) != sizeof header)
			continue;
		for (size_t k = 0; k < sizeof makers / sizeof makers[0]; k++) {
			if (memcmp(header + 10, makers[k].maker, 6) != 0)
				continue;
			snprintf(evidence, sizeof evidence,
				 "/sys/firmware/acpi/tables/%s: OEM '%s'", tables[i],
				 makers[k].maker);
			found(f, evidence);
			name_it(f, NULL, makers[k].monitor, evidence);
			return;
		}
	}
}

/* Before it had ACPI, Firecracker told its devices on the command line, from 0xd0000000 on. */
static void ask_cmdline(const struct ct_probe_source *source, struct finding *f)
{
	char *text = ct_source_file(source, "/proc/cmdline");
	const char *device = text ? strstr(text, "virtio_mmio.device=") : NULL;
	char evidence[128];

	if (device) {
		snprintf(evidence, sizeof evidence, "/proc/cmdline: %.*s",
			 (int)strcspn(device, " \n"), device);
		found(f, evidence);
		if (strstr(device, "@0xd0"))
			name_it(f, NULL, "firecracker", evidence);
	}
	free(text);
}

void ct_probe_hypervisor(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();
	struct finding f = {0};
	bool flags_readable = ask_cpuinfo(source, &f);

	ask_cpuid(source, &f);
	ask_kernel_files(source, &f);
	ask_acpi(source, &f);
	ask_dmi(source, &f);
	ask_cmdline(source, &f);
	if (f.present)
		ct_say(section, "present", json_true(), "%s", f.evidence);
	else if (flags_readable)
		ct_say(section, "present", json_false(),
		       "/proc/cpuinfo flags: no hypervisor; no sign of one in CPUID, DMI, ACPI, "
		       "/sys/hypervisor");
	else
		ct_say(section, "present", NULL,
		       "no readable flag for it in /proc/cpuinfo; no sign of one in DMI, ACPI, the "
		       "device "
		       "tree, /sys/hypervisor");
	if (f.present) {
		ct_say(section, "name", json_string(f.name ? f.name : "unknown"), "%s",
		       f.name ? f.name_evidence : "no known signature in CPUID or DMI");
		ct_say(section, "monitor", json_string(f.monitor ? f.monitor : "unknown"), "%s",
		       f.monitor ? f.monitor_evidence : "no known maker in ACPI or DMI");
	}
	json_object_set_new(probe, "hypervisor", section);
}

/* ---- containers ---- */

/*
 * An image that has become a machine's disk keeps its marks. In a container the root file system
 * is a layered one or a folder of the host's; on a machine of its own it is the root of a disk.
 */
static bool root_is_a_disk(const struct ct_probe_source *source, char *evidence, size_t size)
{
	char *mounts = ct_source_file(source, "/proc/self/mountinfo");
	bool disk = false;

	for (char *rest = mounts, *line; (line = strsep(&rest, "\n")) != NULL;) {
		char root[256], point[256], type[32], device[256];
		const char *tail = strstr(line, " - ");

		if (!tail || sscanf(line, "%*s %*s %*s %255s %255s", root, point) != 2 ||
		    strcmp(point, "/") != 0 || sscanf(tail, " - %31s %255s", type, device) != 2)
			continue;
		/* Of several mounts on top of each other the last one counts. */
		disk = strcmp(root, "/") == 0 && strncmp(device, "/dev/", 5) == 0;
		snprintf(evidence, size, "/ is %s on %s", type, device);
	}
	free(mounts);
	return disk;
}

struct container {
	const char *name;
	char evidence[640];
};

/* Words that managers of containers leave in the path of a control group. */
static struct container from_cgroups(const struct ct_probe_source *source)
{
	static const struct {
		const char *word, *name;
	} words[] = {
		{"kubepods", "kubernetes"},
		{"libpod", "podman"},
		{"/docker", "docker"},
		{"docker-", "docker"},
		{"/lxc", "lxc"},
		{"lxc.payload", "lxc"},
		{"containerd", "containerd"},
		{"/machine.slice/machine-", "systemd-nspawn"},
	};
	struct container container = {0};
	char *text = ct_source_file(source, "/proc/self/cgroup");

	for (size_t i = 0; text && !container.name && i < sizeof words / sizeof words[0]; i++) {
		const char *at = strstr(text, words[i].word);
		const char *line = at;

		if (!at)
			continue;
		while (line > text && line[-1] != '\n')
			line--;
		container.name = words[i].name;
		snprintf(container.evidence, sizeof container.evidence, "/proc/self/cgroup: %.*s",
			 (int)strcspn(line, "\n"), line);
	}
	free(text);
	return container;
}

static struct container from_marks(const struct ct_probe_source *source)
{
	static const struct {
		const char *path, *name;
	} marks[] = {{"/run/.containerenv", "podman"}, {"/.dockerenv", "docker"}};
	struct container container = {0};
	char text[64], root[600] = "the root file system is not known";

	if (ct_source_text(source, text, sizeof text, "/run/systemd/container") && text[0]) {
		static const char *const names[] = {"docker", "podman", "lxc", "systemd-nspawn",
						    "rkt",    "wsl",    "oci"};

		container.name = "other";
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
			if (strcmp(text, names[i]) == 0)
				container.name = names[i];
		}
		snprintf(container.evidence, sizeof container.evidence,
			 "/run/systemd/container: %s", text);
		return container;
	}
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		if (!ct_source_exists(source, "%s", marks[i].path))
			continue;
		container.name = root_is_a_disk(source, root, sizeof root) ? "none" : marks[i].name;
		snprintf(container.evidence, sizeof container.evidence, "%s exists, and %s",
			 marks[i].path, root);
		return container;
	}
	return container;
}

void ct_probe_container(const struct ct_probe_source *source, json_t *probe)
{
	struct container container = from_cgroups(source);

	if (!container.name)
		container = from_marks(source);
	if (!container.name) {
		container.name = "none";
		snprintf(container.evidence, sizeof container.evidence,
			 "no mark in /proc/self/cgroup, /run/systemd/container, "
			 "/run/.containerenv, /.dockerenv");
	}
	json_object_set_new(probe, "container",
			    ct_statement(json_string(container.name), "%s", container.evidence));
}
