"use strict";
// What is shown: the view, the minimum score, the classes. Every change acts at once, in the browser alone.
(() => {
  const pw = (window.pw = window.pw || {});
  const make = pw.element;

  pw.Controls = class {
    // onChange() is called after every change; onChoose(index) when a person picks an instance of the list.
    constructor(holder, classes, onChange, onChoose) {
      this.classes = classes.filter((one) => one.things);
      this.view = "instances";
      this.empty = "No instance at this score and of these classes.";
      this.onChange = onChange;
      this.onChoose = onChoose;
      this.chosen = new Set(this.classes.map((one) => one.id));
      this.score = make("input", { type: "range", id: "score", min: 0, max: 1, step: 0.01, value: 0.1 });
      this.opacity = make("input", { type: "range", id: "opacity", min: 0, max: 1, step: 0.05, value: 0.45 });
      this.distinct = make("input", { type: "checkbox", id: "distinct", checked: true });
      this.scoreText = make("output", { for: "score" });
      this.list = make("div", { class: "classes" });
      this.found = make("div", { class: "found" });
      this.count = make("b");
      for (const input of [this.score, this.opacity, this.distinct]) input.addEventListener("input", () => this.changed());
      const all = (on) => make("button", { type: "button", class: "link", onclick: () => this.all(on) }, on ? "all" : "none");
      holder.replaceChildren(
        make("label", { class: "row", for: "score" }, "Minimum score", this.scoreText), this.score,
        make("label", { class: "row", for: "opacity" }, "Colour over the photo"), this.opacity,
        make("label", { class: "check" }, this.distinct, "One class for each object"),
        make("div", { class: "row" }, make("span", {}, "Classes"), make("span", {}, all(true), " / ", all(false))), this.list,
        make("div", { class: "row" }, make("span", {}, "Instances"), this.count), this.found,
      );
    }

    load(result) {
      this.result = result;
      this.score.value = result.shown_score;
      const here = new Set(result.instances.map((one) => one.label));
      this.boxes = this.classes.filter((one) => here.has(one.id)).map((one) => {
        const box = make("input", { type: "checkbox", checked: this.chosen.has(one.id), name: one.name });
        const count = make("span", { class: "number" });
        box.addEventListener("input", () => {
          if (box.checked) this.chosen.add(one.id);
          else this.chosen.delete(one.id);
          this.changed();
        });
        return { one, box, count };
      });
      this.list.replaceChildren(...this.boxes.map(({ one, box, count }) => make("label", { class: "check" }, box, one.name, count)));
      this.changed();
    }

    all(on) {
      this.chosen = new Set(on ? this.classes.map((one) => one.id) : []);
      for (const { one, box } of this.boxes || []) box.checked = this.chosen.has(one.id);
      this.changed();
    }

    get choice() {
      return { minScore: Number(this.score.value), classes: this.chosen, distinct: this.distinct.checked };
    }

    // The same choice for a download.
    get query() {
      const asked = new URLSearchParams({ min_score: this.score.value, distinct: this.distinct.checked ? "1" : "0", no_class: "1" });
      for (const one of this.classes) if (this.chosen.has(one.id)) asked.append("class", one.name);
      return asked.toString();
    }

    changed() {
      this.scoreText.textContent = Number(this.score.value).toFixed(2);
      if (!this.result) return;
      this.shown = pw.visible(this.result.instances, this.choice);
      for (const { one, count } of this.boxes) {
        count.textContent = this.result.instances.filter((found, i) => this.shown[i] && found.label === one.id).length;
      }
      this.count.textContent = this.shown.filter(Boolean).length;
      const names = new Map(this.classes.map((one) => [one.id, one.name]));
      this.found.replaceChildren(...this.result.instances.flatMap((one, i) => {
        if (!this.shown[i]) return [];
        const swatch = make("i", { class: "swatch" });
        swatch.style.background = `rgb(${one.colour.join(",")})`;
        const words = [swatch, make("span", {}, names.get(one.label)), make("b", {}, one.score.toFixed(2))];
        return [make("button", { type: "button", onclick: () => this.onChoose(i) }, ...words)];
      }));
      if (!this.shown.some(Boolean)) this.found.append(make("span", { class: "hint" }, this.empty));
      this.onChange();
    }

    // Why an instance is not shown; "" if it is.
    whyHidden(index) {
      if (index >= 0 && this.shown[index]) return "";
      if (index < 0) return "It is not shown: the view of large objects, or a class that excludes it, decided otherwise.";
      const one = this.result.instances[index];
      if (one.score < this.choice.minScore) return "It is not shown: its score is below the minimum score that is set.";
      if (!this.chosen.has(one.label)) return "It is not shown: its class is not ticked.";
      return "It is not shown: an instance of another class with a higher score overlaps it.";
    }
  };

  // The buttons that switch between instances, semantic map and photo.
  pw.viewSwitch = (holder, controls, first = "instances") => {
    const views = { instances: "Instances", semantic: "Semantic map", photo: "Photo" };
    const buttons = Object.entries(views).map(([view, words]) =>
      make("button", { type: "button", name: view, onclick: () => choose(view) }, words));
    const choose = (view) => {
      controls.view = view;
      for (const one of buttons) one.setAttribute("aria-pressed", one.name === view);
      if (controls.result) controls.onChange();
    };
    holder.replaceChildren(...buttons);
    choose(first);
  };
})();
