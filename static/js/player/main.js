// The player: one sound at a time, outside everything that is swapped.
import { announce, audio, button, fill, keep, kept, part, player, say, words } from "./parts.js";
import { ask, cards, element, find, read } from "./clips.js";
import { seeking, show } from "./look.js";
import { setUpKeys } from "./keys.js";
import { setUpMediaSession } from "./media_session.js";
import { openingMoment } from "./moment.js";
import { setUpPanel } from "./queue_panel.js";
import { queue } from "./queue.js";
import { isStream, sound } from "./sound.js";

const MEMORY = `musicboard.player.${words.person}`;
const STREAM_LOOK_MS = 8000;
let compares = false, isAuto = false;
sound.ask = ask;

// -- From clip to clip

function play(item, { at = 0, auto = false } = {}) {
  const clip = find(item), other = sound.clip;
  isAuto = auto;
  // Siblings are compared at the same place.
  if (compares && !auto && other && other.id !== clip.id && other.task === clip.task) at = sound.position;
  sound.load(clip, { at });
  complete(clip);
}
// A clip of another page lacks cover, style and length: they are asked for.
async function complete(clip) {
  if (!clip.isBare) return;
  const answer = await ask(clip.id).catch(() => ({}));
  if (answer.clip && sound.clip?.id === clip.id) sound.renew(answer.clip);
  refresh();
}
function siblings() {
  const ids = new Set();
  const all = [...cards().map(read), ...queue.items].filter((one) => one.task === sound.clip?.task);
  return all.filter((one) => !ids.has(one.id) && ids.add(one.id));
}
const beside = (by) => {
  if (!sound.clip) return undefined;
  const list = compares ? siblings() : [];
  return list.length > 1 ? queue.beside(sound.clip.id, by, { list, wraps: true }) : queue.beside(sound.clip.id, by);
};
function step(by) {
  const next = beside(by);
  if (by < 0 && !compares && (sound.position >= 3 || !next)) sound.seek(0);
  else if (next) play(next);
}
const jump = (seconds) => sound.seek(sound.position + seconds);
const refresh = () => show({ hasPrevious: Boolean(sound.position >= 3 || beside(-1)), hasNext: Boolean(beside(1)) });

player.addEventListener("player:show", refresh);
player.addEventListener("player:ended", () => {
  if (queue.repeat === "one") { sound.seek(0); sound.play(); return; }
  const next = queue.beside(sound.clip.id, 1);
  if (next) play(next, { auto: true });
  else if (queue.repeat === "all") { sound.seek(0); sound.play(); }
  else refresh();
});
player.addEventListener("player:failed", () => {
  const next = isAuto && queue.beside(sound.clip.id, 1, { wraps: false });
  // Nobody may be looking: the queue goes on, and says what it left out.
  if (next) say(fill(words.skipped, { title: sound.clip.title, why: sound.why }));
  else announce(fill(words.stopped, { title: sound.clip.title, why: sound.why }));
  if (next) play(next, { auto: true }); else refresh();
});

// -- Presses

function inside(place, selector) {
  const root = place.closest(selector) ?? document.querySelector(selector) ?? document;
  return root !== document && root.matches("[data-clip][data-sound]") ? [root] : cards(root);
}
const picked = (place, selector) => inside(place, selector).filter((card) => card.querySelector("[data-pick]:checked") ?? card.closest("[data-pick-row]")?.querySelector("[data-pick]:checked"));

function pressCard(card, at) {
  const clip = read(card);
  if (sound.clip?.id === clip.id && !sound.why) {
    if (at === undefined) { sound.toggle(); return; }
    sound.seek(at);
    sound.play();
    return;
  }
  if (!queue.isOwn) queue.set(cards().map(read));
  else if (!queue.has(clip.id)) queue.insert(clip, { after: sound.clip?.id });
  play(clip, { at });
}
// A press on the outline plays from there; for the keyboard the player has a slider.
function pressWave(wave, { clientX }) {
  const card = wave.closest("[data-clip]"), { left, width } = wave.getBoundingClientRect();
  pressCard(card, ((clientX - left) / width) * (Number(card.dataset.seconds) || 0));
}
function playThese(list, { isOwn }) {
  if (!list.length) { say(words.nothing); return; }
  queue.set(list.map(read), { isOwn });
  play(queue.items[0]);
}
// What stands on the page begins at once; the filter's other pages come into the queue when they are told.
async function playOn(address) {
  const answer = await fetch(address).catch(() => null), told = answer?.ok ? await answer.json().catch(() => null) : null;
  if (told?.items.length && !queue.isOwn) queue.set(told.items);
}
function addThese(list) {
  const count = queue.add(list.map(read));
  player.hidden = false;
  say(fill(words.added, { count }));
  if (!sound.clip && queue.items.length) { sound.load(find(queue.items[0]), { starts: false }); complete(sound.clip); }
}
document.addEventListener("click", (event) => {
  const at = (name) => event.target.closest(`[${name}]`);
  const card = at("data-play")?.closest("[data-clip]");
  const wave = event.target.closest("[data-sound] .clip__wave");
  if (card) pressCard(card);
  else if (wave) pressWave(wave, event);
  else if (at("data-play-all")) {
    const { playAll, playMore } = at("data-play-all").dataset;
    playThese(inside(at("data-play-all"), playAll), { isOwn: false });
    if (playMore) playOn(playMore);
  }
  else if (at("data-play-picked")) playThese(picked(at("data-play-picked"), at("data-play-picked").dataset.playPicked), { isOwn: true });
  else if (at("data-queue-add")) addThese(inside(at("data-queue-add"), at("data-queue-add").dataset.queueAdd));
  else if (at("data-queue-picked")) addThese(picked(at("data-queue-picked"), at("data-queue-picked").dataset.queuePicked));
  // What somebody listened to is nobody else's business on a shared machine.
  else if (at("data-sign-out")) { sound.pause(); sound.clip = null; queue.forget(); sessionStorage.removeItem(MEMORY); }
});

const actions = {
  toggle: () => (sound.why ? sound.again() : sound.toggle()),
  previous: () => step(-1),
  next: () => step(1),
  mute: () => { audio.muted = !audio.muted; if (!audio.muted && audio.volume === 0) sound.volume = 0.5; },
  repeat: () => { queue.turn(); announce(button("repeat").getAttribute("aria-label")); },
  compare: () => { compares = !compares; button("compare").setAttribute("aria-pressed", String(compares)); refresh(); },
  keys: () => document.getElementById("keys").showModal(),
  open: () => unfold(!player.classList.contains("is-open")),
  close: () => unfold(false),
  again: () => (button("again").hasAttribute("aria-disabled") ? null : checkAgain()),
};
player.addEventListener("click", (event) => actions[event.target.closest("[data-player-do]")?.dataset.playerDo]?.());

// The provider may have a new link; who may not ask it tries the old one.
async function checkAgain() {
  const { id, task } = sound.clip, again = button("again");
  again.setAttribute("aria-disabled", "true");
  if ("canCheck" in words) {
    const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers"));
    await fetch(`${task}check/`, { method: "POST", headers: { "X-CSRFToken": token, "HX-Request": "true" } }).catch(() => null);
  }
  again.removeAttribute("aria-disabled");
  if (sound.clip?.id === id) await sound.again();
  // The button goes when it has helped.
  if (again.hidden && (document.activeElement === again || document.activeElement === document.body)) button("toggle").focus();
}

// On a phone the player opens over the whole screen.
function unfold(opens) {
  player.classList.toggle("is-open", opens);
  document.getElementById("main").parentElement.inert = opens;
  button("open").setAttribute("aria-expanded", String(opens));
  (opens ? button("close") : button("open")).focus();
}
function fold() {
  if (player.classList.contains("is-open")) unfold(false);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !document.querySelector("dialog:modal, :popover-open")) fold(); });
part("title").addEventListener("click", fold);
matchMedia("(max-width: 640px)").addEventListener("change", fold);
document.addEventListener("htmx:historyRestore", fold);

// -- Position, volume, speed

const seek = part("seek"), volume = part("volume"), speed = part("speed");
seek.addEventListener("input", () => { seeking.to = seek.value / 1000; refresh(); });
seek.addEventListener("change", () => { const to = seek.value / 1000; seeking.to = null; sound.seek(to * sound.length); });
// A range has a thousand steps for the eye; for the keys it has five seconds each.
seek.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 }[event.key];
  if (by) { event.preventDefault(); jump(by); }
});
volume.addEventListener("input", () => { sound.volume = volume.value / 100; });
speed.value = String(sound.speed);
speed.addEventListener("change", () => { sound.speed = Number(speed.value); });
// Where the system alone sets the volume, a control that does nothing is not shown.
const probe = new Audio();
probe.volume = 0.5;
player.classList.toggle("has-own-volume", probe.volume !== 0.5);

const search = () => { const field = document.querySelector("[data-search]"); field?.focus(); field?.select(); };
const keys = { " ": actions.toggle, ArrowLeft: () => jump(-5), ArrowRight: () => jump(5), n: actions.next, p: actions.previous, m: actions.mute };
setUpKeys({ always: { "/": search, "?": actions.keys }, withSound: (key) => (sound.clip ? keys[key] : undefined) });
setUpMediaSession({
  play: () => sound.play(), pause: () => sound.pause(), stop: () => sound.pause(), previoustrack: actions.previous, nexttrack: actions.next,
  seekbackward: ({ seekOffset }) => jump(-(seekOffset ?? 10)), seekforward: ({ seekOffset }) => jump(seekOffset ?? 10), seekto: ({ seekTime }) => sound.seek(seekTime),
});
setUpPanel(play);

// -- What changes on the page

function look() {
  if (!sound.clip) return;
  const card = element(sound.clip.id);
  if (card?.dataset.sound) sound.renew(read(card));
  // A sibling that can be heard now follows the clip that was waiting alone.
  for (const fresh of queue.isOwn ? [] : cards().map(read)) {
    const last = queue.has(fresh.id) ? undefined : queue.items.findLast((one) => one.task === fresh.task);
    if (last) queue.insert(fresh, { after: last.id });
  }
  refresh();
}
for (const name of ["htmx:afterSettle", "htmx:oobAfterSwap", "htmx:afterSwap", "htmx:historyRestore"]) document.addEventListener(name, look);
// On a page without its card nobody else asks whether the file has arrived.
setInterval(() => {
  const { clip } = sound;
  if (!clip || !sound.plays || document.hidden || !isStream(clip.sound) || element(clip.id)) return;
  ask(clip.id).then((answer) => { if (answer.clip && sound.clip?.id === clip.id) sound.renew(answer.clip); }).catch(() => null);
}, STREAM_LOOK_MS);

// -- A page that is loaded anew goes on where the last one was; the browser may ask for a press first.

window.addEventListener("pagehide", () => {
  if (!sound.clip) return;
  const { id, title, task, number, cover, tint, seconds } = sound.clip;
  keep(sessionStorage, MEMORY, { clip: { id, title, task, number, cover, tint, seconds }, at: sound.position, plays: sound.plays, compares });
});
function goOn({ clip, at = 0, starts = false }) {
  const found = find(clip);
  sound.load(found, { at, starts });
  complete(found);
}
const moment = openingMoment(), before = kept(sessionStorage, MEMORY, null);
try { sessionStorage.removeItem(MEMORY); } catch { /* nothing kept */ }
if (before?.compares) actions.compare();
if (moment) { queue.set(cards().map(read)); goOn({ ...moment, starts: true }); }
else if (typeof before?.clip?.id === "string") goOn({ clip: before.clip, at: Number(before.at) || 0, starts: before.plays === true });
else if (queue.isOwn && queue.items.length) goOn({ clip: queue.items[0] });
document.dispatchEvent(new Event("player:ready"));
