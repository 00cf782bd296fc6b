// The one sound: which file plays, how far it is, and what is tried when it does not come.
import { audio, kept, keep, store, tell, words } from "./parts.js";

const LOUDNESS = "musicboard.volume", PACE = "musicboard.speed";
const SLOW_AFTER = 300, VERY_SLOW_AFTER = 8000;
let source = "", wasRetried = false, tried = new Set(), wanted = null, plays = false, last = 0, slowSince = 0;

export const isStream = (address) => address.endsWith("?stream");

export const sound = {
  clip: null,
  ask: null, // (id) → { clip, why }: the clip as the server tells it now, set by whoever knows where
  why: "", // it cannot be heard
  get plays() { return plays && !audio.ended; },
  get position() { return wanted ?? audio.currentTime; },
  get length() { return Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : this.clip?.seconds ?? 0; },
  get canSeek() { return audio.readyState === 0 ? !isStream(source) : Number.isFinite(audio.duration); },
  // "" while it comes, otherwise what to say about the waiting.
  get waits() {
    const waiting = slowSince ? performance.now() - slowSince : 0;
    return waiting > VERY_SLOW_AFTER ? words.slow : waiting > SLOW_AFTER ? words.loading : "";
  },

  load(clip, { at = 0, starts = true } = {}) {
    this.clip = clip;
    tried = new Set();
    last = at;
    wasRetried = false;
    open(clip.sound, at, starts);
  },
  play() {
    plays = true;
    for (const other of document.querySelectorAll("audio.clip__native")) other.pause();
    // A browser may want a press first; what goes wrong with the file is told by the audio's own events.
    audio.play().catch((error) => { if (error.name === "NotAllowedError") { plays = false; tell("show"); } });
    tell("show");
  },
  pause() { plays = false; audio.pause(); tell("show"); },
  toggle() { if (this.plays) this.pause(); else this.play(); },
  seek(seconds) {
    const to = Math.max(0, this.length ? Math.min(seconds, this.length) : seconds);
    if (audio.readyState === 0) wanted = to;
    else if (Number.isFinite(audio.duration)) audio.currentTime = to;
    tell("show");
  },
  // The same clip as the page or the server tells it now: a stream moves on to the finished file.
  renew(fresh) {
    const changed = fresh.sound !== this.clip.sound && isStream(source) && !isStream(fresh.sound);
    this.clip = fresh;
    if (changed && !tried.has(fresh.sound)) handOver(fresh.sound);
  },
  // Once more from where it stopped, with whatever the server has now.
  async again() {
    const { id } = this.clip, at = last;
    const answer = await told(id);
    if (this.clip?.id !== id) return;
    if (!answer.clip) { fail(answer.why); return; }
    this.load(answer.clip, { at });
  },

  get speed() { return audio.defaultPlaybackRate; },
  set speed(rate) { audio.defaultPlaybackRate = audio.playbackRate = rate; keep(store, PACE, rate); },
  get volume() { return audio.volume; },
  set volume(share) { audio.volume = share; audio.muted = share === 0; keep(store, LOUDNESS, Math.round(share * 100)); tell("show"); },
};

function open(address, at, starts) {
  source = address;
  tried.add(address);
  wanted = at || null;
  sound.why = "";
  slowSince = 0;
  audio.src = address;
  if (starts) sound.play(); else { plays = false; tell("show"); }
}

// The file is opened beside the stream first, so that nothing is heard of the change.
function handOver(file) {
  tried.add(file);
  const { id } = sound.clip, stream = source, ahead = new Audio();
  const end = () => { ahead.removeAttribute("src"); ahead.load(); };
  Object.assign(ahead, { preload: "auto", muted: true, src: file });
  ahead.addEventListener("loadedmetadata", () => { ahead.currentTime = audio.currentTime; }, { once: true });
  ahead.addEventListener("seeked", () => {
    if (sound.clip?.id === id && source === stream) open(file, audio.currentTime, sound.plays);
    end();
  }, { once: true });
  // The stream goes on; its end or its failure asks again.
  ahead.addEventListener("error", () => tried.delete(file), { once: true });
}

const told = (id) => sound.ask(id).catch(() => ({ clip: null, why: words.lost }));

function fail(why) {
  plays = false;
  slowSince = 0;
  sound.why = why || words.failed;
  tell("failed");
}

audio.addEventListener("error", async () => {
  if (!sound.clip || !audio.hasAttribute("src")) return;
  const { id, stream } = sound.clip, at = last, starts = plays;
  // A stream has no way to a later place.
  if (stream && !tried.has(stream) && at < 3) { open(stream, 0, starts); return; }
  slowSince = slowSince || performance.now();
  const answer = await told(id);
  if (sound.clip?.id !== id) return;
  // What has played before may only have met a gap in the connection.
  const isWorthIt = answer.clip && (!tried.has(answer.clip.sound) || (last > 0 && !wasRetried));
  if (!isWorthIt) { fail(answer.why); return; }
  wasRetried ||= tried.has(answer.clip.sound);
  sound.clip = answer.clip;
  open(answer.clip.sound, at, starts);
});
audio.addEventListener("ended", async () => {
  // A stream may end before its song does.
  if (isStream(source) && sound.clip?.seconds - audio.currentTime > 2) {
    const { id } = sound.clip, at = audio.currentTime, answer = await told(id);
    if (sound.clip?.id === id && answer.clip && !isStream(answer.clip.sound)) { sound.clip = answer.clip; open(answer.clip.sound, at, true); return; }
  }
  plays = false;
  tell("ended");
});
audio.addEventListener("loadedmetadata", () => {
  if (wanted !== null && Number.isFinite(audio.duration)) audio.currentTime = Math.min(wanted, Math.max(audio.duration - 0.2, 0));
  wanted = null;
});
audio.addEventListener("timeupdate", () => { if (audio.currentTime) last = audio.currentTime; });
audio.addEventListener("play", () => { plays = true; });
audio.addEventListener("pause", () => { if (!audio.ended) plays = false; });
for (const name of ["play", "pause", "timeupdate", "durationchange", "seeked", "loadedmetadata", "volumechange"]) audio.addEventListener(name, () => tell("show"));

// Browsers differ in what they tell about a file that does not come: its state says it.
let said = "";
setInterval(() => {
  const waiting = plays && !audio.error && audio.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
  slowSince = waiting ? slowSince || performance.now() : 0;
  if (sound.waits !== said) { said = sound.waits; tell("show"); }
}, 250);

// One sound at a time, in all windows of this site.
const windows = new BroadcastChannel("musicboard.player");
audio.addEventListener("play", () => windows.postMessage("plays"));
windows.addEventListener("message", () => sound.pause());
// Media events do not bubble, but they can be caught on their way down.
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio, video")) if (other !== event.target) other.pause();
}, true);

audio.volume = Math.min(Math.max(kept(store, LOUDNESS, 100) / 100, 0), 1);
audio.defaultPlaybackRate = audio.playbackRate = [0.75, 1, 1.25, 1.5, 1.75, 2].find((rate) => rate === kept(store, PACE, 1)) ?? 1;
