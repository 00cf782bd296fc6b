// What the player and the cards show of the sound.
import { audio, button, clock, fill, part, player, set, words, write } from "./parts.js";
import { element } from "./clips.js";
import { momentLink } from "./moment.js";
import { showNames } from "./media_session.js";
import { playedTo, showWave } from "./wave.js";
import { queue } from "./queue.js";
import { sound } from "./sound.js";

const seek = part("seek"), volume = part("volume"), title = part("title"), line = part("line"), cover = part("cover"), toggle = button("toggle");
export const seeking = { to: null }; // the share that is being dragged to
let named = "";

export function show({ hasPrevious, hasNext }) {
  const { clip, length } = sound;
  if (!clip) return;
  name(clip);
  const at = seeking.to === null ? sound.position : seeking.to * length, share = length ? Math.min(at / length, 1) : 0;
  player.classList.toggle("is-playing", sound.plays);
  player.classList.toggle("is-loading", sound.waits !== "");
  set(toggle, "aria-label", sound.plays ? words.pause : words.play);
  if (seeking.to === null) seek.value = Math.round(share * 1000);
  seek.style.setProperty("--at", `${share * 100}%`);
  seek.disabled = !sound.canSeek;
  set(seek, "aria-valuetext", fill(words.at, { at: clock(at), length: clock(length) }));
  write(part("elapsed"), clock(at));
  write(part("left"), length ? `−${clock(Math.max(length - at, 0))}` : "");
  write(line, sound.why || sound.waits || clip.line);
  set(line, "title", sound.why);
  line.classList.toggle("is-bad", sound.why !== "");
  button("again").hidden = sound.why === "";
  button("previous").disabled = !hasPrevious;
  button("next").disabled = !hasNext;
  button("link").dataset.copy = momentLink(clip, at);
  set(button("mute"), "aria-pressed", String(audio.muted));
  set(button("mute"), "aria-label", audio.muted ? words.unmute : words.mute);
  volume.value = Math.round((audio.muted ? 0 : audio.volume) * 100);
  volume.style.setProperty("--at", `${volume.value}%`);
  set(button("repeat"), "data-repeat", queue.repeat);
  set(button("repeat"), "aria-label", words[`repeat${queue.repeat[0].toUpperCase()}${queue.repeat.slice(1)}`]);
  playedTo(share);
  mark(share);
}

function name(clip) {
  const now = JSON.stringify(clip);
  if (now === named) return;
  named = now;
  player.hidden = false;
  if (title.textContent !== clip.title || title.getAttribute("href") !== clip.task) {
    title.textContent = clip.title;
    title.href = clip.task;
    htmx.process(title);
  }
  cover.className = `cover cover--s cover--t${clip.tint}`;
  const picture = clip.cover.replace("size=small", "size=large");
  if ((cover.firstElementChild?.getAttribute("src") ?? "") !== picture) {
    cover.replaceChildren(...(picture ? [Object.assign(new Image(44, 44), { src: picture, alt: "" })] : []));
  }
  showNames({ ...clip, cover: picture });
  showWave(clip);
}

const PLACE = ".clip__wave, .clip__line";

// The card of the clip in the player shows it; a swap may have brought a card that does not know.
function mark(share) {
  for (const one of document.querySelectorAll("[data-clip].is-current")) if (one.dataset.clip !== sound.clip.id) unmark(one);
  const card = element(sound.clip.id);
  if (!card) return;
  card.classList.add("is-current");
  card.classList.toggle("is-playing", sound.plays);
  card.classList.toggle("is-loading", sound.waits !== "");
  const play = card.querySelector("[data-play]");
  if (play) set(play, "aria-pressed", String(sound.plays));
  card.querySelector(PLACE)?.style.setProperty("--at", `${share * 100}%`);
}
function unmark(card) {
  card.classList.remove("is-current", "is-playing", "is-loading");
  card.querySelector("[data-play]")?.setAttribute("aria-pressed", "false");
  card.querySelector(PLACE)?.style.removeProperty("--at");
}
