// The player's elements and words, and the small things that its parts share.
export const player = document.getElementById("player");
export const audio = player.querySelector("audio");
export const words = player.dataset;
export const part = (name) => player.querySelector(`[data-player-${name}]`);
export const button = (name) => player.querySelector(`[data-player-do="${name}"]`);

// What happens to the sound is told on the player itself: "player:show", "player:ended", "player:failed".
export const tell = (name) => player.dispatchEvent(new Event(`player:${name}`));
export const announce = (text) => { document.getElementById("announcer").textContent = text; };
// For the eye too; the messages are a region that is read aloud.
export function say(text) {
  const toast = document.createElement("div"), line = document.createElement("p");
  toast.className = "toast";
  line.className = "toast__text";
  line.textContent = text;
  toast.append(line);
  document.getElementById("messages").append(toast);
  setTimeout(() => toast.remove(), 4000);
}

export const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
export const write = (place, text) => { if (place.textContent !== text) place.textContent = text; };
export const set = (place, name, value) => { if (place.getAttribute(name) !== value) place.setAttribute(name, value); };

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0)), hours = Math.floor(whole / 3600);
  const rest = `${String(Math.floor(whole / 60) % 60).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${rest}` : rest;
}

// A frame of another site may not even look at it.
export const store = (() => { try { return localStorage; } catch { return null; } })();
// What a browser keeps may be closed to us, full, or spoiled: the player works without it.
export function kept(storage, key, otherwise) {
  try { return JSON.parse(storage.getItem(key)) ?? otherwise; } catch { return otherwise; }
}
export function keep(storage, key, value) {
  try { storage.setItem(key, JSON.stringify(value)); } catch { /* not kept, then */ }
}
