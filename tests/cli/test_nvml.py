# SPDX-License-Identifier: Apache-2.0
"""GPUs as NVML tells them: a stand-in library, loaded as the real one would be."""
import json
import unittest
from pathlib import Path

from cotenant_test import COTENANT, USAGE, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin" / "libnvidia-ml.so.1"

SUITE = """
[suite]
name = gpu
replicates = 2
measure = 100ms
warmup = 0s
[tenant t]
shared = yes
[victim null]
[aggressor null]
[config c]
expect = WORD
"""


class Nvml(CotenantTest):
    def probe(self, machine, *arguments, library=STANDIN):
        result = self.cotenant("probe", "--json", *arguments, environment={
            "COTENANT_NVML": str(library), "COTENANT_STANDIN_NVML": machine})
        return self.assert_json(result, "cotenant.probe/1")

    def devices(self, machine, *arguments):
        return self.probe(machine, *arguments)["nvidia"]["devices"]["value"]

    def advice(self, machine):
        return " ".join(a["text"] for a in self.probe(machine)["advice"])

    def test_eight_gpus_of_which_two_are_cut(self):
        gpus = self.devices("mig")
        self.assertEqual(len(gpus), 8)
        self.assertEqual([g["mig"] for g in gpus], [True] * 2 + [False] * 6)
        self.assertEqual([m["profile"] for m in gpus[0]["mig_devices"]],
                         ["3g.40gb", "2g.20gb", "1g.10gb"])
        self.assertEqual([m["gpu_instance"] for m in gpus[1]["mig_devices"]], [1, 2, 3])
        self.assertEqual(gpus[2]["mig_devices"], [])
        self.assertEqual(gpus[0]["pci"], "0000:19:00.0")
        self.assertEqual(gpus[0]["power_limit_mw"], 700000)

    def test_a_mode_that_waits_for_a_reset_is_told(self):
        self.assertTrue(self.devices("mig")[2]["mig_pending"])
        self.assertIn("GPU 2", self.advice("mig"))

    def test_what_names_the_hardware_is_told_only_when_asked(self):
        self.assertNotIn("0000-4000-8000", json.dumps(self.probe("mig")))
        gpus = self.devices("mig", "--identify")
        self.assertTrue(gpus[0]["uuid"].startswith("GPU-"))
        self.assertTrue(gpus[0]["mig_devices"][0]["uuid"].startswith("MIG-"))

    def test_versions(self):
        nvidia = self.probe("whole")["nvidia"]
        self.assertEqual(nvidia["driver_version"]["value"], "580.65.06")
        self.assertEqual(nvidia["cuda_version"]["value"], "13.0")

    def test_a_function_that_a_library_lacks_leaves_its_value_out(self):
        self.assertNotIn("sm_clock_mhz", self.devices("whole")[0])

    def test_a_degraded_link_is_reported(self):
        self.assertIn("8 lanes and could have 16", self.advice("whole"))

    def test_a_gpu_that_fell_off_the_bus_is_told_and_the_other_is_whole(self):
        gpus = self.devices("lost")
        self.assertEqual(gpus[0]["name"], "NVIDIA H100 80GB HBM3")
        self.assertIn("GPU is lost", gpus[1]["error"])
        self.assertIn("GPU 1 does not answer", self.advice("lost"))

    def test_a_library_without_its_driver(self):
        devices = self.probe("nodriver")["nvidia"]["devices"]
        self.assertIsNone(devices["value"])
        self.assertIn("Driver Not Loaded", devices["evidence"])

    def test_a_library_that_is_not_there(self):
        devices = self.probe("whole", library="libno-such-nvml.so.1")["nvidia"]["devices"]
        self.assertIsNone(devices["value"])
        self.assertIn("libno-such-nvml.so.1: not found", devices["evidence"])

    def run_suite(self, machine, word):
        suite = self.file("g.ini", SUITE.replace("WORD", word))
        return self.cotenant("run", suite, "-q", "-o", self.folder / f"{machine}-{word}.h5",
                             environment={"COTENANT_NVML": str(STANDIN),
                                          "COTENANT_STANDIN_NVML": machine})

    def test_what_is_expected_is_held_against_it(self):
        for machine, word, good in (("mig", "mig", True), ("whole", "mig", False),
                                    ("vgpu", "vgpu", True), ("whole", "vgpu", False),
                                    ("whole", "timeslice", True), ("mig", "timeslice", False),
                                    ("whole", "green", True), ("whole", "mps", False)):
            with self.subTest(machine=machine, word=word):
                result = self.run_suite(machine, word)
                if good:
                    # `null` beside `null` may not load on a busy machine: that is not asked here.
                    self.assertNotIn("expect", result.stderr)
                    self.assertNotEqual(result.status, USAGE, str(result))
                else:
                    self.assert_refused(result, USAGE, f"expect = {word}")

    def test_the_page_shows_slices(self):
        page = self.cotenant("probe", environment={"COTENANT_NVML": str(STANDIN),
                                                   "COTENANT_STANDIN_NVML": "mig"})
        self.assert_good(page)
        self.assertIn("3g.40gb", page.stdout)


if __name__ == "__main__":
    unittest.main()
