# SPDX-License-Identifier: Apache-2.0
"""Campaigns in the lab, from the job file to the report: the whole of suites/sriov.ini, victims on one
virtual function beside aggressors on another of the same port; what a flood does to them; and one
plan of which a part runs inside a virtual machine."""
import html
import json
import re
import shlex
import subprocess
import unittest

from lab import (RDMA_AGGRESSORS, RDMA_VICTIMS, LabTest, in_machine, keep, settings, tenants, via)

# One epoch a phase: an emulated CPU comes in pieces of tens of milliseconds on a busy machine, and in
# shorter epochs an aggressor would seem to pause. A change of a function takes that long as well.
SHORT = {"suite.replicates": 2, "suite.warmup": "20ms", "suite.measure": "300ms",
         "suite.recovery": "50ms", "suite.epoch": "300ms"}

# Polling ends need a CPU each, and in here four of them share two with the emulator's own threads.
SLEEPING = {f"victim.{kind}.completion": "event"
            for kind in ("rdma_write_lat", "rdma_send_lat", "rdma_read_lat", "rdma_atomic_lat",
                         "rdma_write_bw")}
# Few requests under way at a time: soft-RoCE has no congestion control, and where a starved emulator
# drops packets of a large window it repeats that window, and completes nothing.
SMALL = {"victim.rdma_write_bw.size": "4K", "victim.rdma_write_bw.tx_depth": 16,
         "victim.rdma_write_bw.batch": 4, "aggressor.rdma_flood.size": "1K",
         "aggressor.rdma_flood.qps": 4, "aggressor.rdma_flood.depth": 4,
         "aggressor.rdma_incast.size": "1K", "aggressor.rdma_incast.qps": 2,
         "aggressor.rdma_incast.depth": 4, "aggressor.rdma_cache.count": 16,
         "aggressor.rdma_cache.size": 64, "aggressor.rdma_cache.depth": 2,
         "aggressor.rdma_exception.qps": 4, "aggressor.vf_control.allow": "yes"}
# A twelfth of what each does alone: the emulator's own threads and the victim take the rest.
# More of those that do it in batches, or wait most of the time (requests in vain for timers, a change of
# the function for the port): of few of them none falls into an epoch.
GENTLE = {f"aggressor.{kind}.intensity": 8
          for kind in ("tcp_flood", "vf_flood", "vf_interrupts", "vf_control", *RDMA_AGGRESSORS)}
GENTLE["aggressor.vf_flood.intensity"] = 16
GENTLE["aggressor.rdma_cache.intensity"] = 25
GENTLE["aggressor.rdma_exception.intensity"] = 50
GENTLE["aggressor.vf_control.intensity"] = 50

FLOOD = """
[suite]
name = lab-flood
replicates = 6
warmup = 100ms
measure = 500ms
recovery = 100ms
epoch = 500ms
[tenant victim]
cpus = core:0
[tenant server]
cpus = core:0
[tenant neighbour]
cpus = core:1
[tenant sink]
cpus = core:1
[victim tcp_rr]
tenant = victim
peer = server
[victim rdma_read_lat]
tenant = victim
peer = server
completion = event
[aggressor vf_flood]
tenant = neighbour
peer = sink
cap = 20000
intensity = 5,25
[config sriov]
expect = sriov
"""

PARTS = """
[suite]
name = boundary
replicates = 2
warmup = 20ms
measure = 200ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:1
[victim spin]
[victim syscall]
[aggressor cpu]
intensity = 20
[config host]
[config guest]
expect = vm
"""


class Sriov(LabTest):
    def test_the_whole_suite(self):
        path = self.campaign("suites/sriov.ini", *tenants(),
                             *settings({**SHORT, **SLEEPING, **SMALL, **GENTLE}), timeout=1500)
        path = keep(path, "sriov.h5")
        cells = self.cells(path)
        pairs = {(cell["victim"], cell["aggressor"]) for cell in cells}
        for victim in ("tcp_rr", "udp_rr", *RDMA_VICTIMS):
            for aggressor in ("tcp_flood", "vf_flood", "vf_interrupts", "vf_control",
                              *RDMA_AGGRESSORS):
                self.assertIn((victim, aggressor), pairs)
        self.assertEqual(sum(cell["failed"] for cell in cells), 0)
        there = {cell["aggressor"] for cell in cells if cell["load"] != "absent"}
        self.assertEqual(there, {cell["aggressor"] for cell in cells})
        self.every_reader_says_emulated(path)

    def every_reader_says_emulated(self, path):
        page = self.folder / "sriov.html"
        self.good("report", path, "-o", page)
        for said in (self.good("show", path).stdout, html.unescape(page.read_text())):
            self.assertIn("TCGTCGTCGTCG", said)
            self.assertIn("EMULATED", said)
        self.assertIn("TCG", self.value("export", path, "--format", "json")["emulated"])
        analysed = self.cotenant("analyze", path, "--json", "-")
        self.assertIn(analysed.status, (0, 1, 3), str(analysed))
        self.assertIn("TCG", json.loads(analysed.stdout)["emulated"])
        self.assertIn("different functions of one PF", self.good("show", path).stdout)

    def test_a_flood_on_one_function_is_felt_on_the_other(self):
        """How much of a flood a busy machine can emulate is not known before: of the doses that were
        held, one at least must be felt by each victim. Blocks are added until that is decided."""
        path = self.campaign(self.file("flood.ini", FLOOD), *tenants(), "--until", "p50:5%",
                             timeout=900)
        path = keep(path, "flood.h5")
        for victim in ("tcp_rr", "rdma_read_lat"):
            held = [cell for cell in self.cells(path)
                    if cell["victim"] == victim and cell["load"] in ("held", "contended")]
            medians = [one for cell in held for one in cell["quantiles"] if one["q"] == 0.5]
            with self.subTest(victim):
                self.assertTrue(held, "no dose was held")
                self.assertTrue(any(one["clear_of_one"] and one["slowdown"]["lo"] > 1
                                    for one in medians), medians)


class Boundary(LabTest):
    """One plan: a part on this machine, a part inside a virtual one, joined and set side by side."""

    def test_a_part_inside_a_machine_joins_the_part_outside(self):
        suite = self.file("parts.ini", PARTS)
        host = self.campaign(suite, "--config", "host", output="host.h5")
        guest = self.folder / "guest.h5"
        self.there("cat > /tmp/parts.ini", suite.read_bytes())
        self.there("cd /tmp && rm -f guest.h5* && "
                   "cotenant run parts.ini --config guest -o guest.h5 -q")
        guest.write_bytes(self.there("cat /tmp/guest.h5"))
        self.good("validate", guest)
        both = self.folder / "both.h5"
        self.good("merge", host, guest, "-o", both)
        self.good("validate", both)
        cells = self.cells(both)
        self.assertEqual({cell["config"] for cell in cells}, {"host", "guest"})
        self.assertEqual({cell["victim"] for cell in cells}, {"spin", "syscall"})
        self.good("report", both, "-o", self.folder / "both.html")
        self.assertRegex(self.good("show", both).stdout, r"(?s)host.*guest|guest.*host")

    def there(self, command, given=b""):
        """Runs a command inside, with this input; what it wrote, as bytes."""
        done = subprocess.run([*shlex.split(via("vm1")), command], input=given,
                              capture_output=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def test_a_claim_that_the_machine_does_not_bear_out_is_refused_inside(self):
        result = in_machine("vm1", "cd /tmp && rm -f r.h5* && cotenant run "
                            "/opt/cotenant/suites/baremetal.ini -o r.h5 -q")
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertRegex(result.stderr, re.compile("expect = baremetal.*TCG", re.S))


if __name__ == "__main__":
    unittest.main()
