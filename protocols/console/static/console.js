// Keyboard, ticks and the live view. Every page works without this file; nothing here fetches but the live stream.
"use strict";
(() => {
  const page = document;
  page.documentElement.classList.add("has-script");
  const all = (selector, root = page) => Array.from(root.querySelectorAll(selector));
  const one = (selector, root = page) => root.querySelector(selector);

  // Rows: j, k, x, Enter
  let at = -1;
  const rows = () => all("[data-row]");

  function go(index) {
    const list = rows();
    if (!list.length) return;
    all("tr.here").forEach((row) => row.classList.remove("here"));
    at = Math.max(0, Math.min(index, list.length - 1));
    const row = list[at];
    row.classList.add("here");
    const link = one("a.open", row);
    if (link) link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  const here = () => one("tr.here");
  const boxOf = (row) => row && one('input[name="id"]', row);

  // Ticks
  const ticks = () => all('input[name="id"]:checked');
  const told = one("[data-ticked]");
  function count() {
    const number = ticks().length;
    page.documentElement.classList.toggle("has-ticks", number > 0);
    if (told) told.textContent = number ? number + " ticked" : "Nothing ticked";
  }
  page.addEventListener("change", (event) => {
    if (event.target.matches("[data-ticks-all]")) {
      all('input[name="id"]').forEach((box) => { box.checked = event.target.checked; });
    }
    count();
  });

  // Acts: the key presses the button; in a list without ticks it is about the row one is on.
  function press(key) {
    const button = one(`[data-key="${key}"]`);
    if (!button) return false;
    // getAttribute: the fields named "id" hide the form's own property.
    if (button.form && button.form.getAttribute("id") === "queue" && !ticks().length && !one('input[name="all"]:checked')) {
      const box = boxOf(here());
      if (!box) return false;
      box.checked = true;
      count();
    }
    button.click();
    return true;
  }

  let went = 0;
  function follow(key) {
    const places = { q: "/queue", l: "/live", a: "/audit" };
    if (places[key]) location.assign(places[key]);
    went = 0;
  }

  const moves = {
    j: () => go(at + 1),
    k: () => go(at < 0 ? 0 : at - 1),
    x: () => { const box = boxOf(here()); if (box) { box.checked = !box.checked; count(); } },
    "/": () => { const field = one("#q"); if (field) { field.focus(); field.select(); } },
    "?": () => { const help = one("#help"); if (help && !help.open) help.showModal(); },
    g: () => { went = Date.now(); },
  };

  page.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (typing && event.key === "Escape") { typing.blur(); return; }
    if (event.ctrlKey || event.altKey || event.metaKey || typing || one("dialog[open]")) return;
    const key = event.key;
    if (went && Date.now() - went < 1500) { event.preventDefault(); follow(key); return; }
    if (key === "Enter") {
      const row = here();
      if (row && !event.target.closest("button, summary, a:not(.open), input")) {
        event.preventDefault();
        location.assign(row.dataset.href);
      }
      return;
    }
    if (moves[key]) { event.preventDefault(); moves[key](); return; }
    if ("rRdbu".includes(key) && key.length === 1) {
      if (press(key)) event.preventDefault();
      else if (key === "u" && location.pathname !== "/queue") location.assign("/queue");
    }
  });

  page.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) { one("#" + opener.dataset.opens).showModal(); return; }
    const row = event.target.closest("[data-row]");
    if (row && rows().indexOf(row) >= 0) at = rows().indexOf(row);
  });

  // Times in the reader's own zone, as a tooltip.
  function localise(root) {
    all("time[datetime]", root).forEach((time) => {
      const date = new Date(time.dateTime);
      if (!Number.isNaN(date.getTime())) time.title = time.title + " (" + date.toLocaleString() + " here)";
    });
  }
  localise(page);

  // A form is sent once: a second press of the same key must not act twice.
  page.addEventListener("submit", (event) => {
    if (event.target.getAttribute("method") !== "post") return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => {
    all("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
    count();
  });

  // The live view
  const live = one("[data-live]");
  if (live && window.EventSource) {
    const state = one("[data-live-state]");
    const pause = one("[data-live-pause]");
    const body = one("tbody", live);
    const waiting = [];
    let paused = false;
    const say = (words) => { state.textContent = words; };

    const show = (html) => {
      const box = page.createElement("template");
      box.innerHTML = html; // rendered and escaped by the server's own templates
      const row = one("tr", box.content);
      if (!row || one(`tr[data-id="${CSS.escape(row.dataset.id)}"]`, body)) return;
      row.classList.add("flash");
      localise(row);
      body.prepend(row);
      const empty = one("[data-live-empty]");
      if (empty) empty.remove();
      if (at >= 0) at += 1;
      while (body.rows.length > 200) body.lastElementChild.remove();
    };

    const source = new EventSource(live.dataset.live);
    source.addEventListener("open", () => { if (!paused) say("live"); });
    source.addEventListener("error", () => say("connection lost, trying again"));
    source.addEventListener("over", () => { source.close(); say("signed out: reload to sign in"); });
    source.addEventListener("mail", (event) => {
      const html = JSON.parse(event.data).html;
      if (!paused) { show(html); return; }
      waiting.push(html);
      if (waiting.length > 200) waiting.shift();
      say(`paused, ${waiting.length} waiting`);
    });
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause";
      if (!paused) waiting.splice(0).forEach(show);
      say(paused ? "paused" : "live");
    });
    window.addEventListener("pagehide", () => source.close());
  }
})();
