/* SPDX-License-Identifier: Apache-2.0 */
/* The data, elements, numbers and tables. Text from the data only ever becomes text nodes. */
"use strict";
const report = JSON.parse(document.getElementById("data").textContent);

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const known = (value) => typeof value === "number" && isFinite(value);

function latency(ns, digits = 3) {
  if (!known(ns)) return "?";
  const [scale, unit] = ns < 1e3 ? [1, "ns"] : ns < 1e6 ? [1e3, "µs"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${Number((ns / scale).toPrecision(digits))} ${unit}`;
}

const ratio = (value) => (known(value) ? value.toFixed(value < 10 ? 3 : 1) : "?");
const share = (value) => (known(value) ? `${(100 * value).toFixed(1)} %` : "?");

function interval(of, text) {
  if (!of || !known(of.value)) return "not carried";
  if (!known(of.lo) && !known(of.hi)) return text(of.value);
  return `${text(of.value)} [${text(of.lo)}, ${known(of.hi) ? text(of.hi) : "∞"}]`;
}

function quantileName(q) {
  return "p" + Number((100 * q).toFixed(4));
}

function download(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/* RFC 4180. A leading apostrophe keeps a spreadsheet from running a name as a formula. */
function csvField(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? "'" + value : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvOf(columns, rows) {
  const head = columns.flatMap((column) => column.interval ? ["", " low", " high"].map((end) => column.title + end) : [column.title]);
  const line = (row) => columns.flatMap((column, i) => column.interval
    ? [row[i]?.value, row[i]?.lo, row[i]?.hi] : [row[i]]).map(csvField).join(",");
  return [head.map(csvField).join(","), ...rows.map(line)].join("\r\n") + "\r\n";
}

/*
 * columns: {title, text(value), interval: true, number: true, mark(value) -> class}; a row is an
 * array of values, an interval being {value, lo, hi}. Headings sort; the CSV has the plain values.
 */
function table(name, columns, rows) {
  const body = el("tbody");
  const order = { column: -1, sign: 1 };
  const key = (row, i) => (columns[i].interval ? row[i]?.value : row[i]);
  const cell = (value, column) => el("td", {
    class: [column.number || column.interval ? "number" : "long", column.mark?.(value)].filter(Boolean).join(" "),
  }, column.interval ? interval(value, column.text) : column.text ? column.text(value) : String(value ?? ""));
  const fill = () => {
    const sorted = [...rows];
    if (order.column >= 0) sorted.sort((a, b) => {
      const [x, y] = [key(a, order.column), key(b, order.column)];
      if (x === y) return 0;
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return order.sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
    });
    body.replaceChildren(...sorted.map((row) => el("tr", {}, ...columns.map((column, i) => cell(row[i], column)))));
  };
  const heads = columns.map((column, i) => el("th", { scope: "col", "aria-sort": "none", class: column.number || column.interval ? "number" : undefined },
    el("button", { type: "button", title: "sort by " + column.title, onclick: () => {
      order.sign = order.column === i ? -order.sign : 1;
      order.column = i;
      heads.forEach((head, k) => head.setAttribute("aria-sort", k !== i ? "none" : order.sign > 0 ? "ascending" : "descending"));
      fill();
    } }, column.title)));
  fill();
  return el("div", { class: "table" },
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
      el("table", {}, el("caption", { class: "aside", hidden: true }, name), el("thead", {}, el("tr", {}, ...heads)), body)),
    el("div", { class: "tools" }, el("button", { type: "button", class: "csv", onclick: () => download(name + ".csv", "text/csv", csvOf(columns, rows)) }, "Save as CSV")));
}
