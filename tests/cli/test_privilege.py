# SPDX-License-Identifier: Apache-2.0
"""With fewer rights it says what is lost; with more than it needs it gives them up."""
import glob
import os
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, GOOD, USAGE, CotenantTest

NOBODY = 65534
KEPT = {"sys_nice": 23, "ipc_lock": 14, "net_raw": 13, "net_admin": 12, "sys_admin": 21,
        "perfmon": 38, "sys_rawio": 17, "dac_override": 1}
SUITE = """
[suite]
name = unprivileged
replicates = 2
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
[tenant neighbour]
cpus = pu:0
shared = yes
[victim null]
[aggressor null]
"""


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def worker_of(process):
    """Its worker, once it has its role: then it has given up what it has to."""
    for _ in range(500):
        for path in glob.glob("/proc/[0-9]*/status"):
            try:
                status = status_of(path.split("/")[2])
            except OSError:
                continue
            if status.get("PPid") == str(process.pid) and status.get("NoNewPrivs") == "1":
                return status_of(path.split("/")[2])  # its lines are not of one instant
        time.sleep(0.02)
    return None


class Capabilities(CotenantTest):
    @unittest.skipIf(os.geteuid() != 0, "needs root: there is nothing to give up")
    def test_a_worker_of_root_keeps_only_what_workloads_need(self):
        process = subprocess.Popen([COTENANT, "bench", "null", "-t", "20s"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            worker = worker_of(process)
            self.assertIsNotNone(worker, "no worker gave up anything")
            allowed = sum(1 << bit for bit in KEPT.values())
            for field in ("CapPrm", "CapEff", "CapBnd", "CapInh"):
                self.assertEqual(int(worker[field], 16) & ~allowed, 0, field)
        finally:
            process.kill()
            process.wait()


@unittest.skipIf(os.geteuid() != 0 or not shutil.which("setpriv"), "needs root and setpriv")
class Unprivileged(CotenantTest):
    """As nobody, in a folder of nobody."""

    def setUp(self):
        super().setUp()
        self.program = shutil.copy(COTENANT, self.folder / "cotenant")
        os.chmod(self.folder, 0o755)
        os.chown(self.folder, NOBODY, NOBODY)

    def as_nobody(self, *arguments):
        return subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--",
             self.program, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False, timeout=120)

    def test_a_campaign_runs_and_its_file_is_valid(self):
        self.file("s.ini", SUITE)
        run = self.as_nobody("run", "s.ini", "-o", "r.h5", "-q")
        self.assertIn(run.returncode, (GOOD, ENVIRONMENT), run.stderr)
        check = self.as_nobody("validate", "r.h5")
        self.assertEqual(check.returncode, 0, check.stderr)
        probe = self.as_nobody("probe")
        self.assertEqual(probe.returncode, 0, probe.stderr)

    def test_what_needs_rights_is_refused_with_their_name(self):
        for keys, words in ((["sched=fifo", "priority=10"], "CAP_SYS_NICE"),
                            (["cpu_quota=50%"], "root")):
            run = self.as_nobody("noise", "null", *keys, "-t", "200ms")
            self.assertEqual(run.returncode, ENVIRONMENT, run.stderr)
            self.assertIn(words, run.stderr)
            self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)


class Names(CotenantTest):
    """Words of a job file are never a shell's, and nothing is written through a link."""

    def test_a_launcher_is_words_not_a_script(self):
        bait = self.folder / "made"
        for via in (f"env A=;touch {bait}", f"env $(touch${{IFS}}{bait})", f"env `touch {bait}`",
                    f"env A=b|touch {bait}", f"env A=b >{bait}"):
            suite = self.file("s.ini", SUITE.replace("shared = yes", f"shared = yes\nvia = {via}"))
            run = self.cotenant("run", suite, "-o", self.folder / "r.h5", "-q")
            self.assertIn(run.status, (USAGE, ENVIRONMENT), via)
            self.assertFalse(bait.exists(), via)

    def test_names_with_a_shell_s_characters_are_only_names(self):
        suite = self.file("s.ini", SUITE.replace("name = unprivileged",
                                                 f"name = $(touch {self.folder}/made)"))
        self.cotenant("run", suite, "-o", self.folder / "r.h5", "-q")
        self.assertFalse((self.folder / "made").exists())

    def test_links_in_the_way_are_not_followed(self):
        precious = self.file("precious", "mine")
        suite, result = self.file("s.ini", SUITE), self.folder / "r.h5"
        os.symlink(precious, f"{result}.tmp")
        # Exit 4 where a busy machine left the aggressor no time: the file is there all the same.
        self.assertIn(self.cotenant("run", suite, "-o", result, "-q").status, (GOOD, ENVIRONMENT))
        self.assertFalse(result.is_symlink())
        os.symlink(precious, self.folder / "out.csv.tmp")
        self.assert_good(self.cotenant("export", result, "--format", "csv", "-o",
                                       self.folder / "out.csv"))
        self.assertEqual(precious.read_text(), "mine")
        os.symlink(precious, f"{self.folder}/other.h5.journal")
        self.assert_refused(self.cotenant("run", suite, "-o", self.folder / "other.h5", "-q"),
                            USAGE, "journal")
        self.assertEqual(precious.read_text(), "mine")


if __name__ == "__main__":
    unittest.main()
