# SPDX-License-Identifier: Apache-2.0
"""Collectives with `transport = verbs` through the real entry point, every rank a worker of its own,
against the stand-in for libibverbs (tests/standin/verbs/standin.h). It checks what a device would:
states, keys, depths of queues. Every rank checks all of its first result, and rank 0 a window of the
result whenever an epoch closes: a campaign that is good has had its data verified."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, ROOT, USAGE, CotenantTest

STANDIN = Path(COTENANT).parent / "tests" / "standin"
KINDS = ["ring_allreduce", "alltoall"]
RETRY_EXCEEDED, REMOTE_ACCESS = 12, 10  # of enum ibv_wc_status


def workers_of(mark):
    """Worker processes that were started with this text in their environment: {pid: environment}."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes().decode(errors="replace")
            words = (path.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment and b"worker" in words:
            found[int(path.parent.name)] = environment
    return found


class Verbs(CotenantTest):
    def setUp(self):
        super().setUp()
        shared = tempfile.TemporaryDirectory(
            prefix="ct-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(shared.cleanup)
        self.mark = f"{shared.name}/v"
        self.verbs = {"LD_LIBRARY_PATH": str(STANDIN), "COTENANT_VERBS_STANDIN": self.mark}

    def bench(self, kind, *words, time="200ms", **environment):
        return self.cotenant("bench", kind, "transport=verbs", "bytes=256K", "chunk=16K", *words,
                             "-t", time, "--json", environment={**self.verbs, **environment})

    def measure(self, *words, **environment):
        result = self.bench(*words, **environment)
        self.assert_good(result)
        return json.loads(result.stdout)


class Measuring(Verbs):
    def test_each_on_several_numbers_of_ranks(self):
        for kind in KINDS:
            for peers in (1, 2, 4):
                with self.subTest(kind=kind, peers=peers):
                    self.measure(kind, f"peers={peers}")

    def test_shapes_of_messages_and_ways_to_wait(self):
        """4 B: the 16 elements of 3 ranks make chunks of every kind, empty ones among them."""
        for words in (["bytes=64", "chunk=4"], ["bytes=40", "chunk=64M"],
                      ["bytes=4004", "chunk=128"], ["completion=poll"], ["mtu=256"],
                      ["gid_index=1"]):
            for kind in KINDS:
                with self.subTest(kind=kind, words=words):
                    self.measure(kind, "peers=2", *words)

    def test_infiniband_is_addressed_by_lid(self):
        self.measure("ring_allreduce", "peers=2", COTENANT_VERBS_PORT="ib")

    def test_a_campaign_stores_verified_bytes_and_bandwidth(self):
        suite = self.file("verbs.ini", """
[suite]
name = verbs
replicates = 3
warmup = 50ms
measure = 200ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
[tenant second]
cpus = pu:0
shared = yes
[tenant third]
cpus = pu:0
shared = yes
[victim ring_allreduce]
transport = verbs
bytes = 64K
chunk = 4K
peer = second, third
[aggressor null]
tenant = second
intensity = 10
""")
        result = self.folder / "verbs.h5"
        self.assert_good(self.cotenant("run", suite, "-o", result, "-q", environment=self.verbs))
        self.assert_good(self.cotenant("validate", result))


class Failing(Verbs):
    def test_without_a_device_it_says_what_to_load(self):
        self.assert_refused(self.bench("ring_allreduce", COTENANT_VERBS_STANDIN=""), ENVIRONMENT,
                            "ring_allreduce", "no RDMA device", "rdma_rxe")

    def test_a_message_that_the_device_does_not_take(self):
        self.assert_refused(self.bench("alltoall", "bytes=64M", "chunk=16M"), USAGE,
                            "alltoall", "chunk", "standin0 takes at most 8388608")

    def test_every_verb_that_fails_is_named(self):
        for verb, number, words in (("open_device", 13, "/dev/infiniband"),
                                    ("alloc_pd", 12, "protection domain"),
                                    ("reg_mr", 12, "registering"),
                                    ("reg_mr", "12:2", "registering 655360 bytes"),
                                    ("create_comp_channel", 24, "completion events"),
                                    ("create_cq", 22, "completion queue"),
                                    ("create_qp", 22, "queue pair"),
                                    ("post_recv", 22, "posting a receive"),
                                    # Calls count by thread: rank 0 fails to get ready to receive
                                    # and its peer to send, and either may be told first.
                                    ("modify_qp", "110:2", "making a queue pair ready to"),
                                    ("post_send", 22, "inviting a message")):
            with self.subTest(verb):
                self.assert_refused(
                    self.bench("ring_allreduce", "bytes=256K",
                               COTENANT_VERBS_FAIL=f"{verb}:{number}"),
                    ENVIRONMENT, "ring_allreduce", words)

    def test_a_completion_with_an_error_while_measuring(self):
        """On all ranks at their thousandth completion: whoever is first, its words are told."""
        for kind in KINDS:
            for status, words in ((REMOTE_ACCESS, "remote access error"),
                                  (RETRY_EXCEEDED, "retry counter exceeded")):
                with self.subTest(kind=kind, words=words):
                    result = self.bench(kind, "peers=2", time="20s",
                                        COTENANT_VERBS_FAIL=f"wc:{status}:1000")
                    self.assert_refused(result, ENVIRONMENT, kind, "rank ")
                    self.assertRegex(result.stderr, f"{words}|retry counter exceeded")

    def test_a_completion_with_an_error_of_one_peer(self):
        result = self.bench("ring_allreduce", "peers=2", time="20s", *self.only_second(
            f"COTENANT_VERBS_FAIL=wc:{REMOTE_ACCESS}:1000"))
        self.assert_refused(result, ENVIRONMENT, "ring_allreduce", "rank ")

    def only_second(self, setting):
        return ["peer2.via=env " + " ".join([setting] + [f"{k}={v}" for k, v in
                                                         self.verbs.items()])]

    def test_a_rank_that_dies(self):
        """Killed while all are measuring; the campaign ends, and says who has gone."""
        for kind in KINDS:
            with self.subTest(kind):
                dying = f"DYING={self.mark}"
                process = subprocess.Popen(
                    [COTENANT, "bench", kind, "transport=verbs", "bytes=64K", "peers=2",
                     *self.only_second(dying), "-t", "40s", "--json"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True, cwd=ROOT, env={**os.environ, **self.verbs})
                self.kill_when_measuring(process, dying)
                output, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, ENVIRONMENT, errors)
                self.assertEqual(output, "")
                self.assert_one_line(errors)
                self.assertRegex(errors, "signal 9|rank 2")

    def kill_when_measuring(self, process, dying):
        """A worker that only looks at its place is gone at once; one that stays is the rank."""
        seen = {}
        while process.poll() is None:
            now = time.monotonic()
            ranks = [pid for pid, environment in workers_of(self.mark).items()
                     if dying in environment]
            seen = {pid: seen.get(pid, now) for pid in ranks}
            old = [pid for pid, since in seen.items() if now - since > 2]
            if old:
                os.kill(old[0], signal.SIGKILL)
                return
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
