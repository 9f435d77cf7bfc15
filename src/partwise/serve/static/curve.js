"use strict";
// The curve of precision and recall of one class, and the table of AP of all classes with truth.
(() => {
  const pw = (window.pw = window.pw || {});
  const make = pw.element;
  const SVG = "http://www.w3.org/2000/svg";
  const [LEFT, TOP, WIDE, HIGH] = [40, 12, 308, 250];
  const at = (recall, precision) => [LEFT + recall * WIDE, TOP + (1 - precision) * HIGH];

  const add = (svg, name, attributes, words) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (words !== undefined) made.textContent = words;
    svg.append(made);
  };

  // one: a class of the JSON; score: the minimum score that is set, which is marked on the curve.
  pw.drawCurve = (svg, one, score) => {
    svg.replaceChildren();
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      const [x, y] = at(tick, tick);
      add(svg, "path", { class: "axis", d: `M${LEFT},${y}h${WIDE}M${x},${TOP}v${HIGH}` });
      add(svg, "text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, tick);
      add(svg, "text", { x, y: TOP + HIGH + 15, "text-anchor": "middle" }, tick);
    }
    add(svg, "text", { x: LEFT + WIDE / 2, y: TOP + HIGH + 32, "text-anchor": "middle" }, "recall");
    add(svg, "text", { x: 11, y: TOP + HIGH / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${TOP + HIGH / 2})` }, "precision");
    if (!one || !one.curve.length) return;
    const points = [[0, 1], ...one.curve].map(([recall, precision]) => at(recall, precision));
    const line = points.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
    add(svg, "path", { class: "area", d: `${line}V${TOP + HIGH}H${LEFT}Z` });
    add(svg, "path", { class: "line", d: line });
    const shown = one.curve.filter((point) => point[2] >= score);
    const [x, y] = shown.length ? at(shown[shown.length - 1][0], shown[shown.length - 1][1]) : at(0, 1);
    add(svg, "circle", { class: "now", cx: x, cy: y, r: 5 });
  };

  const figure = (value) => (value === null ? "–" : value.toFixed(3));

  pw.drawTable = (table, told, chosen, onChoose) => {
    const head = make("tr", {}, ...["class", "true", "AP", "AP50"].map((words) => make("th", {}, words)));
    const rows = told.classes.filter((one) => one.truths > 0).map((one) => {
      const name = make("button", { type: "button", onclick: () => onChoose(one.name) }, one.name);
      const row = make("tr", {}, make("td", {}, name), ...[one.truths, figure(one.ap), figure(one.ap50)].map((words) => make("td", {}, String(words))));
      row.setAttribute("aria-selected", one.name === chosen);
      return row;
    });
    const mean = make("tr", {}, ...["mean", "", figure(told.ap), figure(told.ap50)].map((words) => make("td", {}, words)));
    table.replaceChildren(head, ...rows, mean);
  };
})();
