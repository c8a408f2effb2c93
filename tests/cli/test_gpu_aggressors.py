# SPDX-License-Identifier: Apache-2.0
"""GPU aggressors through the real dlopen path, against the stand-in for NVIDIA's driver that runs the
CPU references of our kernels (tests/standin/cuda). Rates here are those of a CPU and prove nothing;
that every aggressor works, is held at an intensity, and ends clearly when the driver fails is tested.
"""
import re
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, USAGE, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin" / "libcuda.so.1"

# Every aggressor and every way it can go, in sizes that a CPU can do.
AGGRESSORS = [
    ["gpu_hbm", "footprint=1M", "op=read"],
    ["gpu_hbm", "footprint=1M", "op=write"],
    ["gpu_hbm", "footprint=2M", "op=copy", "sms=1"],
    ["gpu_l2", "footprint=64K"],
    ["gpu_sm", "unit=fma", "sms=1"],
    ["gpu_sm", "unit=tensor"],
    ["gpu_sm", "unit=sfu", "sms=1"],
    ["gpu_pcie", "footprint=1M", "direction=h2d"],
    ["gpu_pcie", "footprint=1M", "direction=d2h"],
    ["gpu_pcie", "footprint=1M", "direction=both"],
    ["gpu_launch_flood"],
    ["gpu_launch_flood", "op=memset"],
    ["gpu_launch_flood", "op=memcpy", "bytes=1K"],
    ["gpu_alloc_churn", "footprint=64K"],
    ["gpu_alloc_churn", "op=context"],
    ["gpu_power", "footprint=1M"],
    ["gpu_atomics", "counters=1"],
    ["gpu_atomics", "stride=4", "sms=1"],
]

# Calls that each makes: while it is set up (the first time), and while it loads (later).
FAILURES = [
    ("gpu_hbm footprint=1M", "cuMemAlloc", 1),
    ("gpu_hbm footprint=1M", "cuMemAlloc", 2),
    ("gpu_hbm footprint=1M", "cuLaunchKernel", 4),
    ("gpu_hbm footprint=1M", "cuEventSynchronize", 50),
    ("gpu_hbm footprint=1M", "cuModuleLoadData", 1),
    ("gpu_hbm footprint=1M", "cuEventCreate", 2),
    ("gpu_l2 footprint=64K", "cuLaunchKernel", 100),
    ("gpu_l2 footprint=64K", "cuStreamSynchronize", 2),
    ("gpu_sm sms=1", "cuEventRecord", 30),
    ("gpu_sm sms=1", "cuModuleGetFunction", 1),
    ("gpu_pcie footprint=1M", "cuMemHostAlloc", 2),
    ("gpu_pcie footprint=1M", "cuMemcpyHtoDAsync", 60),
    ("gpu_pcie footprint=1M", "cuMemcpyDtoHAsync", 60),
    ("gpu_pcie footprint=1M", "cuEventRecord", 60),
    ("gpu_pcie footprint=1M", "cuEventQuery", 60),
    ("gpu_pcie footprint=1M", "cuEventCreate", 5),
    ("gpu_pcie footprint=1M", "cuStreamCreateWithPriority", 3),
    ("gpu_pcie footprint=1M direction=d2h", "cuMemcpyDtoHAsync", 60),
    ("gpu_launch_flood", "cuLaunchKernel", 5000),
    ("gpu_launch_flood op=memset", "cuMemsetD8Async", 5000),
    ("gpu_launch_flood op=memcpy", "cuMemcpyDtoDAsync", 5000),
    ("gpu_alloc_churn footprint=64K", "cuMemAlloc", 40),
    ("gpu_alloc_churn footprint=64K", "cuMemFree", 40),
    ("gpu_alloc_churn op=context", "cuCtxCreate", 40),
    ("gpu_power footprint=1M", "cuLaunchKernel", 60),
    ("gpu_atomics sms=1", "cuLaunchKernel", 60),
    ("gpu_atomics sms=1", "cuCtxSetCurrent", 2),
]
OUT_OF_MEMORY = (2, "out of memory (CUDA_ERROR_OUT_OF_MEMORY)")
LOST = (719, "unspecified launch failure (CUDA_ERROR_LAUNCH_FAILED)")

SUITE = """[suite]
name = gpu
replicates = 2
warmup = 20ms
measure = 100ms
epoch = 10ms
[tenant victim]
cpus = machine
shared = yes
[tenant neighbour]
cpus = machine
shared = yes
[victim quiet]
kind = null
tenant = victim
[aggressor copies]
kind = gpu_hbm
tenant = neighbour
footprint = 1M
intensity = 10
[aggressor none]
kind = null
tenant = neighbour
intensity = 50
"""


class GpuAggressors(CotenantTest):
    """Against the stand-in."""

    def driver(self, fail="", machine="gpus=1 sms=2"):
        """The stand-in, as this machine, with these failures. It runs kernels by their names, so any
        file does as the image: a program that was built without nvcc is tested as well."""
        return {"COTENANT_CUDA": str(STANDIN), "COTENANT_CUDA_STANDIN": machine,
                "COTENANT_CUDA_FAIL": fail,
                "COTENANT_KERNELS": str(self.file("kernels.ptx", ".version 7.4\n"))}

    def noise(self, *words, time="60ms", **driver):
        """One aggressor alone."""
        return self.cotenant("noise", *words, "-t", time, "--json",
                             environment=self.driver(**driver))

    def test_every_aggressor_works(self):
        """It does work, in its own unit, and ends well."""
        for words in AGGRESSORS:
            with self.subTest(" ".join(words)):
                value = self.assert_json(self.noise(*words, time="300ms"), "cotenant.noise/1")
                self.assertGreater(value["rate"], 0)

    def test_what_fails_is_told_in_the_drivers_words(self):
        """Each call, with an error of its own and with one that loses the context."""
        for words, call, at in FAILURES:
            for status, text in (OUT_OF_MEMORY, LOST):
                with self.subTest(f"{words}: {call}:{at}:{status}"):
                    result = self.noise(*words.split(), time="5s", fail=f"{call}:{at}:{status}")
                    self.assert_refused(result, ENVIRONMENT, f"{call}: {text}", words.split()[0])

    def test_bad_parameters_are_usage(self):
        """Before the device does anything."""
        for words, text in [
                (["gpu_atomics", "stride=6"], "multiple of 4"),
                (["gpu_hbm", "footprint=1K"], "footprint"),
                (["gpu_sm", "unit=int8"], "unit"),
                (["gpu_sm", "gpu=3"], "the driver shows 1 GPU here"),
                (["gpu_sm", "threads=2"], "at most 1")]:
            with self.subTest(" ".join(words)):
                self.assert_refused(self.noise(*words), USAGE, text)

    def test_a_cache_that_the_driver_does_not_know(self):
        """gpu_l2 can't guess; a size that is too large for the device fails with the driver's words."""
        result = self.noise("gpu_hbm", "footprint=64G")
        self.assert_refused(result, ENVIRONMENT, "gpu_hbm", "68719476736 bytes", "out of memory")

    def test_a_part_of_the_gpu(self):
        """A green context and a priority reach aggressors through `gpu`."""
        value = self.noise("gpu_hbm", "footprint=1M", "gpu=0/sms:8-15/priority:low",
                           machine="gpus=1 sms=16")
        self.assert_json(value, "cotenant.noise/1")

    def test_an_intensity_is_held(self):
        """In a campaign a tenth of the solo maximum is asked for, and not more is done; less where the
        CPUs, which do a GPU's work here, are busy."""
        out = self.folder / "gpu.h5"
        result = self.cotenant("run", self.file("gpu.ini", SUITE), "-o", out, "--seed", "1",
                               environment=self.driver())
        self.assert_good(result)
        self.assert_good(self.cotenant("validate", out))
        shown = self.cotenant("show", out)
        self.assert_good(shown)
        achieved = re.findall(r"copies +10 % +([0-9.]+) %", shown.stdout)
        if not achieved:
            self.assertIn("did not load", shown.stdout)
            self.skipTest("this machine is too busy to be a GPU as well")
        self.assertTrue(0 < float(achieved[0]) <= 20, shown.stdout)

    def test_a_campaign_goes_on_when_an_aggressor_fails(self):
        """The other aggressor's cells are measured, and the file is valid."""
        out = self.folder / "gpu.h5"
        result = self.cotenant("run", self.file("gpu.ini", SUITE), "-o", out, "--seed", "1",
                               environment=self.driver(fail="cuMemAlloc:1:2"))
        self.assertIn("cuMemAlloc: out of memory", result.stderr)
        self.assertIn(result.status, (0, ENVIRONMENT), str(result))
        self.assert_good(self.cotenant("validate", out))
        self.assertIn("quiet", self.cotenant("show", out).stdout)

    def test_without_a_driver_or_kernels_the_reason_is_told(self):
        """Exit 4 and one sentence."""
        result = self.cotenant("noise", "gpu_pcie", "-t", "50ms",
                               environment={"COTENANT_CUDA": "/nowhere/libcuda.so.1"})
        self.assert_refused(result, ENVIRONMENT, "no NVIDIA driver")
        environment = self.driver()
        environment["COTENANT_KERNELS"] = str(self.folder / "absent.ptx")
        result = self.cotenant("noise", "gpu_sm", "-t", "50ms", environment=environment)
        self.assert_refused(result, ENVIRONMENT, "absent.ptx")


if __name__ == "__main__":
    unittest.main()
