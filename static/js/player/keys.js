// Keys for the player; off while somebody types, and when a modifier is pressed.
const TYPING = "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]";
const PRESSED_BY_SPACE = "button, a, summary, input:not([type=range])";
const MOVED_BY_ARROWS = "input";

export function setUpKeys({ always, withSound }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    const at = event.target instanceof Element ? event.target : document.body;
    if (at.closest(`${TYPING}, dialog, audio, [data-menu][open]`)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === " " && at.closest(PRESSED_BY_SPACE)) return;
    if (key.startsWith("Arrow") && at.closest(MOVED_BY_ARROWS)) return;
    const act = always[key] ?? withSound(key);
    if (act) { event.preventDefault(); act(); }
  });
}
