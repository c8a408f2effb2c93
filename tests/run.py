# SPDX-License-Identifier: Apache-2.0
"""Runs test files and counts: a line a file, then `N passed, N failed`.

A file is a cmocka program or a Python unittest file. One at a time, because tests that measure
would disturb each other; but first, as many at once as there are CPUs, those whose source says that
they measure nothing, by a comment of its own:

    run.py: beside others

A file that crashes, hangs, leaks under a sanitizer or runs no test at
all is one failure more. The output of a file that fails is shown whole.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

PASSED = re.compile(r"^\[       OK \] (\S+)", re.M)
FAILED = re.compile(r"^\[  (?:FAILED|ERROR)\s*\] (?!---|\d+ test)(\S.*)$", re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] (?!\d+ test)(\S+)", re.M)
RAN = re.compile(r"^Ran (\d+) tests? in ", re.M)
BESIDE = re.compile(r"^(?:#|//|/\*) run\.py: beside others(?: \*/)?$", re.M)
ENDED = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.M)
SKIPS = re.compile(r"^(test\w*) .*skipped (['\"].*)$", re.M)


class Outcome:
    """What one file did."""

    def __init__(self, passed=0, failed=0, skipped=(), note=""):
        self.passed, self.failed, self.skipped, self.note = passed, failed, list(skipped), note


def run(command, environment, limit):
    """Exit status (None: ran past the limit) and output. The whole process group is ended."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        status = None
    return status, output.decode(errors="replace")


def count_cmocka(output):
    # cmocka names a failed test when it ends and once more in its summary.
    return Outcome(len(PASSED.findall(output)), len(set(FAILED.findall(output))),
                   sorted(set(SKIPPED.findall(output))))


def count_unittest(output):
    """From the two lines unittest ends with: those before may be broken up by other output."""
    ran, ended = RAN.search(output), ENDED.findall(output)
    if not ran or not ended:
        return Outcome()
    counts = dict(piece.split("=") for piece in ended[-1].split(", ") if piece)
    failed = sum(int(counts.get(kind, 0))
                 for kind in ("failures", "errors", "unexpected successes"))
    skipped = [f"{name}: {reason}" for name, reason in SKIPS.findall(output)]
    passed = int(ran.group(1)) - failed - int(counts.get("skipped", 0))
    # One test may fail several times over, in its subtests.
    return Outcome(max(passed, 0), failed, skipped)


def describe_end(status, limit):
    if status is None:
        return f"ended after {limit:.0f} s"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def run_file(path, options):
    environment = dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1", CMOCKA_MESSAGE_OUTPUT="STDOUT",
                       COTENANT=str(Path(options.build, "cotenant").absolute()),
                       PYTHON=options.python, PYTHONDONTWRITEBYTECODE="1")
    if path.suffix == ".py":
        command = [options.python, str(path), "-v"]
    else:
        command = [str(path.absolute())]
    status, output = run(command, environment, options.limit)
    outcome = count_unittest(output) if path.suffix == ".py" else count_cmocka(output)
    if status != 0 and outcome.failed == 0:
        outcome.failed += 1
        outcome.note = describe_end(status, options.limit)
    elif outcome.passed + outcome.failed + len(outcome.skipped) == 0:
        outcome.failed += 1
        outcome.note = "ran no test"
    return outcome, output


def short_name(path):
    """tests/unit/test_hist.c -> hist; tests/cli/test_list.py -> cli_list."""
    name = re.sub(r"^test_", "", path.stem)
    return f"{path.parent.name}_{name}" if path.suffix == ".py" else name


def runs_beside_others(path):
    """From the source: a program build/asan/tests/unit/test_hist is made of tests/unit/test_hist.c."""
    sources = [path] if path.suffix == ".py" else Path(__file__).parent.rglob(f"{path.name}.c*")
    return any(BESIDE.search(source.read_text(encoding="utf-8")) for source in sources)


def report(path, outcome, output, seconds):
    if outcome.failed:
        print(output, end="" if output.endswith("\n") else "\n")
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    note = f" ({outcome.note})" if outcome.note else ""
    print(f"{'FAIL' if outcome.failed else 'ok':4} {short_name(path):24} "
          f"{outcome.passed} passed, {outcome.failed} failed{skipped}, {seconds:.1f} s{note}",
          flush=True)
    for reason in outcome.skipped:
        print(f"     skipped {reason}", flush=True)


def run_timed(path, options):
    begin = time.monotonic()
    outcome, output = run_file(path, options)
    return path, outcome, output, time.monotonic() - begin


def run_all(files, options):
    """Yields (path, outcome, output, seconds) as files end."""
    light = [path for path in files if runs_beside_others(path)]
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(run_timed, path, options) for path in light]
        for future in as_completed(futures):
            yield future.result()
    for path in files:
        if path not in light:
            yield run_timed(path, options)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--build", default="build", help="where cotenant lies")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="run only this file, by its short name")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds a file may take")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(),
                        help="files that run at once, of those that measure nothing")
    return parser.parse_args()


def main():
    options = parse()
    files = [path for path in options.files if not options.only or short_name(path) in options.only]
    unknown = set(options.only) - {short_name(path) for path in options.files}
    if unknown:
        sys.exit(f"no test file named {', '.join(sorted(unknown))}")
    passed = failed = 0
    for path, outcome, output, seconds in run_all(files, options):
        passed += outcome.passed
        failed += outcome.failed
        report(path, outcome, output, seconds)
    if not files:
        print("no test files")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())
