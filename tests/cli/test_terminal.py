# SPDX-License-Identifier: Apache-2.0
"""What a terminal is shown, and a pipe is not: the live view of `run`, bars and colours of `show`."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, GOOD, INTERRUPTED, ROOT, CotenantTest

sys.path.insert(0, str(ROOT / "scripts"))
from synthetic_campaign import Truth, write  # noqa: E402  (the path comes first)

SUITE = """
[suite]
name = terminal
replicates = 2
warmup = 20ms
measure = 250ms
recovery = 50ms
epoch = 50ms
[tenant victim]
cpus = core:0
[tenant neighbour]
%s
[victim null]
delay = 20us
[aggressor null]
"""



def cores():
    """How many there are, as far as this process may use them."""
    folder = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return len({Path(folder.format(cpu)).read_text() for cpu in os.sched_getaffinity(0)})


SUITE %= "cpus = core:1" if cores() > 1 else "cpus = core:0\nshared = yes"

# What a busy machine may do: the aggressor did not load, the warning stays, the status tells.
NOT_LOADED = re.compile(r"(warning: |cotenant: no aggressor)")

BLOCKS = "▏▎▍▌▋▊▉█"
ESCAPE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Screen:
    """As much of a terminal as our output needs; an unknown sequence is an error."""

    def __init__(self, width):
        self.width, self.lines, self.row, self.column = width, [""], 0, 0
        self.wrapped = False

    def put(self, character):
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + character + line[self.column + 1:]
        self.column += 1
        self.wrapped |= self.column > self.width

    def escape(self, argument, command):
        if command == "A":
            self.row -= int(argument or 1)
            assert self.row >= 0, "above the first line"
        elif command == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif command == "J":
            self.lines[self.row] = self.lines[self.row][:self.column]
            del self.lines[self.row + 1:]
        else:
            assert command == "m", f"escape {argument}{command}"

    def feed(self, text):
        """Yields what stands there each time a view is complete."""
        at = 0
        while at < len(text):
            match = ESCAPE.match(text, at)
            if match:
                self.escape(match[1], match[2])
                at = match.end()
                if match[2] == "J":
                    yield [line.rstrip() for line in self.lines]
                continue
            if text[at] == "\r":
                self.column = 0
            elif text[at] == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            else:
                assert text[at] >= " ", repr(text[at])
                self.put(text[at])
            at += 1


class Terminal(CotenantTest):
    def on_terminal(self, *arguments, width=100, after=None, **variables):
        """(exit status, everything written). `after`: called with the text so far until
        it returns keys to press."""
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("NO_COLOR", "COLUMNS", "LC_ALL", "LC_CTYPE", "LANG", "TERM")}
        environment |= {"TERM": "xterm", "LC_ALL": "C.UTF-8", **variables}
        leader, follower = pty.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(follower, termios.TIOCSCTTY, 0)

        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        process = subprocess.Popen([COTENANT, *map(str, arguments)], stdin=follower, stdout=follower,
                                   stderr=follower, cwd=ROOT, env=environment,
                                   preexec_fn=take_terminal)
        os.close(follower)
        self.addCleanup(process.kill)
        data, end = b"", time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([leader], [], [], 1)[0]:
                continue
            try:
                piece = os.read(leader, 65536)
            except OSError:  # EIO: nobody has the other side open any more
                break
            if not piece:
                break
            data += piece
            keys = after(data.decode(errors="replace")) if after else None
            if keys:
                os.write(leader, keys)
                after = None
        os.close(leader)
        return process.wait(timeout=30), data.decode()


class Live(Terminal):
    def assert_ran(self, status, text):
        self.assertTrue(status == GOOD or (status == ENVIRONMENT and NOT_LOADED.search(text)),
                        f"exit {status}\n{text}")

    def views(self, text, width=100):
        screen = Screen(width)
        views = list(screen.feed(text))
        self.assertFalse(screen.wrapped, text)
        return views, screen

    def start(self, *options, **more):
        return self.on_terminal("run", self.file("terminal.ini", SUITE), "-o",
                                self.folder / "out.h5", "--seed", "1", *options, **more)

    def test_the_view_shows_the_cell_its_latencies_and_load_and_goes(self):
        status, text = self.start(width=200)
        self.assert_ran(status, text)
        views, screen = self.views(text, 200)
        self.assertEqual((screen.lines[-1], screen.column), ("", 0))
        for line in screen.lines[:-1]:
            self.assertRegex(line, NOT_LOADED)
        views = [[line for line in view if not NOT_LOADED.match(line)] for view in views]
        self.assertLessEqual(max(map(len, views)), 4)
        whole = [view for view in views if len(view) == 3]
        self.assertTrue(whole, text)
        for view in whole:
            self.assertRegex(view[0], r"\A\[[#.]+\] \d/2 blocks  ETA \d+:\d\d\Z")
            self.assertRegex(view[1], r": null x null 100 %  block [12]/2(  phase [1-5]/5: "
                                      r"(baseline|treatment|recovery))?\Z")
        self.assertRegex(whole[-1][2], r"\Aalone p50 [\d.]+ us p99 [\d.]+ us  "
                                       r"beside p50 ([\d.]+ us|-) p99 ([\d.]+ us|-)  "
                                       r"load \S+ \S+ of \S+ \S+ \(\d+ %\)\Z")
        self.assertIn("\x1b[1m", text)

    def test_a_narrow_terminal_is_not_wrapped_and_no_color_has_none(self):
        status, text = self.start(width=40, NO_COLOR="1")
        self.assert_ran(status, text)
        # Warnings that stay are whole, whatever the width.
        self.views(re.sub(r"(warning|cotenant): [^\r\x1b]*\r\n", "", text), 40)
        self.assertNotRegex(text, r"\x1b\[[0-9;]*m")

    def test_ctrl_c_leaves_a_clean_line(self):
        status, text = self.start("--set", "suite.replicates=50",
                                  after=lambda text: b"\x03" if "block 1/" in text else None)
        self.assertEqual(status, INTERRUPTED, text)
        self.assertIn("^C", text)
        # The reason is all that is left; it wraps as any text.
        view, reason = text.split("cotenant: ", 1)
        _, screen = self.views(view)
        self.assertEqual("".join(screen.lines).strip(), "")
        self.assertEqual((screen.row, screen.column), (0, 0))
        self.assertRegex(reason, r"\Ainterrupted; [^\x1b]*\r\n\Z")

    def test_dumb_terminals_pipes_and_quiet_have_no_escape(self):
        status, text = self.start(TERM="dumb")
        self.assert_ran(status, text)
        self.assertNotIn("\x1b", text)
        self.assertIn("2 of 2 blocks", text)
        suite = self.file("terminal.ini", SUITE)
        run = self.cotenant("run", suite, "-o", self.folder / "b.h5",
                            environment={"TERM": "xterm"})
        self.assert_ran(run.status, str(run))
        self.assertNotIn("\x1b", run.stderr + run.stdout)
        status, text = self.on_terminal("run", suite, "-o", self.folder / "c.h5", "-q")
        self.assert_ran(status, text)
        self.assertNotIn("\x1b", text)
        self.assertEqual(text == "", status == GOOD)

    def test_machines_get_an_event_for_each_phase(self):
        run = self.cotenant("run", self.file("terminal.ini", SUITE), "-o", self.folder / "a.h5",
                            "--progress", "json")
        self.assert_ran(run.status, str(run))
        events = [json.loads(line) for line in run.stderr.splitlines() if line[0] == "{"]
        phases = [event for event in events if event["event"] == "phase"]
        self.assertEqual(len(phases), 10)
        for phase in phases:
            self.assertEqual((phase["victim"], phase["aggressor"], phase["blocks"]),
                             ("null", "null", 2))
            if phase["load"] != "absent":
                self.assertGreater(phase["p50_ns"], 20000)
                self.assertGreaterEqual(phase["p99_ns"], phase["p50_ns"])
            self.assertEqual(phase["role"] == "treatment", phase["asked_rate"] is not None)


class Show(Terminal):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "a.h5"
        write(self.result, Truth(aggressors=2, blocks=6, effect=2.0))

    def show(self, **more):
        status, text = self.on_terminal("show", self.result, width=200, **more)
        self.assertEqual(status, GOOD, text)
        return text

    def test_a_terminal_has_bars_and_colours(self):
        text = self.show()
        self.assertRegex(text, rf"\x1b\[31m2\.\d+ \[[^]]+\]\* [{BLOCKS}]+ *\x1b\[0m")

    def test_columns_stay_aligned(self):
        lines = ESCAPE.sub("", self.show()).replace("\r", "").splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("Sensitivity"))
        self.assertEqual(len({line.rindex("6/6") for line in lines[at + 3:at + 5]}), 1)

    def test_no_color_has_bars_without_colour(self):
        text = self.show(NO_COLOR="1")
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, rf"\* [{BLOCKS}]")

    def test_without_utf8_there_is_no_bar(self):
        text = self.show(LC_ALL="C")
        self.assertTrue(text.isascii())
        self.assertIn("\x1b[31m", text)

    def test_a_pipe_is_plain(self):
        run = self.cotenant("show", self.result, environment={"TERM": "xterm", "NO_COLOR": ""})
        self.assert_good(run)
        self.assertTrue(run.stdout.isascii())
        self.assertNotIn("\x1b", run.stdout)


if __name__ == "__main__":
    unittest.main()
