// Clips as the page shows them, or as the server tells where they are not on it.
import { fill, words } from "./parts.js";

const known = new Map();

export const element = (id) => document.getElementById(`clip-${id}`);
export const cards = (root = document) => Array.from(root.querySelectorAll("[data-clip][data-sound]"));

export function read({ dataset: d }) {
  const clip = {
    id: d.clip, title: d.title, task: d.page, sound: d.sound, stream: d.stream ?? "", line: d.line, number: d.number,
    cover: d.cover ?? "", tint: d.tint, seconds: Number(d.seconds) || 0, peaks: d.peaks ?? "",
  };
  known.set(clip.id, clip);
  return clip;
}

// A clip by what a queue remembers of it; one that neither the page nor an earlier page showed is bare.
export function find(item) {
  const card = element(item.id);
  if (card?.dataset.sound) return read(card);
  const bare = { stream: "", line: "", cover: "", tint: 0, seconds: 0, peaks: "", isBare: true };
  return known.get(item.id) ?? { ...bare, ...item, sound: fill(words.soundAt, item) };
}

// The card as it stands now: the clip, if it can be heard, and what is said about its sound.
export async function ask(id) {
  const here = element(id), large = here?.classList.contains("clip--large");
  const answer = await fetch(fill(words.cardAt, { id }) + (large ? "?large" : ""), { headers: { "HX-Request": "true" } });
  if (answer.headers.has("HX-Redirect")) return { clip: null, why: words.signedOut };
  if (answer.status === 404) return { clip: null, why: words.gone };
  if (!answer.ok) throw new Error(String(answer.status));
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const card = holder.content.querySelector("[data-clip]");
  const found = { clip: card.dataset.sound ? read(card) : null, why: card.querySelector(".clip__says")?.textContent.trim() ?? "" };
  if (here?.isConnected) { Idiomorph.morph(here, card, { morphStyle: "outerHTML" }); htmx.process(element(id)); }
  return found;
}
