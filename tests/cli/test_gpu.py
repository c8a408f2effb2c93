# SPDX-License-Identifier: Apache-2.0
"""GPU victims through the real dlopen path, against a stand-in for NVIDIA's driver that runs the
CPU references of our kernels (tests/standin/cuda). Times here are those of a CPU and prove nothing;
that every victim runs, checks its results and ends clearly when the driver fails is what is tested.
"""
import json
import subprocess
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, ROOT, USAGE, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin" / "libcuda.so.1"
MACHINE = "gpus=2 sms=4"

# Sizes that a CPU can do; every victim, and every way it can go.
VICTIMS = [
    ["gpu_launch"],
    ["gpu_launch", "seen=device", "wait=block"],
    ["gpu_copy", "size=64K"],
    ["gpu_copy", "size=4K", "direction=d2h", "host=pageable"],
    ["gpu_alloc", "size=64K"],
    ["gpu_alloc", "size=64K", "call=free"],
    ["gpu_alloc", "size=64K", "call=host"],
    ["gpu_alloc", "call=context"],
    ["gpu_spin", "work=100"],
    ["gpu_chase", "loads=256", "working_set=64K"],
    ["gpu_chase", "loads=256", "working_set=1M", "load=strong", "seen=device"],
    ["gpu_gemm", "m=128", "n=256", "k=32"],
    ["gpu_gemm", "m=128", "n=128", "k=16", "precision=fp32"],
    ["gpu_gemm", "m=128", "n=256", "k=32", "precision=tf32"],
    ["gpu_gemm", "m=128", "n=256", "k=32", "precision=fp16"],
    ["gpu_decode", "layers=1", "hidden=64", "context=32", "vocabulary=64", "batch=2"],
    ["gpu_p2p", "size=64K"],
]

# A call that each victim makes while it measures, and one while it prepares.
FAILURES = [
    (["gpu_launch"], "cuLaunchKernel", 200),
    (["gpu_launch"], "cuStreamSynchronize", 300),
    (["gpu_copy", "size=4K"], "cuMemcpyHtoDAsync", 200),
    (["gpu_copy", "size=4K"], "cuMemHostRegister", 1),
    (["gpu_alloc", "size=4K"], "cuMemAlloc", 50),
    (["gpu_spin", "work=100"], "cuStreamQuery", 1),
    (["gpu_spin", "work=100"], "cuMemHostAlloc", 1),
    (["gpu_chase", "working_set=64K"], "cuLaunchKernel", 300),
    (["gpu_chase", "working_set=64K"], "cuMemcpyHtoD", 1),
    (["gpu_gemm", "m=128", "n=256", "k=32"], "cuLaunchKernel", 6),
    (["gpu_gemm", "m=128", "n=256", "k=32"], "cuModuleLoadData", 1),
    (["gpu_gemm", "m=128", "n=256", "k=32"], "cuEventElapsedTime", 2),
    (["gpu_decode", "layers=1", "hidden=64", "context=32", "vocabulary=64"], "cuGraphLaunch", 9),
    (["gpu_decode", "layers=1", "hidden=64", "context=32", "vocabulary=64"],
     "cuGraphInstantiateWithFlags", 1),
    (["gpu_decode", "layers=1", "hidden=64", "context=32", "vocabulary=64"], "cuLaunchKernel", 7),
    (["gpu_p2p", "size=4K"], "cuMemcpyPeerAsync", 99),
    (["gpu_p2p", "size=4K"], "cuCtxEnablePeerAccess", 1),
]
OUT_OF_MEMORY = (2, "out of memory (CUDA_ERROR_OUT_OF_MEMORY)")
LOST = (719, "unspecified launch failure (CUDA_ERROR_LAUNCH_FAILED)")


def driver(machine=MACHINE, fail=""):
    """The stand-in, as this machine, with these failures."""
    return {"COTENANT_CUDA": str(STANDIN), "COTENANT_CUDA_STANDIN": machine,
            "COTENANT_CUDA_FAIL": fail}


def has_kernels():
    """Without nvcc the program has none, and says so."""
    listed = subprocess.run([COTENANT, "list", "victims", "--json"], capture_output=True, text=True,
                            check=True, env={"COTENANT_CUDA": str(STANDIN)})
    return "nvcc" not in listed.stdout


class Gpu(CotenantTest):
    """Against the stand-in."""

    def bench(self, *words, time="300ms", **options):
        """One victim alone."""
        return self.cotenant("bench", *words, "-t", time, "--warmup", "10ms", **options)

    def skip_without_kernels(self, victim):
        """Those that launch our kernels need them to be there."""
        if not has_kernels() and victim not in ("gpu_copy", "gpu_alloc", "gpu_p2p"):
            self.skipTest("this program was built without nvcc")

    def test_without_a_driver_the_sentence_is_the_known_one(self):
        """Exit 4, and why, in words that a user can act on."""
        result = self.bench("gpu_gemm", environment={"COTENANT_CUDA": "libcuda.so.1"})
        if result.status == 0 or "no CUDA-capable" in result.stderr:
            self.skipTest("this machine has a driver")
        self.assert_refused(result, ENVIRONMENT, "no NVIDIA driver: libcuda.so.1 not found")

    def test_every_victim_runs(self):
        """With results that it has checked itself; counters come with them."""
        for words in VICTIMS:
            with self.subTest(" ".join(words)):
                self.skip_without_kernels(words[0])
                result = self.bench(*words, "--json", environment=driver())
                value = self.assert_json(result, "cotenant.bench/1")
                self.assertGreater(value["count"], 0)

    def test_what_fails_is_told_in_the_drivers_words(self):
        """Each call, with an error of its own and with one that loses the context."""
        for words, call, at in FAILURES:
            for status, text in (OUT_OF_MEMORY, LOST):
                with self.subTest(f"{' '.join(words)}: {call}:{at}:{status}"):
                    self.skip_without_kernels(words[0])
                    result = self.bench(*words, time="3s",
                                        environment=driver(fail=f"{call}:{at}:{status}"))
                    self.assert_refused(result, ENVIRONMENT, f"{call}: {text}", words[0])

    def test_the_part_of_a_gpu_that_is_asked_for(self):
        """A green context, a priority, another device; and what is not there is refused."""
        good = self.bench("gpu_copy", "size=4K", "gpu=1/sms:8-15/priority:high",
                          "--json", environment=driver("gpus=2 sms=132"))
        device = self.assert_json(good, "cotenant.bench/1")["device"]
        self.assertEqual(device["green"], {"first_sm": 8, "sms": 8, "group": 8})
        self.assertEqual((device["priority"], device["pci"]), (-5, "0000:42:00.0"))
        for gpu, words in [("2", "the driver shows 2 GPUs here, 0 to 1"),
                           ("0/sms:0-3", "come in groups of 8"),
                           ("0/cores:1", "'cores:1' is no part of a GPU")]:
            result = self.bench("gpu_copy", f"gpu={gpu}", environment=driver("gpus=2 sms=132"))
            self.assert_refused(result, USAGE, words)
        result = self.bench("gpu_copy", "gpu=0/mps:50%", environment=driver())
        self.assert_refused(result, ENVIRONMENT, "no MPS server")
        result = self.bench("gpu_p2p", environment=driver("gpus=1"))
        self.assert_refused(result, ENVIRONMENT, "a copy needs two")

    def test_a_campaign_goes_on_when_a_gpu_victim_fails(self):
        """The other victim's cells are measured, and the file is valid."""
        suite = self.file("gpu.ini", """[suite]
name = gpu
replicates = 2
warmup = 10ms
measure = 50ms
epoch = 10ms
[tenant victim]
cpus = machine
shared = yes
[tenant neighbour]
cpus = machine
shared = yes
[victim copy]
kind = gpu_copy
tenant = victim
size = 4K
[victim quiet]
kind = null
tenant = victim
[aggressor none]
kind = null
tenant = neighbour
intensity = 50
""")
        out = self.folder / "gpu.h5"
        result = self.cotenant("run", suite, "-o", out, "--seed", "1",
                               environment=driver(fail="cuMemHostRegister:1:2"))
        self.assertIn("cuMemHostRegister: out of memory", result.stderr)
        self.assertIn(result.status, (0, ENVIRONMENT), str(result))
        self.assert_good(self.cotenant("validate", out))
        shown = self.cotenant("show", out)
        self.assert_good(shown)
        self.assertIn("quiet", shown.stdout)

    def test_victims_are_listed_with_why_they_cannot_run(self):
        """Without a driver each says so; `list` loads nothing and wakes no GPU."""
        result = self.cotenant("list", "victims", "--json",
                               environment={"COTENANT_CUDA": "/nowhere/libcuda.so.1"})
        self.assert_good(result)
        self.assertIn("no NVIDIA driver", json.dumps(json.loads(result.stdout)))


if __name__ == "__main__":
    unittest.main()
