// Who presses a button stays there: where its answer takes the focus away, the focus returns to the same place.
"use strict";
(() => {
  const places = new WeakMap();
  const undo = () => Array.from(document.querySelectorAll("#messages .toast__do")).pop();
  const usable = (element) => element?.isConnected && !element.disabled && element.checkVisibility();

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, verb, triggeringEvent } = event.detail.requestConfig;
    if (verb !== "post") return;
    const button = triggeringEvent?.submitter ?? elt.closest("button") ?? document.activeElement;
    places.set(elt, { button, order: button.getAttribute?.("formaction"), card: elt.closest("[id^='task-']")?.id });
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const place = places.get(event.detail.requestConfig.elt);
    // htmx settles a moment after it has swapped.
    if (place) setTimeout(() => comeBack(place), 60);
  });

  function comeBack({ button, order, card }) {
    if (document.activeElement && document.activeElement !== document.body) return;
    const there = card && document.getElementById(card);
    const again = order && Array.from(there?.querySelectorAll(`[formaction="${CSS.escape(order)}"]`) ?? []);
    const choices = [button, ...(again || []), ...(card && !there ? [undo()] : []), there?.querySelector("summary, button"), document.getElementById("main")];
    choices.find(usable)?.focus({ preventScroll: true });
  }
})();
