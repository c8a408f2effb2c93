/* SPDX-License-Identifier: Apache-2.0 */
/* The four sections and what follows them, each from the data alone. */
"use strict";
const several = report.sources.length > 1;

/* Every cell of every result, with what its pictures need. */
const cells = report.sources.flatMap((source, s) => source.analysis.cells.map((cell, c) => {
  const place = several ? `${source.label}: ${cell.config}` : cell.config;
  return { ...cell, source, s, place, curves: source.curves.cells[c], series: source.series[c],
    beside: `${cell.aggressor} ${cell.intensity} %`, gate: cell.quantiles.find((one) => one.q === cell.gate_q) };
}));
const places = [...new Set(cells.map((cell) => cell.place))];
const victims = [...new Set(cells.map((cell) => cell.victim))];
const manyPlaces = places.length > 1;
const nameOf = (cell) => (manyPlaces ? `${cell.victim} · ${cell.place}` : cell.victim);
const besideOf = (cell) => `beside ${cell.beside}`;

/* What a reader looks at first: the cell with the clearest and largest slowdown. */
const worst = [...cells].sort((a, b) => (b.gate?.slowdown.lo ?? 0) - (a.gate?.slowdown.lo ?? 0))[0];

function choice(label, options, value, onchange) {
  const select = el("select", { onchange: () => onchange(select.value) }, ...options.map((one) => el("option", { value: one, selected: one === value }, one)));
  return { node: el("label", {}, label + " ", select), select };
}

function answers(k) {
  return el("p", { class: "answer" }, ...report.sources.flatMap((source) => several
    ? [el("span", { class: "from" }, source.label), source.answers[k], el("br")] : [source.answers[k]]));
}

function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": id + "-title" }, el("h2", { id: id + "-title" }, title), ...children);
}

const figures = (...charts) => el("div", { class: "figures" }, ...charts.map((one) => one.node));

/* ---- Instability ---- */

const zipped = (points, grid) => points.map((ns, i) => [grid[i], ns]);

/* The victim alone, as the median of what each of its cells measured at that percentile. */
function aloneCurve(chosen, grid) {
  const points = [];
  for (let i = 0; i < grid.length; i++) {
    const values = chosen.map((cell) => cell.curves.baseline[i]).filter(known).sort((a, b) => a - b);
    if (values.length === 0 || values.length < chosen.filter((cell) => cell.curves.baseline.length).length) break;
    points.push([grid[i], values[(values.length - 1) >> 1]]);
  }
  return { name: "alone", alone: true, points };
}

function linesOf(chosen) {
  const grid = chosen[0].source.curves.grid;
  return [...chosen.map((cell) => ({ name: besideOf(cell), points: zipped(cell.curves.treatment, grid) })), aloneCurve(chosen, grid)]
    .filter((line) => line.points.length > 0);
}

function marksOf(chosen) {
  return chosen.map((cell, line) => ({ name: besideOf(cell), line, points: cell.quantiles.filter((one) => known(one.treatment.value)).map((one) => ({ q: one.q, of: one.treatment })) }))
    .filter((mark) => mark.points.length > 0);
}

const latencyColumn = (title) => ({ title, interval: true, text: latency });
const lineRows = (lines) => lines.flatMap((line) => line.points.map(([percent, ns]) => [line.name, percent, ns]));
const lineColumns = [{ title: "series" }, { title: "percentile", number: true, text: (v) => String(Number(v.toPrecision(7))) }, { title: "latency, ns", number: true, text: (v) => String(v) }];
const nothing = "No block of these cells could be used: nothing to draw.";

function instability() {
  const pick = { victim: worst.victim, place: worst.place, beside: worst.beside };
  const chosen = () => cells.filter((cell) => cell.victim === pick.victim && cell.place === pick.place);
  const one = () => chosen().find((cell) => cell.beside === pick.beside) ?? chosen()[0];
  const title = () => `${pick.victim}${manyPlaces ? " in " + pick.place : ""}`;
  const charts = [
    chart("percentiles", "Latency by percentile", () => {
      const lines = chosen().length ? linesOf(chosen()) : [], marks = chosen().length ? marksOf(chosen()) : [];
      return lines.length === 0 ? nothing : { option: quantilesOption(lines, marks), columns: lineColumns, rows: lineRows(lines),
        says: `${title()}: one line for the victim alone (the median over its cells) and one beside each aggressor, to the last percentile with ten samples beyond it; points are the quantiles of the tables, hover shows their intervals.` };
    }, { wide: true }),
    chart("ecdf", "Empirical distribution", () => {
      const lines = chosen().length ? linesOf(chosen()) : [];
      return lines.length === 0 ? nothing : { option: ecdfOption(lines), columns: lineColumns, rows: lineRows(lines), says: `${title()}: share of all samples at or below each latency.` };
    }),
    chart("boxes", "Spread of each cell", () => {
      const grid = report.sources[0].curves.grid;
      const at = [1, 25, 50, 75, 99].map((percent) => grid.findIndex((x) => Math.abs(x - percent) < 1e-6));
      const boxes = chosen().flatMap((cell) => [["alone", cell.curves.baseline], ["", cell.curves.treatment]].map(([side, curve]) => ({
        name: side ? `alone (${cell.beside})` : besideOf(cell), values: at.map((i) => curve[i]) }))).filter((box) => box.values.every(known));
      return boxes.length === 0 ? nothing : { option: boxOption(boxes), height: 90 + 34 * boxes.length,
        columns: [{ title: "cell" }, ...["p1", "p25", "p50", "p75", "p99"].map((name) => ({ title: name + ", ns", number: true, text: String }))],
        rows: boxes.map((box) => [box.name, ...box.values]), says: `${title()}: whiskers from p1 to p99, box from p25 to p75, line at the median; each cell alone and beside its aggressor.` };
    }),
    chart("epochs", "Epochs over the campaign", () => {
      const cell = one();
      if (!cell || cell.series.points.length === 0) return "The file has no epochs of this cell.";
      return { option: timeOption(cell.series), columns: [{ title: "time, s", number: true, text: String }, { title: "p50, ns", number: true, text: (v) => String(v ?? "") }, { title: "p99, ns", number: true, text: (v) => String(v ?? "") }, { title: "phase" }],
        rows: cell.series.points.map(([at, p50, p99, role]) => [at, p50, p99, ["alone", "beside", "recovery"][role]]),
        says: `${title()} beside ${cell.beside}: p50 and p99 of each epoch; shaded where the aggressor ran; ${cell.series.changes.baseline.length + cell.series.changes.treatment.length} change points of the blocks' medians marked.` };
    }, { wide: true }),
  ];
  const refresh = () => charts.forEach((each) => each.update());
  const beside = el("span");
  const offer = () => {
    const options = chosen().map((cell) => cell.beside);
    if (!options.includes(pick.beside)) pick.beside = options[0];
    beside.replaceChildren(choice("epochs beside", options, pick.beside, (value) => { pick.beside = value; charts[3].update(); }).node);
  };
  offer();
  return section("instability", "Instability: how unstable", answers(0),
    el("div", { class: "picker" },
      choice("victim", victims, pick.victim, (value) => { pick.victim = value; if (!chosen().length) pick.place = cells.find((cell) => cell.victim === value).place; offer(); refresh(); }).node,
      manyPlaces ? choice("in", places, pick.place, (value) => { pick.place = value; offer(); refresh(); }).node : null, beside),
    figures(...charts));
}

/* ---- Coupling ---- */

function slowdownHover(cell) {
  const thing = cell.tree.carriers.some((resource) => resource.startsWith("gpu_")) ? "GPU" : cell.shared;
  const share = thing ? `, sharing the ${thing}` : "";
  if (cell.load === "absent") return `${nameOf(cell)} ${besideOf(cell)}: the aggressor did not load`;
  return `${nameOf(cell)} ${besideOf(cell)}${share}\n${quantileName(cell.gate_q)} slowdown ${interval(cell.gate.slowdown, ratio)}\n${cell.blocks} blocks, load ${cell.load}`;
}

function heatMap() {
  const drawn = cells.filter((cell) => known(cell.gate?.slowdown.value));
  if (drawn.length === 0) return "No cell has a slowdown: too few blocks, or no aggressor loaded.";
  const columns = [...new Set(cells.map((cell) => cell.beside))], lines = [...new Set(cells.map(nameOf))];
  const map = { columns, lines, cells: drawn.map((cell) => ({ x: columns.indexOf(cell.beside), y: lines.indexOf(nameOf(cell)), value: cell.gate.slowdown.value,
    text: cell.gate.slowdown.value.toFixed(2) + (cell.gate.slowdown.lo > 1 || cell.gate.slowdown.hi < 1 ? "" : "°"), hover: slowdownHover(cell) })) };
  return { option: heatOption(map), height: 150 + 34 * lines.length,
    columns: [{ title: "victim" }, { title: "aggressor" }, { title: "quantile" }, { title: "slowdown", interval: true, text: ratio }, { title: "load" }],
    rows: drawn.map((cell) => [nameOf(cell), cell.beside, quantileName(cell.gate_q), cell.gate.slowdown, cell.load]),
    says: `Slowdown of the highest quantile that a cell's blocks carry, of ${lines.length} ${manyPlaces ? "victims and places" : "victims"} beside ${columns.length} aggressors; ° where the interval includes 1; cells without a number are left empty. Hover shows the interval.` };
}

const cutWords = (curves) => (cutBands(curves) ? " Bands that reach far beyond the curves are cut; the table has them whole." : "");

function sensitivity(pick) {
  const chosen = cells.filter((cell) => cell.victim === pick.victim && cell.place === pick.place && known(cell.gate?.slowdown.value));
  const curves = [...new Set(chosen.map((cell) => cell.aggressor))].map((name) => ({ name, points: chosen.filter((cell) => cell.aggressor === name)
    .sort((a, b) => a.intensity - b.intensity).map((cell) => ({ x: cell.intensity, of: cell.gate.slowdown, q: cell.gate_q, hover: slowdownHover(cell) })) }));
  if (curves.length === 0) return "No slowdown of this victim is known.";
  return { option: bandsOption(curves, "intensity, % of the aggressor's solo maximum", { type: "value", min: 0, max: 100 }),
    columns: [{ title: "aggressor" }, { title: "intensity, %", number: true, text: String }, { title: "quantile" }, { title: "slowdown", interval: true, text: ratio }],
    rows: curves.flatMap((curve) => curve.points.map((point) => [curve.name, point.x, quantileName(point.q), point.of])),
    says: `${pick.victim}${manyPlaces ? " in " + pick.place : ""}: slowdown by intensity of each aggressor, with the band of its interval over blocks.${cutWords(curves)}` };
}

/* What both workloads of a cell press tells whether a device that both tenants have can carry it. */
const ofDevice = { gpu: /^(gpu_|pcie$)/, nic: /^(network|rdma|pcie)$/ };
const concerns = (node, cell) => !ofDevice[node.kind] || cell.tree.verdict === "unknown" || cell.tree.common.some((resource) => ofDevice[node.kind].test(resource));

/* The deepest node that both tenants run on, or a device that both have, carries the slowdown of their cell. */
function carriers(source) {
  const tenantOf = Object.fromEntries([...(source.tenants?.victims ?? []), ...(source.tenants?.aggressors ?? [])]);
  const most = new Map();
  const devicesFirst = (nodes) => [...nodes].sort((a, b) => (b.kind in ofDevice) - (a.kind in ofDevice));
  const deepest = (node, a, b, cell) => devicesFirst(node.children).map((child) => deepest(child, a, b, cell)).find(Boolean) ??
    (node.tenants.includes(a) && node.tenants.includes(b) && concerns(node, cell) ? node : null);
  for (const cell of cells.filter((each) => each.source === source && known(each.gate?.slowdown.value))) {
    const node = deepest(source.background.topology, tenantOf[cell.victim], tenantOf[cell.aggressor], cell);
    if (node && !(most.get(node)?.gate.slowdown.value >= cell.gate.slowdown.value)) most.set(node, cell);
  }
  return most;
}

/* The room beside a leaf, in characters: see treeOption. */
const leafRoom = 26;

/* Lines that end after a comma: the first of `first` characters, the others of `most`. */
function broken(text, first, most) {
  const lines = [""];
  for (const part of text.split(/(?<=, )/)) {
    if ((lines.at(-1) + part).trimEnd().length > (lines.length === 1 ? first : most)) lines.push("");
    lines[lines.length - 1] += part;
  }
  return lines.map((line, i) => (i ? line.trim() : line.trimEnd())).join("\n");
}

function topology(source) {
  const root = source.background.topology;
  if (!root) return "The file has no hardware tree, or the report leaves it out.";
  const carried = carriers(source), rows = [];
  const draw = (node) => {
    const cell = carried.get(node);
    const tenants = node.tenants.length && node.children.length === 0 ? broken(` ← ${node.tenants.join(", ")}`, leafRoom - node.name.length, leafRoom) : "";
    const shared = cell ? `\nshared: ×${ratio(cell.gate.slowdown.value)} ${cell.victim} beside ${cell.aggressor}` : "";
    rows.push([node.name, node.tenants.join(", "), cell ? `${cell.victim} beside ${cell.beside}` : "", cell ? cell.gate.slowdown : { value: null }]);
    return { name: node.name + tenants + shared, itemStyle: { color: cell ? colours[1] : node.tenants.length ? colours[0] : faint(), borderColor: ink() },
      hover: cell ? slowdownHover(cell) : `${node.name}${node.tenants.length ? ": " + node.tenants.join(", ") : ""}`, children: node.children.map(draw) };
  };
  const tree = draw(root);
  const leaves = (node) => node.children.length ? node.children.map(leaves).reduce((a, b) => a + b) : 1;
  return { option: treeOption(tree), height: Math.max(240, 70 * leaves(root)), columns: [{ title: "object" }, { title: "tenants" }, { title: "worst cell that shares it" }, { title: "slowdown", interval: true, text: ratio }], rows,
    says: `The machine${several ? " of " + source.label : ""} as hwloc sees it, with the devices that tenants were given: tenants on their cores, and at the closest thing that two of them share, a device before all else, the largest slowdown measured there.` };
}

function coupling() {
  const pick = { victim: worst.victim, place: worst.place };
  const curves = chart("sensitivity", "Sensitivity to intensity", () => sensitivity(pick));
  return section("coupling", "Coupling: through what, by how much", answers(1),
    figures(chart("matrix", "Coupling matrix", heatMap, { wide: true })),
    el("div", { class: "picker" }, choice("victim", victims, pick.victim, (value) => { pick.victim = value; if (!cells.some((cell) => cell.victim === value && cell.place === pick.place)) pick.place = cells.find((cell) => cell.victim === value).place; curves.update(); }).node,
      manyPlaces ? choice("in", places, pick.place, (value) => { pick.place = value; curves.update(); }).node : null),
    figures(curves, ...report.sources.map((source, s) => chart(several ? "topology-" + s : "topology", several ? `Hardware: ${source.label}` : "Hardware and what is shared", () => topology(source), { wide: true }))));
}

/* ---- Decomposition ---- */

const parts = report.sources.flatMap((source) => source.analysis.decomposition.map((one) => ({ ...one, name: manyPlaces ? `${one.victim} · ${several ? source.label + ": " : ""}${one.config}` : one.victim })));

function components() {
  const split = parts.filter((one) => known(one.components.within_epoch) || known(one.components.cotenant));
  if (split.length === 0) return "The blocks are too few to split the variance.";
  const bars = split.map((one) => {
    const total = componentNames.reduce((sum, [key]) => sum + (one.components[key] ?? 0), 0);
    return { name: one.name, omega: one.omega_squared, shares: Object.fromEntries(componentNames.map(([key]) => [key, total > 0 ? (100 * (one.components[key] ?? 0)) / total : 0])) };
  });
  return { option: stackOption(bars), height: 140 + 34 * bars.length,
    columns: [{ title: "victim" }, ...componentNames.map(([, name]) => ({ title: name + ", %", number: true, text: (v) => v.toFixed(2) })), { title: "omega squared", interval: true, text: share }],
    rows: bars.map((bar) => [bar.name, ...componentNames.map(([key]) => bar.shares[key]), bar.omega]),
    says: "Variance of log latency by where it arises; the neighbour's part, omega squared, is in the table with its interval." };
}

function shifts() {
  const prices = report.sources.flatMap((source) => source.analysis.partition_prices.map((price) => ({
    name: `${price.victim}: ${several ? source.label + " " : ""}${price.config} over ${price.reference}`, points: price.quantiles.filter((one) => known(one.price.value))
      .map((one) => ({ x: quantileName(one.q), of: one.price, hover: `${price.victim}, ${price.config} over ${price.reference}\n${quantileName(one.q)} ${interval(one.price, ratio)}` })) })));
  const between = report.comparisons.flatMap((one, i) => (one.comparison?.cells ?? []).filter((cell) => cell.aggressor === "none").map((cell) => ({
    name: `${cell.victim}: ${report.sources[i + 1].label} over ${report.sources[0].label}`, points: (cell.others ?? []).filter((each) => known(each.ratio?.value))
      .map((each) => ({ x: quantileName(each.q), of: each.ratio, hover: `${cell.victim} alone\n${quantileName(each.q)} ${interval(each.ratio, ratio)}` })) })));
  const curves = [...prices, ...between].filter((curve) => curve.points.length > 0);
  if (curves.length === 0) return "One configuration only: there is no other to shift from.";
  return { option: bandsOption(curves, "quantile of the victim alone", { type: "category", data: ["p50", "p90", "p95", "p99", "p99.9", "p99.99"] }),
    columns: [{ title: "victim" }, { title: "quantile" }, { title: "ratio", interval: true, text: ratio }], rows: curves.flatMap((curve) => curve.points.map((point) => [curve.name, point.x, point.of])),
    says: "The victim alone in one configuration over the same victim alone in the reference, by quantile: the price of the partition itself, without any neighbour." + cutWords(curves) };
}

const decomposition = () => section("decomposition", "Decomposition: whose variance it is", answers(2),
  figures(chart("components", "Variance components", components), chart("shift", "Shift function across configurations", shifts)));

/* ---- Guarantee and strategy ---- */

const bounds = report.sources.flatMap((source) => source.analysis.guarantees.map((one) => ({ ...one, place: several ? `${source.label}: ${one.config}` : one.config })));

function boundsOf(victim) {
  const names = [...new Set(bounds.map((one) => quantileName(one.q)))];
  const lines = places.map((place) => {
    const of = (name) => bounds.find((one) => one.place === place && one.victim === victim && quantileName(one.q) === name);
    return { name: place, bounds: names.map((name) => of(name)?.bound ?? null), estimates: names.map((name) => of(name)?.estimate ?? null) };
  }).filter((line) => line.estimates.some(known) || line.bounds.some(known));
  if (lines.length === 0) return "Nothing is known of this victim under a neighbour.";
  const rows = bounds.filter((one) => one.victim === victim).map((one) => [one.place, quantileName(one.q), one.estimate, one.bound]);
  return { option: boundsOption(names, lines), columns: [{ title: "configuration" }, { title: "quantile" }, { title: "estimate, ns", number: true, text: (v) => String(v ?? "") }, { title: "bound, ns", number: true, text: (v) => String(v ?? "") }], rows,
    says: `${victim} under the worst neighbour tested: the estimate of each quantile, and the upper bound where the blocks carry one.` };
}

function guarantee() {
  const pick = { victim: worst.victim };
  const chartOfBounds = chart("bounds", "What can be promised", () => boundsOf(pick.victim), { wide: true });
  const grades = report.sources.flatMap((source) => source.analysis.grades.map((one) => [several ? `${source.label}: ${one.config}` : one.config, one.grade, one.upper, quantileName(one.q), one.victim ? `${one.victim} beside ${one.aggressor}` : "", one.ungraded_cells]));
  const ranked = report.sources.flatMap((source) => (source.analysis.slo?.ranking ?? []).map((one) => [several ? `${source.label}: ${one.config}` : one.config, one.promise, one.bound, one.estimate, one.needs_blocks]));
  const slo = report.sources[0].analysis.slo;
  const confidence = 100 * report.sources[0].analysis.confidence;
  return section("guarantee", "Guarantee and strategy: what can be promised", answers(3),
    el("div", { class: "picker" }, choice("victim", victims, pick.victim, (value) => { pick.victim = value; chartOfBounds.update(); }).node),
    figures(chartOfBounds),
    el("h3", {}, `Upper bounds at ${confidence} % confidence under the worst neighbour tested`),
    table("guarantees", [{ title: "configuration" }, { title: "victim" }, { title: "quantile" }, { title: "bound", number: true, text: (v) => latency(v) }, { title: "estimate", number: true, text: (v) => latency(v) }, { title: "more blocks needed", number: true, text: String }, { title: "worst neighbour" }],
      bounds.map((one) => [one.place, one.victim, quantileName(one.q), one.bound, one.estimate, one.needs_blocks, one.aggressor === "none" ? "none: worst alone" : `${one.aggressor} ${one.intensity} %`])),
    el("h3", {}, "Isolation grades"),
    el("p", { class: "aside" }, "A: at most 1.03, B: 1.10, C: 1.25, D: 2, E: above, by the largest upper confidence limit of the p99 slowdown (p90 or p50 where the blocks do not carry p99)."),
    table("grades", [{ title: "configuration" }, { title: "grade" }, { title: "upper limit of the worst slowdown", number: true, text: ratio }, { title: "quantile" }, { title: "worst cell" }, { title: "cells without an interval", number: true, text: String }], grades),
    ...(slo ? [el("h3", {}, `Configurations ranked for ${slo.victim ? slo.victim + " " : ""}${quantileName(slo.q)} ≤ ${latency(slo.limit)}`),
      table("ranking", [{ title: "configuration" }, { title: "promise", mark: (value) => value }, { title: "bound", number: true, text: (v) => latency(v) }, { title: "estimate", number: true, text: (v) => latency(v) }, { title: "more blocks needed", number: true, text: String }], ranked)]
      : [el("p", { class: "aside" }, "No objective was given: --slo ranks the configurations.")]));
}

/* ---- What stands before and after ---- */

const plainTable = (name, titles, rows) => (rows.length ? table(name, titles.map((title) => ({ title })), rows) : null);

/* What changed comes first, because it is what is compared. */
function verdicts(one, i) {
  const pair = `${report.sources[i + 1].label} over ${report.sources[0].label}`;
  const rows = (one.comparison?.cells ?? []).map((cell) => [cell.config, cell.victim, cell.aggressor === "none" ? "alone" : `${cell.aggressor} ${cell.intensity} %`, quantileName(cell.q), cell.ratio, cell.verdict]);
  return [el("h3", {}, pair), el("p", { class: one.comparable ? "answer" : "warning" }, one.comparable ? one.sentence : `Side by side, without verdicts: ${one.sentence}.`),
    plainTable("what changed " + pair, ["what changed", report.sources[0].label, report.sources[i + 1].label], (one.comparison?.environment ?? []).map((row) => [row.item, row.base, row.new])),
    rows.length ? table("comparison " + pair, [{ title: "configuration" }, { title: "victim" }, { title: "beside" }, { title: "quantile" }, { title: "ratio", interval: true, text: ratio }, { title: "verdict", mark: (value) => value }], rows) : null,
    plainTable("not matched " + pair, ["not matched: configuration", "victim", "aggressor", "reason"], (one.comparison?.unmatched ?? []).map((cell) => [cell.config, cell.victim, cell.aggressor, cell.reason]))];
}

/* A column a place, at the highest quantile that all of a row's places carry. */
function sideBySide(name, value, text) {
  const keys = [...new Set(cells.map((cell) => JSON.stringify([cell.victim, cell.beside])))];
  const rows = keys.map((key) => {
    const [victim, beside] = JSON.parse(key);
    const row = places.map((place) => cells.find((cell) => cell.place === place && cell.victim === victim && cell.beside === beside));
    const q = Math.min(...row.filter(Boolean).map((cell) => cell.gate_q));
    return [victim, beside, quantileName(q), ...row.map((cell) => (cell ? value(cell.quantiles.find((one) => one.q === q)) : { value: null }))];
  });
  return table(name, [{ title: "victim" }, { title: "beside" }, { title: "quantile" }, ...places.map((place) => ({ title: place, interval: true, text }))], rows);
}

function comparisons() {
  if (!manyPlaces) return null;
  return section("comparison", "Comparison", ...report.comparisons.flatMap(verdicts).filter(Boolean),
    el("h3", {}, "Slowdown, side by side"), sideBySide("slowdown side by side", (one) => one.slowdown, ratio),
    el("h3", {}, "Latency beside the aggressor, side by side"), sideBySide("latency side by side", (one) => one.treatment, latency));
}

function overview() {
  const facts = (source) => {
    const { planned, blocks, used, failed, not_loaded, epochs, counted_epochs } = source.quality;
    const list = [["cells", source.analysis.cells.length], ["blocks used", `${used} of ${planned || blocks}`], ["failed", failed], ["not loaded", not_loaded]];
    if (epochs > 0) list.push(["epochs under load", `${((100 * counted_epochs) / epochs).toFixed(1)} %`]);
    return list;
  };
  return section("overview", "What was measured", ...report.sources.flatMap((source) => [
    several ? el("h3", {}, source.label) : null,
    el("p", { class: "aside" }, `Suite ${source.analysis.suite}, measured ${source.analysis.created} ${source.analysis.version ? `with cotenant ${source.analysis.version}` : "by another program"}; intervals at ${100 * source.analysis.confidence} %.`),
    el("ul", { class: "facts" }, ...facts(source).map(([name, value]) => el("li", {}, el("b", {}, String(value)), name))),
    ...source.quality.warnings.map((warning) => el("p", { class: "warning" }, warning)),
  ].filter(Boolean)));
}

const provenance = () => section("provenance", "Provenance: what decides a repeat", ...report.sources.flatMap((source, s) => [
  several ? el("h3", {}, source.label) : null,
  table("provenance" + (several ? "-" + s : ""), [{ title: "part" }, { title: "item" }, { title: "value" }], source.background.provenance),
  source.background.job ? el("details", {}, el("summary", {}, "Job file"), el("pre", {}, source.background.job + (source.background.overrides ? "\n# overrides\n" + source.background.overrides : ""))) : null,
].filter(Boolean)));

const methods = [
  ["Replication", "The block is the unit, never the sample. A block holds the victim alone and beside the aggressor in ABBA order, randomised, so that a drift of the machine cancels.", "Kalibera & Jones 2013, ISMM; Box, Hunter & Hunter, Statistics for Experimenters"],
  ["Quantiles", "Of all samples of the used blocks, with intervals from the spread between blocks on the logit scale. A quantile that the samples can't carry is left out.", "Woodruff 1952, JASA 47:635; Korn & Graubard 1999"],
  ["Slowdown", "Geometric mean over blocks of the ratio of the same quantile, beside over alone, with Student's interval.", "Chunduri et al. 2019 (GPCNeT), SC19"],
  ["Load", "A treatment counts for the epochs in which the aggressor reports at least 90 % of its asked rate, or never paused. 'Did not load' is no evidence of isolation.", ""],
  ["Hardware tree", "A coupling is predicted where the victim feels a resource that the aggressor presses and their places share it. Felt: one-sided t test over blocks, false discovery rate over all cells. Felt and not predicted is hidden sharing.", "Benjamini & Hochberg 1995"],
  ["Variance", "Nested random effects of log latency: within epochs, between epochs, phases and blocks, and the neighbour; omega squared is the neighbour's share.", "Searle, Casella & McCulloch, Variance Components; Hays 1963"],
  ["Guarantee", "Distribution-free upper tolerance bound over the worst cell, for as many independent samples as the blocks are worth.", "Wilks 1941, Ann. Math. Stat. 12:91; Korn & Graubard 1998"],
  ["Change points", "PELT on normal scores of the blocks' medians in the order of time.", "Killick, Fearnhead & Eckley 2012, JASA 107:1590"],
  ["Comparison", "Welch's test on log quantiles, two one-sided tests for equivalence within the margin, false discovery rate over all cells.", "Schuirmann 1987; Benjamini & Hochberg 1995"],
];
const method = () => section("method", "Method in brief", table("method", [{ title: "step" }, { title: "how" }, { title: "reference" }], methods));

const treeWords = { unknown: "", carried: "predicted, felt", hidden: "hidden sharing", quiet: "predicted, not felt", apart: "neither" };

function tables() {
  const columns = [...(several ? [{ title: "result" }] : []), { title: "configuration" }, { title: "victim" }, { title: "aggressor" }, { title: "intensity, %", number: true, text: String }, { title: "quantile" },
    latencyColumn("alone"), latencyColumn("beside"), { title: "slowdown", interval: true, text: ratio }, { title: "detectable", number: true, text: ratio }, { title: "blocks", number: true, text: String }, { title: "load" }, { title: "shares" }, { title: "hardware tree" }];
  const rows = cells.flatMap((cell) => cell.quantiles.map((one) => [...(several ? [cell.source.label] : []), cell.config, cell.victim, cell.aggressor, cell.intensity, quantileName(one.q), one.baseline, one.treatment, one.slowdown, one.detectable, cell.blocks, cell.load, cell.shared ?? "", treeWords[cell.tree.verdict]]));
  const sides = cells.flatMap((cell) => ["baseline", "treatment"].map((side) => [...(several ? [cell.source.label] : []), cell.config, cell.victim, cell.beside, side === "baseline" ? "alone" : "beside", cell.stability[side].cov, cell.stability[side].mad_ns, cell.stability[side].tail_shape, cell.stability[side].autocorrelation_ms, cell.stability[side].p_drift, cell.stability[side].change_points]));
  const plain = (title) => ({ title, number: true, text: (v) => (known(v) ? String(Number(v.toPrecision(3))) : "?") });
  return section("tables", "Data tables", el("h3", {}, "Cells"), table("cells", columns, rows), el("h3", {}, "Stability of each side"),
    table("stability", [...(several ? [{ title: "result" }] : []), { title: "configuration" }, { title: "victim" }, { title: "aggressor" }, { title: "side" }, plain("CoV"), plain("MAD, ns"), { title: "tail shape", interval: true, text: (v) => (known(v) ? v.toFixed(2) : "?") }, plain("autocorrelation, ms"), plain("p of drift"), plain("change points")], sides));
}
