# SPDX-License-Identifier: Apache-2.0
"""What the tests of the virtual lab share: its two machines, and the words that reach them.

The lab must be up (`scripts/lab/lab.sh up`). Victims sit on virtual function 0 of vm1, aggressors on
function 1, their other ends on the functions of vm2 that have the same number. Nothing here asks how
long anything took: in an emulator that says nothing, and the machine under it may be busy.
"""
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))

from cotenant_test import COTENANT, CotenantTest  # noqa: E402 (the path comes first)

CONFIG = Path(COTENANT).parent / "lab" / "ssh_config"
RDMA_VICTIMS = ("rdma_write_lat", "rdma_send_lat", "rdma_read_lat", "rdma_atomic_lat",
                "rdma_write_bw", "rdma_reg_lat", "rdma_conn_lat")
WITHOUT_OTHER_END = ("rdma_reg_lat", "rdma_conn_lat")
RDMA_AGGRESSORS = ("rdma_flood", "rdma_cache", "rdma_incast", "rdma_exception", "rdma_control")


def via(machine):
    """The launcher of a tenant in one of the machines."""
    return f"ssh -F {CONFIG} {machine}"


def in_machine(machine, command, timeout=300):
    """Runs a command there; CompletedProcess with text."""
    return subprocess.run([*shlex.split(via(machine)), command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False)


def on_function(number, peer=True):
    """Words for `bench` and `noise`: a workload on a function of vm1, its other end in vm2."""
    words = [f"via={via('vm1')}", "program=cotenant", f"nic=vf:eth1/{number}",
             f"cpus=core:{number}"]
    if peer:
        words += [f"peer.via={via('vm2')}", "peer.program=cotenant", f"peer.nic=vf:eth1/{number}",
                  f"peer.address=10.77.{number + 1}.2", f"peer.cpus=core:{number}"]
    return words


# The tenants of suites/sriov.ini in this lab.
SRIOV_TENANTS = {
    "victim": {"via": via("vm1"), "nic": "vf:eth1/0", "address": "10.77.1.1"},
    "server": {"via": via("vm2"), "nic": "vf:eth1/0", "address": "10.77.1.2"},
    "neighbour": {"via": via("vm1"), "nic": "vf:eth1/1", "address": "10.77.2.1"},
    "sink": {"via": via("vm2"), "nic": "vf:eth1/1", "address": "10.77.2.2"},
}


def settings(values):
    """{"suite.measure": "1s"} as the --set options of `run`."""
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def tenants():
    return settings({f"tenant.{name}.{key}": value for name, keys in SRIOV_TENANTS.items()
                     for key, value in {**keys, "program": "cotenant"}.items()})


class LabTest(CotenantTest):
    """Base of the lab's tests."""

    def setUp(self):
        super().setUp()
        if not CONFIG.exists():
            self.fail("the lab is not up: scripts/lab/lab.sh up")

    def good(self, *arguments, timeout=120):
        result = self.cotenant(*arguments, timeout=timeout)
        self.assert_good(result)
        return result

    def value(self, *arguments, timeout=120):
        return json.loads(self.good(*arguments, timeout=timeout).stdout)

    def cells(self, path):
        return self.value("export", path, "--format", "json")["cells"]

    def campaign(self, suite, *words, output="result.h5", timeout=600):
        """Runs a campaign whose every block must be measured; the path of the result."""
        path = self.folder / output
        self.good("run", suite, "-o", path, "-q", *words, timeout=timeout)
        self.good("validate", path)
        return path


def keep(path, name):
    """Leaves a file where somebody who looks at the lab finds it: build/lab/results."""
    folder = Path(COTENANT).parent / "lab" / "results"
    folder.mkdir(exist_ok=True)
    os.replace(path, folder / name)
    return folder / name
