// The page's one refresher: rests in a hidden tab, says quietly when the server is not there, and goes on by itself.
"use strict";
(() => {
  const isRefresher = (event) => event.detail?.elt?.matches?.("[data-refresher]");
  const notice = () => document.getElementById("connection");
  const say = (words) => { const place = notice(); if (place && place.textContent !== words) place.textContent = words; };
  let signedOut = false;

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isRefresher(event) && (document.hidden || signedOut)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    const refresher = document.querySelector("[data-refresher][hx-get]");
    if (!document.hidden && refresher) htmx.trigger(refresher, "resume");
  });

  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => { if (isRefresher(event)) say(notice().dataset.lost); });
  }
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (!isRefresher(event)) return;
    const { xhr } = event.detail;
    if (xhr.getResponseHeader("HX-Redirect")) {
      // Leaving the page would end a playing sound: the person decides when to sign in again.
      event.preventDefault();
      signedOut = true;
      say(notice().dataset.signedOut);
    } else if (xhr.status < 400) {
      say("");
    }
  });
})();
