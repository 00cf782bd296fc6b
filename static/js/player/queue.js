// What plays after what. Kept in the browser, for each person apart: ids and titles, nothing a provider said.
import { keep, kept, tell, words } from "./parts.js";

const KEY = `musicboard.queue.${words.person}`, MOST = 500;
const REPEATS = ["off", "all", "one"];
const slim = ({ id, title, task, number }) => ({ id, title, task, number });

const before = kept(localStorage, KEY, {});
let items = (Array.isArray(before.items) ? before.items : []).filter((one) => /^[0-9a-f-]{36}$/.test(one?.id) && one.task?.startsWith?.("/")).map(slim);

export const queue = {
  isOwn: before.isOwn === true, // made by hand: playing another card does not replace it
  repeat: REPEATS.includes(before.repeat) ? before.repeat : "off",
  get items() { return items; },
  has: (id) => items.some((one) => one.id === id),

  set(clips, { isOwn = false } = {}) {
    const ids = new Set();
    items = clips.map(slim).filter((one) => !ids.has(one.id) && ids.add(one.id)).slice(0, MOST);
    this.isOwn = isOwn;
    changed();
  },
  // How many came in; what is there already stays where it is.
  add(clips) {
    const fresh = clips.filter((one) => !this.has(one.id)).slice(0, MOST - items.length);
    items = [...items, ...fresh.map(slim)];
    this.isOwn = true;
    changed();
    return fresh.length;
  },
  insert(clip, { after, isOwn = this.isOwn }) {
    items = items.toSpliced(items.findIndex((one) => one.id === after) + 1, 0, slim(clip)).slice(0, MOST);
    this.isOwn = isOwn;
    changed();
  },
  move(id, to) {
    const from = items.findIndex((one) => one.id === id);
    if (from < 0 || to < 0 || to >= items.length) return;
    items = items.toSpliced(from, 1).toSpliced(to, 0, items[from]);
    this.isOwn = true;
    changed();
  },
  remove(id) {
    items = items.filter((one) => one.id !== id);
    this.isOwn = items.length > 0;
    changed();
  },
  clear() { items = []; this.isOwn = false; changed(); },
  turn() { this.repeat = REPEATS[(REPEATS.indexOf(this.repeat) + 1) % REPEATS.length]; changed(); },

  // The one `by` places on from `id`; from a clip that is not in the queue, its beginning.
  beside(id, by, { wraps = this.repeat === "all", list = items } = {}) {
    const here = list.findIndex((one) => one.id === id);
    if (here < 0) return by > 0 ? list[0] : undefined;
    return list[here + by] ?? (wraps && list.length > 1 ? list.at((here + by) % list.length) : undefined);
  },
  forget() { items = []; try { localStorage.removeItem(KEY); } catch { /* nothing kept */ } },
};

function changed() {
  keep(localStorage, KEY, { items, isOwn: queue.isOwn, repeat: queue.repeat });
  tell("queue");
  tell("show");
}
