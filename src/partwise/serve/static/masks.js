"use strict";
// Masks from runs of JSON, and the picture of all that is shown. Positions are in pixels of the picture in the page.
(() => {
  const pw = (window.pw = window.pw || {});

  // Which instances are shown: by score and class, and without those that a shown rival of another class overlaps.
  pw.visible = (instances, choice) => {
    const shown = new Array(instances.length).fill(false);
    instances.forEach((one, i) => {
      const passes = one.score >= choice.minScore && choice.classes.has(one.label) && one.runs.length > 0;
      shown[i] = passes && !(choice.distinct && one.rivals.some((j) => shown[j]));
    });
    return shown;
  };

  const eachRun = (one, width, act) => {
    const [x0, y0, x1] = one.box;
    const columns = x1 - x0;
    let at = 0;
    one.runs.forEach((length, n) => {
      if (n % 2 === 0) { at += length; return; }
      let left = length;
      while (left > 0) {
        const row = Math.floor(at / columns);
        const column = at % columns;
        const piece = Math.min(left, columns - column);
        act((y0 + row) * width + x0 + column, piece);
        at += piece;
        left -= piece;
      }
    });
  };

  // For each pixel 1 + the index of the instance on top, which is the one with the highest score; 0 for none.
  pw.paintIds = (instances, shown, width, height) => {
    const ids = new Uint16Array(width * height);
    for (let i = instances.length - 1; i >= 0; i--) {
      if (shown[i]) eachRun(instances[i], width, (start, count) => ids.fill(i + 1, start, start + count));
    }
    return ids;
  };

  pw.semanticIds = (runs, size) => {
    const ids = new Uint8Array(size);
    let at = 0;
    for (let n = 0; n < runs.length; n += 2) {
      ids.fill(runs[n], at, at + runs[n + 1]);
      at += runs[n + 1];
    }
    return ids;
  };

  // Whether a pixel lies within `thick` pixels of another id, to the right, left, below or above.
  const onEdge = (ids, at, x, y, width, height, thick) =>
    x < thick || y < thick || x >= width - thick || y >= height - thick ||
    ids[at - thick] !== ids[at] || ids[at + thick] !== ids[at] ||
    ids[at - thick * width] !== ids[at] || ids[at + thick * width] !== ids[at];

  // RGBA of all instances: a fill of `opacity`, and an opaque contour. The one that was clicked has more of its colour.
  pw.paintInstances = (picture, ids, colours, opacity, width, height, clicked) => {
    const pixels = picture.data;
    const thick = Math.max(1, Math.round(Math.min(width, height) / 450));
    const fill = Math.round(255 * opacity);
    const strong = Math.round(255 * Math.min(1, opacity + 0.3));
    pixels.fill(0);
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        const id = ids[at];
        if (id === 0) continue;
        const colour = colours[id - 1];
        pixels[4 * at] = colour[0];
        pixels[4 * at + 1] = colour[1];
        pixels[4 * at + 2] = colour[2];
        pixels[4 * at + 3] = onEdge(ids, at, x, y, width, height, thick) ? 255 : id === clicked + 1 ? strong : fill;
      }
    }
  };

  pw.paintSemantic = (picture, ids, colourOf, opacity) => {
    const pixels = picture.data;
    const alpha = Math.round(255 * opacity);
    for (let at = 0; at < ids.length; at++) {
      const colour = colourOf[ids[at]];
      pixels[4 * at] = colour ? colour[0] : 0;
      pixels[4 * at + 1] = colour ? colour[1] : 0;
      pixels[4 * at + 2] = colour ? colour[2] : 0;
      pixels[4 * at + 3] = colour ? alpha : 0;
    }
  };

  // A pixel well inside a mask: the middle of the longest run of those rows that are near the middle of the box.
  pw.middleOf = (one, width) => {
    const [, y0, , y1] = one.box;
    let best = null;
    eachRun(one, width, (start, count) => {
      const y = Math.floor(start / width);
      const near = 1 - Math.abs((y - (y0 + y1) / 2) / (y1 - y0 + 1));
      const worth = count * near;
      if (best === null || worth > best.worth) best = { worth, x: (start % width) + Math.floor(count / 2), y };
    });
    return best;
  };
})();
