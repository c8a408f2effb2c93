# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""cotenant restore: removes what a crash left, says what it leaves, and touches nothing else."""
import glob
import os
import subprocess
import time
import unittest

from cotenant_test import COTENANT, ENVIRONMENT, USAGE, CotenantTest


def controller_folder():
    """A folder of a hierarchy in which this user can make groups; None: there is none."""
    for path in ["/sys/fs/cgroup", *sorted(glob.glob("/sys/fs/cgroup/*"))]:
        if os.path.exists(f"{path}/cgroup.procs") and os.access(path, os.W_OK):
            return path
    return None


class Restore(CotenantTest):
    def setUp(self):
        super().setUp()
        self.root, self.states = self.folder / "root", self.folder / "states"
        self.states.mkdir()

    def group(self, name, members="", age=3600):
        """A group that a test can remove: a folder without files has no members either."""
        path = self.root / "sys/fs/cgroup" / name
        path.mkdir(parents=True)
        if members:
            (path / "cgroup.procs").write_text(members)
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    def restore(self, *arguments):
        return self.cotenant("restore", "--root", self.root, *arguments,
                             environment={"COTENANT_STATE_DIR": str(self.states)})

    def test_nothing_left_is_said(self):
        result = self.restore()
        self.assert_good(result)
        self.assertIn("nothing of cotenant is left", result.stdout)

    def test_empty_groups_of_ours_go_and_others_stay(self):
        ours, nested = self.group("cotenant-12345678-a"), self.group("slice/cotenant-x-b")
        other = self.group("system.slice")
        shown = self.restore("--dry-run")
        self.assert_good(shown)
        self.assertIn(f"would remove {ours}", shown.stdout)
        self.assertTrue(ours.exists() and nested.exists())
        done = self.restore()
        self.assert_good(done)
        self.assertIn(f"removed {nested}", done.stdout)
        self.assertFalse(ours.exists() or nested.exists())
        self.assertTrue(other.exists())

    def test_a_group_in_use_is_left_with_the_process_and_exit_4(self):
        used = self.group("cotenant-12345678-a", "4711\n")
        result = self.restore()
        self.assertEqual(result.status, ENVIRONMENT)
        self.assertIn("4711", result.stdout)
        self.assertIn("1 of 1", result.stderr)
        self.assertTrue(used.exists())

    def test_a_group_made_just_now_is_left_unless_forced(self):
        young = self.group("cotenant-12345678-a", age=0)
        self.assertEqual(self.restore().status, ENVIRONMENT)
        self.assertTrue(young.exists())
        self.assert_good(self.restore("--force"))
        self.assertFalse(young.exists())

    def test_what_a_script_noted_is_put_back_by_it(self):
        (self.states / "vf-ens1f0.state").write_text("2\n")
        (self.states / "mig-0.state").write_text("Disabled\n\n")
        shown = self.restore("--dry-run")
        self.assert_good(shown)
        self.assertIn("vf.sh down ens1f0 --apply", shown.stdout)
        self.assertIn("mig.sh down --gpu 0 --apply", shown.stdout)

    def test_a_script_that_fails_is_told(self):
        (self.states / "vf-nosuchdev0.state").write_text("2\n")
        result = self.restore()
        self.assertEqual(result.status, ENVIRONMENT)
        self.assertIn("nosuchdev0", result.stderr)

    def test_names_that_are_no_names_run_nothing(self):
        for name in ("vf-;reboot.state", "vf--x.state", "vf-.state", "other.state", "vf-a b.state"):
            (self.states / name).write_text("2\n")
        result = self.restore("--dry-run")
        self.assert_good(result)
        self.assertIn("nothing of cotenant is left", result.stdout)

    def test_arguments_are_refused(self):
        self.assert_refused(self.restore("everything"), USAGE, "everything")

    @unittest.skipIf(os.geteuid() != 0 or not controller_folder(), "needs root and control groups")
    def test_a_real_group_and_the_namespaces_of_the_script(self):
        group = f"{controller_folder()}/cotenant-test{os.getpid()}-x"
        os.mkdir(group)
        os.utime(group, (time.time() - 3600,) * 2)
        name = f"ct-test-{os.getpid()}"
        environment = {**os.environ, "COTENANT_STATE_DIR": str(self.states)}
        made = subprocess.run(["scripts/netns.sh", "up", "--apply", f"{name}-a", f"{name}-b"],
                              env=environment, capture_output=True, text=True, check=False)
        try:
            self.assertTrue(os.path.exists(group))
            # Without --force: campaigns of others on this machine keep their young groups.
            subprocess.run([COTENANT, "restore"], env=environment,
                           capture_output=True, check=False)
            self.assertFalse(os.path.exists(group))
            if made.returncode == 0:
                self.assertFalse(os.path.exists(f"/run/netns/{name}-a"))
                self.assertFalse(os.path.exists(f"/run/netns/{name}-b"))
                self.assertEqual(list(self.states.iterdir()), [])
        finally:
            if os.path.exists(group):
                os.rmdir(group)
            subprocess.run(["scripts/netns.sh", "down", "--apply", f"{name}-a", f"{name}-b"],
                           env=environment, capture_output=True, check=False)


if __name__ == "__main__":
    unittest.main()
