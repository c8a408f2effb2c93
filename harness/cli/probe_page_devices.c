/* SPDX-License-Identifier: Apache-2.0 */
/* The devices on the page that `cotenant probe` prints. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/probe_page.h"
#include "harness/cli/probe_page_rows.h"
#include "harness/probe/statement.h"

/* Devices that come in dozens, as virtual functions do, are shown up to here and then counted. */
enum { SHOWN = 12 };

static void print_more(size_t n, const char *what)
{
	if (n > SHOWN)
		ct_page_row("", "and %zu more %s: see --json", n - SHOWN, what);
}

static long long integer(const json_t *entry, const char *key)
{
	return (long long)json_integer_value(json_object_get(entry, key));
}

/* Which function of which card a device is. */
static void part_functions(char line[CT_PAGE_TEXT], const json_t *device)
{
	if (json_object_get(device, "vf_of"))
		ct_page_part(line, "virtual function of %s", ct_page_member(device, "vf_of", ""));
	else if (json_object_get(device, "vf_by_id"))
		ct_page_part(line, "virtual function");
	if (json_object_get(device, "vfs_possible"))
		ct_page_part(line, "%lld of %lld virtual functions", integer(device, "vfs_enabled"),
			     integer(device, "vfs_possible"));
}

static void print_network(const json_t *probe)
{
	const json_t *list = json_object_get(probe, "network"), *device, *speed;
	char rate[CT_UNIT_TEXT], line[CT_PAGE_TEXT];
	size_t i;

	json_array_foreach(list, i, device)
	{
		if (i >= SHOWN)
			break;
		line[0] = '\0';
		ct_page_part(line, "%s", ct_page_member(device, "driver", "virtual"));
		ct_page_part(line, "%s", ct_page_member(device, "state", "unknown"));
		speed = json_object_get(device, "speed_bits_per_s");
		if (speed)
			ct_page_part(
				line, "%s",
				ct_format_rate((double)json_integer_value(speed), "bit", rate));
		part_functions(line, device);
		ct_page_row(ct_page_member(device, "name", "?"), "network: %s", line);
	}
	print_more(json_array_size(list), "network devices");
}

/* "4: ACTIVE" -> "ACTIVE". */
static const char *behind_colon(const char *text)
{
	const char *colon = strstr(text, ": ");

	return colon ? colon + 2 : text;
}

static void print_rdma(const json_t *probe)
{
	const json_t *list = json_object_get(probe, "rdma"), *device, *port, *netdev;
	char line[CT_PAGE_TEXT];
	size_t i, k;

	json_array_foreach(list, i, device)
	{
		if (i >= SHOWN)
			break;
		line[0] = '\0';
		ct_page_part(line, "%s", ct_page_member(device, "driver", "unknown"));
		ct_page_part(line, "firmware %s", ct_page_member(device, "firmware", "unknown"));
		json_array_foreach(json_object_get(device, "netdevs"), k, netdev)
		{
			ct_page_part(line, "on %s", json_string_value(netdev));
		}
		part_functions(line, device);
		json_array_foreach(json_object_get(device, "ports"), k, port)
		{
			ct_page_part(line, "port %s %s (%s, %s, %zu GIDs)",
				     ct_page_member(port, "name", "?"),
				     behind_colon(ct_page_member(port, "state", "unknown")),
				     ct_page_member(port, "rate", "?"),
				     ct_page_member(port, "link_layer", "?"),
				     json_array_size(json_object_get(port, "gids")));
		}
		ct_page_row(ct_page_member(device, "name", "?"), "RDMA: %s", line);
	}
	print_more(json_array_size(list), "RDMA devices");
}

/* One line: how many virtual functions there are, and which links are slower than they could be. */
static void print_pci(const json_t *probe)
{
	const json_t *device, *link;
	size_t i, functions = 0;
	char line[CT_PAGE_TEXT] = "";

	json_array_foreach(json_object_get(probe, "pci"), i, device)
	{
		link = json_object_get(device, "link");
		functions += json_object_get(device, "vf_of") != NULL;
		if (json_is_true(json_object_get(link, "degraded")))
			ct_page_part(line, "%s at %g GT/s x%lld of %g GT/s x%lld",
				     ct_page_member(device, "name", "?"),
				     json_real_value(json_object_get(link, "gt_per_s")),
				     integer(link, "width"),
				     json_real_value(json_object_get(link, "max_gt_per_s")),
				     integer(link, "max_width"));
	}
	if (functions > 0)
		ct_page_row("SR-IOV", "virtual functions %zu", functions);
	if (line[0])
		ct_page_row("slow links", "%s", line);
}

/* "7 x 1g.10gb, 2c.3g.40gb": runs of the same profile are counted. */
static void part_profiles(char line[CT_PAGE_TEXT], const json_t *devices)
{
	const char *run = NULL;
	size_t n = 0;

	for (size_t i = 0; i <= json_array_size(devices); i++) {
		const json_t *mig = json_array_get(devices, i);
		const char *profile = mig ? ct_said_text(mig, NULL, "profile") : NULL;

		profile = mig && !profile ? "unknown" : profile;
		if (run && profile && strcmp(run, profile) == 0) {
			n++;
			continue;
		}
		if (run && n > 1)
			ct_page_part(line, "%zu x %s", n, run);
		else if (run)
			ct_page_part(line, "%s", run);
		run = profile;
		n = 1;
	}
}

static void print_nvidia_gpu(const json_t *gpu)
{
	const json_t *mig = ct_said(gpu, NULL, "mig"), *near;
	const char *virtualization = ct_page_text(gpu, NULL, "virtualization", "none");
	char line[CT_PAGE_TEXT] = "", bytes[CT_UNIT_TEXT];
	size_t i;

	if (json_is_true(ct_said(gpu, NULL, "lost"))) {
		ct_page_row(ct_page_member(gpu, "name", "?"), "GPU: lost (%s)",
			    ct_evidence(gpu, NULL, "lost"));
		return;
	}
	ct_page_part(line, "%s", ct_page_text(gpu, NULL, "model", "unknown model"));
	ct_page_part(line, "%s", ct_page_text(gpu, NULL, "pci", "unknown address"));
	if (ct_said(gpu, NULL, "memory_bytes"))
		ct_page_part(line, "%s", ct_page_size(gpu, NULL, "memory_bytes", bytes));
	ct_page_part(line, "compute mode %s", ct_page_text(gpu, NULL, "compute_mode", "unknown"));
	ct_page_part(line, "persistence %s", ct_page_text(gpu, NULL, "persistence", "unknown"));
	ct_page_part(line, "ECC %s", ct_page_yes_no(ct_said(gpu, NULL, "ecc")));
	if (ct_said(gpu, NULL, "power_limit_w"))
		ct_page_part(line, "%s W", ct_page_number(gpu, NULL, "power_limit_w", bytes));
	if (strcmp(virtualization, "none") != 0)
		ct_page_part(line, "virtualization %s", virtualization);
	ct_page_row(ct_page_member(gpu, "name", "?"), "GPU: %s", line);
	line[0] = '\0';
	if (json_is_true(mig))
		part_profiles(line, ct_said(gpu, NULL, "mig_devices"));
	if (mig)
		ct_page_row("", "MIG %s%s%s", json_is_true(mig) ? "on" : "off", line[0] ? ": " : "",
			    line);
	line[0] = '\0';
	json_array_foreach(json_object_get(gpu, "near"), i, near)
	{
		const char *distance = ct_page_member(near, "distance", "");

		if (strcmp(distance, "pix") == 0 || strcmp(distance, "pxb") == 0 ||
		    strcmp(distance, "board") == 0)
			ct_page_part(line, "%s %s", distance, ct_page_member(near, "to", "?"));
	}
	if (line[0])
		ct_page_row("", "nearest: %s", line);
}

static void print_gpus(const json_t *probe)
{
	char text[CT_UNIT_TEXT] = "unknown";
	const json_t *device;
	double cuda;
	size_t i;

	/* What NVML has told of a GPU is more than its PCI function does. */
	json_array_foreach(json_object_get(probe, "gpus"), i, device)
	{
		if (strcmp(ct_page_member(device, "maker", ""), "nvidia") == 0 &&
		    json_array_size(json_object_get(probe, "nvidia_gpus")) > 0)
			continue;
		ct_page_row(ct_page_member(device, "name", "?"), "GPU: %s [%s:%s], driver %s",
			    ct_page_member(device, "maker", "other"),
			    ct_page_member(device, "vendor", "?"),
			    ct_page_member(device, "device", "?"),
			    ct_page_member(device, "driver", "none"));
	}
	json_array_foreach(json_object_get(probe, "nvidia_gpus"), i, device)
	{
		print_nvidia_gpu(device);
	}
	if (json_array_size(json_object_get(probe, "nvidia_gpus")) == 0)
		return;
	/* 12040 is 12.4. */
	if (ct_said_number(probe, "nvml", "cuda", &cuda))
		snprintf(text, sizeof text, "%d.%d", (int)cuda / 1000, (int)cuda % 1000 / 10);
	ct_page_row("GPU driver", "%s, CUDA %s, MPS %s",
		    ct_page_text(probe, "nvml", "driver", "unknown"), text,
		    ct_page_yes_no(ct_said(probe, "nvidia", "mps")));
}

void ct_probe_page_devices(const json_t *probe)
{
	const json_t *device;
	char bytes[CT_UNIT_TEXT];
	size_t i;

	ct_page_heading("\nDevices");
	print_network(probe);
	print_rdma(probe);
	print_pci(probe);
	print_gpus(probe);
	json_array_foreach(json_object_get(probe, "block"), i, device)
	{
		ct_page_row(ct_page_member(device, "name", "?"), "block: %s, scheduler %s",
			    ct_format_size((double)integer(device, "bytes"), bytes),
			    ct_page_member(device, "scheduler", "none"));
	}
}
