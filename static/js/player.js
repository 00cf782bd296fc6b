// The player: one sound at a time, outside everything that is swapped, over all clips of the page.
"use strict";
(() => {
  const player = document.getElementById("player");
  if (!player) return;
  const audio = player.querySelector("audio");
  const part = (name) => player.querySelector(`[data-player-${name}]`);
  const seek = part("seek"), volume = part("volume"), title = part("title"), line = part("line"), cover = part("cover");
  const button = (name) => player.querySelector(`[data-player-do="${name}"]`);
  const MEMORY = "musicboard.player", LOUDNESS = "musicboard.volume";
  let clip = null; // what is in the player: { id, sound, title, line, page, card, cover, tint, seconds }
  let seeking = false;

  // -- Clips of the page
  const element = (id) => document.getElementById(`clip-${id}`);
  const playable = () => Array.from(document.querySelectorAll("[data-clip][data-sound]"));
  const read = ({ dataset: d }) => ({ id: d.clip, sound: d.sound, title: d.title, line: d.line, page: d.page, card: d.card, cover: d.cover || "", tint: d.tint, seconds: Number(d.seconds) || 0 });
  const neighbour = (step) => {
    const clips = playable();
    const here = clips.findIndex((one) => one.dataset.clip === clip?.id);
    return here < 0 ? (step > 0 ? clips[0] : undefined) : clips[here + step];
  };

  // -- Times
  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds || 0)), hours = Math.floor(whole / 3600);
    const rest = `${String(Math.floor(whole / 60) % 60).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
    return hours ? `${hours}:${rest}` : rest;
  };
  const length = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : clip?.seconds || 0);

  // -- What the page shows
  function show() {
    if (!clip) return;
    const playing = !audio.paused && !audio.ended, total = length(), at = seeking ? (seek.value / 1000) * total : audio.currentTime;
    const share = total ? Math.min(at / total, 1) : 0;
    player.classList.toggle("is-playing", playing);
    label(button("toggle"), playing ? player.dataset.pause : player.dataset.play);
    if (!seeking) seek.value = Math.round(share * 1000);
    seek.style.setProperty("--at", `${share * 100}%`);
    seek.disabled = !Number.isFinite(audio.duration) && audio.readyState > 0;
    seek.setAttribute("aria-valuetext", player.dataset.at.replace("{at}", clock(at)).replace("{length}", clock(total)));
    write(part("elapsed"), clock(at));
    write(part("total"), total ? clock(total) : "");
    button("previous").disabled = !neighbour(-1) && audio.currentTime < 3;
    button("next").disabled = !neighbour(1);
    mark(playing, share);
  }
  const write = (place, text) => { if (place.textContent !== text) place.textContent = text; };
  const label = (place, words) => { if (place.getAttribute("aria-label") !== words) place.setAttribute("aria-label", words); };

  // The card of the clip in the player shows it; a swap may have brought a card that does not know.
  function mark(playing, share) {
    for (const one of document.querySelectorAll("[data-clip].is-current")) {
      if (one.dataset.clip !== clip.id) unmark(one);
    }
    const card = element(clip.id);
    if (!card) return;
    card.classList.add("is-current");
    card.classList.toggle("is-playing", playing);
    card.querySelector("[data-play]")?.setAttribute("aria-pressed", String(playing));
    card.querySelector(".clip__line")?.style.setProperty("--at", `${share * 100}%`);
  }
  function unmark(card) {
    card.classList.remove("is-current", "is-playing");
    card.querySelector("[data-play]")?.setAttribute("aria-pressed", "false");
    card.querySelector(".clip__line")?.style.removeProperty("--at");
  }

  function fill() {
    player.hidden = false;
    title.textContent = clip.title;
    title.href = clip.page;
    window.htmx?.process(title);
    line.textContent = clip.line;
    line.classList.remove("is-bad");
    cover.className = `cover cover--s cover--t${clip.tint}`;
    cover.replaceChildren();
    if (clip.cover) cover.append(Object.assign(new Image(44, 44), { src: clip.cover, alt: "" }));
    if ("mediaSession" in navigator) {
      const artwork = clip.cover ? [{ src: new URL(clip.cover, location.href).href }] : [];
      navigator.mediaSession.metadata = new MediaMetadata({ title: clip.title, artist: clip.line, album: "musicboard", artwork });
    }
  }

  // -- Playing
  function load(next, at = 0) {
    clip = next;
    fill();
    audio.src = clip.sound;
    if (at) audio.addEventListener("loadedmetadata", () => { audio.currentTime = at; }, { once: true });
    show();
  }
  function play(card) {
    if (clip?.id !== card.dataset.clip || audio.error) load(read(card));
    start();
  }
  function start() {
    for (const other of document.querySelectorAll("audio.clip__native")) other.pause();
    // A refusal (autoplay) or an error is told by the audio's own events.
    audio.play().catch(() => show());
  }
  const toggle = () => (audio.paused ? start() : audio.pause());
  function step(by) {
    if (by < 0 && (audio.currentTime >= 3 || !neighbour(-1))) { audio.currentTime = 0; return; }
    const card = neighbour(by);
    if (card) play(card);
  }
  const jump = (seconds) => { if (Number.isFinite(audio.duration)) audio.currentTime = Math.min(Math.max(audio.currentTime + seconds, 0), audio.duration); };
  function mute(muted = !audio.muted) {
    audio.muted = muted;
    const control = button("mute");
    control.setAttribute("aria-pressed", String(muted));
    label(control, muted ? player.dataset.unmute : player.dataset.mute);
  }

  const actions = { toggle, previous: () => step(-1), next: () => step(1), mute: () => mute() };
  player.addEventListener("click", (event) => actions[event.target.closest("[data-player-do]")?.dataset.playerDo]?.());
  document.addEventListener("click", (event) => {
    const card = event.target.closest("[data-play]")?.closest("[data-clip]");
    if (!card) return;
    if (clip?.id === card.dataset.clip && !audio.error) toggle(); else play(card);
  });
  seek.addEventListener("input", () => { seeking = true; show(); });
  seek.addEventListener("change", () => { audio.currentTime = (seek.value / 1000) * length(); seeking = false; show(); });
  volume.addEventListener("input", () => { audio.volume = volume.value / 100; mute(audio.volume === 0); volume.style.setProperty("--at", `${volume.value}%`); localStorage.setItem(LOUDNESS, volume.value); });

  // A range has ten thousand steps for the eye and none for the arrow keys: five seconds each.
  seek.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 }[event.key];
    if (by) { event.preventDefault(); jump(by); }
  });
  document.addEventListener("keydown", (event) => {
    if (!clip || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog, audio")) return;
    const pressable = event.target.closest("button, a, summary");
    const keys = { ArrowLeft: () => jump(-5), ArrowRight: () => jump(5), n: () => step(1), p: () => step(-1), m: () => mute() };
    if (!pressable) keys[" "] = toggle;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // -- One sound at a time: media events do not bubble, but they can be caught on their way down.
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);

  for (const name of ["play", "pause", "timeupdate", "durationchange", "seeked", "loadedmetadata"]) audio.addEventListener(name, show);
  audio.addEventListener("ended", () => { const next = neighbour(1); if (next) play(next); else show(); });
  audio.addEventListener("error", async () => {
    show();
    if (!clip) return;
    const failed = clip;
    line.textContent = player.dataset.failed;
    line.classList.add("is-bad");
    // The server has noted why on the clip: its card is asked for again.
    const card = element(failed.id);
    if (!card) return;
    try { await htmx.ajax("GET", failed.card, { target: card, swap: "morph" }); } catch { return; }
    const why = element(failed.id)?.querySelector(".clip__says")?.textContent;
    if (why && clip === failed) line.textContent = why;
  });

  if ("mediaSession" in navigator) {
    const handlers = { play: start, pause: () => audio.pause(), previoustrack: () => step(-1), nexttrack: () => step(1), seekbackward: () => jump(-10), seekforward: () => jump(10), seekto: (detail) => { audio.currentTime = detail.seekTime; } };
    for (const [name, handler] of Object.entries(handlers)) try { navigator.mediaSession.setActionHandler(name, handler); } catch { /* not known to this browser */ }
  }

  for (const name of ["htmx:afterSettle", "htmx:oobAfterSwap", "htmx:afterSwap", "htmx:historyRestore"]) document.addEventListener(name, show);

  // -- A page that is loaded anew goes on where the last one was; the browser may ask for a press first.
  window.addEventListener("pagehide", () => {
    if (clip) sessionStorage.setItem(MEMORY, JSON.stringify({ clip, at: audio.currentTime, playing: !audio.paused && !audio.ended }));
  });
  const loud = localStorage.getItem(LOUDNESS);
  if (loud !== null) { volume.value = loud; audio.volume = volume.value / 100; }
  volume.style.setProperty("--at", `${volume.value}%`);
  try {
    const kept = JSON.parse(sessionStorage.getItem(MEMORY));
    sessionStorage.removeItem(MEMORY);
    if (kept?.clip?.sound?.startsWith("/")) { load(kept.clip, kept.at); if (kept.playing) start(); }
  } catch { /* nothing kept */ }
})();
