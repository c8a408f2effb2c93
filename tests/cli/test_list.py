# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""`cotenant list`: what there is, as text and as cotenant.list/1."""
import unittest

from cotenant_test import USAGE, CotenantTest

VICTIMS = {"null", "mem_latency", "mem_bandwidth", "gemm_cpu", "spin", "wakeup", "vmexit",
           "syscall", "pagefault", "ipc", "tcp_rr", "udp_rr", "tcp_stream", "connect"}
AGGRESSORS = {"null", "membw", "llc", "tlb", "cpu", "mmap_churn", "ipi", "lock", "fork", "disk",
              "tcp_flood", "vf_flood", "vf_control", "vf_interrupts",
              "gpu_hbm", "gpu_l2", "gpu_sm", "gpu_pcie", "gpu_launch_flood", "gpu_alloc_churn",
              "gpu_power", "gpu_atomics"}
RESOURCES = {"core", "l1", "l2", "llc", "memory", "tlb", "interconnect", "scheduler", "kernel",
             "interrupt", "hypervisor", "network", "storage", "pcie", "power",
             "rdma", "gpu_sm", "gpu_l2", "gpu_memory", "gpu_front", "gpu_driver"}


class ListJson(CotenantTest):
    def setUp(self):
        super().setUp()
        self.list = self.assert_json(self.cotenant("list", "--json"), "cotenant.list/1")
        self.workloads = self.list["victims"] + self.list["aggressors"]

    def test_has_every_victim_and_aggressor(self):
        self.assertLessEqual(VICTIMS, {victim["name"] for victim in self.list["victims"]})
        self.assertLessEqual(AGGRESSORS, {noise["name"] for noise in self.list["aggressors"]})

    def test_names_are_unique(self):
        for kind in ("victims", "aggressors"):
            names = [workload["name"] for workload in self.list[kind]]
            self.assertEqual(len(names), len(set(names)), kind)

    def test_every_workload_describes_itself(self):
        for workload in self.workloads:
            with self.subTest(workload=workload["name"]):
                self.assertGreaterEqual(set(workload), {"name", "summary", "unit", "params",
                                                        "stresses", "available", "why"})
                self.assertRegex(workload["name"], r"\A[a-z][a-z0-9_]*\Z")
                self.assertRegex(workload["summary"], r"\A\S[^\n]{8,}[^.\n]\Z")
                self.assertTrue(workload["unit"])

    def test_every_parameter_can_be_set_in_a_job_file(self):
        """`kind` and the other keys of a section would never reach a parameter of the same name."""
        for workload in self.workloads:
            with self.subTest(workload=workload["name"]):
                names = {param["name"] for param in workload["params"]}
                self.assertFalse(names & {"kind", "of", "tenant", "peer", "peers"})

    def test_stresses_are_known_resources(self):
        for workload in self.workloads:
            with self.subTest(workload=workload["name"]):
                self.assertLessEqual(set(workload["stresses"]), RESOURCES)
                if workload["name"] != "null":
                    self.assertTrue(workload["stresses"])

    def test_what_can_not_run_says_why(self):
        for workload in self.workloads:
            with self.subTest(workload=workload["name"]):
                self.assertIsInstance(workload["available"], bool)
                if workload["available"]:
                    self.assertIsNone(workload["why"])
                else:
                    self.assertRegex(workload["why"], r"\A\S[^\n]{8,}\Z")

    def test_parameters_have_defaults_inside_their_range(self):
        for workload in self.workloads:
            for param in workload["params"]:
                with self.subTest(workload=workload["name"], param=param["name"]):
                    self.assertGreaterEqual(set(param), {"name", "unit", "default", "min", "max",
                                                         "help"})
                    self.assertRegex(param["help"], r"\A\S[^\n]*[^.\n]\Z")
                    if isinstance(param["default"], (int, float)):
                        if param["min"] is not None:
                            self.assertLessEqual(param["min"], param["default"])
                        if param["max"] is not None:
                            self.assertLessEqual(param["default"], param["max"])


class ListText(CotenantTest):
    def test_both_kinds_by_default(self):
        text = self.cotenant("list").stdout
        for name in VICTIMS | AGGRESSORS:
            self.assertRegex(text, rf"(?m)^\s*{name}\b")

    def test_one_kind_on_request(self):
        victims = self.cotenant("list", "victims").stdout
        self.assertRegex(victims, r"(?m)^\s*mem_latency\b")
        self.assertNotRegex(victims, r"(?m)^\s*membw\b")
        aggressors = self.cotenant("list", "aggressors").stdout
        self.assertRegex(aggressors, r"(?m)^\s*membw\b")
        self.assertNotRegex(aggressors, r"(?m)^\s*mem_latency\b")

    def test_unknown_kind_is_refused(self):
        self.assert_refused(self.cotenant("list", "victimz"), USAGE, "victimz", "victims")


if __name__ == "__main__":
    unittest.main()
