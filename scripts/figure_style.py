# SPDX-License-Identifier: Apache-2.0
"""Axes, colours, legends and files of a paper's figures, for figures.py."""
import csv
import logging
import math
import re
import unicodedata

import numpy as np

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of its caches and fonts
import matplotlib  # noqa: E402
matplotlib.use("Agg")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import (FuncFormatter, LogLocator, MaxNLocator,  # noqa: E402
                               NullFormatter, NullLocator)

WIDTHS = {"single": 3.5, "double": 7.16}
FORMATS = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
# Okabe and Ito: black is the victim alone, the others are aggressors or configs.
ALONE, SHADE = "#000000", "#E6E6E6"
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
COMPONENTS = {"within_epoch": "#56B4E9", "between_epoch": "#0072B2", "between_phase": "#009E73",
              "between_block": "#F0E442", "cotenant": "#D55E00"}
STYLE = {"font.family": "DejaVu Sans", "font.size": 7, "axes.labelsize": 7, "xtick.labelsize": 7,
         "ytick.labelsize": 7, "legend.fontsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1,
         "lines.markersize": 3, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
         "pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "cotenant",
         "text.parse_math": False, "axes.unicode_minus": False, "legend.frameon": False,
         "axes.spines.top": False, "axes.spines.right": False}


def shown(text, most=26):
    """A name as it can be drawn: no control characters, not endless, not hidden by a legend."""
    text = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in text)
    text = text if len(text) <= most else text[:most - 1] + "…"
    return " " + text if text.startswith("_") else text


def quantile_name(q):
    return f"p{100 * q:.10g}"


def bars(axes, x, intervals, **style):
    """Values with their intervals; what is not known is not drawn."""
    for at, one in zip(x, intervals):
        if one["value"] is not None:
            axes.plot([at], [one["value"]], "o", **style)
        if one["lo"] is not None and one["hi"] is not None:
            axes.plot([at, at], [one["lo"], one["hi"]], "-", solid_capstyle="butt", **style)


def log_ticks(axis, lo, hi):
    """Plain numbers on a logarithmic axis, near-evenly spread however short it is."""
    decades = math.log10(hi / lo)
    if decades > 0.35:
        axis.set_major_locator(LogLocator(subs=(1,) if decades > 3 else (1, 2, 5) if decades > 1
                                          else (1, 1.5, 2, 3, 5, 7)))
    else:
        axis.set_major_locator(MaxNLocator(5))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def latency_axis(axis):
    """A logarithmic axis of ns, in the largest unit in which nothing is below 1; its label."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    lo, hi = sorted(axis.get_view_interval())
    unit, ns = next((u for u in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)) if lo >= u[1]), ("ns", 1))
    log_ticks(axis, lo, hi)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / ns:.6g}"))
    return f"latency ({unit})"


def ratio_axis(axes, values):
    """Slowdowns on y: logarithmic where they differ by more than a factor of 3."""
    axes.axhline(1, color="#999999", linewidth=0.6, zorder=0)
    known = [value for value in values if value is not None and value > 0] + [1]
    if max(known) / min(known) > 3:
        axes.set_yscale("log")
        log_ticks(axes.yaxis, *axes.get_ylim())


def line_style(i):
    return {"color": PALETTE[i % len(PALETTE)], "linestyle": ("-", "--", ":", "-.")[i // 7 % 4]}


def legend(figure, handles, labels, columns):
    """At the top, in as many columns as fit; the panels get the rest of the figure."""
    renderer, (width, height) = FigureCanvasAgg(figure).get_renderer(), figure.get_size_inches()
    for n in range(min(columns, len(labels)), 0, -1):
        box = figure.legend(handles, labels, loc="upper center", ncols=n, handlelength=1.6,
                            columnspacing=1.2, borderaxespad=0.1)
        size = box.get_window_extent(renderer)
        if size.width <= width * figure.dpi or n == 1:
            break
        box.remove()
    figure.set_figheight(height + size.height / figure.dpi)
    left = 1 - size.height / figure.dpi / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, 0, 1, left))


class Page:
    """Where figures go, and what all of them share."""

    def __init__(self, folder, width, formats):
        self.folder, self.width, self.formats, self.names = folder, width, formats, set()

    def figure(self, height, rows=1, columns=1, **options):
        figure = Figure(figsize=(self.width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)

    def name(self, *words):
        """A file name that is safe on every system and not taken."""
        name = "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", word)[:60] for word in words)
        free, n = name, 2
        while free.lower() in self.names:
            free, n = f"{name}-{n}", n + 1
        self.names.add(free.lower())
        return free

    def save(self, figure, words, header, rows):
        stem = self.name(*words)
        for kind in self.formats:
            path = self.folder / f"{stem}.{kind}"
            figure.savefig(path, format=kind, metadata=FORMATS[kind])
            print(path)
        path = self.folder / f"{stem}.csv"
        with open(path, "w", encoding="utf-8", newline="") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([item.item() if isinstance(item, np.generic) else item
                              for item in row] for row in rows)
        print(path)
