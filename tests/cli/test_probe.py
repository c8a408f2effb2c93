# SPDX-License-Identifier: Apache-2.0
"""`cotenant probe`: this machine, and recorded ones (tests/fixtures/probe)."""
import json
import unittest

from cotenant_test import ROOT, USAGE, CotenantTest

FIXTURES = ROOT / "tests" / "fixtures" / "probe"
MACHINES = ("bare-metal", "kvm", "firecracker", "broken")


class ThisMachine(CotenantTest):
    def setUp(self):
        super().setUp()
        self.probe = self.assert_json(self.cotenant("probe", "--json"), "cotenant.probe/1")

    def test_has_the_sections_that_are_promised(self):
        self.assertLessEqual({"kernel", "distribution", "cpu", "caches", "frequency", "topology",
                              "memory", "huge_pages", "clocksource", "hypervisor", "container",
                              "cgroup", "namespaces", "process", "perf", "mitigations", "network",
                              "block", "rdma", "gpus", "sriov", "nvidia", "advice", "clock",
                              "victims", "aggressors"}, set(self.probe))

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
        for section in ("network", "block", "rdma", "gpus", "sriov", "advice"):
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


class BadUse(CotenantTest):
    def test_is_refused(self):
        self.assert_refused(self.cotenant("probe", "--root", "/no/such"), USAGE, "/no/such")
        self.assert_refused(self.cotenant("probe", "--root", __file__), USAGE, "not a folder")
        self.assert_refused(self.cotenant("probe", "--root"), USAGE, "needs a value")
        self.assert_refused(self.cotenant("probe", "--nosuch"), USAGE, "--nosuch")
        self.assert_refused(self.cotenant("probe", "extra"), USAGE, "'extra'")


if __name__ == "__main__":
    unittest.main()
