# SPDX-License-Identifier: Apache-2.0
"""`via = systemd-run` with a real systemd: the machine's, or one that the test boots in namespaces."""
import glob
import json
import os
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from cotenant_test import ROOT, USAGE, CotenantTest

SCOPE = "systemd-run --scope -q"
CAMPAIGN = """
[suite]
name = systemd
replicates = 2
warmup = 50ms
measure = 300ms
recovery = 50ms
epoch = 100ms
[tenant victim]
cpus = pu:0
[victim spin]
[aggressor cpu]
[tenant neighbour]
cpus = pu:0
shared = yes
[config slice]
expect = cgroup
"""


class Systemd:
    """A systemd that is process 1 of namespaces of its own; `prefix` are the words into them."""

    def __init__(self):
        self.name = f"test-systemd-{os.getpid()}"
        self.process = subprocess.Popen(
            [ROOT / "tests/cli/boot-systemd.sh", self.name], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.prefix = None

    def wait(self, seconds=30):
        """Whether it has come up; if not, `words` tells."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            for pid in children.read_text().split():
                prefix = f"nsenter -t {pid} -p -m -i -u -C"
                if subprocess.run([*prefix.split(), "systemctl", "is-active", "empty.target"],
                                  capture_output=True, check=False).returncode == 0:
                    self.prefix = prefix
                    return True
            time.sleep(0.1)
        return False

    def stop(self):
        """Kills it; returns what it said."""
        self.process.kill()
        words = self.process.communicate()[0]
        # A control group goes when the last of its processes is reaped.
        for _ in range(100):
            for folder in sorted(glob.glob(f"/sys/fs/cgroup/**/{self.name}/**/", recursive=True),
                                 key=len, reverse=True):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
            if not glob.glob(f"/sys/fs/cgroup/**/{self.name}", recursive=True):
                break
            time.sleep(0.05)
        return words


@unittest.skipIf(os.geteuid() != 0, "needs root")
@unittest.skipUnless(shutil.which("systemd-run"), "needs systemd-run")
class SystemdRun(CotenantTest):
    @classmethod
    def setUpClass(cls):
        cls.via = SCOPE
        if os.path.isdir("/run/systemd/system"):
            return
        if not os.path.exists("/lib/systemd/systemd"):
            raise unittest.SkipTest("needs systemd")
        systemd = Systemd()
        if not systemd.wait():
            raise AssertionError(f"no systemd came up: {systemd.stop()}")
        cls.addClassCleanup(systemd.stop)
        cls.via = f"{systemd.prefix} {SCOPE}"

    def run_slice(self, name, properties):
        suite = self.file(f"{name}.ini", CAMPAIGN + f"tenant.victim.via = {self.via} {properties}\n"
                          f"tenant.neighbour.via = {self.via} {properties}\n")
        path = self.folder / f"{name}.h5"
        return self.cotenant("run", suite, "-o", path, timeout=120), path

    def test_a_victim_runs_in_a_scope(self):
        self.assert_good(self.cotenant("bench", "spin", "cpus=pu:0", f"via={self.via}", "-t", "200ms",
                                       "--json"))

    def test_the_quota_of_a_scope_is_found_in_force_and_stored(self):
        run, path = self.run_slice("quota", "-p CPUQuota=50%")
        self.assert_good(run)
        import h5py
        with h5py.File(path) as result:
            self.assertEqual(set(result["blocks/status"][:]), {0})
            tenants = json.loads(result["placement/json"][()])["slice"]
        limits = {name: tenant["probe"]["cgroup"]["cpu_limit"]["value"]
                  for name, tenant in tenants.items()}
        self.assertEqual(limits, {"victim": 0.5, "neighbour": 0.5})

    def test_a_scope_without_a_limit_is_no_cgroup_config(self):
        run, path = self.run_slice("free", "-p Description=free")
        self.assert_refused(run, USAGE, "expect = cgroup")
        self.assertFalse(path.exists())


if __name__ == "__main__":
    unittest.main()
