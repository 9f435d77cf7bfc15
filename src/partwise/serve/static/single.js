"use strict";
// The page of one file: the explanations of some pixels are in it, and a click shows the nearest of these.
(() => {
  const { pw } = window;
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const { result, classes, explanations } = data;
  let selected = null;

  const names = new Map(classes.map((one) => [one.id, one.name]));
  // Place of an explained pixel in the picture of the page.
  const place = (one) => [((one.pixel[0] + 0.5) * result.width) / result.photo.width, ((one.pixel[1] + 0.5) * result.height) / result.photo.height];
  const indexOf = (one) => (one.instance ? one.instance.index : -1);

  // The nearest explanation of the same instance; where there is none, the nearest of any pixel.
  const nearest = (x, y, instance) => {
    const own = explanations.filter((one) => indexOf(one) === instance);
    const away = (one) => { const [u, v] = place(one); return Math.hypot(u - x - 0.5, v - y - 0.5); };
    const best = (list) => list.reduce((a, b) => (away(b) < away(a) ? b : a));
    const found = best(own.length ? own : explanations);
    return { found, away: Math.round((away(found) * result.photo.width) / result.width) };
  };

  const tell = () => {
    const { found, away } = selected;
    const index = indexOf(found);
    const remarks = [];
    if (away > 1) remarks.push(`This is the pixel in the file that is nearest to the click, ${away} px away.`);
    if (found.instance) remarks.push(controls.whyHidden(index));
    pw.drawPanel(byId("panel"), found, {
      colour: index >= 0 ? result.instances[index].colour : null,
      remark: remarks.filter(Boolean).join(" "),
      onMarks: (marks) => stage.mark(found, marks),
    });
  };

  const stage = new pw.Stage(byId("stage"), (x, y) => {
    selected = nearest(x, y, stage.at(x, y));
    draw();
  });
  const draw = () => {
    stage.draw({
      view: controls.view,
      shown: controls.shown,
      opacity: Number(controls.opacity.value),
      colours: result.instances.map((one) => one.colour),
      caption: (one) => `${names.get(one.label)} ${one.score.toFixed(2)}`,
      clicked: selected ? indexOf(selected.found) : -1,
    });
    stage.legend(byId("legend"));
    if (selected) tell();
  };
  const controls = new pw.Controls(byId("controls"), classes, draw, (i) => {
    const middle = pw.middleOf(result.instances[i], result.width);
    selected = nearest(middle.x, middle.y, i);
    draw();
  });
  byId("hint").textContent = data.included;
  stage.load(data.picture, result, classes);
  pw.viewSwitch(byId("views"), controls);
  selected = { found: explanations[0], away: 0 };
  controls.load(result);
})();
