# SPDX-License-Identifier: Apache-2.0
"""Collectives of four ranks, each behind a network namespace of its own: what they count, what a
rank that dies or a number that changes on the way comes to, and the suite that is shipped."""
import json
import os
import subprocess
import sys
import unittest

import faults
from cotenant_test import COTENANT, ENVIRONMENT, ROOT, CotenantTest
from test_tenants import needs

RANKS = 4
# Status of a block; on a loaded machine the neighbour of a good one may not come to load.
FAILED = 1
PREFIX = f"ctc{os.getpid()}"
# nccl-tests' busbw over algbw, for four ranks.
BUS_FACTORS = {"ring_allreduce": 1.5, "alltoall": 0.75}

SUITE = """
[suite]
name = ranks
replicates = 2
warmup = 50ms
measure = 200ms
recovery = 50ms
epoch = 50ms
[tenant victim]
cpus = pu:0
via = VIA0
address = 10.78.0.1
[tenant rank1]
cpus = pu:0
via = VIA1
address = 10.78.0.2
[tenant rank2]
cpus = pu:0
via = VIA2
address = 10.78.0.3
[tenant rank3]
cpus = pu:0
via = VIA3
address = 10.78.0.4
[tenant neighbour]
cpus = pu:0
shared = yes
[aggressor null]
intensity = 10
"""
VICTIM = """
[victim %s]
tenant = victim
peers = rank1, rank2, rank3
bytes = 256K
chunk = 16K
"""

# Starts what it is told to. Who takes the file away, once there is one, ends its child and itself.
MORTAL = """import os, subprocess, sys, time
child = subprocess.Popen(sys.argv[2:])
while child.poll() is None:
    try:
        os.rename(sys.argv[1], sys.argv[1] + ".taken")
    except OSError:
        time.sleep(0.02)
        continue
    print("the link of this rank has burnt", file=sys.stderr, flush=True)
    child.kill()
    child.wait()
    sys.exit(7)
sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)
"""


def script(*words):
    """scripts/netns-ranks.sh; a failure is a reason to skip only where it says that it can't."""
    return subprocess.run([str(ROOT / "scripts/netns-ranks.sh"), *words, "--prefix", PREFIX,
                           "--apply"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)


def inside(rank):
    return f"ip netns exec {PREFIX}-rank{rank}"


class Ranks(CotenantTest):
    """Four namespaces for each class of tests."""

    RATE = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            return
        made = script("up", *cls.RATE)
        if made.returncode != 0:
            raise unittest.SkipTest(f"no namespaces can be made here: {made.stderr.strip()}")
        cls.addClassCleanup(script, "down")

    def suite(self, *kinds, **vias):
        text = SUITE + "".join(VICTIM % kind for kind in kinds)
        for rank in range(RANKS):
            text = text.replace(f"VIA{rank}", vias.get(f"rank{rank}", inside(rank)))
        return self.file("ranks.ini", text)

    def start(self, suite, result, **environment):
        process = subprocess.Popen([COTENANT, "run", str(suite), "-o", str(result), "--progress",
                                    "json"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, cwd=ROOT,
                                   env={**os.environ, **environment})
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def blocks(self, result):
        self.assert_good(self.cotenant("validate", result))
        return faults.blocks_of(result)

    def assert_only_failure(self, result, *words):
        """One block has failed, with these words for its reason; all others were measured."""
        blocks = self.blocks(result)
        self.assertEqual(len(blocks), 2, blocks)
        self.assertEqual([status for status, _ in blocks].count(FAILED), 1, blocks)
        reason = next(message for status, message in blocks if status == FAILED)
        for word in words:
            self.assertIn(word, reason)


@needs("ip")
class Bandwidth(Ranks):
    def bench(self, kind, *words):
        peers = [f"peer{rank}.{key}" for rank in range(1, RANKS)
                 for key in (f"via={inside(rank)}", f"address=10.78.0.{rank + 1}",
                             "cpus=pu:0", "nic=eth0")]
        result = self.cotenant("bench", kind, f"peers={RANKS - 1}", "cpus=pu:0",
                               f"via={inside(0)}", "nic=eth0", *peers, *words)
        self.assert_good(result)
        return result.stdout

    def test_it_is_what_bytes_and_latency_say(self):
        for kind, factor in BUS_FACTORS.items():
            with self.subTest(kind):
                # One epoch, so that the counters are of the same iterations as the mean.
                document = json.loads(self.bench(kind, "bytes=1M", "-t", "900ms", "--epoch", "2s",
                                                 "--json"))
                counters = {(c["source"], c["name"]): c for c in document["counters"]}
                algbw, busbw, verified, sent = (counters[key] for key in (
                    ("victim", "algbw"), ("victim", "busbw"), ("victim", "verified"),
                    ("nic", "tx_bytes")))
                self.assertEqual((algbw["unit"], algbw["epochs"]), ("B/s", 1))
                self.assertAlmostEqual(busbw["max"] / algbw["max"], factor, places=6)
                self.assertAlmostEqual(algbw["max"] * document["mean"] / 1e9 / 2**20, 1, delta=0.1)
                self.assertGreaterEqual(verified["max"], 65536)
                # The device's own count: busbw is what a rank sends. Headers come on top, and
                # what had been sent when the epoch began or was on its way when it closed.
                payload = document["count"] * factor * 2**20
                self.assertAlmostEqual(sent["max"] / payload, 1.05, delta=0.15)

    def test_it_is_printed(self):
        self.assertRegex(self.bench("ring_allreduce", "bytes=64K", "-t", "300ms"),
                         r"victim busbw +[\d.e+]+ B/s")

    def test_the_file_has_it_for_every_epoch(self):
        import h5py
        result = self.folder / "r.h5"
        run = self.cotenant("run", self.suite(*BUS_FACTORS), "-o", result, "-q", timeout=300)
        self.assertNotIn(FAILED, [status for status, _ in self.blocks(result)], str(run))
        with h5py.File(result) as file:
            names = [name.decode() for name in file["counters/name"][:]]
            of_reading = file["readings/counter"][:]
            values = {name: file["readings/value"][:][of_reading == row]
                      for row, name in enumerate(names)}
        self.assertGreater(len(values["algbw"]), 4 * 3 * 3)
        ratios = values["busbw"] / values["algbw"]
        self.assertEqual(sorted({round(ratio, 6) for ratio in ratios}), [0.75, 1.5])
        # Something was checked in every epoch in which something has come.
        self.assertEqual(list(values["verified"]).count(65536), len(values["algbw"]))


@needs("ip")
class Failures(Ranks):
    def test_a_dead_rank_costs_its_block_and_its_last_words_are_the_reason(self):
        flag = self.folder / "burn"
        mortal = self.file("mortal.py", MORTAL)
        for kind, rank in (("ring_allreduce", 2), ("alltoall", 1)):
            with self.subTest(kind):
                result = self.folder / f"{kind}.h5"
                suite = self.suite(kind, **{f"rank{rank}": f"{sys.executable} {mortal} {flag} "
                                                           f"{inside(rank)}"})
                process, told = self.start(suite, result), []
                for line in process.stderr:
                    told.append(line)
                    if json.loads(line)["event"] == "phase":
                        flag.touch()
                        break
                told += process.communicate(timeout=120)[1].splitlines()
                self.assertEqual(process.returncode, ENVIRONMENT, told)
                self.assert_only_failure(result, f"peer {rank} of victim '{kind}'",
                                         f"on tenant 'rank{rank}'", "last words: the link of this "
                                         "rank has burnt")

    @unittest.skipUnless(faults.CAN_INJECT, f"{faults.LIBRARY} is not built, or can't be preloaded")
    def test_a_changed_number_is_found(self):
        # Once in the iteration that connects; later on for good, once measuring is under way.
        for kind, who, how in (("ring_allreduce", "peer", "at=1"),
                               ("ring_allreduce", "peer", "at=400 times=0"),
                               ("alltoall", "victim", "at=400 times=0")):
            with self.subTest(kind, who=who, how=how):
                name = f"{kind}-{'first' if how == 'at=1' else 'later'}"
                result, log = self.folder / f"{name}.h5", self.folder / f"{name}.log"
                spec = f"corrupt who={who} when={result}.journal {how}"
                process = self.start(self.suite(kind), result, LD_PRELOAD=str(faults.LIBRARY),
                                     COTENANT_FAULT=spec, COTENANT_FAULT_LOG=str(log))
                errors = process.communicate(timeout=180)[1]
                self.assertEqual(process.returncode, ENVIRONMENT, errors)
                self.assertGreater(faults.injected(log), 0)
                failed = [message for status, message in self.blocks(result) if status == FAILED]
                self.assertEqual(len(failed), 2 if "times=0" in how else 1, failed)
                for message in failed:
                    self.assertRegex(message, r"rank \d: element \d+ of the result is \S+, "
                                              r"not \d+")


@needs("ip", "tc")
@unittest.skipIf(os.cpu_count() < 2, "needs two CPUs")
class Shipped(Ranks):
    RATE = ("--rate", "1gbit")

    def test_the_suite_runs_and_its_flood_is_seen(self):
        result = self.folder / "collectives.h5"
        vias = [word for tenant, rank in (("victim", 0), ("rank1", 1), ("rank2", 2), ("rank3", 3),
                                          ("neighbour", 1), ("sink", 3))
                for word in ("--set", f"tenant.{tenant}.via={inside(rank)}")]
        short = [word for key, value in (("replicates", 2), ("warmup", "50ms"),
                                         ("measure", "500ms"), ("recovery", "50ms"))
                 for word in ("--set", f"suite.{key}={value}")]
        run = self.cotenant("run", "suites/collectives.ini", "-o", result, "-q", *vias, *short,
                            timeout=300)
        self.assertNotIn(FAILED, [status for status, _ in self.blocks(result)], str(run))
        self.assert_good(self.cotenant("report", result, "-o", self.folder / "c.html"))
        shown = self.cotenant("show", result)
        self.assert_good(shown)
        for kind in BUS_FACTORS:
            self.assertIn(kind, shown.stdout)


if __name__ == "__main__":
    unittest.main()
