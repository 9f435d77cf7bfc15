"use strict";
// Truth beside prediction for a frame of the data, and the curve of AP over the frames that were looked at.
(() => {
  const { pw } = window;
  const make = pw.element;
  const byId = (id) => document.getElementById(id);
  const [FOUND, MISSED, WRONG] = [[27, 158, 119], [231, 41, 138], [217, 95, 2]];
  const MORE = 10;
  let about, frames, current, selected, curve, chosen, turn = 0, place = 0; // number of the frame of the list
  const stages = {};
  const seen = new Set(); // numbers of the frames that were asked for

  const least = () => Number(byId("score").value);
  const name = (label) => (about.classes.find((one) => one.id === label) || { name: label }).name;

  // Look at a frame; the answer is kept by the server as that of a photo.
  const look = async (number, brief) => {
    const { id } = await pw.ask(`/api/frames/${number}${brief ? "?brief=1" : ""}`, { method: "POST" });
    return pw.waitFor(id, (title, text) => { byId("status").textContent = `${title}: ${text}`; });
  };

  const open = async (number) => {
    const own = ++turn;
    place = number;
    byId("frame").value = number;
    byId("previous").disabled = number === 0;
    byId("next").disabled = number === frames.length - 1;
    history.replaceState(null, "", `#${number}`);
    try {
      const told = await look(number);
      if (own !== turn) return;
      current = told;
      selected = null;
      const picture = `/api/photos/${told.id}/picture.jpg`;
      stages.truth.load(picture, { ...told.result, instances: told.truth.instances, semantic: null }, about.classes);
      stages.found.load(picture, { ...told.result, semantic: null }, about.classes);
      invite();
      draw();
      pw.complain(null);
      await refresh();
    } catch (error) {
      pw.complain(error);
    }
    byId("status").textContent = "";
  };

  const invite = () => byId("panel").replaceChildren(make("p", { class: "empty" },
    about.why_no_explanation ? `No explanations: ${about.why_no_explanation}.` : "Click a missed or a wrong instance to see what became of the windows over it."));

  const draw = () => {
    byId("score-text").textContent = least().toFixed(2);
    if (!current) return;
    const { result, truth } = current;
    const shown = result.instances.map((one) => one.score >= least() && one.runs.length > 0);
    const hit = new Set(truth.matched.filter((n, i) => n >= 0 && shown[i]));
    const right = result.instances.filter((_, i) => shown[i] && truth.matched[i] !== -1).length;
    const view = { view: "instances", opacity: 0.4 };
    stages.truth.draw({
      ...view, shown: truth.instances.map((one) => one.runs.length > 0), caption: (one) => name(one.label),
      colours: truth.instances.map((_, i) => (hit.has(i) ? FOUND : MISSED)),
    });
    stages.found.draw({
      ...view, shown, caption: (one) => `${name(one.label)} ${one.score.toFixed(2)}`,
      colours: result.instances.map((_, i) => (truth.matched[i] !== -1 ? FOUND : WRONG)),
    });
    const all = shown.filter(Boolean).length;
    byId("truth-text").textContent = `${hit.size} of ${truth.instances.length} found`;
    byId("found-text").textContent = `${right} of ${all} right`;
    drawCurve();
  };

  const refresh = async () => {
    curve = await pw.ask("/api/curve");
    const known = curve.classes.filter((one) => one.truths > 0);
    if (!known.some((one) => one.name === chosen)) {
      chosen = known.length ? known.reduce((a, b) => (b.truths > a.truths ? b : a)).name : null;
    }
    const left = Math.min(MORE, curve.of - curve.frames);
    byId("more").hidden = left <= 0;
    byId("more").textContent = left === 1 ? "Look at 1 more frame" : `Look at ${left} more frames`;
    drawCurve();
  };

  const drawCurve = () => {
    if (!curve) return;
    const many = curve.frames === 1 ? `1 frame of ${curve.of} that was` : `${curve.frames} frames of ${curve.of} that were`;
    byId("curve-text").textContent = `${chosen || ""} at an IoU of 0.5, over the ${many} looked at`;
    pw.drawCurve(byId("curve"), curve.classes.find((one) => one.name === chosen), least());
    pw.drawTable(byId("table"), curve, chosen, (other) => { chosen = other; drawCurve(); });
  };

  const click = async (x, y) => {
    if (about.why_no_explanation || !current) return;
    const { photo, width, height } = current.result;
    const instance = stages.found.at(x, y);
    try {
      selected = await pw.explain(current.id, Math.floor(((x + 0.5) * photo.width) / width), Math.floor(((y + 0.5) * photo.height) / height), instance);
      const index = selected.instance ? selected.instance.index : -1;
      pw.drawPanel(byId("panel"), selected, {
        colour: index >= 0 ? (current.truth.matched[index] !== -1 ? FOUND : WRONG) : null,
        remark: index >= 0 && current.result.instances[index].score < least() ? "It is not shown: its score is below the minimum score that is set." : "",
        onMarks: (marks) => { for (const one of Object.values(stages)) one.mark(selected, marks); },
      });
      pw.complain(null);
    } catch (error) {
      pw.complain(error);
    }
  };

  const more = async () => {
    byId("more").disabled = true;
    try {
      for (let n = 0, looked = 0; n < frames.length && looked < MORE; n++) {
        const number = (place + 1 + n) % frames.length;
        if (seen.has(number)) continue;
        seen.add(number);
        looked++;
        await look(number, true);
        await refresh();
      }
    } catch (error) {
      pw.complain(error);
    }
    byId("status").textContent = "";
    byId("more").disabled = false;
  };

  const begin = async () => {
    try {
      about = await pw.about();
      ({ frames } = await pw.ask("/api/frames"));
    } catch (error) {
      pw.complain(error);
      return;
    }
    byId("frame").replaceChildren(...frames.map((words, n) => make("option", { value: n }, words)));
    stages.truth = new pw.Stage(byId("truth"), click);
    stages.found = new pw.Stage(byId("found"), click);
    const go = (number) => { seen.add(number); open(number); };
    byId("frame").addEventListener("change", (event) => go(Number(event.target.value)));
    byId("previous").addEventListener("click", () => go(place - 1));
    byId("next").addEventListener("click", () => go(place + 1));
    byId("score").addEventListener("input", draw);
    byId("more").addEventListener("click", more);
    pw.watch();
    const asked = Number(location.hash.slice(1));
    go(Number.isInteger(asked) && asked >= 0 && asked < frames.length ? asked : 0);
  };
  begin();
})();
