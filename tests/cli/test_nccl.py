# SPDX-License-Identifier: Apache-2.0
"""nccl_allreduce through the real dlopen path, against stand-ins for NVIDIA's driver and for NCCL
(tests/standin/cuda, tests/standin/nccl) whose ranks are processes that really add each other's bytes.
Times prove nothing here; that results are checked, and that whatever goes wrong in the library ends
the cell with the library's words and never hangs, is what is tested.
"""
import ctypes
import json
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin"
NEW, OLD = STANDIN / "libnccl.so.2", STANDIN / "old" / "libnccl.so.2"
MACHINE = "gpus=4 sms=4"
SOON = "patience=2s"


def libraries(nccl=NEW, machine=MACHINE, fail="", **more):
    """Both stand-ins, with these failures of NCCL."""
    return {"COTENANT_CUDA": str(STANDIN / "libcuda.so.1"), "COTENANT_CUDA_STANDIN": machine,
            "COTENANT_CUDA_FAIL": "", "COTENANT_NCCL": str(nccl), "COTENANT_NCCL_FAIL": fail,
            "COTENANT_NCCL_STANDIN": "", **more}


def loads(name):
    """Whether this machine has the real one."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


class Nccl(CotenantTest):
    """Against the stand-ins."""

    def bench(self, *words, time="60ms", **options):
        """The victim alone, with little data."""
        return self.cotenant("bench", "nccl_allreduce", "bytes=4K", *words, "-t", time, "--warmup",
                             "10ms", **options)

    def refused(self, fail, *words, arguments=(), **options):
        """Ends with exit 4 and these words in its one line."""
        result = self.bench(*arguments, time="20s", environment=libraries(fail=fail, **options))
        self.assert_refused(result, ENVIRONMENT, "nccl_allreduce", *words)

    def test_every_type_and_number_of_ranks(self):
        """Odd sizes, some larger than what the check reads at once; each result is checked."""
        for words in (["type=float32", "bytes=4"], ["type=float16", "bytes=10002", "peers=2"],
                      ["type=bfloat16", "bytes=70001", "peers=3"],
                      ["type=float32", "bytes=1200K", "peers=1"]):
            with self.subTest(" ".join(words)):
                result = self.bench(*words, "verify_every=1", "--json", environment=libraries())
                value = self.assert_json(result, "cotenant.bench/1")
                self.assertGreater(value["count"], 0)
                self.assertEqual(value["device"]["nccl"]["version"], "2.27.3")

    def test_bandwidths_are_those_of_nccl_tests(self):
        """busbw = algbw * 2 (n - 1) / n; and windows of results are checked while it measures."""
        result = self.bench("peers=3", "verify_every=1", "--json", time="300ms",
                            environment=libraries())
        counters = {counter["name"]: counter for counter
                    in self.assert_json(result, "cotenant.bench/1")["counters"]}
        self.assertAlmostEqual(counters["busbw"]["max"] / counters["algbw"]["max"], 1.5, places=4)
        self.assertGreater(counters["verified"]["max"], 0)

    def test_a_library_whose_joining_blocks(self):
        """2.10 has neither ncclCommInitRankConfig nor ncclGetLastError."""
        result = self.bench("--json", environment=libraries(OLD))
        value = self.assert_json(result, "cotenant.bench/1")
        self.assertEqual(value["device"]["nccl"]["version"], "2.10.3")
        result = self.bench(environment=libraries(OLD, fail="ncclCommInitRank@1:1:2"))
        self.assert_refused(result, ENVIRONMENT, "rank 1: ncclCommInitRank: unhandled system error")

    def test_what_is_missing_is_said(self):
        """The driver, the library, a symbol of it, its version."""
        for environment, words in [
                ({"COTENANT_CUDA": "/nowhere/libcuda.so.1"}, ["no NVIDIA driver", "/nowhere"]),
                ({"COTENANT_NCCL": "/nowhere/libnccl.so.2"}, ["no NCCL", "/nowhere"]),
                ({"COTENANT_NCCL": str(STANDIN / "libcuda.so.1")}, ["has no ncclGetVersion"]),
                ({"COTENANT_NCCL_STANDIN": "version=2708"}, ["is NCCL 2.7.8", "2.10 is the old"])]:
            with self.subTest(words[0]):
                result = self.bench(environment={**libraries(), **environment})
                self.assert_refused(result, ENVIRONMENT, *words)

    @unittest.skipUnless(loads("libnccl.so.2"), "no libnccl.so.2 here")
    @unittest.skipIf(loads("libcuda.so.1"), "with a driver it would work, or fail otherwise")
    def test_the_real_library_without_a_driver(self):
        """It is loaded, has our functions, makes an id, and says itself why ranks can't join."""
        result = self.bench(environment=libraries("libnccl.so.2"))
        self.assert_refused(result, ENVIRONMENT, "ncclCommInitRankConfig: unhandled cuda error")

    def test_it_is_listed_with_why_it_cannot_run(self):
        """A driver alone is not enough."""
        listed = self.cotenant("list", "victims", "--json",
                               environment=libraries("/nowhere/libnccl.so.2"))
        self.assert_good(listed)
        self.assertIn("no NCCL: /nowhere/libnccl.so.2", json.dumps(json.loads(listed.stdout)))

    def test_a_call_that_fails_is_told_in_the_librarys_words(self):
        """At rank 0 and at another, when joining, at the first all-reduce and while it measures."""
        for fail, words in [
                ("ncclGetUniqueId:1:2", "rank 0: ncclGetUniqueId: unhandled system error (2)"),
                ("ncclCommInitRankConfig@0:1:3",
                 "rank 0: ncclCommInitRankConfig: internal error (3)"),
                ("ncclCommInitRankConfig@1:1:1",
                 "rank 1: ncclCommInitRankConfig: unhandled cuda error (1)"),
                ("ncclAllReduce@0:1:3", "rank 0: ncclAllReduce: internal error (3)"),
                ("ncclAllReduce@0:9:3", "rank 0: ncclAllReduce: internal error (3)"),
                ("ncclAllReduce@1:9:2", "rank 1: ncclAllReduce: unhandled system error (2)")]:
            with self.subTest(fail):
                self.refused(fail, words)

    def test_an_error_that_comes_later(self):
        """Of the communicator itself: while joining, and while the stream works."""
        self.refused("ncclCommGetAsyncError@0:1:2",
                     "ncclCommInitRankConfig: unhandled system error (2): told so at look 1")
        self.refused("hang@1:9:0,ncclCommGetAsyncError@0:300:6",
                     "rank 0: ncclAllReduce: remote process exited (6): told so at look 300")

    def test_a_rank_that_never_comes(self):
        """It ends by the patience that was asked for, though no process has ended."""
        for absent in (0, 1):
            with self.subTest(absent=absent):
                self.refused(f"absent@{absent}:1:0", "not done after 2 s; another rank hangs or "
                             "never came", arguments=["peers=2", SOON])

    def test_a_rank_that_hangs(self):
        """In the middle of an all-reduce; the first one has its own check."""
        for number in (1, 9):
            with self.subTest(number=number):
                self.refused(f"hang@1:{number}:0", "ncclAllReduce: not done after 2 s",
                             arguments=["peers=2", SOON])

    def test_a_rank_that_dies(self):
        """Its worker is named; the others are not waited for."""
        self.refused("die@2:9:9", "peer 2 of victim", arguments=["peers=2"])

    def test_a_wrong_result_is_found(self):
        """In the first result, on the rank that has it; later, in what rank 0 checks."""
        self.refused("wrong@1:1:0", "rank 1: element 0 of the result has the bits")
        self.refused("wrong@0:9:0", "rank 0: element 0 of the result has the bits",
                     arguments=["verify_every=1"])

    def test_ranks_need_a_gpu_each(self):
        """Two on one are refused by the library; by default each takes one of its own."""
        result = self.bench("gpu=1", "peer.gpu=1", environment=libraries())
        self.assert_refused(result, ENVIRONMENT, "invalid usage (5)",
                            "ranks 0 and 1 are both on the GPU at 0000:42:00.0", "MIG devices")
        result = self.bench("peers=2", environment=libraries(machine="gpus=2"))
        self.assert_refused(result, ENVIRONMENT, "rank 2 has no 'gpu' and takes number 2",
                            "the driver shows 2 GPUs here", "fewer 'peers'")

    def test_a_failure_of_the_driver(self):
        """Also one after which nothing of the GPU works: the communicator is left all the same."""
        for fail, words in [("cuMemAlloc:2:2", "out of memory"),
                            ("cuStreamQuery:40:719", "unspecified launch failure")]:
            with self.subTest(fail):
                result = self.bench(time="20s", environment=libraries(COTENANT_CUDA_FAIL=fail))
                self.assert_refused(result, ENVIRONMENT, words)

    def test_what_the_library_prints_does_not_disturb_the_worker(self):
        """NCCL_DEBUG makes it print to standard output, which carries the worker's frames."""
        result = self.bench("--json", environment=libraries(NCCL_DEBUG="INFO", NCCL_ALGO="Ring"))
        value = self.assert_json(result, "cotenant.bench/1")
        self.assertEqual(value["device"]["nccl"]["environment"], {"NCCL_ALGO": "Ring"})

    def test_a_campaign_goes_on_when_a_rank_fails(self):
        """The other victim's cells are measured, and the file is valid."""
        suite = self.file("nccl.ini", """[suite]
name = nccl
replicates = 2
warmup = 10ms
measure = 50ms
epoch = 10ms
[tenant victim]
cpus = machine
shared = yes
gpu = 0
[tenant second]
cpus = machine
shared = yes
gpu = 1
[tenant neighbour]
cpus = machine
shared = yes
[victim sum]
kind = nccl_allreduce
tenant = victim
peers = second
bytes = 4K
[victim quiet]
kind = null
tenant = victim
[aggressor none]
kind = null
tenant = neighbour
intensity = 50
""")
        out = self.folder / "nccl.h5"
        result = self.cotenant("run", suite, "-o", out, "--seed", "1", timeout=200,
                               environment=libraries(fail="ncclAllReduce@1:5:2"))
        self.assertIn("rank 1: ncclAllReduce: unhandled system error", result.stderr)
        self.assertIn(result.status, (0, ENVIRONMENT), str(result))
        self.assert_good(self.cotenant("validate", out))
        shown = self.cotenant("show", out)
        self.assert_good(shown)
        self.assertIn("quiet", shown.stdout)


if __name__ == "__main__":
    unittest.main()
