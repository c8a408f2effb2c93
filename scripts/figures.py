#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the figures of a paper from a result file: PDF and SVG, and what is drawn as CSV.

    figures.py OUT.h5 -o figures --width double --victim mem_latency

instability    latency by percentile, ECDF and epochs over time, alone and beside each aggressor
coupling       heat map of slowdowns, slowdown by intensity
decomposition  shares of the variance of log latency, and omega squared
guarantee      bounds of each quantile under each config

Distributions and epochs come from the file, every number with an interval from `cotenant analyze`.
An aggressor of several intensities is drawn at its highest one, but for slowdowns by intensity.
What the data can't carry is left out, with one line that says why. Equal results give equal bytes.
"""
import argparse
import json
import math
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np

import matplotlib
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from figure_data import (BASELINE, ROLES, TREATMENT, Bad, quantiles, Samples, Skip)
from figure_style import (ALONE, COMPONENTS, FORMATS, PALETTE, SHADE, STYLE, WIDTHS, bars,
                          latency_axis, legend, line_style, log_ticks, Page, quantile_name,
                          ratio_axis, shown)


def strongest(cells):
    """Of every aggressor the cell of the highest intensity that has blocks."""
    best = {}
    for cell in cells:
        if cell["blocks"] and cell["intensity"] >= best.get(cell["aggressor"], cell)["intensity"]:
            best[cell["aggressor"]] = cell
    if not best:
        raise Skip("no block that counts")
    return list(best.values())


def load_name(cell):
    return f"{shown(cell['aggressor'])} {cell['intensity']:g} %"


# ---- Instability ----

def tail_axis(axes, fewest):
    ticks = [0.5] + [10.0**-k for k in range(1, 13) if 10.0**-k >= fewest * 0.999]
    axes.set_xscale("log")
    axes.set_xlim(0.6, fewest * 0.8)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * (1 - x):.10g}"))


def tail_curve(axes, cell, role, counts, color):
    """One distribution with its quantiles; returns its rows."""
    key, dodge = ROLES[role], 1.09 if role == BASELINE else 1 / 1.09
    last = max(1 / counts.sum(), 1e-12)
    x = np.geomspace(0.5, last, max(2, int(40 * math.log10(0.5 / last)) + 1))
    y = quantiles(counts, 1 - x)
    axes.plot(x, y, color=color, linewidth=0.8)
    known = [one for one in cell["quantiles"] if one[key]["value"] is not None]
    bars(axes, [(1 - one["q"]) * dodge for one in known], [one[key] for one in known],
         color=color)
    who = (cell["aggressor"], cell["intensity"], key)
    return ([(*who, "curve", 1 - tail, ns, None, None) for tail, ns in zip(x, y)] +
            [(*who, "quantile", one["q"], *one[key].values()) for one in known])


def tail(page, samples, cells, config, victim):
    """Latency by percentile, a panel for each aggressor."""
    cells = strongest(cells)
    columns = min(len(cells), 2 if page.width < 5 else 4)
    lines = -(-len(cells) // columns)
    figure, panels = page.figure(0.5 + 1.7 * lines, lines, columns, sharex=True, sharey=True)
    pools = [[samples.pool(cell["row"], role) for role in (BASELINE, TREATMENT)] for cell in cells]
    rows = []
    for cell, axes, pool in zip(cells, panels.flat, pools):
        for role, color in ((BASELINE, ALONE), (TREATMENT, PALETTE[0])):
            rows += tail_curve(axes, cell, role, pool[role], color)
        axes.text(0.04, 0.97, load_name(cell), transform=axes.transAxes, va="top")
    for i, axes in enumerate(panels.flat):
        axes.set_visible(i < len(cells))
        axes.tick_params(axis="x", labelbottom=i + columns >= len(cells), rotation=45)
    axes = panels[0, 0]
    axes.margins(y=0.15)
    tail_axis(axes, min(1 / counts.sum() for pool in pools for counts in pool))
    figure.supylabel(latency_axis(axes.yaxis), fontsize=7)
    figure.supxlabel("percentile (%)", fontsize=7)
    legend(figure, [Line2D([], [], color=color, marker="o") for color in (ALONE, PALETTE[0])],
           ["alone", "beside the aggressor"], 2)
    page.save(figure, ("instability-tail", config, victim),
              ("aggressor", "intensity_percent", "role", "part", "q", "ns", "lo_ns", "hi_ns"), rows)


def ecdf(page, samples, cells, config, victim):
    """Share of samples up to a latency, alone (blocks of all cells drawn) and beside each."""
    cells = strongest(cells)
    figure, panels = page.figure(2.4)
    axes, rows = panels[0, 0], []
    alone = sum(samples.pool(cell["row"], BASELINE) for cell in cells)
    curves = [("none", 0, "alone", alone, {"color": ALONE})]
    curves += [(cell["aggressor"], cell["intensity"], load_name(cell),
                samples.pool(cell["row"], TREATMENT), line_style(i))
               for i, cell in enumerate(cells)]
    shares = np.arange(1, 501) / 500
    for aggressor, intensity, _, counts, style in curves:
        ns = quantiles(counts, shares)
        axes.step(ns, shares, where="post", **style)
        rows += [(aggressor, intensity, share, x) for share, x in zip(shares, ns)]
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(latency_axis(axes.xaxis))
    axes.set_ylabel("share of samples")
    legend(figure, axes.get_lines(), [curve[2] for curve in curves], 2 if page.width < 5 else 4)
    page.save(figure, ("instability-ecdf", config, victim),
              ("aggressor", "intensity_percent", "share", "ns"), rows)


def time_line(samples, cell):
    """Rows of the epochs of a cell, pauses left out, and the spans of its treatments."""
    rows, spans, at = [], [], 0.0
    for phases in samples.blocks.get(cell["row"], ()):
        for p in phases:
            epochs, length = samples.epochs(p)
            if epochs is None:
                continue
            missing = np.full(len(epochs["time_s"]), np.nan)
            p50 = epochs.get("p50_ns", missing)
            p50 = np.where(np.isnan(p50), epochs.get("mean_ns", missing), p50)
            rows += [(cell["aggressor"], cell["intensity"], samples.phase["block"][p],
                      samples.phase["order"][p], ROLES[samples.role[p]], *point)
                     for point in zip(epochs["time_s"] + at, p50, epochs.get("p99_ns", missing))]
            if samples.role[p] == TREATMENT:
                begin = spans.pop()[0] if spans and spans[-1][1] == at else at
                spans.append((begin, at + length))
            at += length
    return rows, spans


def draw_epochs(axes, rows, spans):
    """Lines that break between phases."""
    for span in spans:
        axes.axvspan(*span, color=SHADE, linewidth=0, zorder=0)
    cuts = [i for i in range(1, len(rows)) if rows[i][2:4] != rows[i - 1][2:4]]
    time_s, p50, p99 = (np.insert(np.array([row[i] for row in rows], float), cuts, np.nan)
                        for i in (5, 6, 7))
    axes.plot(time_s, p99, color=PALETTE[0], linewidth=0.6)
    axes.plot(time_s, p50, color=PALETTE[1], linewidth=0.8)
    axes.margins(x=0.01)


def epochs_over_time(page, samples, cells, config, victim):
    """Epochs of the blocks that count, one after the other; the aggressor's phases are shaded."""
    drawn = [(cell, *time_line(samples, cell)) for cell in strongest(cells)]
    drawn = [one for one in drawn if one[1]]
    if not drawn:
        raise Skip("no epochs")
    figure, panels = page.figure(0.7 + 1.1 * len(drawn), len(drawn), sharey=True)
    for (cell, rows, spans), axes in zip(drawn, panels[:, 0]):
        draw_epochs(axes, rows, spans)
        axes.annotate(load_name(cell), (0, 1), (2, 3), "axes fraction", "offset points")
    axes.set_xlabel("time measured (s)")
    figure.supylabel(latency_axis(axes.yaxis), fontsize=7)
    legend(figure, [Line2D([], [], color=PALETTE[1]), Line2D([], [], color=PALETTE[0]),
                    Patch(color=SHADE)], ["p50 of an epoch", "p99", "beside the aggressor"], 3)
    page.save(figure, ("instability-epochs", config, victim),
              ("aggressor", "intensity_percent", "block", "phase", "role", "time_s", "p50_ns",
               "p99_ns"), [row for _, rows, _ in drawn for row in rows])


# ---- Coupling ----

def at_quantile(cell, q):
    return next(one["slowdown"] for one in cell["quantiles"] if one["q"] == q)


def heat_text(one):
    """The slowdown; in brackets where its interval includes 1, with ? where it has none."""
    if one["value"] is None:
        return "–"
    text = f"{one['value']:.2f}" if one["value"] < 100 else f"{one['value']:.3g}"
    if one["lo"] is None or one["hi"] is None:
        return text + "?"
    return f"({text})" if one["lo"] <= 1 <= one["hi"] else text


def names_in_order(items):
    return list(dict.fromkeys(items))


def draw_heat(figure, axes, page, grid, by_row, names):
    """Coloured cells with their values; returns what the colour bar needs."""
    known = [one["value"] for one, _ in grid.values() if one["value"]]
    top = max([1.1] + [max(value, 1 / value) for value in known])
    colors = LinearSegmentedColormap.from_list("slowdown", ("#0072B2", "#FFFFFF", "#D55E00"))
    norm = LogNorm(1 / top, top)
    values = np.full([len(side) for side in names], np.nan)
    turned = 90 if (page.width - 1.3) / len(names[1]) < 0.38 else 0
    for key, (one, q) in grid.items():
        at = tuple(side.index(part) for side, part in zip(names, key if by_row else key[::-1]))
        values[at] = np.nan if one["value"] is None else one["value"]
        axes.text(at[1], at[0], heat_text(one) + q, ha="center", va="center", rotation=turned,
                  linespacing=1.0)
    axes.set_facecolor("#F2F2F2")
    return axes.imshow(values, cmap=colors, norm=norm, aspect="auto"), top, turned


def heat_map(page, cells, config):
    """Slowdown of every cell at the quantile it is judged by."""
    load = {cell["row"]: (cell["aggressor"], cell["intensity"]) for cell in cells}
    loads = sorted(set(load.values()),
                   key=lambda one: (names_in_order(a for a, _ in load.values()).index(one[0]), one))
    victims = names_in_order(cell["victim"] for cell in cells)
    gates = {cell["gate_q"] for cell in cells}
    grid = {(load[cell["row"]], cell["victim"]): (
        at_quantile(cell, cell["gate_q"]),
        "\n" + quantile_name(cell["gate_q"]) if len(gates) > 1 else "") for cell in cells}
    if not any(one["value"] for one, _ in grid.values()):
        raise Skip("no slowdown is known")
    by_row = len(victims) <= len(loads)
    names = (loads, victims) if by_row else (victims, loads)
    figure, panels = page.figure(1.3 + (0.2 + 0.14 * (len(gates) > 1)) * len(names[0]))
    image, top, turned = draw_heat(figure, panels[0, 0], page, grid, by_row, names)
    if turned:
        figure.set_figheight(1.6 + 0.4 * len(names[0]))
    heat_axes(figure, panels[0, 0], image, top, names, turned)
    what = quantile_name(*gates) if len(gates) == 1 else "the quantile named"
    figure.axes[-1].set_xlabel(f"slowdown of {what} (ratio)\n(bracketed): interval includes 1; "
                               "?: no interval")
    page.save(figure, ("coupling-heatmap", config),
              ("victim", "aggressor", "intensity_percent", "q", "slowdown", "lo", "hi",
               "includes_1"),
              [(c["victim"], *load[c["row"]], c["gate_q"], *one.values(),
                "" if None in one.values() else int(one["lo"] <= 1 <= one["hi"]))
               for c in cells for one in (at_quantile(c, c["gate_q"]),)])


def heat_axes(figure, axes, image, top, names, turned):
    """Names of rows and columns, and the bar of colours."""
    labels = [[shown(one) if isinstance(one, str) else f"{shown(one[0])} {one[1]:g} %"
               for one in side] for side in names]
    axes.set_yticks(range(len(names[0])), labels[0])
    axes.set_xticks(range(len(names[1])), labels[1], rotation=90 if turned else 30,
                    ha="center" if turned else "right", rotation_mode=None if turned else "anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, location="bottom", aspect=40, fraction=0.06)
    log_ticks(bar.ax.xaxis, 1 / top, top)
    bar.outline.set_visible(False)


def sensitivity(page, cells, config, victim):
    """Slowdown by intensity, at the highest quantile that all cells are judged by."""
    cells = [cell for cell in cells if cell["blocks"]]
    q = min((cell["gate_q"] for cell in cells), default=0.5)
    curves = {}
    for cell in sorted(cells, key=lambda cell: cell["intensity"]):
        one = at_quantile(cell, q)
        if one["value"] is not None:
            curves.setdefault(cell["aggressor"], []).append((cell["intensity"], *one.values()))
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    if not curves:
        raise Skip("no aggressor with two intensities")
    figure, panels = page.figure(2.4)
    axes, lines = panels[0, 0], []
    for i, points in enumerate(curves.values()):
        x, y, lo, hi = np.array(points, float).T
        lines += axes.plot(x, y, marker="o", **line_style(i))
        axes.fill_between(x, lo, hi, color=lines[-1].get_color(), alpha=0.2, linewidth=0)
    ratio_axis(axes, [value for points in curves.values() for point in points
                      for value in point[1:]])
    axes.set_xlabel("offered load (% of the aggressor's solo maximum)")
    axes.set_ylabel(f"slowdown of {quantile_name(q)} (ratio)")
    legend(figure, lines, [shown(name) for name in curves], 3 if page.width < 5 else 6)
    page.save(figure, ("coupling-sensitivity", config, victim),
              ("aggressor", "intensity_percent", "q", "slowdown", "lo", "hi"),
              [(name, point[0], q, *point[1:]) for name, points in curves.items()
               for point in points])


# ---- Decomposition and guarantee ----

def omega_text(one):
    if one["value"] is None:
        return "ω² ?"
    inside = "?" if None in one.values() else f"{one['lo']:.2f}, {one['hi']:.2f}"
    return f"ω² {one['value']:.2f} [{inside}]"


def decomposition(page, parts):
    """Shares of the variance of log latency, a bar for each config and victim."""
    known = [one for one in parts if None not in one["components"].values() and
             sum(one["components"].values()) > 0]
    for one in (one for one in parts if one not in known):
        warn(f"decomposition of {one['victim']} under {one['config']}", one["why"] or "no variance")
    if not known:
        raise Skip("no variance components are known")
    figure, panels = page.figure(0.9 + 0.24 * len(known))
    axes, rows = panels[0, 0], []
    for y, one in enumerate(known):
        total, at = sum(one["components"].values()), 0
        for name, color in COMPONENTS.items():
            share = one["components"][name] / total
            axes.barh(y, 100 * share, 0.7, 100 * at, color=color, linewidth=0)
            at += share
            rows.append((one["config"], one["victim"], name, one["components"][name], share,
                         *one["omega_squared"].values()))
        axes.text(102, y, omega_text(one["omega_squared"]), va="center")
    axes.set_yticks(range(len(known)), [f"{shown(one['victim'], 20)}, {shown(one['config'], 14)}"
                                        for one in known])
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 100), ylim=(len(known) - 0.5, -0.5))
    axes.set_xlabel("share of the variance of log latency (%)")
    legend(figure, [Patch(color=color) for color in COMPONENTS.values()],
           ["within epochs", "between epochs", "between phases", "between blocks", "neighbour"],
           3 if page.width < 5 else 5)
    page.save(figure, ("decomposition",), ("config", "victim", "component", "variance", "share",
                                           "omega_squared", "lo", "hi"), rows)


def draw_guarantee(axes, x, one, color, top):
    """The estimate, and its bound; or an open marker and how many blocks are lacking."""
    if one["estimate"] is not None:
        axes.plot([x], [one["estimate"]], "_", color=color, markersize=5)
    if one["bound"] is not None:
        axes.plot([x], [one["bound"]], "v", color=color)
        if one["estimate"] is not None:
            axes.plot([x, x], [one["estimate"], one["bound"]], "-", color=color, linewidth=0.6)
        return
    y = top if one["estimate"] is None else one["estimate"]
    axes.plot([x], [y], "o", color=color, markerfacecolor="white", markersize=4)
    axes.annotate(f"+{one['needs_blocks']}", (x, y), (0, 4), textcoords="offset points",
                  ha="center", va="bottom", rotation=90, color="black")


def guarantee(page, promises, victim):
    """What can be promised of every quantile under each config."""
    known = [value for one in promises for value in (one["bound"], one["estimate"]) if value]
    if not known:
        raise Skip("no bound and no estimate is known")
    configs = names_in_order(one["config"] for one in promises)
    shares = sorted({one["q"] for one in promises})
    figure, panels = page.figure(2.6)
    axes = panels[0, 0]
    for one in promises:
        i = configs.index(one["config"])
        x = shares.index(one["q"]) + (i - (len(configs) - 1) / 2) * 0.7 / len(configs)
        draw_guarantee(axes, x, one, PALETTE[(i + 1) % len(PALETTE)], max(known))
    axes.set_xlim(-0.5, len(shares) - 0.5)
    axes.set_xticks(range(len(shares)), [f"{100 * q:.10g}" for q in shares])
    axes.margins(y=0.2)
    axes.set_xlabel("percentile (%)")
    axes.set_ylabel(latency_axis(axes.yaxis))
    black = {"color": ALONE, "linestyle": ""}
    marks = [Line2D([], [], marker="v", **black), Line2D([], [], marker="_", **black),
             Line2D([], [], marker="o", markerfacecolor="white", **black)]
    legend(figure, [Patch(color=PALETTE[(i + 1) % len(PALETTE)]) for i in range(len(configs))]
           + marks, [shown(name) for name in configs] +
           [f"bound ({100 * promises[0]['confidence']:g} %)", "estimate", "lacks +N blocks"],
           3 if page.width < 5 else 6)
    page.save(figure, ("guarantee", victim),
              ("config", "q", "confidence", "bound_ns", "estimate_ns", "needs_blocks", "aggressor",
               "intensity_percent", "untested_cells"),
              [(one["config"], one["q"], one["confidence"], one["bound"], one["estimate"],
                one["needs_blocks"], one["aggressor"], one["intensity"], one["untested_cells"])
               for one in promises])


# ---- The whole ----

def warn(what, why):
    print(f"figures.py: {shown(what, 99)}: skipped: {why}", file=sys.stderr)


def analysis_of(program, path):
    """What `cotenant analyze` says of a file."""
    if not path.exists():
        raise Bad(f"{path}: no such file")
    try:
        run = subprocess.run([program, "analyze", str(path.absolute()), "--json", "-"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Bad(f"{program}: {error.strerror}: give the program by --cotenant") from error
    if run.returncode:
        said = (run.stderr.strip().splitlines() or [f"{program} ended with {run.returncode}"])[-1]
        raise Bad(said.removeprefix("cotenant: "))
    try:
        value = json.loads(run.stdout)
        if value["schema"] != "cotenant.analysis/1":
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise Bad(f"{program}: does not say what `cotenant analyze` says") from error
    for row, cell in enumerate(value["cells"]):
        cell["row"] = row  # of /cells: analyze keeps the order
    return value


def select(value, options):
    """Leaves only the victim and the config that were asked for."""
    for kind in ("victim", "config"):
        wanted, names = getattr(options, kind), names_in_order(c[kind] for c in value["cells"])
        if wanted is not None and wanted not in names:
            raise Bad(f"no {kind} '{wanted}': there is {', '.join(names) or 'none'}")
    for part in ("cells", "decomposition", "guarantees"):
        value[part] = [one for one in value[part]
                       if options.victim in (None, one["victim"])
                       and options.config in (None, one["config"])]
    if not value["cells"]:
        raise Bad("no cell of that victim under that config")


def attempt(what, draw, *arguments):
    try:
        draw(*arguments)
    except Skip as reason:
        warn(what, reason)


def draw_all(page, value, samples):
    def having(part, **wanted):
        return [one for one in value[part] if all(one[key] == wanted[key] for key in wanted)]

    cells = value["cells"]
    for config, victim in names_in_order((c["config"], c["victim"]) for c in cells):
        mine = having("cells", config=config, victim=victim)
        who = f"of {victim} under {config}"
        for name, draw in (("tail", tail), ("ECDF", ecdf), ("epochs", epochs_over_time)):
            attempt(f"{name} {who}", draw, page, samples, mine, config, victim)
        attempt(f"sensitivity {who}", sensitivity, page, mine, config, victim)
    for config in names_in_order(cell["config"] for cell in cells):
        attempt(f"heat map of {config}", heat_map, page, having("cells", config=config), config)
    attempt("decomposition", decomposition, page, value["decomposition"])
    for victim in names_in_order(cell["victim"] for cell in cells):
        attempt(f"guarantee of {victim}", guarantee, page, having("guarantees", victim=victim),
                victim)


def width_of(text):
    value = WIDTHS.get(text) or float(text)
    if not 2 <= value <= 20:
        raise ValueError(text)
    return value


def formats_of(text):
    kinds = names_in_order(text.split(","))
    if not set(kinds) <= set(FORMATS):
        raise ValueError(text)
    return kinds


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Bad(message)


def parse():
    here = Path(__file__).resolve().parents[1] / "build" / "cotenant"
    program = str(here) if here.exists() else shutil.which("cotenant") or "cotenant"
    parser = Parser(description=__doc__, prog="figures.py",
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, metavar="RESULT.h5")
    parser.add_argument("-o", dest="out", type=Path, default=Path("."), metavar="DIR",
                        help="where figures go (default: here)")
    parser.add_argument("--cotenant", default=program, metavar="PROGRAM",
                        help="(default: build/cotenant, else that of the PATH)")
    parser.add_argument("--victim", metavar="V", help="only this one")
    parser.add_argument("--config", metavar="C", help="only this one")
    parser.add_argument("--width", type=width_of, default=3.5, metavar="W",
                        help="single (3.5 in, default), double (7.16 in), or inches, 2 to 20")
    parser.add_argument("--format", type=formats_of, default=list(FORMATS), metavar="LIST",
                        help="of pdf and svg, parted by commas (default: both)")
    return parser.parse_args()


def main():
    warnings.filterwarnings("ignore")  # glyphs a font lacks
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
    try:
        options = parse()
        value = analysis_of(options.cotenant, options.result)
        select(value, options)
        options.out.mkdir(parents=True, exist_ok=True)
        with h5py.File(options.result) as file:
            draw_all(Page(options.out, options.width, options.format), value, Samples(file))
    except Bad as error:
        print(f"figures.py: {error}", file=sys.stderr)
        return 2
    except (OSError, KeyError) as error:
        print(f"figures.py: {options.result}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
