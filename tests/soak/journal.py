# SPDX-License-Identifier: Apache-2.0
"""A second, independent reader of the journal (harness/store/journal.h), and the same bytes made
from a result file: what was committed must be in the result, bit for bit."""
import struct
import zlib

import h5py
import numpy

HEADER, RAW, PHASE, BLOCK, LOG, RESUMED = 1, 2, 3, 4, 5, 6
FRAME = struct.Struct("<IHHII")
MAGIC = 0x31465443

# Columns in the order of the journal: (name, type in the journal).
U32, U64, F64, CHOICE = "<u4", "<u8", "<f8", "<i4"
PHASES = [("cell", U32), ("block", U32), ("order", U32), ("role", CHOICE), ("load", CHOICE),
          ("start_ns", U64), ("end_ns", U64), ("asked_rate", F64), ("achieved_rate", F64),
          ("count", U64), ("overflow", U64), ("raw_dropped", U64), ("min_ns", F64),
          ("mean_ns", F64), ("max_ns", F64), ("hist_first", U64), ("hist_rows", U64),
          ("epoch_first", U64), ("epoch_rows", U64), ("noise_first", U64), ("noise_rows", U64),
          ("slow_first", U64), ("slow_rows", U64), ("reading_first", U64), ("reading_rows", U64),
          ("raw_first", U64), ("raw_rows", U64)]
# Known only to the result: where a phase's rows are.
PLACED = {"hist_first", "epoch_first", "noise_first", "slow_first", "reading_first", "raw_first",
          "raw_rows"}
TABLES = [
    ("histogram", "hist", [("bucket", U32), ("count", U64)]),
    ("epochs", "epoch", [("start_ns", U64), ("end_ns", U64), ("count", U64), ("overflow", U64),
                         ("min_ns", F64), ("mean_ns", F64), ("p50_ns", F64), ("p99_ns", F64),
                         ("max_ns", F64), ("steal_ns", F64), ("involuntary_switches", F64),
                         ("voluntary_switches", F64), ("minor_faults", F64),
                         ("major_faults", F64), ("interrupts", F64), ("frequency_hz", F64),
                         ("aggressor_rate", F64), ("aggressor_share", F64), ("counted", U32)]),
    ("noise", "noise", [("start_ns", U64), ("end_ns", U64), ("units", F64), ("asked_units", F64),
                        ("busy", F64), ("on_cpu", F64), ("runnable", F64), ("aggressor", U32)]),
    ("slowest", "slow", [("time_ns", U64), ("latency_ns", F64)]),
]
# A reading refers to a counter by its number in the frame, in a result by its row of /counters: the
# four texts of the counter stand for both.
READING = [("epoch", U32), ("counter", U32), ("value", F64)]
COUNTER_TEXTS = ("source", "name", "units", "what")


def row_size(types):
    return sum(int(kind[2]) for _, kind in types)


def take_text(payload, at):
    length, = struct.unpack_from("<I", payload, at)
    return payload[at + 4:at + 4 + length], at + 4 + length


def without_numbers(readings, texts):
    return b"".join(struct.pack("<Id", epoch, value) + b"\0".join(texts[counter])
                    for epoch, counter, value in readings)


def canonical(payload):
    """A PHASE frame with its counters named by their texts."""
    row = dict(zip((name for name, _ in PHASES), numpy.frombuffer(
        payload[:row_size(PHASES)], dtype=list(PHASES))[0]))
    at = row_size(PHASES) + sum(int(row[f"{short}_rows"]) * row_size(types)
                                for _, short, types in TABLES)
    fixed = payload[:at]
    n, = struct.unpack_from("<I", payload, at)
    at, texts = at + 4, []
    for _ in range(n):
        counter = []
        for _ in COUNTER_TEXTS:
            text, at = take_text(payload, at)
            counter.append(text)
        texts.append(counter)
    return fixed + without_numbers(struct.iter_unpack("<IId", payload[at:]), texts)


def frames(data):
    """(type, payload, end) of every whole frame, up to the first that is torn or damaged."""
    at = 0
    while len(data) - at >= FRAME.size:
        magic, kind, number, length, crc = FRAME.unpack_from(data, at)
        payload = data[at + FRAME.size:at + FRAME.size + length]
        if magic != MAGIC or number != 0 or len(payload) < length or \
                zlib.crc32(data[at + 4:at + 12] + payload) != crc:
            return
        at += FRAME.size + length
        yield kind, payload, at


def committed(data):
    """{(cell, block): checksum of its phases} of all blocks with a commit behind them."""
    blocks, phases, of = {}, [], None
    for kind, payload, _ in frames(data):
        if kind == RESUMED:
            phases, of = [], None
        elif kind == PHASE:
            key = struct.unpack_from("<II", payload)
            if key != of:
                phases, of = [], key
            phases.append(canonical(payload))
        elif kind == BLOCK:
            key = struct.unpack_from("<II", payload)
            blocks[key] = checksum(phases if key == of else [])
            phases, of = [], None
    return blocks


def checksum(payloads):
    crc = 0
    for payload in payloads:
        crc = zlib.crc32(payload, crc)
    return crc


def rows_as_bytes(columns, first, count):
    record = numpy.zeros(count, dtype=list(columns["types"]))
    for name, _ in columns["types"]:
        record[name] = columns["data"][name][first:first + count]
    return record.tobytes()


def load(file, table, types):
    return {"types": types, "data": {name: file[table][name][:] for name, _ in types}}


def counters_in(file):
    """The texts of every row of /counters, and the rows of /readings."""
    if "readings" not in file:
        return [], []
    texts = list(zip(*(file[f"counters/{name}"][:] for name in COUNTER_TEXTS)))
    return texts, list(zip(*(file[f"readings/{name}"][:].tolist() for name, _ in READING)))


def in_result(path):
    """The same checksums, made from the result file."""
    with h5py.File(path) as file:
        phases = load(file, "phases", PHASES)
        tables = {name: load(file, name, types) for name, _, types in TABLES}
        cells, blocks = file["blocks/cell"][:], file["blocks/block"][:]
        first, count = file["blocks/phase_first"][:], file["blocks/phase_rows"][:]
        texts, readings = counters_in(file)
    shorts = [*(short for _, short, _ in TABLES), "reading"]
    where = {f"{short}_{part}": phases["data"][f"{short}_{part}"].copy()
             for short in shorts for part in ("first", "rows")}
    for name in PLACED:
        phases["data"][name] = numpy.zeros_like(phases["data"][name])
    found = {}
    for b, cell in enumerate(cells):
        payloads = []
        for row in range(first[b], first[b] + count[b]):
            payload = rows_as_bytes(phases, row, 1)
            for name, short, _ in TABLES:
                payload += rows_as_bytes(tables[name], int(where[f"{short}_first"][row]),
                                         int(where[f"{short}_rows"][row]))
            begin = int(where["reading_first"][row])
            payload += without_numbers(
                readings[begin:begin + int(where["reading_rows"][row])], texts)
            payloads.append(payload)
        found[int(cell), int(blocks[b])] = checksum(payloads)
    return found
