# SPDX-License-Identifier: Apache-2.0
"""RDMA victims and aggressors through the real entry point, against a stand-in for libibverbs that
moves bytes between the workers' processes (tests/standin/verbs/standin.h). What they do on real
queue pairs is for the lab; here it is whether both ends find each other, keep to the protocol that
the stand-in checks (states, keys, depths of queues, acknowledged events), and say what is wrong."""
import json
import math
import os
import tempfile
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, USAGE, CotenantTest

STANDIN = Path(COTENANT).parent / "tests" / "standin"
VICTIMS = ["rdma_write_lat", "rdma_send_lat", "rdma_read_lat", "rdma_atomic_lat", "rdma_write_bw",
           "rdma_reg_lat", "rdma_conn_lat"]
AGGRESSORS = ["rdma_flood", "rdma_cache", "rdma_incast", "rdma_exception", "rdma_control"]


class Rdma(CotenantTest):
    def setUp(self):
        super().setUp()
        shared = tempfile.TemporaryDirectory(
            prefix="ct-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(shared.cleanup)
        self.verbs = {"LD_LIBRARY_PATH": str(STANDIN),
                      "COTENANT_VERBS_STANDIN": f"{shared.name}/v"}

    def bench(self, *arguments, **environment):
        return self.cotenant("bench", *arguments, "-t", "50ms", "--json",
                             environment={**self.verbs, **environment})

    def noise(self, *arguments, **environment):
        return self.cotenant("noise", *arguments, "-t", "50ms", "--json",
                             environment={**self.verbs, **environment})

    def assert_measures(self, *arguments, **environment):
        result = self.bench(*arguments, **environment)
        self.assert_good(result)
        return json.loads(result.stdout)

    def told(self, *arguments, **environment):
        """What noise tells of itself."""
        result = self.noise(*arguments, **environment)
        self.assert_good(result)
        return json.loads(result.stdout)

    def rate(self, *arguments, **environment):
        return self.told(*arguments, **environment)["rate"]


class WithoutDevices(Rdma):
    def test_each_says_what_to_plug_in_or_to_load(self):
        for kind in VICTIMS:
            result = self.bench(kind, COTENANT_VERBS_STANDIN="")
            self.assert_refused(result, ENVIRONMENT, "no RDMA device", "rdma_rxe",
                                "rdma link add")
        for kind in AGGRESSORS:
            result = self.noise(kind, COTENANT_VERBS_STANDIN="")
            self.assert_refused(result, ENVIRONMENT, "no RDMA device", "rdma_rxe")

    def test_the_list_says_why_they_cannot_run(self):
        result = self.cotenant("list", "--json", environment={**self.verbs,
                                                              "COTENANT_VERBS_STANDIN": ""})
        listed = json.loads(result.stdout)
        found = [one for one in listed["victims"] + listed["aggressors"]
                 if one["name"].startswith("rdma_")]
        self.assertEqual(len(found), len(VICTIMS) + len(AGGRESSORS))
        for one in found:
            self.assertFalse(one["available"])
            self.assertIn("no RDMA device", one["why"])


class Victims(Rdma):
    def test_each_measures(self):
        for kind in VICTIMS:
            with self.subTest(kind):
                self.assert_measures(kind)

    def test_transports_completions_and_sizes(self):
        for arguments in (["rdma_write_lat", "completion=event"],
                          ["rdma_write_lat", "type=uc", "size=64K", "inline=0"],
                          ["rdma_send_lat", "type=ud", "size=1K"],
                          ["rdma_send_lat", "type=uc", "completion=event"],
                          ["rdma_read_lat", "completion=event", "size=1M"],
                          ["rdma_atomic_lat", "operation=cmp_swap"],
                          ["rdma_write_bw", "size=1", "inline=16", "tx_depth=4", "batch=2"],
                          ["rdma_reg_lat", "operation=both", "size=1M"],
                          ["rdma_conn_lat", "operation=destroy"]):
            with self.subTest(arguments):
                self.assert_measures(*arguments)

    def test_the_list_names_half_and_full_round_trips(self):
        listed = json.loads(self.cotenant("list", "victims", "--json").stdout)["victims"]
        samples = {one["name"]: one["sample"] for one in listed}
        for kind in ("rdma_write_lat", "rdma_send_lat"):
            self.assertIn("half of the round trip", samples[kind])
        for kind in ("rdma_read_lat", "rdma_atomic_lat"):
            self.assertIn("full round trip", samples[kind])

    def test_infiniband_is_addressed_by_lid(self):
        self.assert_measures("rdma_send_lat", COTENANT_VERBS_PORT="ib")

    def test_an_address_can_be_chosen_and_must_exist(self):
        self.assert_measures("rdma_read_lat", "gid_index=1")
        self.assert_refused(self.bench("rdma_read_lat", "gid_index=9"), USAGE, "gid_index = 9")
        self.assert_refused(self.bench("rdma_read_lat", "gid_index=x"), USAGE, "auto")

    def test_a_datagram_is_no_longer_than_a_packet(self):
        self.assert_refused(self.bench("rdma_send_lat", "type=ud", "size=1025"), USAGE,
                            "size = 1025", "1024")
        self.assert_refused(self.bench("rdma_send_lat", "type=ud", "size=1K", "mtu=512"), USAGE,
                            "512")

    def test_a_port_that_is_down(self):
        self.assert_refused(self.bench("rdma_write_lat", COTENANT_VERBS_PORT="down"), ENVIRONMENT,
                            "no active port")


class Failures(Rdma):
    def test_the_limit_of_locked_memory(self):
        self.assert_refused(self.bench("rdma_write_lat", COTENANT_VERBS_FAIL="reg_mr:12"),
                            ENVIRONMENT, "registering memory")

    def test_every_verb_that_fails_is_named(self):
        for verb, number, words in (("open_device", 13, "/dev/infiniband"),
                                    ("alloc_pd", 12, "protection domain"),
                                    ("create_cq", 22, "completion queue"),
                                    ("create_qp", 22, "queue pair"),
                                    ("modify_qp", 110, "queue pair"),
                                    ("post_send", 22, "posting")):
            with self.subTest(verb):
                self.assert_refused(
                    self.bench("rdma_write_lat", COTENANT_VERBS_FAIL=f"{verb}:{number}"),
                    ENVIRONMENT, words)

    def test_a_request_that_fails_while_measuring(self):
        for kind in ("rdma_write_lat", "rdma_read_lat", "rdma_write_bw"):
            with self.subTest(kind):  # 12 is IBV_WC_RETRY_EXC_ERR
                self.assert_refused(self.bench(kind, COTENANT_VERBS_FAIL="wc:12:20"), ENVIRONMENT,
                                    kind, "retry counter exceeded")

    def test_control_verbs_that_fail_while_measuring(self):
        self.assert_refused(self.bench("rdma_reg_lat", COTENANT_VERBS_FAIL="reg_mr:12:50"),
                            ENVIRONMENT, "rdma_reg_lat", "registering memory")
        self.assert_refused(self.bench("rdma_conn_lat", COTENANT_VERBS_FAIL="create_qp:12:50"),
                            ENVIRONMENT, "rdma_conn_lat", "queue pair")
        self.assert_refused(self.noise("rdma_control", COTENANT_VERBS_FAIL="dereg_mr:22:50"),
                            ENVIRONMENT, "rdma_control", "deregistering")


    def test_a_queue_pair_that_fails_while_it_is_raised_again(self):
        """Once, by a late answer of its last life: it is raised once more. Always: that is told."""
        once = self.noise("rdma_exception", COTENANT_VERBS_FAIL="modify_qp:22:100:1")
        self.assert_good(once)
        self.assert_refused(self.noise("rdma_exception", COTENANT_VERBS_FAIL="modify_qp:22:100"),
                            ENVIRONMENT, "rdma_exception", "a queue pair", "Invalid argument")


class Aggressors(Rdma):
    def test_each_works(self):
        for kind in AGGRESSORS:
            with self.subTest(kind):
                self.assertGreater(self.rate(kind), 0)

    def test_shapes(self):
        for arguments in (["rdma_flood", "operation=read", "size=256"],
                          ["rdma_flood", "operation=send", "size=29"],
                          ["rdma_flood", "operation=send", "type=ud", "size=1"],
                          ["rdma_flood", "operation=cas"],
                          ["rdma_flood", "operation=faa", "path=loopback"],
                          ["rdma_cache", "over=regions", "count=100", "region=4K"],
                          ["rdma_cache", "over=receives", "count=16"],
                          ["rdma_exception", "type=uc"],
                          ["rdma_exception", "type=ud"],
                          ["rdma_exception", "mode=retry"],
                          ["rdma_control", "object=qp"],
                          ["rdma_control", "object=cq", "pd=own"],
                          ["rdma_control", "side=receiver", "threads=1"],
                          ["rdma_control", "shape=one_huge", "side=receiver", "threads=1"]):
            with self.subTest(arguments):
                self.assertGreater(self.rate(*arguments), 0)

    def test_regions_are_made_one_at_a_time(self):
        """A round of all 64 is more than a low intensity asks for in an epoch, which then counts as
        one without load."""
        totals = []
        for _ in range(5):
            value = self.told("rdma_control")
            totals.append(round(value["rate"] * value["seconds"]))
        self.assertLess(math.gcd(*totals), 64, totals)

    def test_the_cap_holds(self):
        """A round of each thread is what it may be ahead: 256 KiB of 2.5 MB."""
        self.assertLess(self.rate("rdma_flood", "cap=100Mbit/s", "size=4K"), 1.4 * 12.5e6)

    def test_soft_roce_is_given_time_to_acknowledge(self):
        """What is repeated too early it may refuse; only these fill a queue of such a length."""
        for kind in ("rdma_flood", "rdma_cache", "rdma_incast"):
            with self.subTest(kind):
                self.assertGreater(self.rate(kind, COTENANT_VERBS_SOFT="1"), 0)
                self.assertGreater(self.rate(kind, "qp_timeout=14"), 0)
        refused = self.noise("rdma_flood", "qp_timeout=14", COTENANT_VERBS_SOFT="1")
        self.assert_refused(refused, ENVIRONMENT, "remote invalid request", "soft-RoCE")
        self.assert_refused(self.noise("rdma_flood", "qp_timeout=32"), USAGE, "qp_timeout", "31")

    def test_what_a_transport_lacks_is_refused(self):
        self.assert_refused(self.noise("rdma_flood", "type=ud"), USAGE, "operation = write", "ud")
        self.assert_refused(self.noise("rdma_flood", "type=uc", "operation=cas"), USAGE, "cas")
        self.assert_refused(self.noise("rdma_exception", "type=ud", "mode=retry"), USAGE, "rc")
        self.assert_refused(self.noise("rdma_flood", "qps=1", "threads=2"), USAGE, "qps = 1")

    def test_a_victim_beside_an_aggressor(self):
        result = self.cotenant("bench", "rdma_read_lat", "with=rdma_control", "-t", "300ms",
                               "--json", environment=self.verbs)
        self.assert_good(result)


if __name__ == "__main__":
    unittest.main()
