# SPDX-License-Identifier: Apache-2.0
"""Tenants behind real boundaries: limits, launchers, and what is left of them afterwards.

Everything here is made by the test and removed by it: control groups, network namespaces, an sshd
on loopback. What this machine can't do is skipped with the reason.
"""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, USAGE, CotenantTest

LEFT_BEHIND_S = 2  # no process and no control group may outlive its campaign by more

HEAD = """
[suite]
name = tenants
replicates = 2
warmup = 50ms
measure = 300ms
recovery = 50ms
epoch = 100ms
[tenant victim]
cpus = pu:0
[tenant neighbour]
cpus = pu:0
shared = yes
"""
WORK = """
[victim spin]
[aggressor cpu]
threads = 1
"""


def needs(*programs, root=True):
    """Skips a test where a program or the rights are missing."""
    missing = [p for p in programs if not shutil.which(p)]
    why = f"needs {', '.join(missing)}" if missing else "needs root"
    return unittest.skipIf(missing or (root and os.geteuid() != 0), why)


def groups():
    """Control groups of ours that exist now."""
    return glob.glob("/sys/fs/cgroup/**/cotenant-*", recursive=True)


def children_of(pid):
    """Processes whose parent is `pid`, zombies left out."""
    found = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = Path(stat).read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.split("/")[2]))
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds=20.0):
    """Whether the condition became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def can_limit_cpu():
    """Whether control groups with a CPU quota can be made here."""
    if os.geteuid() != 0:
        return False
    result = subprocess.run([COTENANT, "noise", "null", "cpu_quota=50%", "-t", "200ms"],
                            capture_output=True, check=False)
    return result.returncode == 0


class TenantTest(CotenantTest):
    def tearDown(self):
        self.assertTrue(wait_for(lambda: not groups(), LEFT_BEHIND_S), groups())

    def start(self, *arguments):
        """The program in the background; killed at the end of the test if it still runs."""
        process = subprocess.Popen([COTENANT, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def export(self, path):
        return json.loads(self.good("export", path, "--format", "json").stdout)

    def good(self, *arguments):
        result = self.cotenant(*arguments, timeout=300)
        self.assert_good(result)
        return result

    def blocks(self, path):
        """Status of every block, as in the file."""
        import h5py
        with h5py.File(path) as result:
            return list(result["blocks/status"][:])


class Keys(CotenantTest):
    def refused(self, lines, *words):
        suite = self.file("s.ini", HEAD + lines + WORK)
        self.assert_refused(self.cotenant("plan", suite), USAGE, *words)

    def test_a_misspelt_key_is_refused_with_the_nearest(self):
        self.refused("cpu_qouta = 50%\n", "cpu_qouta", "cpu_quota", "s.ini:")

    def test_a_value_out_of_range_names_the_range(self):
        self.refused("cpu_weight = 20000\n", "cpu_weight", "10000")

    def test_a_real_time_class_needs_a_priority(self):
        self.refused("sched = fifo\n", "priority", "neighbour")

    def test_a_priority_needs_a_real_time_class(self):
        self.refused("priority = 5\n", "fifo", "neighbour")

    def test_a_config_overrides_every_key(self):
        suite = self.file("s.ini", HEAD + WORK + """
[config boxed]
tenant.neighbour.cpu_quota = 25%
tenant.neighbour.cpu_weight = 50
tenant.neighbour.cpuset = yes
tenant.neighbour.memory_limit = 1G
tenant.neighbour.cache_ways = 0-3
tenant.neighbour.memory_bandwidth = 40%
tenant.neighbour.sched = fifo
tenant.neighbour.priority = 3
tenant.neighbour.huge_pages = never
tenant.neighbour.numa_policy = interleave
tenant.neighbour.gpu = 0
tenant.neighbour.program = /usr/bin/cotenant
""")
        self.assert_good(self.cotenant("plan", suite))


@unittest.skipUnless(can_limit_cpu(), "no control group with a CPU quota can be made here")
class Limits(TenantTest):
    def rate(self, *words):
        return json.loads(self.good("noise", "cpu", "cpus=pu:0", "-t", "1s", "--json",
                                    *words).stdout)["rate"]

    def test_a_quota_halves_what_a_neighbour_can_do(self):
        # What else runs on a virtual machine's host only takes away: the best of each is compared.
        pairs = [(self.rate(), self.rate("cpu_quota=50%")) for _ in range(4)]
        alone, under_quota = map(max, zip(*pairs))
        self.assertAlmostEqual(under_quota / alone, 0.5, delta=0.12, msg=pairs)

    def test_a_neighbour_under_a_quota_is_held_at_a_share_of_its_own_maximum(self):
        # Not at all of it: then whatever the host takes meanwhile is missing, and is told.
        suite = self.file("q.ini", HEAD.replace("measure = 300ms", "measure = 1s").replace(
            "cpus = pu:0\nshared = yes", "cpus = pu:1\ncpu_quota = 50%")
            + WORK + "intensity = 40\n[config boxed]\nexpect = cgroup\n")
        if os.cpu_count() < 2:
            self.skipTest("needs two CPUs")
        result = self.folder / "q.h5"
        self.good("run", suite, "-o", result)
        self.assertEqual(set(self.blocks(result)), {0})

    def test_a_memory_limit_kills_the_worker_and_fails_the_cell_only(self):
        suite = self.file("m.ini", HEAD.replace("shared = yes", "shared = yes\nmemory_limit = 64M")
                          + "[victim spin]\n[aggressor membw]\nbuffer = 256M\nthreads = 1\n"
                          "[aggressor null]\n")
        result = self.folder / "m.h5"
        run = self.cotenant("run", suite, "-o", result, timeout=120)
        self.assertEqual(run.status, ENVIRONMENT, str(run))
        self.assertIn("membw", run.stderr)
        self.assertEqual(sorted(self.blocks(result)), [0, 0, 1, 1])

    def test_a_cpuset_and_a_real_time_class_hold_and_let_the_victim_be_watched(self):
        run = self.cotenant("bench", "spin", "cpus=pu:0", "cpuset=yes", "sched=fifo", "priority=5",
                            "huge_pages=never", "-t", "600ms", "--json", timeout=60)
        if run.status != 0 and "not permitted" in run.stderr:
            self.skipTest("no real-time scheduling here")
        self.assert_good(run)

    def test_cache_ways_without_resctrl_say_what_to_mount(self):
        if os.path.exists("/sys/fs/resctrl/schemata"):
            self.skipTest("this machine has resctrl")
        self.assert_refused(self.cotenant("bench", "spin", "cache_ways=0-3", "-t", "200ms"),
                            ENVIRONMENT, "cache_ways", "mount -t resctrl")

    def kill_controller(self, suite):
        result = self.folder / "k.h5"
        process = self.start("run", suite, "-o", result)
        self.assertTrue(wait_for(lambda: groups() and children_of(process.pid)), "no group came")
        workers = children_of(process.pid)
        process.kill()
        process.wait()
        self.assertTrue(wait_for(lambda: not groups(), LEFT_BEHIND_S), groups())
        self.assertTrue(wait_for(lambda: not any(map(is_alive, workers)), LEFT_BEHIND_S), workers)

    def test_a_killed_controller_leaves_neither_workers_nor_groups(self):
        suite = self.file("k.ini", HEAD.replace("shared = yes", "shared = yes\ncpu_quota = 30%\n"
                                                "cpuset = yes\nmemory_limit = 1G") + WORK)
        self.kill_controller(suite)


class Expectations(TenantTest):
    def refused_expectation(self, expect, via, *words):
        suite = self.file("e.ini", HEAD + WORK + f"[config c]\nexpect = {expect}\n"
                          f"tenant.victim.via = {via}\ntenant.neighbour.via = {via}\n")
        self.assert_refused(self.cotenant("run", suite, "-o", self.folder / "e.h5"), USAGE, *words)
        self.assertFalse((self.folder / "e.h5").exists())

    def test_a_launcher_called_docker_makes_no_container(self):
        docker = self.file("docker", '#!/bin/sh\nshift 3\nexec "$@"\n')
        docker.chmod(0o755)
        self.refused_expectation("container", f"{docker} exec t1", "expect = container",
                                 "this process is in none")

    def test_bare_metal_is_refused_where_the_tenant_sees_a_hypervisor(self):
        probe = json.loads(self.good("probe", "--json").stdout)
        if not probe["hypervisor"]["present"]["value"]:
            self.skipTest("this is bare metal")
        self.refused_expectation("baremetal", "local", "config 'c'", "tenant 'victim'",
                                 "hypervisor")

    def test_a_gpu_in_slices_is_refused_with_what_is_missing(self):
        if os.path.exists("/proc/driver/nvidia"):
            self.skipTest("this machine has an NVIDIA GPU")
        self.refused_expectation("mig", "local", "expect = mig", "no NVIDIA GPU")

    @needs("unshare")
    def test_a_network_namespace_is_told_from_the_harness(self):
        suite = self.file("n.ini", HEAD + WORK + "[config apart]\nexpect = netns\n"
                          "tenant.neighbour.via = unshare -n\n")
        self.good("run", suite, "-o", self.folder / "n.h5")
        self.refused_expectation("netns", "unshare -m", "no network namespace")


class Launchers(TenantTest):
    def bench(self, via, **environment):
        return self.cotenant("bench", "spin", "cpus=pu:0", f"via={via}", "-t", "200ms", "--json",
                             environment=environment, timeout=60)

    @needs("unshare")
    def test_unshare(self):
        self.assert_good(self.bench("unshare -m -n -u"))

    @needs("unshare")
    def test_a_new_process_namespace_dies_with_its_launcher(self):
        self.assert_good(self.bench("unshare --fork --pid --kill-child --mount-proc"))

    @needs("mpirun", root=False)
    def test_open_mpi(self):
        self.assert_good(self.bench("mpirun -np 1 --bind-to none", OMPI_ALLOW_RUN_AS_ROOT="1",
                                    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))

    def test_a_program_behind_the_boundary_may_lie_elsewhere(self):
        copy = self.folder / "cotenant-copy"
        shutil.copy(COTENANT, copy)
        self.assert_good(self.cotenant("bench", "spin", f"program={copy}", "-t", "200ms"))

    def test_another_build_is_refused(self):
        # The same program but for one byte of the identity that the linker wrote into it.
        words = self.good("--version").stdout
        identity = bytes.fromhex(re.search(r"build ([0-9a-f]+)", words)[1])
        program = Path(COTENANT).read_bytes()
        self.assertEqual(program.count(identity), 1)
        other = self.folder / "other"
        other.write_bytes(program.replace(identity, bytes([identity[0] ^ 1]) + identity[1:]))
        other.chmod(0o755)
        self.assert_refused(self.cotenant("bench", "spin", f"program={other}", "-t", "200ms"),
                            ENVIRONMENT, "the worker is another build", "install the same")

    def test_a_program_that_is_no_worker_is_told(self):
        other = self.file("other", "#!/bin/sh\necho hello; exit 3\n")
        other.chmod(0o755)
        self.assert_refused(self.cotenant("bench", "spin", f"program={other}", "-t", "200ms"),
                            ENVIRONMENT, "the worker")

    def test_launchers_that_close_standard_input_are_told_not_to(self):
        for name, action in (("docker", "exec"), ("podman", "exec"), ("kubectl", "exec")):
            log = self.folder / f"{name}.log"
            fake = self.file(name, f'#!/bin/sh\necho "$@" > {log}\nwhile [ "$1" != -- ]; do shift;'
                             ' done\nshift\nexec "$@"\n')
            fake.chmod(0o755)
            self.assert_good(self.bench(f"{fake} {action} pod --"))
            self.assertRegex(log.read_text(), rf"\A{action} -i pod -- ")


class Sshd:
    """An sshd on loopback with keys of its own, for the time of one test."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
                           check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        os.makedirs("/run/sshd", exist_ok=True)
        self.server_config = folder / "sshd_config"
        self.server_config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPidFile none\n"
            "PermitRootLogin yes\nPasswordAuthentication no\n")
        self.client_config = folder / "ssh_config"
        self.client_config.write_text(
            f"Host box\n HostName 127.0.0.1\n Port {self.port}\n IdentityFile {folder}/user\n"
            f" UserKnownHostsFile {folder}/known\n StrictHostKeyChecking accept-new\n"
            " LogLevel ERROR\n")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", self.server_config],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(self.answers):
            raise RuntimeError("sshd does not answer")

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def via(self):
        return f"ssh -F {self.client_config} box"

    def sessions(self):
        """The server's processes of the connections that are open now."""
        return children_of(self.process.pid)

    def stop(self):
        for session in self.sessions():
            os.kill(session, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


class Namespaces:
    """Two network namespaces joined by a veth pair with a token bucket on it."""

    NAMES = ("cotenant-blue", "cotenant-red")

    def __init__(self):
        self.remove()
        blue, red = self.NAMES
        for words in (["netns", "add", blue], ["netns", "add", red],
                      ["link", "add", "v0", "netns", blue, "type", "veth", "peer", "name", "v0",
                       "netns", red]):
            subprocess.run(["ip", *words], check=True)
        for name, address in ((blue, "10.77.0.1/24"), (red, "10.77.0.2/24")):
            for words in (["addr", "add", address, "dev", "v0"], ["link", "set", "v0", "up"],
                          ["link", "set", "lo", "up"]):
                subprocess.run(["ip", "-n", name, *words], check=True)
            subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", "v0", "root", "tbf", "rate",
                            "1gbit", "burst", "128kb", "latency", "20ms"], check=True)

    def remove(self):
        for name in self.NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


@needs("sshd", "ssh", "ssh-keygen")
class Ssh(TenantTest):
    def setUp(self):
        super().setUp()
        self.sshd = Sshd(self.folder)
        self.addCleanup(self.sshd.stop)

    def suite(self, replicates=2):
        text = HEAD.replace("replicates = 2", f"replicates = {replicates}")
        return self.file("ssh.ini", text.replace("shared = yes",
                                                 f"shared = yes\nvia = {self.sshd.via}") + WORK)

    def test_a_tenant_behind_ssh(self):
        self.good("run", self.suite(), "-o", self.folder / "s.h5")
        self.assertEqual(set(self.blocks(self.folder / "s.h5")), {0})

    def test_a_killed_session_costs_one_block(self):
        result = self.folder / "s.h5"
        run = self.start("run", self.suite(6), "-o", result, "--progress", "json")
        self.wait_for_phase(run)
        for session in self.sshd.sessions():
            os.kill(session, signal.SIGKILL)
        _, errors = run.communicate(timeout=120)
        self.assertEqual(run.returncode, ENVIRONMENT, errors)
        self.assertEqual(sorted(self.blocks(result)), [0, 0, 0, 0, 0, 1], errors)

    def wait_for_phase(self, run):
        """Until a phase is under way: somebody's worker is there to be hurt."""
        for line in run.stderr:
            if '"phase"' in line:
                return
        self.fail("the campaign ended before its first phase")

    def test_a_host_that_does_not_answer_is_told_with_its_words(self):
        suite = self.suite()
        self.sshd.stop()
        self.assert_refused(self.cotenant("run", suite, "-o", self.folder / "s.h5"), ENVIRONMENT,
                            "tenant 'neighbour'", "refused")

    def test_a_killed_controller_ends_what_ran_behind_ssh(self):
        run = self.start("run", self.suite(6), "-o", self.folder / "s.h5", "--progress", "json")
        self.wait_for_phase(run)
        behind = [child for session in self.sshd.sessions() for child in descendants(session)]
        self.assertTrue(behind)
        run.kill()
        self.assertTrue(wait_for(lambda: not any(map(is_alive, behind)), LEFT_BEHIND_S), behind)


def descendants(pid):
    found = []
    for child in children_of(pid):
        found += [child, *descendants(child)]
    return found


@needs("ip", "tc", "sshd", "ssh", "ssh-keygen")
@unittest.skipIf(os.cpu_count() < 2, "needs two CPUs")
@unittest.skipUnless(can_limit_cpu(), "no control group with a CPU quota can be made here")
class FourConfigs(TenantTest):
    """One campaign through four boundaries; its report shows them side by side."""

    SUITE = """
[suite]
name = boundaries
replicates = 2
warmup = 50ms
measure = 500ms
recovery = 50ms
epoch = 250ms
[tenant victim]
cpus = pu:0
[tenant server]
cpus = pu:0
[tenant neighbour]
cpus = pu:1
[victim tcp_rr]
tenant = victim
peer = server
[victim spin]
tenant = victim
[aggressor cpu]
tenant = neighbour
threads = 1
intensity = 30
[config local]
[config cgroup]
expect = cgroup
tenant.neighbour.cpu_quota = 25%
[config netns]
expect = netns
tenant.victim.via = ip netns exec cotenant-blue
tenant.server.via = ip netns exec cotenant-red
tenant.server.address = 10.77.0.2
[config ssh]
tenant.neighbour.via = SSH
"""

    def setUp(self):
        super().setUp()
        self.namespaces = Namespaces()
        self.addCleanup(self.namespaces.remove)
        self.sshd = Sshd(self.folder)
        self.addCleanup(self.sshd.stop)
        self.suite = self.file("four.ini", self.SUITE.replace("SSH", self.sshd.via))

    def test_the_same_victims_under_four_configs(self):
        result, page = self.folder / "four.h5", self.folder / "four.html"
        self.good("run", self.suite, "-o", result)
        self.good("validate", result)
        self.assertEqual(set(self.blocks(result)), {0})
        self.good("report", result, "-o", page)
        text = page.read_text()
        for config in ("local", "cgroup", "netns", "ssh"):
            self.assertIn(f'"{config}"', text)
        cells = {(c["config"], c["victim"]): c for c in self.export(result)["cells"]}
        self.assertEqual(len(cells), 8)

    def test_a_namespace_that_is_removed_meanwhile_costs_its_own_blocks_only(self):
        result = self.folder / "four.h5"
        run = self.start("run", self.suite, "-o", result, "--set", "suite.replicates=2",
                         "--progress", "json")
        for line in run.stderr:
            if '"phase"' in line:
                break
        self.namespaces.remove()
        _, errors = run.communicate(timeout=240)
        self.assertEqual(run.returncode, ENVIRONMENT, errors)
        import h5py
        with h5py.File(result) as file:
            cells = file["blocks/cell"][:]
            status = file["blocks/status"][:]
            configs = [c.decode() for c in file["cells/config"][:]]
        failed = {configs[cell] for cell, s in zip(cells, status) if s == 1}
        self.assertEqual(failed, {"netns"}, errors)


if __name__ == "__main__":
    unittest.main()
