# SPDX-License-Identifier: Apache-2.0
"""`run --until`: stops when every cell is decided, says what it spent, and goes on where it was."""
import json
import signal
import subprocess
import unittest

import jsonschema

from cotenant_test import COTENANT, INTERRUPTED, ROOT, USAGE, CotenantTest

# A planted delay of 20 us, whose median nothing short of a full core moves by half: every cell is
# decided with the first interval, on a loaded machine too.
CLEAR = """
[suite]
name = clear
replicates = 12
warmup = 20ms
measure = 150ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:0
shared = yes
[victim null]
delay = 20us
[aggressor null]
threads = 1
intensity = 50
[aggressor cpu]
threads = 1
intensity = 20
"""


class UntilTest(CotenantTest):
    def check(self, out):
        self.assert_good(self.cotenant("validate", out))
        result = self.cotenant("analyze", out, "--json")
        self.assert_good(result)
        analysis = json.loads(result.stdout)
        jsonschema.validate(analysis, json.loads(
            (ROOT / "results-schema" / "analysis.schema.json").read_text()))
        until = analysis["until"]
        self.assertEqual(until["margin"], 0.5)
        self.assertEqual(until["budget_blocks"], 24)
        self.assertLess(until["spent_blocks"], 24)
        self.assertEqual(sum(cell["planned_blocks"] for cell in analysis["cells"]),
                         until["spent_blocks"])
        verdicts = {cell["aggressor"]: cell["verdict"] for cell in until["cells"]}
        self.assertEqual(verdicts, {"null": "below", "cpu": "below"})
        self.assertIn("Until decided", self.cotenant("analyze", out).stdout)
        self.assertNotIn("missing", self.cotenant("show", out).stdout)

    def test_it_stops_when_decided_and_says_what_it_spent(self):
        out = self.folder / "out.h5"
        result = self.cotenant("run", self.file("clear.ini", CLEAR), "-o", out,
                               "--until", "p50:50%", "--progress", "lines", timeout=120)
        self.assert_good(result)
        self.assertRegex(result.stderr, r"until p50:50%: decided 2 of 2 cells \(2 below .* blocks of 24")
        self.check(out)

    def test_an_interrupted_one_goes_on_with_its_own_question(self):
        suite, out = self.file("clear.ini", CLEAR), self.folder / "out.h5"
        with subprocess.Popen([COTENANT, "run", suite, "-o", out, "--until", "p50:50%",
                               "--progress", "json"], stderr=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL, cwd=ROOT) as process:
            done = 0
            for line in process.stderr:
                done += json.loads(line)["event"] == "block" if line.startswith("{") else 0
                if done == 3:
                    process.send_signal(signal.SIGINT)
                    break
            process.stderr.read()
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assert_good(self.cotenant("run", suite, "-o", out, "--resume", "-q", timeout=120))
        self.check(out)

    def test_what_is_no_question_is_refused(self):
        suite = self.file("clear.ini", CLEAR)
        for word in ("p99", "p98:2%", "p99:0%", "p99:x", ":2%"):
            result = self.cotenant("run", suite, "-o", self.folder / "no.h5", "--until", word)
            self.assertEqual(result.status, USAGE, str(result))
            self.assertIn("--until", result.stderr)
        lockin = self.file("lockin.ini", CLEAR.replace("[suite]", "[suite]\ndesign = lockin")
                           .replace("measure = 150ms", "measure = 30s")
                           .replace("epoch = 50ms", "epoch = 20ms"))
        result = self.cotenant("run", lockin, "-o", self.folder / "no.h5", "--until", "p50:2%")
        self.assertEqual(result.status, USAGE, str(result))
        self.assertIn("design = lockin", result.stderr)


if __name__ == "__main__":
    unittest.main()
