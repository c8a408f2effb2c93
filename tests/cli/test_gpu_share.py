# SPDX-License-Identifier: Apache-2.0
"""What tenants really have of a GPU is read back from the driver, kept in the file, held to what the
config promises and compared from block to block. Against stand-ins of driver and NVML.
"""
import json
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, ROOT, USAGE, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin"
SUITE = """[suite]
name = share
replicates = 2
warmup = 10ms
measure = 60ms
recovery = 10ms
epoch = 20ms
[tenant victim]
cpus = pu:0
shared = yes
{victim_keys}
[tenant neighbour]
cpus = pu:0
shared = yes
gpu = 0
[victim gpu_copy]
size = 4K
[aggressor gpu_alloc_churn]
footprint = 64K
intensity = 10
"""
CONFIGS = """
[config whole]
expect = timeslice
[config green]
expect = green
tenant.victim.gpu = 0/sms:0-63
tenant.neighbour.gpu = 0/sms:64-127
"""
# Its GPU has another number of multiprocessors the last time that the tenant's worker is started.
CHANGES = """#!/bin/sh
echo >>"{folder}/starts"
[ "$(wc -l <"{folder}/starts")" -ne {last} ] || export COTENANT_CUDA_STANDIN="sms=66"
exec "$@"
"""


def machine(text="sms=132"):
    """A machine with an H200 of this many multiprocessors."""
    return {"COTENANT_CUDA": str(STANDIN / "libcuda.so.1"), "COTENANT_CUDA_STANDIN": text,
            "COTENANT_NVML": str(STANDIN / "libnvidia-ml.so.1"),
            "COTENANT_NVML_STANDIN": str(ROOT / "tests" / "fixtures" / "nvml" / "h200.txt")}


class Share(CotenantTest):
    def run_suite(self, text, environment=None):
        self.result = self.folder / "share.h5"
        self.result.unlink(missing_ok=True)
        return self.cotenant("run", self.file("share.ini", text), "-o", self.result, "--seed", "3",
                             environment=environment or machine())

    def placement(self):
        import h5py
        with h5py.File(self.result) as file:
            return json.loads(file["placement/json"][()].decode())

    def test_what_tenants_have_is_stored_and_shown(self):
        run = self.run_suite(SUITE.format(victim_keys="gpu = 0/priority:high") + CONFIGS)
        self.assertIn(run.status, (0, ENVIRONMENT), str(run))  # 4: where the load did not come
        placement = self.placement()
        whole, green = (placement[c]["victim"]["gpu"] for c in ("whole", "green"))
        self.assertEqual((whole["sms"], whole["all_sms"], whole["mig"], whole["mps"]),
                         (132, 132, False, False))
        self.assertLess(whole["priority"], 0)
        self.assertNotIn("green", whole)
        self.assertEqual((green["sms"], green["green"]["first_sm"]), (64, 0))
        neighbour = placement["green"]["neighbour"]["gpu"]
        self.assertEqual((neighbour["sms"], neighbour["green"]["first_sm"]), (64, 64))
        self.assertNotIn("uuid", json.dumps(placement))
        self.assert_good(self.cotenant("validate", self.result))
        shown = self.cotenant("show", self.result).stdout
        for words in ("all 132 multiprocessors", "a green context of 64 of 132 multiprocessors",
                      "victim and neighbour use it in turns (time-slicing)",
                      "also on multiprocessors of their own"):
            self.assertIn(words, shown)

    def test_mps_that_is_in_force_is_stored_and_is_no_time_slicing(self):
        run = self.run_suite(SUITE.format(victim_keys="gpu = 0/mps:50%") + "[config c]\n",
                             machine("sms=132 mps=1 mps_sms=66"))
        self.assertIn(run.status, (0, ENVIRONMENT), str(run))
        gpu = self.placement()["c"]["victim"]["gpu"]
        self.assertEqual((gpu["mps"], gpu["mps_percent"], gpu["sms"]), (True, 50, 66))
        self.assertIn("side by side through MPS", self.cotenant("show", self.result).stdout)
        run = self.run_suite(SUITE.format(victim_keys="gpu = 0/mps:50%")
                             + "[config c]\nexpect = timeslice\n",
                             machine("sms=132 mps=1 mps_sms=66"))
        self.assert_refused_last(run, "expect = timeslice", "tenant 'victim'", "does not take turns")

    def test_analyze_tells_one_gpu_from_two(self):
        """By what the file holds of them, which is no UUID."""
        run = self.run_suite(
            SUITE.format(victim_keys="gpu = 0").replace("[victim gpu_copy]\nsize = 4K", "[victim gpu_launch]")
            + "[config one]\n[config two]\ntenant.neighbour.gpu = 1\n",
            {**machine("gpus=2 sms=4"), "COTENANT_NVML": ""})
        self.assertIn(run.status, (0, ENVIRONMENT), str(run))
        cells = self.assert_json(self.cotenant("analyze", self.result, "--json", "-"),
                                 "cotenant.analysis/1")["cells"]
        for config, shared in (("one", True), ("two", False)):
            tree = next(cell["tree"] for cell in cells if cell["config"] == config)
            self.assertIn("gpu_front", tree["common"])
            self.assertEqual("gpu_front" in tree["carriers"], shared, config)

    def assert_refused_last(self, run, *words):
        """Refused with these words; steps may have been told before."""
        self.assertEqual(run.status, USAGE, str(run))
        for word in words:
            self.assertIn(word, run.stderr.splitlines()[-1])

    def test_a_config_that_promises_a_cut_must_have_it(self):
        for expect, words in (("green", "it has no green context"),
                              ("mig", "its GPU is no MIG device")):
            run = self.run_suite(SUITE.format(victim_keys="gpu = 0")
                                 + f"[config c]\nexpect = {expect}\n")
            self.assert_refused_last(run, "config 'c'", "tenant 'victim'", words,
                                     "all 132 multiprocessors")

    def test_what_changes_between_blocks_fails_the_block_with_its_cause(self):
        last = 0
        for status in ((0, ENVIRONMENT), (ENVIRONMENT,)):  # how often it is started, then the last
            launcher = self.file("launcher", CHANGES.format(folder=self.folder, last=last))
            launcher.chmod(0o755)
            run = self.run_suite(SUITE.format(victim_keys=f"via = {launcher}"))
            self.assertIn(run.status, status, str(run))
            last = len((self.folder / "starts").read_text().splitlines())
            (self.folder / "starts").unlink()
        import h5py
        with h5py.File(self.result) as file:
            failed = [m.decode() for s, m in zip(file["blocks/status"][:],
                                                 file["blocks/message"][:]) if s == 1]
        self.assertEqual(len(failed), 1, failed)
        self.assertIn("multiprocessors was 132 when the campaign began, now it is 66", failed[0])


if __name__ == "__main__":
    unittest.main()
