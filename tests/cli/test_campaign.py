# SPDX-License-Identifier: Apache-2.0
"""Campaigns end to end: a planted neighbour is found, an idle one is not, nothing is lost."""
import json
import math
import os
import signal
import struct
import subprocess
import time
import unittest

import h5py

from cotenant_test import COTENANT, ENVIRONMENT, INTERRUPTED, USAGE, CotenantTest

SHARED_CORE = """
[suite]
name = planted
replicates = 4
warmup = 20ms
measure = 150ms
recovery = 50ms
epoch = 50ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:0
shared = yes
[victim null]
delay = 20us
[aggressor null]
[aggressor cpu]
threads = 1
intensity = 30
"""


# Fixed work beside a neighbour that wants the whole of the same core: each gets half of it. One
# operation is longer than several of the scheduler's slices, so that every one of them meets the
# neighbour: a shorter one fits in a slice or doesn't, and its median depends on the kernel.
# The idle one wakes some hundred times a second. At full pace it would a thousand times, and a
# wake-up on the victim's own CPU costs up to 100 us where a virtual machine's timers are its host's.
PLANTED = """
[suite]
name = planted
replicates = 8
warmup = 20ms
measure = 600ms
recovery = 50ms
epoch = 200ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:0
shared = yes
[victim spin]
mode = quantum
quantum = 25ms
[aggressor null]
intensity = 10
[aggressor cpu]
threads = 1
"""


class CampaignTest(CotenantTest):
    def run_ok(self, *arguments):
        result = self.cotenant(*arguments, timeout=300)
        self.assert_good(result)
        return result

    def refused(self, *arguments, words=(), status=USAGE):
        self.assert_refused(self.cotenant(*arguments), status, *words)

    def path(self, name):
        return str(self.folder / name)


class Planted(CampaignTest):
    def cells(self, result):
        """(victim, aggressor) -> cell of the JSON export."""
        run = self.run_ok("export", result, "--format", "json")
        data = json.loads(run.stdout)
        return {(c["victim"], c["aggressor"]): c for c in data["cells"]}

    def test_a_neighbour_on_the_same_core_is_found_and_an_idle_one_is_not(self):
        suite = self.file("planted.ini", PLANTED)
        # A busy machine widens the interval: then more blocks are asked for, as a user would.
        for replicates in (8, 24):
            result = self.path(f"planted-{replicates}.h5")
            self.run_ok("run", suite, "-o", result, "--seed", "1", "-q", "--set",
                        f"suite.replicates={replicates}")
            cells = self.cells(result)
            planted, idle = cells["spin", "cpu"], cells["spin", "null"]
            if planted["quantiles"][0]["slowdown"]["lo"] > 1:
                break
        self.run_ok("validate", result)
        # It can't reach what it does alone on the core ("contended"), unless the machine gave it
        # less while that was measured ("held"); idle it never is.
        self.assertIn(planted["load"], ("contended", "held"))
        slowdown = {q["q"]: q["slowdown"] for q in planted["quantiles"]}[0.5]
        self.assertGreater(slowdown["lo"], 1.0, slowdown)
        self.assertGreater(slowdown["value"], 1.2, slowdown)
        slowdown = {q["q"]: q["slowdown"] for q in idle["quantiles"]}[0.5]
        self.assertLess(slowdown["lo"], 1.1, slowdown)

    def test_the_file_opens_with_stock_tools(self):
        suite = self.file("planted.ini", SHARED_CORE)
        result = self.path("stock.h5")
        self.run_ok("run", suite, "-o", result, "--set", "suite.replicates=2", "-q")
        header = subprocess.run(["h5dump", "-H", result], capture_output=True, text=True)
        self.assertEqual(header.returncode, 0, header.stderr)
        self.assertIn("phases", header.stdout)


class HostCounters(CampaignTest):
    """What the kernel counts of the whole machine, where a victim asks for it."""

    NAMES = ["busy", "forks", "switches", "interrupts", "softirqs_net", "softirqs_block",
             "page_faults", "pages_allocated", "disk"]

    def campaign(self, name, *more):
        result = self.path(f"{name}.h5")
        self.run_ok("run", self.file("host.ini", SHARED_CORE), "-o", result, "--seed", "1", "-q",
                    "--set", "suite.replicates=2", *more)
        self.run_ok("validate", result)
        return result

    @staticmethod
    def readings(result):
        """Counters of the source in the file: their readings by name."""
        with h5py.File(result) as file:
            if "counters" not in file:
                return {}
            sources, names = (file["counters"][column].asstr()[:] for column in ("source", "name"))
            counters, values = file["readings/counter"][:], file["readings/value"][:]
            return {name: values[counters == row]
                    for row, (source, name) in enumerate(zip(sources, names)) if source == "host"}

    def test_they_go_with_every_epoch_where_a_victim_asks_and_change_nothing_else(self):
        plain = self.campaign("plain")
        asked = self.campaign("asked", "--set", "victim.null.host_counters=yes")
        self.assertEqual(self.readings(plain), {})
        found = self.readings(asked)
        self.assertEqual(list(found), self.NAMES)
        for name, values in found.items():
            self.assertGreater(len(values), 0, name)
            self.assertTrue(all(0 <= value < math.inf for value in values), (name, values))
        self.assertGreater(sum(found["busy"]), 0)
        self.assertGreater(sum(found["interrupts"]), 0)
        compared = self.cotenant("compare", plain, asked)
        self.assertNotIn("other parameters", compared.stdout + compared.stderr)


class Interrupted(CampaignTest):
    def start(self, suite, result, *more):
        return subprocess.Popen(
            [COTENANT, "run", suite, "-o", result, "--progress", "json", "--seed", "3", *more],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def wait_for_blocks(self, process, n):
        for line in process.stderr:
            event = json.loads(line)
            if event.get("event") == "block" and event["done"] >= n:
                return
        self.fail("the campaign ended before block %d" % n)

    def rest_of(self, process):
        with process.stderr:
            return process.stderr.read()

    def workers_of(self, pid):
        found = []
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
                if int(fields[1]) == pid:
                    found.append(int(entry))
            except (OSError, IndexError, ValueError):
                continue
        return found

    def gone(self, pid):
        return not os.path.exists(f"/proc/{pid}")

    def test_ctrl_c_keeps_what_was_measured_and_resume_completes_it(self):
        suite = self.file("planted.ini", SHARED_CORE)
        result = self.path("interrupted.h5")
        process = self.start(suite, result)
        self.wait_for_blocks(process, 3)
        workers = self.workers_of(process.pid)
        process.send_signal(signal.SIGINT)
        errors = self.rest_of(process)
        self.assertEqual(process.wait(), INTERRUPTED, errors)
        self.assertIn("--resume", errors)
        self.assertTrue(all(self.gone(worker) for worker in workers))
        self.run_ok("validate", result)
        self.run_ok("show", result)
        self.run_ok("run", suite, "-o", result, "--resume", "-q")
        self.run_ok("validate", result)
        data = json.loads(self.run_ok("export", result, "--format", "json").stdout)
        self.assertTrue(all(cell["blocks"] == 4 for cell in data["cells"]), data["cells"])
        self.assertFalse(os.path.exists(result + ".journal"))

    def test_a_killed_controller_leaves_no_worker_and_a_journal_to_resume(self):
        suite = self.file("planted.ini", SHARED_CORE)
        result = self.path("killed.h5")
        process = self.start(suite, result)
        self.wait_for_blocks(process, 2)
        workers = self.workers_of(process.pid)
        process.kill()
        self.rest_of(process)
        process.wait()
        deadline = time.time() + 2
        while time.time() < deadline and not all(self.gone(w) for w in workers):
            time.sleep(0.02)
        self.assertTrue(all(self.gone(worker) for worker in workers))
        self.assertFalse(os.path.exists(result))
        self.run_ok("run", suite, "-o", result, "--resume", "-q")
        self.run_ok("validate", result)

    def test_a_block_that_the_disk_has_damaged_is_measured_again(self):
        suite = self.file("planted.ini", SHARED_CORE)
        result = self.path("damaged.h5")
        process = self.start(suite, result)
        self.wait_for_blocks(process, 3)
        process.kill()
        self.rest_of(process)
        process.wait()
        with open(result + ".journal", "r+b") as journal:
            header_length = struct.unpack("<IHHII", journal.read(16))[3]
            journal.seek(2 * (16 + header_length) + 100)  # in the first block
            byte = journal.read(1)[0]
            journal.seek(-1, os.SEEK_CUR)
            journal.write(bytes([byte ^ 1]))
        resumed = self.run_ok("run", suite, "-o", result, "--resume")
        self.assertIn("damaged in 1 place", resumed.stderr)
        self.run_ok("validate", result)
        data = json.loads(self.run_ok("export", result, "--format", "json").stdout)
        self.assertTrue(all(cell["blocks"] == 4 for cell in data["cells"]), data["cells"])
        with h5py.File(result) as file:
            log = [text.decode() for text in file["log/text"]]
        self.assertTrue(any("resumed after 2 blocks" in text for text in log), log)
        self.assertTrue(any("damaged in 1 place" in text for text in log), log)

    def test_a_killed_worker_costs_one_block_and_exit_4(self):
        suite = self.file("planted.ini", SHARED_CORE)
        result = self.path("one_lost.h5")
        process = self.start(suite, result)
        self.wait_for_blocks(process, 2)
        victim = None
        deadline = time.time() + 10
        while victim is None and time.time() < deadline:
            workers = self.workers_of(process.pid)
            victim = workers[0] if workers else None
        os.kill(victim, signal.SIGKILL)
        errors = self.rest_of(process)
        self.assertEqual(process.wait(), ENVIRONMENT, errors)
        self.assertIn("signal 9", errors)
        self.run_ok("validate", result)
        data = json.loads(self.run_ok("export", result, "--format", "json").stdout)
        self.assertEqual(sum(cell["failed"] for cell in data["cells"]), 1)
        self.assertEqual(sum(cell["blocks"] for cell in data["cells"]), 8)


class BadInput(CampaignTest):
    def test_overlapping_tenants_are_refused_by_name_and_leave_no_file(self):
        suite = self.file("overlap.ini", SHARED_CORE.replace("shared = yes\n", ""))
        self.refused("run", suite, "-o", self.path("overlap.h5"), "-q",
                     words=["victim", "neighbour", "shared"])
        self.assertEqual([p.name for p in self.folder.iterdir()], ["overlap.ini"])

    def test_an_impossible_cpu_is_refused(self):
        suite = self.file("cpu.ini", SHARED_CORE)
        self.refused("run", suite, "-o", self.path("cpu.h5"), "-q", "--set",
                     "tenant.victim.cpus=core:9999", words=["core:9999"])

    def test_a_missing_launcher_is_refused_before_anything_runs(self):
        suite = self.file("via.ini", SHARED_CORE)
        self.refused("run", suite, "-o", self.path("via.h5"), "-q", "--set",
                     "tenant.victim.via=no-such-launcher vm2", words=["no-such-launcher"])

    def test_an_existing_output_is_not_overwritten(self):
        suite = self.file("exists.ini", SHARED_CORE)
        result = self.file("exists.h5", "precious")
        self.refused("run", suite, "-o", result, "-q", words=["exists.h5"])
        self.assertEqual(result.read_text(), "precious")

    def test_a_directory_that_is_not_there_is_named(self):
        suite = self.file("dir.ini", SHARED_CORE)
        result = self.cotenant("run", suite, "-o", self.path("no/such/dir/x.h5"), "-q")
        self.assertIn(result.status, (USAGE, ENVIRONMENT))
        self.assert_one_line(result.stderr)
        self.assertIn("no/such/dir", result.stderr)

    def test_an_unknown_key_is_refused_with_line_and_neighbour(self):
        suite = self.file("key.ini", SHARED_CORE.replace("measure =", "mesure ="))
        self.refused("run", suite, "-o", self.path("key.h5"), "-q",
                     words=["key.ini:6", "mesure", "measure"])

    def test_a_wrong_expectation_is_refused_with_evidence(self):
        suite = self.file("mig.ini", SHARED_CORE + "[config sliced]\nexpect = mig\n")
        self.refused("run", suite, "-o", self.path("mig.h5"), "-q", words=["mig"])
        self.assertFalse(os.path.exists(self.path("mig.h5")))


class Bench(CampaignTest):
    def test_bench_prints_its_contract(self):
        data = json.loads(self.run_ok("bench", "null", "delay=50us", "-t", "300ms", "--json").stdout)
        self.assertEqual(data["schema"], "cotenant.bench/1")
        for key in ("victim", "unit", "count", "min", "mean", "max", "quantiles", "clock"):
            self.assertIn(key, data)
        self.assertLess(abs(data["quantiles"]["0.5"] / 50e3 - 1), 0.05)
        self.assertLessEqual(data["min"], data["quantiles"]["0.5"])
        self.assertLessEqual(data["quantiles"]["0.5"], data["max"] * 1.001)

    def test_a_quantile_beyond_the_data_is_null(self):
        data = json.loads(self.run_ok("bench", "null", "delay=1ms", "-t", "200ms", "--json").stdout)
        self.assertIsNone(data["quantiles"]["0.9999"])

    def test_a_time_without_a_sample_is_no_measurement(self):
        """The operation that began in the warm-up ends when the time is over."""
        result = self.cotenant("bench", "null", "delay=300ms", "-t", "50ms", "--warmup", "10ms",
                               "--json")
        self.assert_refused(result, ENVIRONMENT, "null", "no operation", "50.0 ms", "-t")

    def test_an_aggressor_that_was_not_there_is_told(self):
        """A thousandth of what forks can be is none in the third of a second that this takes."""
        words = ["bench", "null", "delay=50us", "with=fork", "with.intensity=0.1%", "-t", "20ms",
                 "--warmup", "0s", "--epoch", "10ms"]
        beside = json.loads(self.run_ok(*words, "--json").stdout)["with"]
        self.assertEqual((beside["load"], beside["count"], beside["mean"]), ("absent", 0, None))
        text = self.run_ok(*words).stdout
        self.assertIn("DID NOT LOAD", text)
        self.assertNotRegex(text, r"\bnan")

    def test_noise_prints_its_contract(self):
        data = json.loads(self.run_ok("noise", "null", "-t", "300ms", "--json").stdout)
        self.assertEqual(data["schema"], "cotenant.noise/1")
        self.assertGreater(data["rate"], 0)
        self.assertGreater(data["seconds"], 0.25)

    def test_an_unknown_parameter_is_refused_with_a_suggestion(self):
        self.refused("bench", "mem_latency", "workingset=1M", words=["working_set"])

    def test_a_bad_value_names_the_range(self):
        self.refused("bench", "mem_latency", "working_set=1", words=["working_set"])

    def test_open_loop_charges_a_stall_to_every_request_it_delays(self):
        # 20 us of work every 10 us: the queue grows, and latency with it (no coordinated omission).
        data = json.loads(self.run_ok("bench", "null", "delay=20us", "rate=100kHz", "-t", "200ms",
                                      "--warmup", "0s", "--json").stdout)
        self.assertGreater(data["quantiles"]["0.99"], 20e6)


if __name__ == "__main__":
    unittest.main()
