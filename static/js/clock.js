// Elapsed times and ages go on by themselves, with the words the server uses.
"use strict";
(() => {
  const begun = new WeakMap();
  const pad = (number) => String(number).padStart(2, "0");
  function clock(seconds) {
    const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60, rest = Math.floor(seconds) % 60;
    return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
  }
  // Counted from when the element said so, since this device's clock may be wrong.
  function passed(element, said) {
    const known = begun.get(element);
    if (known?.said === said) return Number(said) + (performance.now() - known.at) / 1000;
    begun.set(element, { said, at: performance.now() });
    return Number(said);
  }
  function ago(seconds) {
    const words = document.getElementById("words")?.dataset;
    if (!words) return null;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 1) return words.now;
    if (minutes < 60) return words.minutes.replace("{n}", minutes);
    if (minutes < 48 * 60) return words.hours.replace("{n}", Math.floor(minutes / 60));
    return words.days.replace("{n}", Math.floor(minutes / 1440));
  }
  const write = (element, text) => { if (text !== null && element.textContent !== text) element.textContent = text; };
  function tick() {
    for (const time of document.querySelectorAll("time[data-elapsed]")) write(time, clock(passed(time, time.dataset.elapsed)));
    for (const time of document.querySelectorAll("time[data-age]")) write(time, ago(passed(time, time.dataset.age)));
    for (const words of document.querySelectorAll("[data-late][hidden]")) words.hidden = passed(words, "0") < Number(words.dataset.late);
  }
  tick();
  setInterval(tick, 1000);
})();
