// The queue as a list: play, move, remove, clear; by buttons, and by dragging too.
import { announce, button, fill, part, player, set, words } from "./parts.js";
import { queue } from "./queue.js";
import { sound } from "./sound.js";

const panel = document.getElementById("queue"), list = panel.querySelector("ol"), row = panel.querySelector("template");
const orders = {
  up: (id, at) => move(id, at - 1),
  down: (id, at) => move(id, at + 1),
  remove(id, at) {
    queue.remove(id);
    const next = list.children[Math.min(at, list.children.length - 1)];
    (next?.querySelector('[data-queue-do="remove"]') ?? panel.querySelector("[data-queue-close]")).focus();
  },
};
let dragged = "";

export function setUpPanel(play) {
  panel.addEventListener("click", (event) => {
    const order = event.target.closest("[data-queue-do]")?.dataset.queueDo;
    const line = event.target.closest("li");
    if (order === "clear") { queue.clear(); panel.querySelector("[data-queue-close]").focus(); return; }
    if (!order || !line) return;
    if (order === "play") play({ id: line.dataset.id });
    else orders[order](line.dataset.id, Array.from(list.children).indexOf(line));
  });
  list.addEventListener("dragstart", (event) => { dragged = event.target.closest("li")?.dataset.id ?? ""; event.dataTransfer.effectAllowed = "move"; });
  list.addEventListener("dragover", (event) => { if (dragged) event.preventDefault(); });
  list.addEventListener("drop", (event) => {
    const line = event.target.closest("li");
    if (dragged && line) { event.preventDefault(); queue.move(dragged, Array.from(list.children).indexOf(line)); }
    dragged = "";
  });
  panel.addEventListener("toggle", (event) => { if (event.newState === "open") { render(); list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" }); } });
  player.addEventListener("player:queue", render);
  player.addEventListener("player:show", markCurrent);
  render();
}

function move(id, to) {
  const order = to < Array.from(list.children).findIndex((one) => one.dataset.id === id) ? "up" : "down";
  queue.move(id, to);
  const line = list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  const same = line.querySelector(`[data-queue-do="${order}"]`);
  (same.disabled ? line.querySelector(`[data-queue-do="${order === "up" ? "down" : "up"}"]`) : same).focus();
  announce(fill(words.place, { title: line.dataset.title, place: to + 1, count: queue.items.length }));
}

function render() {
  const { items } = queue;
  const count = part("count");
  count.textContent = items.length || "";
  set(button("queue"), "aria-label", fill(words.queue, { count: items.length }));
  panel.classList.toggle("is-empty", items.length === 0);
  list.replaceChildren(...items.map((item, at) => {
    const line = row.content.cloneNode(true).firstElementChild;
    Object.assign(line.dataset, { id: item.id, title: item.title });
    const play = line.querySelector('[data-queue-do="play"]');
    play.querySelector("span").textContent = item.title;
    play.querySelector("small").textContent = item.number ?? "";
    for (const one of line.querySelectorAll("[data-label]")) one.setAttribute("aria-label", fill(one.dataset.label, item));
    line.querySelector('[data-queue-do="up"]').disabled = at === 0;
    line.querySelector('[data-queue-do="down"]').disabled = at === items.length - 1;
    return line;
  }));
  markCurrent();
}

function markCurrent() {
  for (const line of list.children) {
    const isCurrent = line.dataset.id === sound.clip?.id;
    if (isCurrent) set(line, "aria-current", "true"); else line.removeAttribute("aria-current");
  }
}
