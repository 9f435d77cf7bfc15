"use strict";
// The explanation of a pixel, drawn from the blocks of its JSON (report/panel.py says which there are).
(() => {
  const pw = (window.pw = window.pw || {});
  const make = pw.element;
  const CELL_PX = 8; // of a map, before the style sheet scales it
  const NOTHING = -128;
  const number = (value, digits = 3) => value.toFixed(digits);

  // White at 0, red for the object, blue against it; grey outside.
  const colourOf = (step) => {
    if (step === NOTHING) return [200, 200, 204];
    const share = Math.abs(step) / 127;
    const end = step > 0 ? [178, 24, 43] : [33, 102, 172];
    return end.map((one) => Math.round(255 + (one - 255) * Math.sqrt(share)));
  };

  const drawMap = (map) => {
    const canvas = make("canvas", { width: map.columns * CELL_PX, height: map.rows * CELL_PX, class: map.own ? "own" : "" });
    const context = canvas.getContext("2d");
    const bytes = Uint8Array.from(atob(map.data), (letter) => letter.charCodeAt(0));
    const steps = new Int8Array(bytes.buffer);
    steps.forEach((step, n) => {
      context.fillStyle = `rgb(${colourOf(step).join(",")})`;
      context.fillRect((n % map.columns) * CELL_PX, Math.floor(n / map.columns) * CELL_PX, CELL_PX, CELL_PX);
    });
    if (map.frame) {
      const [x0, y0, x1, y1] = map.frame.map((one) => one * CELL_PX);
      context.strokeStyle = map.own ? "#ff2d55" : "rgba(30,30,35,.35)";
      context.lineWidth = map.own ? 5 : 2;
      context.strokeRect(x0 + 1, y0 + 1, x1 - x0 - 2, y1 - y0 - 2);
    }
    if (map.at) cross(context, map.at[0] * CELL_PX, map.at[1] * CELL_PX);
    return canvas;
  };

  const cross = (context, x, y) => {
    for (const [colour, width] of [["#ffffff", 7], ["#15171a", 3.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x - 8, y - 8);
      context.lineTo(x + 8, y + 8);
      context.moveTo(x - 8, y + 8);
      context.lineTo(x + 8, y - 8);
      context.stroke();
    }
  };

  const blocks = {
    text: (block) => [make("p", { class: "words" }, block.text)],

    product: (block) => {
      const row = make("div", { class: "product" });
      block.factors.forEach((one, n) => {
        if (n > 0) row.append(make("span", { class: "operator" }, "×"));
        const how = one.power === 1 ? one.note : `${number(one.value)} to the power ${one.power}`;
        const tile = make("div", { class: "factor", title: one.note }, make("b", {}, number(one.factor)), make("span", {}, one.name));
        if (how) tile.append(make("small", {}, how));
        row.append(tile);
      });
      row.append(make("span", { class: "operator" }, "="));
      row.append(make("div", { class: "factor result" }, make("b", {}, number(block.result)), make("span", {}, "score")));
      const made = [row];
      if (block.remark) made.push(make("p", { class: "remark" }, block.remark[0].toUpperCase() + block.remark.slice(1) + "."));
      return made;
    },

    bars: (block) => {
      const list = make("div", { class: "bars" });
      for (const one of block.bars) {
        const bar = make("i");
        bar.style.setProperty("--share", one.value);
        list.append(make("span", {}, one.name), bar, make("b", {}, number(one.value, 2)));
      }
      return [list];
    },

    counts: (block) => {
      const table = make("table", { class: "counts" });
      for (const one of block.rows) {
        table.append(make("tr", {}, make("td", {}, one.count.toLocaleString("en")), make("td", {}, one.text)));
      }
      return [table];
    },

    maps: (block) => {
      const grid = make("div", { class: "maps" });
      grid.style.setProperty("--columns", block.columns);
      if (block.maps.length > 3) grid.classList.add("dense");
      for (const map of block.maps) {
        const figure = make("figure", {}, drawMap(map));
        if (map.title) figure.append(make("figcaption", {}, map.title));
        grid.append(figure);
      }
      return [grid, make("div", { class: "legend" }, make("span", {}, block.low), make("i"), make("span", {}, block.high))];
    },

    choices: (block, onMarks) => {
      const tabs = make("div", { class: "tabs", role: "tablist" });
      const body = make("div", { class: "tab" });
      const choose = (n) => {
        const option = block.options[n];
        [...tabs.children].forEach((tab, m) => tab.setAttribute("aria-selected", m === n));
        body.replaceChildren(make("p", { class: "words" }, option.subtitle), ...draw(option.blocks, onMarks));
        onMarks(option.marks);
      };
      block.options.forEach((option, n) => {
        const tab = make("button", { type: "button", role: "tab", onclick: () => choose(n) }, `${n + 1} · ${option.title}`);
        tabs.append(tab);
      });
      if (block.options.length) choose(0);
      return [tabs, body];
    },
  };

  const draw = (list, onMarks) =>
    list.map((block) => {
      const section = make("section", { class: `block ${block.kind}-block` });
      if (block.title) section.append(make("h3", {}, block.title));
      section.append(...(blocks[block.kind] || blocks.text)(block, onMarks));
      return section;
    });

  // remark: what the page adds below the headline; "" for nothing. onMarks: is given the marks on the photo.
  pw.drawPanel = (holder, explanation, { colour, remark, onMarks }) => {
    const one = explanation.instance;
    const title = make("h2", {}, one ? one.label : "No instance here");
    if (colour) {
      const swatch = make("i", { class: "swatch" });
      swatch.style.background = `rgb(${colour.join(",")})`;
      title.prepend(swatch);
    }
    if (one) title.append(make("b", {}, number(one.score)));
    const said = [];
    if (one) said.push(`instance ${one.place} of ${one.of} by score`);
    said.push(`pixel ${explanation.pixel.join(", ")}`);
    if (explanation.overview) said.push("found in the overview, the smaller view for large objects");
    const head = make("header", { class: "headline" }, title, make("p", {}, said.join(" · ")));
    if (remark) head.append(make("p", { class: "hint" }, remark));
    const always = explanation.marks;
    let chosen = [];
    const tell = () => onMarks([...always, ...chosen]);
    const sections = draw(explanation.blocks, (marks) => { chosen = marks; tell(); });
    holder.replaceChildren(head, ...sections);
    tell();
  };
})();
