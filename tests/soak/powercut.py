#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cuts the power at every write of a campaign, in a model of a disk.

strace records what a campaign does to its files. For each instant a disk is made as a power cut may
leave it: what was synced is there; of what was written since, each write is there, torn or lost at
random; names that changed since the directory was synced are as before or as after. Then: every
block whose sync had returned is in the journal or in a result that validates, bit for bit; nothing
half-written has the result's name; and (for some of the cuts) --resume completes the campaign.

tests/soak/powercut.py [--cuts 300] [--resumes 10] [--seed N]
"""
import argparse
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import faults  # noqa: E402
import journal  # noqa: E402

CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat2,unlink"
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)")
FILE = re.compile(r"^\d+<([^>]*)>")


def unescape(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Disk:
    """Files by number, names, and what of both would survive."""

    def __init__(self):
        self.files = []     # of (durable bytes, [(offset, data)] since)
        self.names = {}     # as programs see them
        self.durable = {}   # as a cut may leave them, with:
        self.changes = []   # names before each change since the directory was synced

    def create(self, name):
        self.changes.append(dict(self.names))
        self.names[name] = len(self.files)
        self.files.append((b"", []))

    def write(self, name, offset, data):
        self.files[self.names[name]][1].append((offset, data))

    def end(self, name):
        old, pending = self.files[self.names[name]]
        return max([len(old)] + [offset + len(data) for offset, data in pending])

    def sync(self, name):
        number = self.names[name]
        old, pending = self.files[number]
        self.files[number] = (patched(old, pending), [])

    def sync_names(self):
        self.changes = []

    def change(self, operation):
        self.changes.append(dict(self.names))
        operation(self.names)

    def cut(self, draw):
        """{name: bytes} as the power cut leaves it."""
        names = draw.choice(self.changes + [self.names])
        left = {}
        for name, number in names.items():
            old, pending = self.files[number]
            left[name] = patched(old, survivors(pending, draw))
        return left


def survivors(pending, draw):
    """Most often a prefix and a torn write behind it; sometimes any of them."""
    if draw.random() < 0.3:
        return [w for w in pending if draw.random() < 0.5]
    kept = pending[:draw.randint(0, len(pending))]
    if kept and draw.random() < 0.5:
        offset, data = kept[-1]
        kept[-1] = (offset, data[:draw.randint(0, len(data))])
    return kept


def patched(old, writes):
    data = bytearray(old)
    for offset, piece in writes:
        if len(data) < offset + len(piece):
            data.extend(bytes(offset + len(piece) - len(data)))
        data[offset:offset + len(piece)] = piece
    return bytes(data)


def record(folder, arguments):
    """The calls of a campaign on files in the folder, in order: (call, name, details)."""
    trace = folder.parent / (folder.name + ".trace")
    run = subprocess.run(["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS}",
                          "-o", trace, faults.COTENANT, *arguments], check=False, cwd=folder,
                         timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if run.returncode not in (0, faults.ENVIRONMENT):
        sys.exit(f"strace or the campaign failed: exit {run.returncode}")
    events = []
    with trace.open() as lines:
        for line in lines:
            event = read_line(line, str(folder))
            if event:
                events.append(event)
    trace.unlink()
    return events


def name_of(path, folder):
    return Path(path).name if path.startswith(folder + "/") else None


def named(text, folder):
    """The file that a quoted argument names, as a program in the folder means it."""
    return name_of(str(Path(folder) / plain(text)), folder)


def plain(text):
    """A quoted argument of strace -xx."""
    return unescape(text.strip().strip('"')).decode(errors="replace")


def read_line(line, folder):
    match = LINE.match(line)
    if not match:
        return None
    call, arguments, result = match[1], match[2], int(match[3])
    on = FILE.match(arguments)
    path = plain(on[1]) if on and "\\x" in on[1] else on[1] if on else ""
    if call in ("fsync", "fdatasync") and path == folder:
        return ("names", None, None)
    if call in ("write", "pwrite64") and name_of(path, folder):
        data = unescape(arguments.split('"')[1])[:result]
        offset = int(arguments.rsplit(",", 1)[1]) if call == "pwrite64" else None
        return ("write", name_of(path, folder), (offset, data))
    if call in ("fsync", "fdatasync") and name_of(path, folder):
        return ("sync", name_of(path, folder), None)
    if call == "openat" and "O_CREAT" in arguments:
        name = named(arguments.split('"')[1], folder)
        return ("create", name, None) if name else None
    if call in ("rename", "renameat2", "unlink"):
        names = [named(text, folder) for text in re.findall(r'"[^"]*"', arguments)]
        return (call, *names) if all(names) else None
    return None


def play(event, disk):
    what, name = event[0], event[1]
    if what == "names":
        disk.sync_names()
    elif what == "create":
        disk.create(name)
    elif what == "write":
        offset, data = event[2]
        disk.write(name, disk.end(name) if offset is None else offset, data)
    elif what == "sync":
        disk.sync(name)
    elif what == "unlink":
        disk.change(lambda names: names.pop(name))
    else:
        disk.change(lambda names: names.__setitem__(event[2], names.pop(name)))


def put(folder, left):
    for path in folder.iterdir():
        path.unlink()
    for name, data in left.items():
        (folder / name).write_bytes(data)


def wrong(folder, promised, result):
    """What of the promises does not hold on this disk; empty when all do."""
    kept = folder / f"{result}.journal"
    found = journal.committed(kept.read_bytes()) if kept.exists() else {}
    if (folder / result).exists():
        check = faults.run(folder, "validate", result)
        if check.returncode:
            return f"the result does not validate: {check.stdout}{check.stderr}"
        found = {**journal.in_result(folder / result), **found}
    for key, crc in promised.items():
        if found.get(key) != crc:
            return f"block {key} was promised and is not there"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=300)
    parser.add_argument("--resumes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    bad = resumed = checked = 0
    with tempfile.TemporaryDirectory(prefix="cotenant-power-") as base:
        work, cut = Path(base) / "work", Path(base) / "cut"
        work.mkdir()
        cut.mkdir()
        suite = Path(base) / "p.ini"
        suite.write_text(faults.SUITE)
        arguments = ["run", suite, "-o", "p.h5", "--seed", "5", "-q"]
        events = record(work, arguments)
        instants = sorted(draw.choices(range(len(events) + 1), k=asked.cuts))
        resumes = set(draw.sample(range(asked.cuts), min(asked.resumes, asked.cuts)))
        disk, played, promised = Disk(), 0, {}
        for n, instant in enumerate(instants):
            while played < instant:
                play(events[played], disk)
                if events[played][:2] == ("sync", "p.h5.journal"):
                    number = disk.names["p.h5.journal"]
                    promised = journal.committed(disk.files[number][0])
                played += 1
            put(cut, disk.cut(draw))
            checked += len(promised)
            what = wrong(cut, promised, "p.h5")
            if not what and n in resumes and (cut / "p.h5.journal").exists() and promised:
                again = faults.run(cut, *arguments, "--resume")
                resumed += 1
                what = again.stderr if again.returncode not in (0, faults.ENVIRONMENT) else \
                    wrong(cut, promised, "p.h5")
            if what:
                bad += 1
                print(f"cut after call {instant} of {len(events)}: {what}", file=sys.stderr)
    print(f"{asked.cuts} power cuts in {len(events)} calls of a campaign: {checked} promised "
          f"blocks looked for, {resumed} campaigns resumed, {bad} cuts wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
