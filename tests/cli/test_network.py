# SPDX-License-Identifier: Apache-2.0
"""Network victims and aggressors over a pair of veth devices, and the functions that nic names."""
import json
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, ROOT, USAGE, CotenantTest
from test_tenants import children_of, needs

LEFT, RIGHT = f"ctl{os.getpid()}", f"ctr{os.getpid()}"
LEFT_ADDRESS, RIGHT_ADDRESS = "10.78.0.1", "10.78.0.2"
INSIDE = f"via=ip netns exec {LEFT}"
# What is at the other end, in the other namespace.
PEER = [f"peer.via=ip netns exec {RIGHT}", f"peer.address={RIGHT_ADDRESS}", "peer.cpus=pu:0"]


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def settings(namespace=LEFT):
    """MAC address, MTU and flags of the veth device in a namespace."""
    text = subprocess.run(["ip", "-j", "-n", namespace, "link", "show", "v0"], check=True,
                          capture_output=True, text=True).stdout
    link = json.loads(text)[0]
    return link["address"], link["mtu"], sorted(link["flags"])


class NetworkTest(CotenantTest):
    """Two namespaces joined by a pair of veth devices, both called v0."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            return
        for name in (LEFT, RIGHT):
            ip("netns", "add", name)
            cls.addClassCleanup(ip, "netns", "del", name)
        ip("link", "add", "v0", "netns", LEFT, "type", "veth", "peer", "name", "v0", "netns", RIGHT)
        for name, address in ((LEFT, LEFT_ADDRESS), (RIGHT, RIGHT_ADDRESS)):
            for command in (["addr", "add", f"{address}/24", "dev", "v0"],
                            ["link", "set", "v0", "up"], ["link", "set", "lo", "up"]):
                ip("-n", name, *command)

    def workload(self, *words, seconds=0.4):
        """`bench` or `noise` in the left namespace, its other end in the right one; its JSON."""
        result = self.cotenant(*words, INSIDE, *PEER, "cpus=pu:0", "nic=v0", "-t", f"{seconds}s",
                               "--json")
        self.assert_good(result)
        return json.loads(result.stdout)

    def counters(self, document):
        return {(one["source"], one["name"]): one for one in document["counters"]}

    def refused(self, message, *words, status=USAGE):
        result = self.cotenant(*words)
        self.assertEqual(result.status, status, str(result))
        self.assertIn(message, result.stderr)


@needs("ip")
class Victims(NetworkTest):
    def test_each_goes_through_the_device_that_nic_names(self):
        for words in (["tcp_rr"], ["udp_rr"], ["connect"], ["tcp_stream"],
                      ["tcp_stream", "confirm=yes"], ["udp_rr", "request=1400", "response=8"]):
            with self.subTest(victim=words):
                document = self.workload("bench", *words)
                counters = self.counters(document)
                # At least a packet each way for most samples; a stream's are cut to larger ones.
                self.assertGreater(document["count"], 10)
                self.assertGreater(counters["nic", "tx_packets"]["max"], 0)
                self.assertGreater(counters["nic", "rx_packets"]["max"], 0)
                if words[0] == "udp_rr":
                    self.assertGreaterEqual(counters["nic", "tx_packets"]["max"] * 5,
                                            document["count"] * 0.5)

    def test_a_rate_is_held(self):
        document = self.workload("bench", "udp_rr", "rate=200Hz", seconds=1)
        self.assertGreater(document["count"], 100)
        self.assertLessEqual(document["count"], 201)

    def test_stamps_are_within_the_sample(self):
        document = self.workload("bench", "udp_rr", "stamps=software")
        counters = self.counters(document)
        self.assertGreater(counters["victim", "stamped"]["max"], 0)
        self.assertGreater(counters["victim", "stamped_min"]["median"], 0)
        self.assertLess(counters["victim", "stamped_mean"]["median"], document["mean"] * 1.05)

    def test_hardware_stamps_are_refused_with_the_reason(self):
        result = self.cotenant("bench", "udp_rr", "stamps=hardware", INSIDE, *PEER, "nic=v0",
                               "-t", "100ms")
        self.assertEqual(result.status, USAGE, str(result))
        self.assertIn("v0 does not make them", result.stderr)
        self.assertIn("ethtool -T v0", result.stderr)

    def test_a_peer_on_this_host_is_not_behind_a_device(self):
        result = self.cotenant("bench", "tcp_rr", INSIDE, "nic=v0", f"peer.{INSIDE}", "-t", "100ms")
        self.assertEqual(result.status, USAGE, str(result))
        self.assertIn("nothing would pass v0", result.stderr)


@needs("ip")
class Floods(NetworkTest):
    def packets(self):
        """Packets that have arrived at the right end."""
        return int(subprocess.run(
            ["ip", "netns", "exec", RIGHT, "cat", "/sys/class/net/v0/statistics/rx_packets"],
            check=True, capture_output=True, text=True).stdout)

    def test_what_it_counts_has_arrived(self):
        for words in (["method=packet"], ["method=packet", "packet=1514", "flows=1"],
                      ["method=udp"], ["method=udp", "segments=1"]):
            with self.subTest(words=words):
                before = self.packets()
                document = self.workload("noise", "vf_flood", *words)
                arrived = self.packets() - before
                claimed = document["rate"] * document["seconds"]
                self.assertGreater(claimed, 100)
                # GSO: a veth hands on datagrams whole, which the receiver's stack cuts.
                segments = 16 if words == ["method=udp"] else 1
                self.assertGreater(arrived * segments, claimed * 0.95)

    def test_the_cap_is_never_exceeded(self):
        for method in ("packet", "udp"):
            with self.subTest(method=method):
                document = self.workload("noise", "vf_flood", f"method={method}", "cap=2000",
                                         "segments=1", seconds=1)
                self.assertLess(document["rate"], 2600)
                self.assertGreater(document["rate"], 200)

    def test_interrupts_are_answers(self):
        before = self.packets()
        document = self.workload("noise", "vf_interrupts")
        self.assertGreater(document["rate"], 0)
        self.assertGreaterEqual(self.packets() - before,
                                document["rate"] * document["seconds"] * 0.95)

    def test_datagrams_larger_than_they_can_be_are_refused(self):
        self.refused("the largest datagram", "noise", "vf_flood", "method=udp", "packet=9000",
                     "segments=64", INSIDE, *PEER, "nic=v0", "-t", "100ms")

    def test_frames_larger_than_the_device_takes_are_refused(self):
        self.refused("at most 1514 bytes", "noise", "vf_flood", "packet=1600", INSIDE, *PEER,
                     "nic=v0", "-t", "100ms")

    def test_addresses_of_many_are_refused(self):
        for address in ("224.0.0.1", "255.255.255.255", "10.78.0.255"):
            with self.subTest(address=address):
                result = self.cotenant("noise", "vf_flood", f"via=ip netns exec {LEFT}", "nic=v0",
                                       f"peer.via=ip netns exec {RIGHT}",
                                       f"peer.address={address}", "-t", "100ms")
                self.assertNotEqual(result.status, 0)
                self.assertRegex(result.stderr, "multicast|broadcast")


@needs("ip")
class Control(NetworkTest):
    def churn(self, *words):
        return ["noise", "vf_control", INSIDE, "cpus=pu:0", "nic=v0", *words]

    def test_it_wants_to_be_allowed(self):
        before = settings()
        self.refused("allow = yes", *self.churn("-t", "100ms"))
        self.assertEqual(settings(), before)

    def test_it_changes_and_puts_back(self):
        before = settings()
        for what in ("mac", "promiscuous", "mtu", "all"):
            with self.subTest(what=what):
                result = self.cotenant(*self.churn("allow=yes", f"what={what}", "-t", "300ms",
                                                   "--json"))
                self.assert_good(result)
                self.assertGreater(json.loads(result.stdout)["rate"], 0)
                self.assertEqual(settings(), before)

    def test_it_puts_back_when_all_of_it_is_killed(self):
        before = settings()
        with subprocess.Popen([COTENANT, *self.churn("allow=yes", "-t", "30s")], cwd=ROOT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 20
            while settings() == before and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertNotEqual(settings(), before)
            for pid in [*children_of(process.pid), process.pid]:
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while settings() != before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(settings(), before)

    def test_what_others_need_is_left_alone(self):
        self.refused("loopback is everybody's", "noise", "vf_control", "allow=yes", "nic=lo")
        ip("-n", LEFT, "route", "add", "default", "via", RIGHT_ADDRESS)
        self.addCleanup(ip, "-n", LEFT, "route", "del", "default")
        self.refused("the default route goes through v0", *self.churn("allow=yes"))


class Functions(CotenantTest):
    """Names of functions, where this machine has none but loopback for certain."""

    def refused(self, message, nic, *words):
        result = self.cotenant("bench", "null", f"nic={nic}", *words, "-t", "50ms")
        self.assertEqual(result.status, USAGE, str(result))
        self.assertIn(message, result.stderr)

    def test_names_of_nothing_are_refused_with_what_there_is(self):
        self.refused("did you mean 'lo'?", "l0")
        self.refused("there are: ", "nosuch0")
        self.refused("lo is no physical function", "pf:lo")
        self.refused("such as vf:eth0/3", "vf:lo")
        self.refused("lo is no physical function", "vf:lo/0")

    def test_a_location_can_be_near_the_tenants_nic(self):
        self.assert_good(self.cotenant("bench", "null", "nic=lo", "cpus=near:nic", "-t", "50ms"))
        self.refused("names no nic", "", "cpus=near:nic")

    def test_a_file_says_how_functions_lie(self):
        suite = self.file("f.ini", """
[suite]
name = functions
replicates = 2
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
nic = lo
[tenant neighbour]
cpus = pu:0
nic = lo
shared = yes
[victim null]
tenant = victim
[aggressor null]
tenant = neighbour
""")
        result = self.folder / "f.h5"
        self.assert_good(self.cotenant("run", suite, "-o", result))
        self.assert_good(self.cotenant("validate", result))
        shown = self.cotenant("show", result)
        self.assert_good(shown)
        self.assertIn("victim on lo (software), neighbour on lo (software): one and the same "
                      "function", shown.stdout)
        page = self.folder / "f.html"
        self.assert_good(self.cotenant("report", result, "-o", page))
        self.assertIn("function.beside.victim", Path(page).read_text(encoding="utf-8"))
        refused = self.cotenant("run", suite, "-o", self.folder / "g.h5", "--set",
                                "config.lab.expect=sriov")
        self.assertNotEqual(refused.status, 0)


if __name__ == "__main__":
    unittest.main()
