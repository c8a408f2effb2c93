# SPDX-License-Identifier: Apache-2.0
"""Every RDMA victim and aggressor on real queue pairs: soft-RoCE over virtual functions, one end on
each machine. That bytes arrive, that both ends find each other and that nothing ends in an error is
what is asked; shapes are those of tests/cli/test_rdma.py, whose device is a stand-in."""
import json
import unittest

from lab import (RDMA_AGGRESSORS, RDMA_VICTIMS, WITHOUT_OTHER_END, LabTest, in_machine,
                 on_function)


class Victims(LabTest):
    def measures(self, *words):
        where = on_function(0, peer=words[0] not in WITHOUT_OTHER_END)
        result = self.good("bench", *words, *where, "-t", "300ms", "--json")
        self.assertGreater(json.loads(result.stdout)["count"], 0)

    def test_each_measures(self):
        """A window of 8 MiB, as rdma_write_bw has it, would take soft-RoCE seconds in here."""
        small = {"rdma_write_bw": ("size=4K", "tx_depth=16", "batch=4")}
        for kind in RDMA_VICTIMS:
            with self.subTest(kind):
                self.measures(kind, *small.get(kind, ()))

    def test_transports_completions_and_sizes(self):
        for words in (("rdma_write_lat", "completion=event"),
                      ("rdma_write_lat", "type=uc", "size=8K", "inline=0"),
                      ("rdma_send_lat", "type=ud", "size=1K"),
                      ("rdma_send_lat", "type=uc", "completion=event"),
                      ("rdma_read_lat", "completion=event", "size=64K"),
                      ("rdma_atomic_lat", "operation=cmp_swap"),
                      ("rdma_write_bw", "size=1", "inline=16", "tx_depth=4", "batch=2"),
                      ("rdma_reg_lat", "operation=both", "size=1M"),
                      ("rdma_conn_lat", "operation=destroy")):
            with self.subTest(words):
                self.measures(*words)


class Collectives(LabTest):
    def test_each_over_queue_pairs(self):
        """Two ranks, one on each machine; their data is verified."""
        for words in (("ring_allreduce",), ("alltoall",), ("ring_allreduce", "completion=poll"),
                      ("ring_allreduce", "bytes=40", "chunk=64"),
                      ("alltoall", "bytes=1M", "chunk=128K")):
            with self.subTest(words):
                self.good("bench", words[0], "transport=verbs", "bytes=64K", "chunk=8K", *words[1:],
                          *on_function(0), "-t", "2s", "--json")

    def test_three_ranks(self):
        """Two are on one device of the second machine, which has to loop back between them. (Between
        two devices of one machine soft-RoCE has no route: both addresses are local.)"""
        third = [word.replace("peer.", "peer2.") for word in on_function(0)
                 if word.startswith("peer.")]
        first = [word.replace("peer.", "peer1.") for word in on_function(0)]
        for kind in ("ring_allreduce", "alltoall"):
            with self.subTest(kind):
                self.good("bench", kind, "transport=verbs", "bytes=48K", "chunk=4K", "peers=2",
                          *first, *third, "-t", "2s", "--json")


class Aggressors(LabTest):
    def works(self, *words):
        result = self.good("noise", *words, *on_function(1), "-t", "1s", "--json")
        self.assertGreater(json.loads(result.stdout)["rate"], 0)

    def test_each_works(self):
        for kind in RDMA_AGGRESSORS:
            with self.subTest(kind):
                self.works(kind, "threads=1")

    def test_shapes(self):
        for words in (("rdma_flood", "operation=read", "size=256"),
                      ("rdma_flood", "operation=send", "size=29"),
                      ("rdma_flood", "operation=send", "type=ud", "size=1"),
                      ("rdma_flood", "operation=cas"),
                      ("rdma_flood", "operation=faa", "path=loopback"),
                      ("rdma_cache", "over=regions", "count=100", "region=4K"),
                      ("rdma_cache", "over=receives", "count=16"),
                      ("rdma_exception", "type=uc"),
                      ("rdma_exception", "type=ud"),
                      ("rdma_exception", "mode=retry"),
                      ("rdma_control", "object=qp"),
                      ("rdma_control", "object=cq", "pd=own"),
                      ("rdma_control", "side=receiver"),
                      ("rdma_control", "shape=one_huge", "side=receiver")):
            with self.subTest(words):
                self.works(*words, "threads=1")


class Device(LabTest):
    def test_a_function_is_found_by_each_of_its_names(self):
        for nic in ("rxe0", "vf0", "vf:eth1/0"):
            with self.subTest(nic):
                words = [word for word in on_function(0, peer=False) if not word.startswith("nic=")]
                self.good("bench", "rdma_reg_lat", *words, f"nic={nic}", "-t", "100ms")

    def test_nothing_is_left_on_the_device(self):
        """Protection domains, regions and queue pairs of workers that have ended are gone; the
        kernel keeps a queue pair of its own for management on each device."""
        self.good("noise", "rdma_flood", *on_function(1), "-t", "200ms")
        for machine in ("vm1", "vm2"):
            for kind in ("qp", "mr"):
                shown = in_machine(machine, f"rdma resource show {kind}").stdout
                self.assertNotIn("cotenant", shown)


if __name__ == "__main__":
    unittest.main()
