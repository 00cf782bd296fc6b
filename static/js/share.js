// A shared page, and the one in a frame: the team's own player with a large button, and without queue and volume.
import { audio, clock, player, set, words, write } from "./player/parts.js";
import { setUpMediaSession, showNames } from "./player/media_session.js";
import { sound } from "./player/sound.js";

const root = () => document.querySelector("[data-share]");
const part = (name) => root()?.querySelector(`[data-${name}]`);
const songs = () => Array.from(document.querySelectorAll("[data-sound]"));
const song = (number = sound.clip?.id) => songs().find((one) => one.dataset.number === number);
const read = ({ dataset: d }) => ({ id: d.number, sound: d.sound, stream: d.stream ?? "", seconds: Number(d.seconds) || 0 });
let seeking = false;

// The song as the page tells it now; a link that leads nowhere any more, or asks for a password, says so itself.
sound.ask = async (id) => {
  const answer = await fetch(root().dataset.page, { cache: "no-store" }), holder = document.createElement("template");
  holder.innerHTML = answer.ok ? await answer.text() : "";
  if (!holder.content.querySelector("[data-share]")) { location.reload(); return new Promise(() => {}); }
  const found = holder.content.querySelector(`[data-sound][data-number="${id}"]`);
  return { clip: found ? read(found) : null, why: words.failed };
};

// -- What the page shows
function show() {
  const page = root(), seek = part("seek");
  if (!page || !seek || !sound.clip) return;
  const total = sound.length, at = seeking ? Number(seek.value) : sound.position;
  const share = total ? Math.min(at / total, 1) * 100 : 0;
  page.classList.toggle("is-playing", sound.plays);
  set(part("toggle"), "aria-label", sound.plays ? page.dataset.pause : page.dataset.play.replace("{title}", document.title));
  seek.max = Math.max(Math.floor(total), 1);
  seek.disabled = !total || !sound.canSeek;
  if (!seeking) seek.value = Math.floor(at);
  seek.parentElement.style.setProperty("--at", `${share}%`);
  seek.setAttribute("aria-valuetext", page.dataset.at.replace("{at}", clock(at)).replace("{length}", clock(total)));
  write(part("elapsed"), clock(at));
  write(part("left"), total ? `−${clock(Math.ceil(total) - Math.floor(at))}` : "");
  write(part("says"), sound.why || sound.waits);
  for (const one of songs()) {
    const here = one.dataset.number === sound.clip.id, button = one.querySelector("[data-choose]");
    one.classList.toggle("is-current", here);
    one.classList.toggle("is-playing", here && sound.plays);
    one.style.setProperty("--at", here ? `${share}%` : "0%");
    if (button) set(button, "aria-pressed", String(here && sound.plays));
  }
}

// The cover and the outline of the song in the player; a swap may have brought another one's.
function picture() {
  const cover = part("cover"), chosen = song(), line = part("line");
  if (!cover || !chosen) return;
  const { tint, wave = "", image = "", name } = chosen.dataset;
  cover.className = cover.className.replace(/cover--t\d+/, `cover--t${tint}`);
  line?.classList.toggle("seek--wave", wave !== "");
  for (const path of line?.querySelectorAll("path") ?? []) path.setAttribute("d", wave);
  for (const one of [cover.querySelector("img"), part("glow")]) {
    if (!one || !image || one.getAttribute("src") === image) continue;
    if (one.srcset) one.srcset = `${image} 1x, ${image}?whole 2x`;
    one.src = image;
  }
  showNames({ title: document.title, line: name === document.title ? "" : name, cover: image });
}

// -- Playing
function choose(number, { starts = true } = {}) {
  const chosen = song(number);
  if (!chosen) return;
  sound.load(read(chosen), { starts });
  picture();
  show();
}
const toggle = () => (sound.why ? sound.again() : sound.toggle());
function jump(to) {
  sound.seek(to);
  if (!audio.readyState) sound.play();
}
function first() { if (!sound.clip && songs().length) choose(songs()[0].dataset.number, { starts: false }); }

document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-choose]")?.closest("[data-sound]").dataset.number;
  if (event.target.closest("[data-toggle]") || (chosen && chosen === sound.clip?.id)) toggle();
  else if (chosen) choose(chosen);
});
document.addEventListener("input", (event) => { if (event.target.matches("[data-seek]")) { seeking = true; show(); } });
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-seek]")) return;
  seeking = false;
  jump(Number(event.target.value));
});
document.addEventListener("keydown", (event) => {
  if (!sound.clip || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("audio")) return;
  const by = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
  if (by && sound.length) { event.preventDefault(); jump(sound.position + by); }
  if (event.key === " " && !event.target.closest?.("button, a, summary, input")) { event.preventDefault(); toggle(); }
});

player.addEventListener("player:show", show);
player.addEventListener("player:failed", show);
player.addEventListener("player:ended", () => {
  const all = songs(), next = all[all.indexOf(song()) + 1];
  if (next) choose(next.dataset.number); else show();
});
setUpMediaSession({
  play: () => sound.play(), pause: () => sound.pause(), seekto: ({ seekTime }) => jump(seekTime),
  seekbackward: () => jump(sound.position - 10), seekforward: () => jump(sound.position + 10),
});

// -- A page that goes on by itself: rests in a hidden tab, and never closes or moves what somebody uses.
if (window.Idiomorph) Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details"));
document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });
document.addEventListener("htmx:afterSwap", () => {
  first();
  // A stream moves on to the finished file.
  if (song()) sound.renew(read(song()));
  picture();
  show();
});
document.addEventListener("htmx:responseError", (event) => { if ([404, 410].includes(event.detail.xhr.status)) location.reload(); });

// Loudness and speed that a member of the team chose elsewhere have no button here.
audio.volume = audio.defaultPlaybackRate = audio.playbackRate = 1;
first();
document.dispatchEvent(new Event("player:ready"));
