"use strict";
// The photo with its masks, labels and marks: an image, a canvas above it, and an SVG for what must stay sharp.
(() => {
  const pw = (window.pw = window.pw || {});
  const SVG = "http://www.w3.org/2000/svg";

  pw.element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "class") made.className = value;
      else if (key in made && key !== "list") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  const shape = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  };

  const readable = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#15171a" : "#ffffff");

  pw.Stage = class {
    constructor(holder, onPixel) {
      this.image = pw.element("img", { alt: "the photo", draggable: false });
      this.canvas = pw.element("canvas");
      this.svg = document.createElementNS(SVG, "svg");
      this.tip = pw.element("div", { class: "tip", hidden: true });
      this.holder = holder;
      holder.replaceChildren(this.image, this.canvas, this.svg, this.tip);
      this.labels = shape("g", { class: "labels" }, this.svg);
      this.marks = shape("g", { class: "marks" }, this.svg);
      holder.addEventListener("click", (event) => {
        const place = this.pixel(event);
        if (place) onPixel(place.x, place.y);
      });
      holder.addEventListener("pointermove", (event) => this.hover(event));
      holder.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      this.cursor = shape("g", { class: "cursor", visibility: "hidden" }, this.svg);
      for (const kind of ["halo", "cross"]) shape("path", { class: kind }, this.cursor);
      holder.tabIndex = 0;
      holder.setAttribute("role", "application");
      holder.setAttribute("aria-label", "Photo. The arrow keys move a mark, with Shift by one pixel; Enter explains the pixel under it.");
      holder.addEventListener("keydown", (event) => this.key(event, onPixel));
      holder.addEventListener("blur", () => this.hideCursor());
      new ResizeObserver(() => this.relabel()).observe(holder);
    }

    load(address, result, classes) {
      this.result = result;
      this.byId = new Map(classes.map((one) => [one.id, one]));
      this.canvas.width = result.width;
      this.canvas.height = result.height;
      this.picture = new ImageData(result.width, result.height);
      this.svg.setAttribute("viewBox", `0 0 ${result.width} ${result.height}`);
      this.holder.style.aspectRatio = `${result.width} / ${result.height}`;
      this.holder.style.setProperty("--ratio", result.width / result.height);
      this.image.src = address;
      this.marks.replaceChildren();
      this.place = { x: Math.floor(result.width / 2), y: Math.floor(result.height / 2) };
      this.hideCursor();
      this.semantic = result.semantic ? pw.semanticIds(result.semantic, result.width * result.height) : null;
    }

    // view: "instances", "semantic" or "photo"; colours: one for each instance; caption: (instance, index) -> text.
    // clicked: index of the instance that was clicked; -1 for none.
    draw({ view, shown, opacity, colours, caption, clicked = -1 }) {
      const { width, height, instances } = this.result;
      const context = this.canvas.getContext("2d");
      this.view = view;
      this.shown = shown;
      this.colours = colours;
      this.caption = caption;
      this.ids = pw.paintIds(instances, shown, width, height);
      if (view === "semantic" && this.semantic) {
        const colourOf = [];
        for (const [id, one] of this.byId) colourOf[id] = one.colour;
        pw.paintSemantic(this.picture, this.semantic, colourOf, 0.25 + 0.75 * opacity);
      } else if (view === "instances") {
        pw.paintInstances(this.picture, this.ids, colours, opacity, width, height, clicked);
      } else {
        this.picture.data.fill(0);
      }
      context.putImageData(this.picture, 0, 0);
      this.relabel();
    }

    // The colours of the classes of the semantic map, the most frequent first; nothing in another view.
    legend(holder) {
      holder.hidden = this.view !== "semantic" || !this.semantic;
      if (holder.hidden) return;
      const counts = new Map();
      for (const id of this.semantic) counts.set(id, (counts.get(id) || 0) + 1);
      const known = [...counts].sort((a, b) => b[1] - a[1]).flatMap(([id]) => (this.byId.has(id) ? [this.byId.get(id)] : []));
      holder.replaceChildren(...known.map((one) => {
        const swatch = pw.element("i");
        swatch.style.background = `rgb(${one.colour.join(",")})`;
        return pw.element("span", {}, swatch, one.name);
      }));
    }

    // Pixels of the picture for each pixel of the screen.
    get scale() { return this.result.width / Math.max(1, this.holder.clientWidth); }

    relabel() {
      this.labels.replaceChildren();
      if (!this.result || this.view !== "instances") return;
      const size = 12 * this.scale;
      const taken = [];
      this.result.instances.forEach((one, i) => {
        const [x0, y0, x1, y1] = one.box;
        if (!this.shown[i] || Math.max(x1 - x0, y1 - y0) < 2.4 * size) return;
        const words = this.caption(one, i);
        const wide = words.length * size * 0.6 + size * 0.8;
        const high = size * 1.5;
        const x = Math.max(0, Math.min(x0, this.result.width - wide));
        const y = Math.max(0, y0 - high > 0 ? y0 - high : y0);
        if (taken.some(([a, b, c, d]) => x < c && a < x + wide && y < d && b < y + high)) return;
        taken.push([x, y, x + wide, y + high]);
        const fill = `rgb(${this.colours[i].join(",")})`;
        shape("rect", { x, y, width: wide, height: high, rx: size * 0.3, fill }, this.labels);
        const style = { x: x + size * 0.4, y: y + size * 1.08, "font-size": size, fill: readable(this.colours[i]) };
        shape("text", style, this.labels).textContent = words;
      });
    }

    // The marks of an explanation, whose positions are in pixels of its frame.
    mark(explanation, marks) {
      this.marks.replaceChildren();
      if (!explanation) return;
      const [wide, high] = explanation.frame;
      const toPage = `scale(${this.result.width / wide} ${this.result.height / high})`;
      const group = shape("g", { transform: toPage }, this.marks);
      for (const mark of marks) this.draw_mark(mark, group, (1.4 * wide) / this.holder.clientWidth);
      const [x, y] = explanation.point.map((at) => at + 0.5);
      const arm = (7 * wide) / this.holder.clientWidth;
      for (const kind of ["halo", "cross"]) {
        shape("path", { class: kind, d: `M${x - arm},${y - arm}L${x + arm},${y + arm}M${x - arm},${y + arm}L${x + arm},${y - arm}` }, group);
      }
    }

    draw_mark(mark, group, unit) {
      if (mark.kind === "box") {
        const [x0, y0, x1, y1] = mark.box;
        shape("rect", { class: "window", x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, group);
        for (let n = 1; n < mark.parts; n++) {
          const x = x0 + ((x1 - x0) * n) / mark.parts;
          const y = y0 + ((y1 - y0) * n) / mark.parts;
          shape("path", { class: "parts", d: `M${x},${y0}V${y1}M${x0},${y}H${x1}` }, group);
        }
      } else if (mark.kind === "arrow") {
        const [[x, y], [u, v]] = [mark.from, mark.to];
        const angle = Math.atan2(v - y, u - x);
        const tip = [2.6, -2.6].map((turn) => `M${u},${v}L${u + 7 * unit * Math.cos(angle + turn)},${v + 7 * unit * Math.sin(angle + turn)}`);
        shape("path", { class: "arrow", d: `M${x},${y}L${u},${v}${tip.join("")}` }, group);
      } else if (mark.kind === "spot") {
        shape("circle", { class: "spot", cx: mark.at[0], cy: mark.at[1], r: unit * (3 + 6 * mark.strength) }, group);
      }
    }

    pixel(event) {
      if (!this.result) return null;
      const seen = this.holder.getBoundingClientRect();
      const x = Math.floor(((event.clientX - seen.left) / seen.width) * this.result.width);
      const y = Math.floor(((event.clientY - seen.top) / seen.height) * this.result.height);
      return x >= 0 && y >= 0 && x < this.result.width && y < this.result.height ? { x, y } : null;
    }

    // Index of the instance that is shown at a pixel; -1 for none.
    at(x, y) { return this.ids[y * this.result.width + x] - 1; }

    // Choosing a pixel without a pointer.
    key(event, onPixel) {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!this.ids || event.ctrlKey || event.altKey || event.metaKey) return;
      if (way) {
        const step = event.shiftKey ? 1 : Math.max(1, Math.round(this.result.width / 64));
        const within = (value, size) => Math.max(0, Math.min(value, size - 1));
        this.place = {
          x: within(this.place.x + step * way[0], this.result.width),
          y: within(this.place.y + step * way[1], this.result.height),
        };
        this.showCursor();
      } else if (event.key === "Enter" || event.key === " ") {
        this.showCursor();
        onPixel(this.place.x, this.place.y);
      } else if (event.key === "Escape") {
        this.hideCursor();
      } else {
        return;
      }
      event.preventDefault();
    }

    showCursor() {
      const [x, y, arm] = [this.place.x + 0.5, this.place.y + 0.5, 10 * this.scale];
      for (const path of this.cursor.children) path.setAttribute("d", `M${x - arm},${y}H${x + arm}M${x},${y - arm}V${y + arm}`);
      this.cursor.setAttribute("visibility", "visible");
      this.say(this.place, x / this.scale, y / this.scale);
    }

    hideCursor() {
      this.cursor.setAttribute("visibility", "hidden");
      this.tip.hidden = true;
    }

    hover(event) {
      const place = this.pixel(event);
      if (!place || !this.ids) { this.tip.hidden = true; return; }
      const seen = this.holder.getBoundingClientRect();
      this.say(place, event.clientX - seen.left, event.clientY - seen.top);
    }

    // The tip with what is at a pixel, beside a place in pixels of the screen.
    say(place, left, top) {
      const i = this.at(place.x, place.y);
      const said = [];
      if (i >= 0) said.push(this.caption(this.result.instances[i], i));
      const under = this.semantic && this.byId.get(this.semantic[place.y * this.result.width + place.x]);
      if (under && (i < 0 || this.view === "semantic")) said.push(under.name);
      this.tip.textContent = said.join(" · ");
      this.tip.hidden = said.length === 0;
      const right = left > this.holder.clientWidth / 2;
      this.tip.style.left = right ? "auto" : `${left + 14}px`;
      this.tip.style.right = right ? `${this.holder.clientWidth - left + 14}px` : "auto";
      this.tip.style.top = `${top + 14}px`;
    }
  };
})();
