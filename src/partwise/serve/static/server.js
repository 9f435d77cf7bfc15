"use strict";
// What the page asks the server: photos, how far they are, explanations. Every mistake is one line.
(() => {
  const pw = (window.pw = window.pw || {});
  const POLL_MS = 200;
  const byId = (id) => document.getElementById(id);

  pw.ask = async (address, options) => {
    let answer;
    try {
      answer = await fetch(address, options);
    } catch {
      throw new Error("the server does not answer: is it still running?");
    }
    const told = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
    if (!answer.ok) throw new Error(told.error || `the server answered ${answer.status}`);
    return told;
  };

  pw.complain = (error) => {
    const alert = byId("alert");
    alert.textContent = error ? error.message || String(error) : "";
    alert.hidden = !error;
  };

  // Ask how far a photo is until it is done; onWait(title, text) says what happens.
  pw.waitFor = async (id, onWait) => {
    for (;;) {
      const told = await pw.ask(`/api/photos/${encodeURIComponent(id)}`);
      if (told.state === "done") return told;
      if (told.state === "failed") throw new Error(told.error);
      if (told.state === "waiting" && told.before > 0) {
        const many = told.before === 1 ? "1 photo is before yours" : `${told.before} photos are before yours`;
        onWait("Waiting", `${many}: one is computed at a time.`);
      } else {
        onWait("Looking at the photo", "The network is at work.");
      }
      await new Promise((next) => setTimeout(next, POLL_MS));
    }
  };

  pw.explain = (id, x, y, instance) =>
    pw.ask(`/api/photos/${encodeURIComponent(id)}/explanation?${new URLSearchParams({ x, y, instance })}`);

  pw.about = async () => {
    const about = await pw.ask("/api/about");
    byId("model").textContent = `${about.model} · ${about.method}`;
    byId("nav").hidden = about.data === null;
    return about;
  };
})();
