// The lock screen and the media keys.
import { player } from "./parts.js";
import { sound } from "./sound.js";

const session = navigator.mediaSession;

export function setUpMediaSession(orders) {
  if (!session) return;
  for (const [name, order] of Object.entries(orders)) {
    try { session.setActionHandler(name, order); } catch { /* not known to this browser */ }
  }
  player.addEventListener("player:show", showState);
}

export function showNames({ title, line, cover }) {
  if (!session) return;
  const artwork = cover ? [{ src: new URL(cover, location.href).href }] : [];
  session.metadata = new MediaMetadata({ title, artist: line, album: "musicboard", artwork });
}

function showState() {
  if (!sound.clip) return;
  session.playbackState = sound.plays ? "playing" : "paused";
  const { length: duration, position, speed: playbackRate } = sound;
  if (sound.canSeek && duration) session.setPositionState?.({ duration, position: Math.min(position, duration), playbackRate });
}
