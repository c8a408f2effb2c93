# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""The scripts that set an environment up: nothing without --apply, and all of it put back."""
import os
import subprocess
import unittest

from cotenant_test import ENVIRONMENT, ROOT, USAGE, CotenantTest, Result

# Keeps the number of functions as the kernel does: a number can only be set from 0. It is called
# in the place of ip, and notes what it was asked.
IP = """#!/bin/sh
echo "$@" >> "$LOG"
[ -z "$FAIL_AT" ] || [ "$(wc -l < "$LOG")" -lt "$FAIL_AT" ]
"""

# A GPU that keeps its MIG mode and layout in files, and prints as nvidia-smi does.
SMI = r"""#!/bin/sh
echo "$@" >> "$LOG"
[ -z "$FAIL_AT" ] || [ "$(grep -c -e ' -cgi ' -e ' -mig ' "$LOG")" -ne "$FAIL_AT" ] || exit 3
cd "$GPU"
case "$*" in
*mig.mode.current*) cat mode ;;
*query-compute-apps*) cat users ;;
*"-mig 1") echo Enabled > mode ;;
*"-mig 0") echo Disabled > mode ;;
*-lgi) n=0
    for p in $(tr , ' ' < layout); do
        printf '|   0  MIG %-15s   19       %d          %d:1     |\n' "$p" "$n" "$n"; n=$((n + 1))
    done ;;
*"-cgi "*) [ "$(cat mode)" = Enabled ] || exit 6
    words="$*"; words=${words#*-cgi }; words=${words% -C}
    case $words in *7g*,*) echo "Insufficient Resources" >&2; exit 19 ;; esac
    echo "$words" > layout ;;
*-dci) ;;
*-dgi) : > layout ;;
-L) echo "GPU 0: NVIDIA H100 (UUID: GPU-0)"; n=0
    for p in $(tr , ' ' < layout); do
        echo "  MIG $p     Device  $n: (UUID: MIG-0000-$n)"; n=$((n + 1))
    done ;;
esac
"""


class Scripts(CotenantTest):
    def setUp(self):
        super().setUp()
        self.sys = self.folder / "sys"
        self.device = self.sys / "class/net/ens1/device"
        self.device.mkdir(parents=True)
        (self.sys / "bus/pci").mkdir(parents=True)
        for name, text in (("sriov_totalvfs", "8"), ("sriov_numvfs", "2"),
                           ("sriov_drivers_autoprobe", "1")):
            (self.device / name).write_text(text + "\n")
        self.log = self.folder / "log"
        self.log.write_text("")
        for name, text in (("ip", IP), ("nvidia-smi", SMI)):
            self.file(name, text).chmod(0o755)
        self.gpu = self.folder / "gpu"
        self.gpu.mkdir()
        for name, text in (("mode", "Disabled"), ("layout", ""), ("users", "")):
            (self.gpu / name).write_text(text and text + "\n")

    def script(self, name, *words, fail_at=""):
        return Result(subprocess.run(
            [str(ROOT / "scripts" / name), *map(str, words)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}",
                 "COTENANT_SYSFS": str(self.sys), "COTENANT_STATE_DIR": str(self.folder / "state"),
                 "GPU": str(self.gpu), "LOG": str(self.log), "FAIL_AT": str(fail_at)}))

    def number(self):
        return int((self.device / "sriov_numvfs").read_text())

    def refused(self, result, status, *words):
        self.assertEqual(result.status, status, str(result))
        for word in words:
            self.assertIn(word, result.stderr)

    def test_without_apply_nothing_is_done(self):
        result = self.script("vf.sh", "up", "ens1", "--vfs", 4, "--trust", "on")
        self.assert_good(result)
        self.assertIn("echo 4 >", result.stdout)
        self.assertIn("ip link set ens1 vf 3 trust on", result.stdout)
        self.assertIn("nothing was done", result.stdout)
        self.assertEqual(self.number(), 2)
        self.assertEqual(self.log.read_text(), "")
        self.assertFalse((self.folder / "state").exists())

    def test_functions_are_made_and_put_back(self):
        self.assert_good(self.script("vf.sh", "up", "ens1", "--vfs", 3, "--mac-base",
                                     "02:00:00:00:00:fe", "--max-rate", 1000, "--apply"))
        self.assertEqual(self.number(), 3)
        calls = self.log.read_text().splitlines()
        self.assertEqual([c for c in calls if "mac" in c],
                         ["link set ens1 vf 0 mac 02:00:00:00:00:fe",
                          "link set ens1 vf 1 mac 02:00:00:00:00:ff",
                          "link set ens1 vf 2 mac 02:00:00:00:01:00"])
        self.assertEqual(sum("max_tx_rate 1000" in c for c in calls), 3)
        self.assertEqual((self.device / "sriov_drivers_autoprobe").read_text(), "1\n")
        self.assert_good(self.script("vf.sh", "down", "ens1", "--apply"))
        self.assertEqual(self.number(), 2)

    def test_a_failure_half_way_puts_everything_back(self):
        for fail_at in (1, 2, 4):
            with self.subTest(fail_at=fail_at):
                self.log.write_text("")
                result = self.script("vf.sh", "up", "ens1", "--vfs", 4, "--trust", "on", "--apply",
                                     fail_at=fail_at)
                self.refused(result, ENVIRONMENT, "its 2 virtual functions as before")
                self.assertEqual(self.number(), 2)
                self.assertEqual((self.device / "sriov_drivers_autoprobe").read_text(), "1\n")
                self.assertEqual(list((self.folder / "state").iterdir()), [])

    def test_functions_in_use_are_left_alone(self):
        netdev = self.device / "virtfn0/net/ens1v0"
        netdev.mkdir(parents=True)
        (netdev / "operstate").write_text("up\n")
        self.refused(self.script("vf.sh", "up", "ens1", "--vfs", 4, "--apply"), ENVIRONMENT,
                     "ens1v0", "--force")
        self.assertEqual(self.number(), 2)

    def test_bad_requests_are_named(self):
        for words, message in ((("up", "ens9", "--vfs", 2), "no network device 'ens9'"),
                               (("up", "ens1"), "--vfs"),
                               (("up", "ens1", "--vfs", 9), "can have 8"),
                               (("up", "ens1", "--vfs", "x"), "--vfs x"),
                               (("up", "ens1", "--vfs", 2, "--mac-base", "zz"), "--mac-base"),
                               (("up", "ens1", "--vfs", 2, "--trust", "yes"), "--trust"),
                               (("sideways", "ens1"), "say status"),
                               (("up", "ens1", "--vf", 2), "--vf")):
            with self.subTest(words=words):
                self.refused(self.script("vf.sh", *words), USAGE, message)

    def test_a_virtual_function_is_no_physical_one(self):
        (self.device / "physfn").mkdir()
        self.refused(self.script("vf.sh", "up", "ens1", "--vfs", 2), USAGE, "virtual function")

    def test_status(self):
        result = self.script("vf.sh", "status")
        self.assert_good(result)
        self.assertEqual(result.stdout, "ens1: 2 of 8 virtual functions\n")

    def gpu_is(self, mode, layout):
        self.assertEqual((self.gpu / "mode").read_text().strip(), mode)
        self.assertEqual((self.gpu / "layout").read_text().strip(), layout)

    def mig(self, command, *words, **more):
        return self.script("mig.sh", command, "--gpu", 0, *words, **more)

    def test_a_layout_without_apply_is_only_told(self):
        result = self.mig("up", "--layout", "3g.40gb,1g.10gb")
        self.assert_good(result)
        self.assertIn("nvidia-smi -i 0 -mig 1\nnvidia-smi mig -i 0 -cgi 3g.40gb,1g.10gb -C",
                      result.stdout)
        self.gpu_is("Disabled", "")

    def test_a_gpu_is_cut_and_made_whole_again(self):
        result = self.mig("up", "--layout", "3g.40gb,1g.10gb", "--apply")
        self.assert_good(result)
        self.assertEqual(result.stdout, "gpu = MIG-0000-0\ngpu = MIG-0000-1\n")
        self.gpu_is("Enabled", "3g.40gb,1g.10gb")
        self.assert_good(self.mig("down", "--apply"))
        self.gpu_is("Disabled", "")

    def test_an_earlier_layout_comes_back(self):
        (self.gpu / "mode").write_text("Enabled\n")
        (self.gpu / "layout").write_text("2g.20gb,2g.20gb\n")
        self.assert_good(self.mig("up", "--layout", "7g.80gb", "--apply"))
        self.gpu_is("Enabled", "7g.80gb")
        self.assert_good(self.mig("down", "--apply"))
        self.gpu_is("Enabled", "2g.20gb,2g.20gb")

    def test_a_layout_that_does_not_fit_puts_everything_back(self):
        (self.gpu / "mode").write_text("Enabled\n")
        (self.gpu / "layout").write_text("2g.20gb\n")
        self.refused(self.mig("up", "--layout", "7g.80gb,1g.10gb", "--apply"), ENVIRONMENT,
                     "earlier mode and layout")
        self.gpu_is("Enabled", "2g.20gb")

    def test_a_mode_that_can_not_be_set_puts_everything_back(self):
        self.refused(self.mig("up", "--layout", "7g.80gb", "--apply", fail_at=1), ENVIRONMENT,
                     "earlier mode and layout")
        self.gpu_is("Disabled", "")

    def test_a_gpu_in_use_is_left_alone(self):
        (self.gpu / "users").write_text("4711\n")
        self.refused(self.mig("up", "--layout", "7g.80gb", "--apply"), ENVIRONMENT, "4711")
        self.gpu_is("Disabled", "")

    def test_bad_layouts_are_named(self):
        self.refused(self.mig("up"), USAGE, "--layout")
        self.refused(self.mig("up", "--layout", "3g 40"), USAGE, "--layout")
        self.refused(self.script("mig.sh", "up", "--layout", "7g.80gb"), USAGE, "--gpu")
        self.refused(self.mig("down", "--apply"), ENVIRONMENT, "nothing to put back")

    def test_namespaces_without_apply_are_only_told(self):
        result = self.script("netns.sh", "up", "--rate", "1gbit")
        self.assert_good(result)
        self.assertIn("ip netns add cotenant-blue", result.stdout)
        self.assertEqual(self.log.read_text(), "")

    def test_a_namespace_that_fails_half_way_is_removed(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        result = self.script("netns.sh", "up", "--apply", "ct-x", "ct-y", fail_at=3)
        self.refused(result, ENVIRONMENT, "has been removed")
        self.assertEqual(self.log.read_text().splitlines()[-2:],
                         ["netns del ct-x", "netns del ct-y"])

    def test_namespaces_of_ranks_without_apply_are_only_told(self):
        result = self.script("netns-ranks.sh", "up", "--ranks", 3, "--rate", "1gbit")
        self.assert_good(result)
        for line in ("ip netns add cotenant-rank2", "ip netns add cotenant-switch",
                     "ip -n cotenant-rank2 addr add 10.78.0.3/24 dev eth0", "rate 1gbit"):
            self.assertIn(line, result.stdout)
        self.assertNotIn("rank3", result.stdout)
        self.assertEqual(self.log.read_text(), "")
        self.assertFalse((self.folder / "state").exists())

    def test_namespaces_of_ranks_that_fail_half_way_are_removed(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        result = self.script("netns-ranks.sh", "up", "--prefix", "ct-x", "--apply", fail_at=6)
        self.refused(result, ENVIRONMENT, "has been removed")
        self.assertEqual(self.log.read_text().splitlines()[-3:],
                         [f"netns del ct-x-{name}" for name in ("switch", "rank0", "rank1")])
        self.assertEqual(list((self.folder / "state").iterdir()), [])

    def test_what_ranks_can_not_be_is_refused(self):
        for words, message in ((("up", "--ranks", 17), "from 2 to 16"),
                               (("up", "--ranks", "x"), "from 2 to 16"),
                               (("up", "--prefix", "a/b"), "letters"),
                               (("up", "--rate"), "needs a value"), (("sideways",), "say up")):
            with self.subTest(words=words):
                self.refused(self.script("netns-ranks.sh", *words), USAGE, message)

    def test_bad_names_are_refused(self):
        self.refused(self.script("netns.sh", "up", "one"), USAGE, "two different names")
        self.refused(self.script("netns.sh", "up", "a/b", "c"), USAGE, "letters")


if __name__ == "__main__":
    unittest.main()
