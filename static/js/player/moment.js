// Links to a moment of a song: /tasks/…/?t=83#clip-…
import { cards, read } from "./clips.js";

export const momentLink = ({ id, task }, seconds) => {
  const whole = Math.floor(seconds);
  return new URL(`${task}${whole ? `?t=${whole}` : ""}#clip-${id}`, location.href).href;
};

// Where this page was opened at, if by such a link; a reload goes on where it was instead.
export function openingMoment() {
  const text = new URLSearchParams(location.search).get("t");
  if (!/^\d{1,6}$/.test(text ?? "") || performance.getEntriesByType("navigation")[0]?.type !== "navigate") return null;
  const named = location.hash.startsWith("#clip-") && document.getElementById(location.hash.slice(1));
  const card = named || cards()[0];
  return card?.dataset.sound ? { clip: read(card), at: Number(text) } : null;
}
