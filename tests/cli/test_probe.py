# SPDX-License-Identifier: Apache-2.0
"""`cotenant probe`: this machine, and recorded ones (tests/fixtures/probe)."""
import json
import unittest
from pathlib import Path

import jsonschema

from cotenant_test import COTENANT, ROOT, USAGE, CotenantTest

FIXTURES = ROOT / "tests" / "fixtures" / "probe"
MACHINES = ("bare-metal", "kvm", "firecracker", "broken")
# What `make` builds for tests: machines (tests/fixtures/probe/make.py), a library in NVML's place.
BUILT = Path(COTENANT).resolve().parent / "tests"
MADE = BUILT / "fixtures" / "probe"
STANDIN = BUILT / "standin" / "libnvidia-ml.so.1"


def answers(name):
    """The environment in which GPUs answer from tests/fixtures/nvml."""
    return {"COTENANT_NVML": str(STANDIN),
            "COTENANT_NVML_STANDIN": str(ROOT / "tests" / "fixtures" / "nvml" / f"{name}.txt")}


class ThisMachine(CotenantTest):
    def setUp(self):
        super().setUp()
        self.probe = self.assert_json(self.cotenant("probe", "--json"), "cotenant.probe/1")

    def test_has_the_sections_that_are_promised(self):
        self.assertLessEqual({"kernel", "distribution", "cpu", "caches", "frequency", "topology",
                              "memory", "huge_pages", "clocksource", "hypervisor", "container",
                              "cgroup", "namespaces", "process", "perf", "mitigations", "network",
                              "block", "rdma", "gpus", "sriov", "nvidia", "advice", "clock",
                              "victims", "aggressors", "pci", "numa", "interrupts", "resctrl",
                              "daemons", "nvml", "nvidia_gpus"}, set(self.probe))

    def test_every_statement_has_evidence(self):
        def walk(value, path):
            if isinstance(value, list):
                for i, one in enumerate(value):
                    walk(one, f"{path}[{i}]")
            elif isinstance(value, dict):
                if "value" in value:
                    self.assertTrue(value.get("evidence"), path)
                    return
                for key, one in value.items():
                    walk(one, f"{path}.{key}")

        walk(self.probe, "")
        for section in ("network", "block", "rdma", "gpus", "sriov", "pci", "numa",
                        "nvidia_gpus", "advice"):
            for entry in self.probe[section]:
                self.assertTrue(entry["evidence"], section)

    def test_workloads_that_can_not_run_say_why(self):
        for workload in self.probe["victims"] + self.probe["aggressors"]:
            with self.subTest(workload=workload["name"]):
                self.assertIsInstance(workload["available"], bool)
                self.assertEqual(workload["why"] is None, workload["available"])

    def test_clock_is_measured(self):
        clock = self.probe["clock"]
        self.assertIn(clock["source"], ("tsc", "cntvct", "clock_gettime"))
        self.assertGreater(clock["resolution_ns"], 0)
        self.assertGreater(clock["cost_ns"], 0)

    def test_names_the_machine_only_when_asked(self):
        named = self.assert_json(self.cotenant("probe", "--json", "--identify"),
                                 "cotenant.probe/1")
        self.assertNotIn("hostname", self.probe["kernel"])
        self.assertFalse(any("mac" in device for device in self.probe["network"]))
        self.assertIn("hostname", named["kernel"])

    def test_page_has_its_headings(self):
        page = self.cotenant("probe")
        self.assert_good(page)
        self.assertEqual(page.stderr, "")
        for heading in ("Machine", "Between this process and the hardware", "Kernel", "Devices",
                        "Locations", "Clock of the measurements", "Can run here"):
            self.assertIn(heading + "\n", page.stdout)


class RecordedMachines(CotenantTest):
    def test_each_gives_a_page_and_one_json_object(self):
        for machine in MACHINES:
            with self.subTest(machine=machine):
                page = self.cotenant("probe", "--root", FIXTURES / machine)
                self.assert_good(page)
                self.assertTrue(page.stdout.startswith("Machine\n"), str(page))
                self.assertTrue(page.stdout.isascii() and "\x1b" not in page.stdout)
                self.assert_json(self.cotenant("probe", "--json", "--root", FIXTURES / machine),
                                 "cotenant.probe/1")

    def test_nothing_of_this_machine_is_mixed_in(self):
        probe = json.loads(self.cotenant("probe", "--json", "--root",
                                         FIXTURES / "bare-metal").stdout)
        self.assertFalse({"clock", "victims", "aggressors"} & set(probe))
        self.assertNotIn("locations", probe["topology"])
        self.assertIs(probe["hypervisor"]["present"]["value"], False)

    def test_page_says_what_matters(self):
        page = self.cotenant("probe", "--root", FIXTURES / "bare-metal").stdout
        for words in ("packages 2, cores 4, CPUs 8, NUMA nodes 2, SMT on", "isolated 3,7",
                      "2 MiB: 500 of 512 free", "CPU limit 4.00 CPUs, memory limit 8 GiB",
                      "vulnerable to  mmio_stale_data", "400 Gbit/s, 2 of 8 virtual functions",
                      "virtual function of 0000:41:00.0", "governor is powersave"):
            self.assertIn(words, page)
        page = self.cotenant("probe", "--root", FIXTURES / "kvm").stdout
        self.assertIn("hypervisor     kvm, run by qemu\n", page)
        self.assertIn("container      docker\n", page)


class MadeMachines(CotenantTest):
    def probe(self, machine, gpus=None, arguments=()):
        environment = answers(gpus) if gpus else {"COTENANT_NVML": ""}
        return self.assert_json(self.cotenant("probe", "--json", "--root", MADE / machine,
                                              *arguments, environment=environment),
                                "cotenant.probe/1")

    def page(self, machine, gpus=None):
        environment = answers(gpus) if gpus else {"COTENANT_NVML": ""}
        page = self.cotenant("probe", "--root", MADE / machine, environment=environment)
        self.assert_good(page)
        self.assertEqual(page.stderr, "")
        return page.stdout

    def test_a_mig_node(self):
        page = self.page("mig-node", "mig-node")
        for words in ("gpu0           GPU: NVIDIA H100 80GB HBM3, 0000:1b:00.0, 79.6 GiB, compute "
                      "mode default", "MIG on: 7 x 1g.10gb\n",
                      "MIG on: 1c.3g.40gb, 2c.3g.40gb, 4g.40gb\n", "nearest: pix nic0\n",
                      "GPU driver     550.54.15, CUDA 12.4, MPS no\n"):
            self.assertIn(words, page)
        self.assertNotIn("GPU-0", page)
        probe = self.probe("mig-node", "mig-node", ["--identify"])
        self.assertEqual(probe["nvidia_gpus"][1]["uuid"]["value"],
                         "GPU-00000001-1111-2222-3333-444444444444")

    def test_a_lost_gpu_is_on_the_page_and_in_the_advice(self):
        page = self.page("mps-left", "lost")
        self.assertIn("gpu1           GPU: lost (nvmlDeviceGetHandleByIndex_v2: GPU is lost", page)
        self.assertIn("gpu1 has fallen off the bus", page)

    def test_sriov_cards(self):
        page = self.page("sriov-nic")
        for words in ("RDMA: mlx5_core, firmware 28.39.1002, on ens1f0v0, virtual function of "
                      "0000:41:00.0, port 1 ACTIVE (400 Gb/sec (4X NDR), Ethernet, 2 GIDs)",
                      "SR-IOV         virtual functions 16\n",
                      "slow links     0000:a1:00.0 at 16 GT/s x8 of 32 GT/s x16",
                      "and 5 more network devices: see --json",
                      "on isolated CPUs 0000:41:00.0 on 9; irqbalance yes",
                      "resctrl is mounted, L3 has 15 ways and 15 classes"):
            self.assertIn(words, page)

    def test_functions_that_answer_for_each_other(self):
        """ens1f0v3 is up too, and answers only for itself."""
        machine = self.probe("sriov-nic")
        advice = [entry for entry in machine["advice"]
                  if "answer for each other" in entry["text"]]
        self.assertEqual(len(advice), 1)
        self.assertIn("ens1f0v0 and ens1f0v5 are functions of one PF", advice[0]["text"])
        self.assertIn("arp_ignore", advice[0]["evidence"])
        ignore = {device["name"]: device["arp_ignore"] for device in machine["network"]}
        self.assertEqual([ignore["ens1f0v0"], ignore["ens1f0v3"]], [0, 1])

    def test_a_vgpu_guest(self):
        page = self.page("vgpu-guest", "vgpu-guest")
        self.assertIn("paravirtual clock kvm-clock, steal reported yes, may run guests yes", page)
        self.assertIn("NVIDIA A40-8Q, 0000:06:00.0, 8 GiB", page)
        self.assertIn("virtualization vgpu\n", page)

    def test_gpus_of_a_recording_are_asked_only_by_name(self):
        self.assertEqual(self.probe("mig-node")["nvidia_gpus"], [])
        self.assertEqual(self.probe("mig-node")["nvml"]["loaded"]["evidence"],
                         "not asked: a recording")

    def test_a_library_that_is_not_there_is_no_failure(self):
        result = self.cotenant("probe", "--json", environment={"COTENANT_NVML": "/no/libx.so"})
        loaded = self.assert_json(result, "cotenant.probe/1")["nvml"]["loaded"]
        self.assertIs(loaded["value"], False)
        self.assertIn("/no/libx.so", loaded["evidence"])

    def test_this_machine_answers_through_the_library_that_is_named(self):
        result = self.cotenant("probe", "--json", environment=answers("mps-node"))
        gpus = self.assert_json(result, "cotenant.probe/1")["nvidia_gpus"]
        self.assertEqual([gpu["compute_mode"]["value"] for gpu in gpus], ["exclusive-process"])

    def test_what_it_says_keeps_to_the_schema(self):
        schema = json.loads((ROOT / "results-schema" / "probe.schema.json").read_text())
        for gpus in ("mig-node", "vgpu-guest", "lost", "no-driver"):
            with self.subTest(gpus=gpus):
                result = self.cotenant("probe", "--json", environment=answers(gpus))
                jsonschema.validate(self.assert_json(result, "cotenant.probe/1"), schema)
        # What belongs to the running machine is not in a recording.
        schema["required"] = [name for name in schema["required"]
                              if name not in ("victims", "aggressors", "clock")]
        for machine in ("sriov-nic", "mig-node", "vgpu-guest"):
            with self.subTest(machine=machine):
                jsonschema.validate(self.probe(machine, "mig-node"), schema)


class Expectations(CotenantTest):
    """`cotenant run` asks the same library before anything runs."""

    SUITE = """
[suite]
name = gpu
replicates = 2
warmup = 10ms
measure = 200ms
recovery = 10ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:0
shared = yes
[victim null]
[aggressor null]
[config sliced]
expect = {}
"""

    def run_suite(self, word, gpus):
        suite = self.file(f"{word}.ini", self.SUITE.format(word))
        return self.cotenant("run", suite, "-o", self.folder / f"{word}-{gpus}.h5", "-q",
                             environment=answers(gpus) if gpus else {"COTENANT_NVML": ""})

    def test_what_is_missing_is_said(self):
        self.assert_refused(self.run_suite("mig", "no-driver"), USAGE, "expect = mig",
                            "the driver is not loaded")
        self.assert_refused(self.run_suite("mig", "mps-node"), USAGE,
                            "MIG mode is off (nvmlDeviceGetMigMode of gpu0)")
        self.assert_refused(self.run_suite("vgpu", "mps-node"), USAGE,
                            "nvmlDeviceGetVirtualizationMode says none")
        self.assert_refused(self.run_suite("timeslice", "mps-node"), USAGE,
                            "compute mode exclusive-process")
        self.assertEqual(list(self.folder.glob("*.h5")), [])

    def test_what_is_in_force_is_let_through(self):
        for word, gpus in (("mig", "mig-node"), ("vgpu", "vgpu-guest"), ("mps", "mps-node"),
                           ("timeslice", "h200"), ("green", "mig-node")):
            with self.subTest(word=word):
                result = self.run_suite(word, gpus)
                # `null` beside `null` may not load on a busy machine: that is not asked here.
                self.assertNotIn("expect", result.stderr)
                self.assertNotEqual(result.status, USAGE, str(result))


class BadUse(CotenantTest):
    def test_is_refused(self):
        self.assert_refused(self.cotenant("probe", "--root", "/no/such"), USAGE, "/no/such")
        self.assert_refused(self.cotenant("probe", "--root", __file__), USAGE, "not a folder")
        self.assert_refused(self.cotenant("probe", "--root"), USAGE, "needs a value")
        self.assert_refused(self.cotenant("probe", "--nosuch"), USAGE, "--nosuch")
        self.assert_refused(self.cotenant("probe", "extra"), USAGE, "'extra'")


if __name__ == "__main__":
    unittest.main()
