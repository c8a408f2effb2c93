/* SPDX-License-Identifier: Apache-2.0 */
/* A chart with its text alternative, its table and its files; and the specifications of each. */
"use strict";
const charted = typeof echarts !== "undefined";
const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
/* Okabe and Ito's colours, told apart by every kind of colour vision; black turns grey. */
const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F"];
/* Cividis: monotonous in lightness, the same for those who see no red or green. */
const cividis = ["#00224E", "#35456C", "#666970", "#948E77", "#C8B866", "#FEE838"];
const allCharts = [];

const ink = () => (dark.matches && !printing ? "#e6eaef" : "#1b1f24");
const faint = () => (dark.matches && !printing ? "#4a545f" : "#d0d7de");
const paper = () => (dark.matches && !printing ? "#12161b" : "#ffffff");

function axis(name, more) {
  return {
    name, nameLocation: "middle", nameGap: 30, nameTextStyle: { color: ink() }, axisLabel: { color: ink(), hideOverlap: true },
    axisLine: { lineStyle: { color: ink() } }, splitLine: { lineStyle: { color: faint() } }, ...more,
  };
}

/*
 * A logarithmic axis of latencies from the smallest to the largest. Both ends are labelled; a tick
 * that would run into them is not.
 */
function latencyAxis(name, values, more) {
  const good = values.filter((value) => known(value) && value > 0);
  const lo = Math.min(...good), hi = Math.max(...good);
  const close = (value) => value !== lo && value !== hi && (value / lo < (hi / lo) ** 0.06 || hi / value < (hi / lo) ** 0.06);
  return axis(name, { type: "log", logBase: hi / lo < 20 ? 2 : 10, min: lo, max: hi,
    axisLabel: { color: ink(), hideOverlap: true, formatter: (value) => (close(value) ? "" : latency(value, 2)) }, ...more });
}

function frame(more) {
  return {
    animation: false, color: colours, textStyle: { color: ink(), fontFamily: "system-ui, sans-serif" }, aria: { enabled: false },
    legend: { type: "scroll", top: 0, textStyle: { color: ink() }, pageTextStyle: { color: ink() } },
    grid: { left: 68, right: 22, top: 40, bottom: 52 }, tooltip: { confine: true, renderMode: "richText" }, ...more,
  };
}

/*
 * make() -> {option, columns, rows, says} or a text that says why there is nothing to draw. `says`
 * is the text alternative. update() draws again after a choice of the reader's.
 */
function chart(id, title, make, { wide = false, height } = {}) {
  const box = el("div", { class: "chart", role: "img", id: id + "-chart", "aria-labelledby": id + "-title", "aria-describedby": id + "-says" });
  const says = el("p", { class: "says", id: id + "-says" });
  const data = el("details", {}, el("summary", {}, "Data of this chart"));
  const tools = el("div", { class: "tools" },
    el("button", { type: "button", class: "svg", onclick: () => download(id + ".svg", "image/svg+xml", svgText()) }, "Save as SVG"),
    el("button", { type: "button", class: "png", onclick: savePng }, "Save as PNG"));
  const node = el("figure", { id, class: wide ? "wide" : undefined }, el("figcaption", { id: id + "-title" }, title), says, box, tools, data);
  let instance = null, made = null, seen = false;

  function svgText() {
    const source = instance.getDom().querySelector("svg").cloneNode(true);
    source.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    return new XMLSerializer().serializeToString(source);
  }
  function savePng() {
    const image = new Image(), scale = 2;
    image.onload = () => {
      const canvas = el("canvas", { width: box.clientWidth * scale, height: box.clientHeight * scale });
      const context = canvas.getContext("2d");
      context.fillStyle = paper();
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => download(id + ".png", "image/png", blob));
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svgText());
  }
  function draw() {
    if (!charted || !made?.option || !seen) return;
    if (!instance) instance = echarts.init(box, null, { renderer: "svg" });
    instance.setOption(made.option(), { notMerge: true });
    scalable();
  }
  /* On paper the picture takes the width there is; the library gives it a size in pixels only. */
  function scalable() {
    box.querySelector("svg")?.setAttribute("viewBox", `0 0 ${instance.getWidth()} ${instance.getHeight()}`);
  }
  function update() {
    made = make();
    const empty = typeof made === "string";
    says.textContent = empty ? made : made.says;
    box.hidden = tools.hidden = empty || !charted;
    if (made.height) box.style.height = made.height + "px";
    else if (height) box.style.height = height;
    data.replaceChildren(data.firstChild);
    data.hidden = empty;
    if (!empty) data.append(table(id, made.columns, made.rows));
    if (instance) instance.resize();
    draw();
  }
  const self = { id, node, update, draw, show: () => { seen = true; draw(); }, resize: () => { if (instance) { instance.resize(); scalable(); } }, get instance() { return instance; } };
  allCharts.push(self);
  update();
  return self;
}

/* Charts are drawn when they come near the window: a page of hundreds opens at once. */
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    allCharts.find((one) => one.node === entry.target)?.show();
  }
}, { rootMargin: "600px" });

function watchCharts() {
  allCharts.forEach((one) => watcher.observe(one.node));
  addEventListener("resize", () => allCharts.forEach((one) => one.resize()));
  dark.addEventListener("change", () => allCharts.forEach((one) => one.draw()));
  const print = (on) => () => { printing = on; allCharts.forEach((one) => one.show()); };
  addEventListener("beforeprint", print(true));
  addEventListener("afterprint", print(false));
}

const percentLabel = (x) => {
  const percent = 100 * (1 - 1 / x);
  return Math.abs(Math.log10(x) - Math.round(Math.log10(x))) < 1e-9 || x === 2 ? `${Number(percent.toPrecision(8))} %` : "";
};

function quantilesOption(lines, marks) {
  return () => frame({
    tooltip: { trigger: "item", confine: true, renderMode: "richText" },
    xAxis: axis("percentile (log tail)", { type: "log", min: 1, axisLabel: { color: ink(), formatter: percentLabel } }),
    yAxis: latencyAxis("latency", [...lines.flatMap((line) => line.points.map((point) => point[1])), ...marks.flatMap((mark) => mark.points.map((point) => point.of.value))], { nameGap: 52 }),
    series: [...lines.map((line, i) => ({
      name: line.name, type: "line", symbol: "none", sampling: "none", color: line.alone ? ink() : colours[i % colours.length], lineStyle: { width: 2, type: line.alone ? "dashed" : "solid" },
      data: line.points.map(([percent, ns]) => [1 / (1 - percent / 100), ns]),
    })), ...marks.map((mark) => ({
      name: mark.name, type: "scatter", symbolSize: 7, color: mark.alone ? ink() : colours[mark.line % colours.length],
      data: mark.points.map((point) => ({ value: [1 / (1 - point.q), point.of.value], point })),
      tooltip: { formatter: ({ data }) => `${mark.name}\n${quantileName(data.point.q)} ${interval(data.point.of, latency)}` },
    }))],
  });
}

function ecdfOption(lines) {
  return () => frame({
    tooltip: { trigger: "item", confine: true, renderMode: "richText" },
    xAxis: latencyAxis("latency", lines.flatMap((line) => line.points.map((point) => point[1]))),
    yAxis: axis("share of samples at or below", { min: 0, max: 100, nameGap: 44, axisLabel: { color: ink(), formatter: "{value} %" } }),
    series: lines.map((line, i) => ({
      name: line.name, type: "line", step: "end", symbol: "none", color: line.alone ? ink() : colours[i % colours.length], lineStyle: { width: 2, type: line.alone ? "dashed" : "solid" },
      data: line.points.map(([percent, ns]) => [ns, percent]),
    })),
  });
}

function boxOption(boxes) {
  return () => frame({
    legend: undefined,
    grid: { left: 26, right: 30, top: 10, bottom: 52, containLabel: true },
    tooltip: { confine: true, renderMode: "richText", formatter: ({ name, value }) => `${name}\np1 ${latency(value[1])}, p25 ${latency(value[2])}, p50 ${latency(value[3])}, p75 ${latency(value[4])}, p99 ${latency(value[5])}` },
    yAxis: axis("", { type: "category", inverse: true, data: boxes.map((one) => one.name), axisLabel: { color: ink(), width: 190, overflow: "truncate" } }),
    xAxis: latencyAxis("latency: p1, quartiles, p99", boxes.flatMap((one) => one.values)),
    series: [{ type: "boxplot", itemStyle: { color: colours[5] + "88", borderColor: ink() }, data: boxes.map((one) => one.values) }],
  });
}

/* A cell's blocks are spread over the campaign: the time between its phases is left out. */
function measuredTime(series) {
  const starts = [];
  let passed = 0;
  for (const [, begin, end] of series.phases) {
    starts.push([begin, passed]);
    passed += end - begin;
  }
  return (at) => {
    const [begin, from] = starts.findLast(([start]) => start <= at + 1e-3) ?? starts[0];
    return Number((from + at - begin).toFixed(3));
  };
}

function timeOption(series) {
  const moved = measuredTime(series);
  const points = (role, column) => series.points.filter((point) => point[3] === role && known(point[column])).map((point) => [moved(point[0]), point[column], point[0]]);
  const roles = [[0, "alone", colours[0]], [1, "beside", colours[1]], [2, "recovery", colours[2]]];
  const shaded = { silent: true, itemStyle: { color: colours[1], opacity: 0.13 }, data: series.phases.filter((phase) => phase[0] === 1).map(([, begin, end]) => [{ xAxis: moved(begin) }, { xAxis: Number((moved(begin) + end - begin).toFixed(3)) }]) };
  const changes = [...series.changes.baseline.map((at) => [at, "change, alone"]), ...series.changes.treatment.map((at) => [at, "change, beside"])];
  const marks = { symbol: "none", label: { color: ink(), formatter: "{b}" }, lineStyle: { color: colours[3], type: "solid", width: 2 }, data: changes.map(([at, name]) => ({ xAxis: moved(at), name })) };
  const all = roles.flatMap(([role, name, color]) => [
    { name: `${name}, p50`, type: "scatter", symbolSize: 4, color, data: points(role, 1) },
    { name: `${name}, p99`, type: "scatter", symbolSize: 5, symbol: "triangle", color, itemStyle: { opacity: 0.55 }, data: points(role, 2) },
  ]).filter((one) => one.data.length > 0);
  if (all.length > 0) Object.assign(all[0], { markArea: shaded, markLine: marks });
  return () => frame({
    tooltip: { confine: true, renderMode: "richText", formatter: ({ seriesName, value }) => value ? `${seriesName}\n${latency(value[1])}, ${value[2]} s into the campaign` : "" },
    xAxis: axis("measured time of this cell, s", { type: "value", min: 0, max: "dataMax" }),
    yAxis: latencyAxis("latency of an epoch", series.points.flatMap((point) => [point[1], point[2]]), { nameGap: 52 }),
    series: all,
  });
}

function heatOption(map) {
  const most = Math.max(1.1, ...map.cells.map((one) => one.value));
  return () => frame({
    legend: undefined,
    grid: { left: 26, right: 20, top: 12, bottom: 70, containLabel: true },
    tooltip: { confine: true, renderMode: "richText", formatter: ({ data }) => data.hover },
    xAxis: axis("", { type: "category", data: map.columns, axisLabel: { color: ink(), rotate: map.columns.length > 6 ? 40 : 0, interval: 0, width: 120, overflow: "truncate" }, splitArea: { show: false } }),
    yAxis: axis("", { type: "category", inverse: true, data: map.lines, axisLabel: { color: ink(), interval: 0, width: 200, overflow: "truncate" } }),
    visualMap: { type: "continuous", min: 0, max: Math.log2(most), calculable: true, orient: "horizontal", left: "center", bottom: 0, itemHeight: 220,
      inRange: { color: cividis }, textStyle: { color: ink() }, formatter: (v) => (2 ** v).toFixed(2) + "×", dimension: 2 },
    series: [{ type: "heatmap", data: map.cells.map((one) => ({ value: [one.x, one.y, Math.log2(Math.max(one.value, 1))], hover: one.hover,
      label: { show: map.columns.length <= 12, formatter: one.text, color: Math.log2(Math.max(one.value, 1)) > 0.6 * Math.log2(most) ? "#000" : "#fff" } })),
      itemStyle: { borderColor: paper(), borderWidth: 2 } }],
  });
}

/* As far as bands are drawn: beyond that the interval of two blocks would flatten every curve. */
function roomOfBands(curves) {
  const values = [1, ...curves.flatMap((curve) => curve.points.map((point) => point.of.value)).filter(known)];
  const low = Math.min(...values), high = Math.max(...values), spare = 2 * Math.max(high - low, 0.25);
  return [Math.max(0, low - spare), high + spare];
}

const hasBand = (point) => known(point.of.lo) && known(point.of.hi);

function cutBands(curves) {
  const [low, high] = roomOfBands(curves);
  return curves.some((curve) => curve.points.some((point) => hasBand(point) && (point.of.lo < low || point.of.hi > high)));
}

/* A band is two stacked lines: the lower limit, unseen, and the width of the interval above it. */
function bandsOption(curves, xName, xAxis) {
  const [low, high] = roomOfBands(curves), drawn = (limit) => Math.min(high, Math.max(low, limit));
  return () => frame({
    tooltip: { trigger: "item", confine: true, renderMode: "richText", formatter: ({ data, seriesName }) => data.hover ?? seriesName },
    xAxis: axis(xName, xAxis),
    yAxis: axis("slowdown", { scale: true, nameGap: 44 }),
    series: curves.flatMap((curve, i) => {
      const color = colours[i % colours.length], stack = "band " + i;
      const bound = { type: "line", stack, stackStrategy: "all", symbol: "none", silent: true, color, lineStyle: { opacity: 0 }, tooltip: { show: false } };
      const good = curve.points.filter(hasBand);
      return [
        { name: curve.name, type: "line", color, symbolSize: 8, data: curve.points.map((point) => ({ value: [point.x, point.of.value], hover: point.hover })),
          ...(i === 0 ? { markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: ink(), type: "dotted" }, data: [{ yAxis: 1 }] } } : {}) },
        { ...bound, name: curve.name, data: good.map((point) => [point.x, drawn(point.of.lo)]) },
        { ...bound, name: curve.name, data: good.map((point) => [point.x, drawn(point.of.hi) - drawn(point.of.lo)]), areaStyle: { color, opacity: 0.16 } },
      ];
    }),
  });
}

function treeOption(root) {
  return () => frame({
    legend: undefined,
    tooltip: { confine: true, renderMode: "richText", formatter: ({ data }) => data.hover || data.name },
    series: [{ type: "tree", data: [root], orient: "LR", left: 90, right: 190, top: 10, bottom: 10, roam: false, initialTreeDepth: -1, expandAndCollapse: false,
      symbolSize: 11, lineStyle: { color: faint(), width: 2 }, label: { position: "top", distance: 8, color: ink(), fontSize: 12, lineHeight: 16 }, leaves: { label: { position: "right", align: "left" } } }],
  });
}

const componentNames = [["within_epoch", "within an epoch"], ["between_epoch", "between epochs"], ["between_phase", "between phases"], ["between_block", "between blocks"], ["cotenant", "neighbour"]];

function stackOption(bars) {
  return () => frame({
    legend: { type: "plain", top: 0, textStyle: { color: ink() } },
    grid: { left: 26, right: 24, top: 64, bottom: 46, containLabel: true },
    tooltip: { confine: true, renderMode: "richText", formatter: ({ seriesName, name, value }) => `${name}\n${seriesName}: ${value.toFixed(2)} %` },
    xAxis: axis("share of the variance of log latency, %", { min: 0, max: 100 }),
    yAxis: axis("", { type: "category", inverse: true, data: bars.map((bar) => bar.name), axisLabel: { color: ink(), interval: 0, width: 200, overflow: "truncate" } }),
    series: componentNames.map(([key, name], i) => ({ name, type: "bar", stack: "all", color: [colours[5], colours[0], colours[3], colours[4], colours[1]][i], data: bars.map((bar) => bar.shares[key]) })),
  });
}

function boundsOption(names, lines) {
  return () => frame({
    tooltip: { confine: true, renderMode: "richText", formatter: ({ seriesName, name, value }) => `${seriesName}\n${name}: ${latency(value)}` },
    xAxis: axis("quantile", { type: "category", data: names }),
    yAxis: latencyAxis("latency", lines.flatMap((line) => [...line.bounds, ...line.estimates]), { nameGap: 52 }),
    series: lines.flatMap((line, i) => [
      { name: `${line.name}: bound`, type: "line", color: colours[i % colours.length], symbolSize: 9, symbol: "diamond", connectNulls: false, data: line.bounds },
      { name: `${line.name}: estimate`, type: "line", color: colours[i % colours.length], symbol: "emptyCircle", symbolSize: 7, lineStyle: { type: "dotted" }, data: line.estimates },
    ]),
  });
}
