/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the sections in their order. */
"use strict";
{
  const main = document.getElementById("report");
  const parts = [overview(), comparisons(), instability(), coupling(), decomposition(), guarantee(), provenance(), method(), tables()].filter(Boolean);
  main.append(el("nav", { "aria-label": "Sections" }, ...parts.map((part) => el("a", { href: "#" + part.id }, part.querySelector("h2").textContent.split(":")[0]))),
    ...(charted ? [] : [el("p", { class: "warning" }, "This report was written by a build without its chart library: tables only.")]), ...parts);
  const byline = document.getElementById("byline");
  byline.textContent = [byline.textContent, report.sources[0].analysis.created.slice(0, 10)].filter(Boolean).join(" · ");
  watchCharts();
}
