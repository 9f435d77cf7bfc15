"use strict";
// The page of one photo: drop it, wait for it, look at it, click into it.
(() => {
  const { pw } = window;
  const make = pw.element;
  const byId = (id) => document.getElementById(id);
  let about, stage, controls, current, selected;
  let ready; // whether the page knows the model; a photo that is given before that waits for it

  const show = (name) => {
    for (const id of ["welcome", "busy", "work"]) byId(id).hidden = id !== name;
  };

  const wait = (title, text) => {
    byId("busy-title").textContent = title;
    byId("busy-text").textContent = text;
    show("busy");
  };

  const start = async (request) => {
    if (!(await ready)) return;
    pw.complain(null);
    wait("Sending the photo", "");
    try {
      const { id } = await request();
      await open(id);
      history.replaceState(null, "", `#${id}`);
    } catch (error) {
      pw.complain(error);
      show(current ? "work" : "welcome");
    }
  };

  const send = async (file) => {
    if (!file || !(await ready)) return;
    if (file.size > about.upload_bytes) {
      pw.complain(new Error(`${file.name} has more than ${about.upload_bytes >> 20} MiB: scale the photo down, or save it as JPEG`));
      return;
    }
    const form = new FormData();
    form.append("photo", file);
    start(() => pw.ask("/api/photos", { method: "POST", body: form }));
  };

  const open = async (id) => {
    const told = await pw.waitFor(id, wait);
    current = { id, result: told.result };
    selected = null;
    show("work");
    byId("name").textContent = `${told.name} · ${told.result.photo.width}×${told.result.photo.height}`;
    stage.load(`/api/photos/${id}/picture.jpg`, told.result, about.classes);
    invite();
    controls.load(told.result);
  };

  const invite = () => {
    const words = about.why_no_explanation
      ? `No explanations: ${about.why_no_explanation}.`
      : "Click a pixel of the photo: its window, what the parts say, the votes, and the score as a product appear here.";
    byId("panel").replaceChildren(make("p", { class: "empty" }, words));
  };

  const draw = () => {
    if (!current) return;
    const names = new Map(about.classes.map((one) => [one.id, one.name]));
    stage.draw({
      view: controls.view,
      shown: controls.shown,
      opacity: Number(controls.opacity.value),
      colours: current.result.instances.map((one) => one.colour),
      caption: (one) => `${names.get(one.label)} ${one.score.toFixed(2)}`,
      clicked: selected && selected.instance ? selected.instance.index : -1,
    });
    stage.legend(byId("legend"));
    for (const [id, file] of [["get-overlay", "overlay.png"], ["get-coco", "coco.json"], ["get-cityscapes", "cityscapes.zip"]]) {
      byId(id).href = `/api/photos/${current.id}/${file}?${controls.query}`;
    }
    if (selected) tell();
  };

  const tell = () => {
    const index = selected.instance ? selected.instance.index : -1;
    pw.drawPanel(byId("panel"), selected, {
      colour: index >= 0 ? current.result.instances[index].colour : null,
      remark: selected.instance ? controls.whyHidden(index) : "",
      onMarks: (marks) => stage.mark(selected, marks),
    });
  };

  let asked = 0;
  const click = async (x, y, instance = stage.at(x, y)) => {
    if (about.why_no_explanation) return;
    const turn = ++asked;
    const { photo, width, height } = current.result;
    try {
      const column = Math.floor(((x + 0.5) * photo.width) / width);
      const row = Math.floor(((y + 0.5) * photo.height) / height);
      const told = await pw.explain(current.id, column, row, instance);
      if (turn !== asked) return; // a later click was faster
      selected = told;
      pw.complain(null);
      draw();
    } catch (error) {
      pw.complain(error);
    }
  };

  const drops = () => {
    for (const kind of ["dragover", "dragleave", "drop"]) {
      addEventListener(kind, (event) => {
        event.preventDefault();
        document.body.classList.toggle("dragging", kind === "dragover");
        if (kind === "drop") send(event.dataTransfer.files[0]);
      });
    }
    for (const id of ["file", "another"]) {
      byId(id).addEventListener("change", (event) => {
        send(event.target.files[0]);
        event.target.value = ""; // so that the same file can be given again
      });
    }
    for (const id of ["get-overlay", "get-coco", "get-cityscapes"]) {
      byId(id).addEventListener("click", (event) => {
        event.preventDefault();
        pw.download(byId(id).href);
      });
    }
    byId("example").addEventListener("click", () => start(() => pw.ask("/api/example", { method: "POST" })));
  };

  const prepare = async () => {
    try {
      about = await pw.about();
    } catch (error) {
      pw.complain(error);
      return false;
    }
    byId("limits").textContent = `JPEG, PNG or WebP, up to ${about.upload_bytes >> 20} MiB and ${Math.round(about.pixels / 1e6)} megapixels`;
    if (about.why_no_explanation) byId("lead").textContent = "Drop a photo to see what the model finds in it.";
    byId("hint").hidden = Boolean(about.why_no_explanation);
    stage = new pw.Stage(byId("stage"), click);
    controls = new pw.Controls(byId("controls"), about.classes, draw, (i) => {
      const middle = pw.middleOf(current.result.instances[i], current.result.width);
      click(middle.x, middle.y, i);
    });
    controls.empty = about.has_instances ? controls.empty : "This model tells no instances apart: see its semantic map.";
    pw.viewSwitch(byId("views"), controls, about.has_instances ? "instances" : "semantic");
    return true;
  };

  const begin = async () => {
    ready = prepare();
    drops();
    if (!(await ready)) return;
    pw.watch();
    const before = location.hash.slice(1);
    if (before) {
      await open(before).catch((error) => {
        pw.complain(error);
        history.replaceState(null, "", "/");
        show("welcome");
      });
    }
  };
  begin();
})();
