"""The door's one script: times in the reader's own zone, and a workspace's start followed live.

Every page can be read and used without it. It enters the workspace by itself only where its form
was sent from this tab: a link that somebody else made opens nothing.
"""

from __future__ import annotations

SCRIPT = """"use strict";
(() => {
  const WANTED = "door.enter", PATIENCE = 30 * 60 * 1000;
  const pad = (n) => String(n).padStart(2, "0");
  for (const each of document.querySelectorAll("time[datetime]")) {
    const at = new Date(each.dateTime);
    if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) continue;
    const away = Math.abs(at - Date.now()) > 20 * 3600 * 1000;
    const day = away ? at.toLocaleDateString("en-GB", {day: "numeric", month: "short"}) + ", " : "";
    each.title = each.textContent;
    each.textContent = `${day}${pad(at.getHours())}:${pad(at.getMinutes())} your time`;
  }
  const remember = (at) => {
    try {
      if (at) sessionStorage.setItem(WANTED, String(at)); else sessionStorage.removeItem(WANTED);
    } catch { /* a browser that keeps nothing: the button is there */ }
  };
  const wanted = () => {
    try { return Date.now() - Number(sessionStorage.getItem(WANTED)) < PATIENCE; }
    catch { return false; }
  };
  for (const form of document.forms) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "1";
      if ("opens" in form.dataset) remember(Date.now());
      for (const button of form.querySelectorAll("button"))
        button.setAttribute("aria-disabled", "true");
    });
  }
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.forms) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
  });
  const enters = document.querySelector("form[data-enters]");
  const live = document.querySelector("[data-live]");
  if (enters && wanted()) { remember(0); enters.requestSubmit(); return; }
  if (!live) { remember(0); return; }
  const words = live.querySelector("[data-words]"), time = live.querySelector("[data-elapsed]");
  const trouble = live.querySelector("[data-trouble]");
  const say = (where, text) => {
    if (where && where.textContent !== text) where.textContent = text;
  };
  const ask = async () => {
    try {
      const answer = await fetch("/space.json", {cache: "no-store", redirect: "error"});
      if (answer.status === 401) { location.replace("/"); return; }
      if (!answer.ok) throw new Error(answer.status);
      const space = await answer.json();
      if (space.status !== live.dataset.live) { location.replace("/"); return; }
      say(words, space.words);
      say(time, space.elapsed);
      say(trouble, "");
    } catch {
      say(trouble, "No answer just now. This page goes on asking.");
    }
    setTimeout(ask, document.hidden ? 15000 : 4000);
  };
  setTimeout(ask, 3000);
})();
"""
