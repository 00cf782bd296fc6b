// The player of a shared page, and of the one in a frame: one sound at a time, a large button, a position to drag.
"use strict";
(() => {
  const audio = document.getElementById("sound");
  const root = () => document.querySelector("[data-share]");
  const part = (name) => root()?.querySelector(`[data-${name}]`);
  const songs = () => Array.from(document.querySelectorAll("[data-sound]"));
  if (!audio || !root()) return;
  let number = songs()[0]?.dataset.number; // of the song in the player
  let seeking = false, wanted = 0, broken = false;

  const song = () => songs().find((one) => one.dataset.number === number);
  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds || 0)), hours = Math.floor(whole / 3600), rest = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(Math.floor(whole / 60) % 60).padStart(2, "0")}:${rest}` : `${Math.floor(whole / 60)}:${rest}`;
  };
  const length = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : Number(song()?.dataset.seconds) || 0);
  const place = () => (audio.readyState ? audio.currentTime : wanted);
  const write = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const say = (words) => write(part("says"), words);

  // -- What the page shows
  function show() {
    const page = root(), seek = part("seek");
    if (!page || !seek) return;
    const playing = !audio.paused && !audio.ended, total = length(), at = seeking ? Number(seek.value) : place();
    const share = total ? Math.min(at / total, 1) * 100 : 0;
    page.classList.toggle("is-playing", playing);
    label(part("toggle"), playing ? page.dataset.pause : page.dataset.play.replace("{title}", document.title));
    seek.max = Math.max(Math.floor(total), 1);
    seek.disabled = !total || (audio.readyState > 0 && !Number.isFinite(audio.duration));
    if (!seeking) seek.value = Math.floor(at);
    seek.parentElement.style.setProperty("--at", `${share}%`);
    seek.setAttribute("aria-valuetext", page.dataset.at.replace("{at}", clock(at)).replace("{length}", clock(total)));
    write(part("elapsed"), clock(at));
    write(part("left"), total ? `−${clock(Math.ceil(total) - Math.floor(at))}` : "");
    for (const one of songs()) {
      const here = one.dataset.number === number, button = one.querySelector("[data-choose]");
      one.classList.toggle("is-current", here);
      one.classList.toggle("is-playing", here && playing);
      one.style.setProperty("--at", here ? `${share}%` : "0%");
      button?.setAttribute("aria-pressed", String(here && playing));
    }
  }
  const label = (button, words) => { if (button && button.getAttribute("aria-label") !== words) button.setAttribute("aria-label", words); };

  // The cover and the outline of the song in the player; a swap may have brought another one's.
  function picture() {
    const cover = part("cover"), chosen = song();
    if (!cover || !chosen) return;
    cover.className = cover.className.replace(/cover--t\d+/, `cover--t${chosen.dataset.tint}`);
    const line = part("line");
    if (line) {
      line.classList.toggle("seek--wave", "wave" in chosen.dataset);
      for (const path of line.querySelectorAll("path")) path.setAttribute("d", chosen.dataset.wave || "");
    }
    const source = chosen.dataset.image;
    for (const image of [cover.querySelector("img"), part("glow")]) {
      if (!image || !source || image.getAttribute("src") === source) continue;
      if (image.srcset) image.srcset = `${source} 1x, ${source}?whole 2x`;
      image.src = source;
    }
    if ("mediaSession" in navigator) {
      const artwork = chosen.dataset.image ? [{ src: new URL(chosen.dataset.image, location.href).href }] : [];
      const name = chosen.dataset.name === document.title ? "" : chosen.dataset.name;
      navigator.mediaSession.metadata = new MediaMetadata({ title: document.title, artist: name, artwork });
    }
  }

  // -- Playing
  function load() {
    broken = false;
    say("");
    audio.src = song().dataset.sound;
    picture();
  }
  function play() {
    if (!song()) return;
    if (!audio.hasAttribute("src") || broken) load();
    // A refusal or an error is told by the sound's own events.
    audio.play().catch(show);
    show();
  }
  const toggle = () => (audio.paused ? play() : audio.pause());
  function choose(next) {
    if (next === number) { toggle(); return; }
    number = next;
    wanted = 0;
    load();
    play();
  }
  function jump(to) {
    wanted = Math.min(Math.max(to, 0), Math.max(length() - 0.2, 0));
    if (audio.readyState) audio.currentTime = wanted; else play();
    show();
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-toggle]")) toggle();
    else if (event.target.closest("[data-choose]")) choose(event.target.closest("[data-sound]").dataset.number);
  });
  document.addEventListener("input", (event) => { if (event.target.matches("[data-seek]")) { seeking = true; show(); } });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-seek]")) return;
    seeking = false;
    jump(Number(event.target.value));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("audio")) return;
    const by = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
    if (by && length()) { event.preventDefault(); jump(place() + by); }
    if (event.key === " " && !event.target.closest?.("button, a, summary, input")) { event.preventDefault(); toggle(); }
  });

  for (const name of ["play", "playing", "pause", "timeupdate", "durationchange", "seeked"]) audio.addEventListener(name, show);
  audio.addEventListener("loadedmetadata", () => { if (wanted) audio.currentTime = wanted; wanted = 0; show(); });
  audio.addEventListener("ended", () => {
    const all = songs(), next = all[all.indexOf(song()) + 1];
    if (next) choose(next.dataset.number); else show();
  });
  audio.addEventListener("error", async () => {
    if (!audio.hasAttribute("src")) return;
    wanted = audio.currentTime || wanted;
    broken = true;
    show();
    if (await stands()) say(root().dataset.failed); else location.reload();
  });

  // Whether the link still leads here: it may have been revoked, or its password changed.
  async function stands() {
    try {
      const answer = await fetch(root().dataset.page, { cache: "no-store" });
      return answer.ok && (await answer.text()).includes("data-share");
    } catch { return true; }
  }

  if ("mediaSession" in navigator) {
    const handlers = { play, pause: () => audio.pause(), seekbackward: () => jump(place() - 10), seekforward: () => jump(place() + 10), seekto: (detail) => jump(detail.seekTime) };
    for (const [name, handler] of Object.entries(handlers)) try { navigator.mediaSession.setActionHandler(name, handler); } catch { /* not known to this browser */ }
  }

  // -- A page that goes on by itself: rests in a hidden tab, and never closes or moves what somebody uses.
  if (window.Idiomorph) Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details"));
  document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });
  document.addEventListener("htmx:afterSwap", () => { number ??= songs()[0]?.dataset.number; picture(); show(); });
  document.addEventListener("htmx:responseError", (event) => { if ([404, 410].includes(event.detail.xhr.status)) location.reload(); });
  show();
})();
