"use strict";
// What the page asks the server: photos, how far they are, explanations. Every mistake is one line.
(() => {
  const pw = (window.pw = window.pw || {});
  const POLL_MS = 200;
  const WATCH_MS = 2000;
  const byId = (id) => document.getElementById(id);

  const SILENT = "the server does not answer: is it still running?";

  const answered = async (address, options) => {
    const answer = await fetch(address, options).catch(() => { throw new Error(SILENT); });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error || `the server answered ${answer.status}`);
  };

  pw.ask = async (address, options) => {
    const answer = await answered(address, options);
    return answer.json().catch(() => { throw new Error(SILENT); }); // it ended in the middle of its answer
  };

  // Save a file of the server. A link alone says nothing in the page if there is no answer.
  pw.download = async (address) => {
    try {
      const answer = await answered(address);
      const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition"))[1];
      const content = await answer.blob().catch(() => { throw new Error(SILENT); });
      const link = pw.element("a", { href: URL.createObjectURL(content), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      pw.complain(null);
    } catch (error) {
      pw.complain(error);
    }
  };

  // Say when the server has ended, also to a person who asks for nothing, and stop saying it when there is one again.
  pw.watch = () => {
    setInterval(async () => {
      if (document.hidden) return;
      const silent = await fetch("/api/about", { method: "HEAD" }).then(() => false, () => true);
      const said = byId("alert").textContent === SILENT;
      if (silent !== said) pw.complain(silent ? new Error(SILENT) : null);
    }, WATCH_MS);
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
