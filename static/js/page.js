// What every page needs: menus that close, messages that go, copying, keys of the board, the marked place in the rail.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // A swap never closes what a person has opened.
  if (window.Idiomorph) {
    const { callbacks } = Idiomorph.defaults;
    callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details, dialog"));
  }

  // Menus
  const closeMenus = (except) => all("[data-menu][open]").forEach((menu) => { if (menu !== except) menu.open = false; });
  document.addEventListener("click", (event) => {
    const menu = event.target.closest("[data-menu]");
    closeMenus(menu);
    if (!menu || !event.target.closest(".menu__item") || event.target.closest("[data-copy]")) return;
    const had = menu.contains(document.activeElement);
    menu.open = false;
    if (had) menu.querySelector("summary").focus();
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && (event.target.closest("[data-menu][open]") || document.querySelector("[data-menu][open]"));
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // Keys
  document.addEventListener("keydown", (event) => {
    const text = event.target.closest?.("[data-track-text]");
    if (!text || event.key !== "Enter" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || (!event.shiftKey && !text.value.includes("\n"))) {
      event.preventDefault();
      text.form.requestSubmit();
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
  });

  // Filters that are not set do not stand in the address.
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.detail.elt.closest("#filters")) return;
    for (const [name, value] of Array.from(event.detail.formData)) if (value === "") event.detail.formData.delete(name);
  });

  // An answer that comes after the text was tracked tells of nothing that still stands there.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "preview" && !document.getElementById("ids").value) event.detail.shouldSwap = false;
  });

  // Copying
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await copy(button.dataset.copy);
    const word = button.querySelector("[data-copy-word]");
    const before = word?.textContent;
    button.classList.add("is-copied");
    if (word) word.textContent = button.dataset.copied;
    announce(button.dataset.copied);
    setTimeout(() => { button.classList.remove("is-copied"); if (word) word.textContent = before; }, 1600);
  });
  async function copy(text) {
    // The clipboard needs https or localhost; elsewhere the old way still works.
    if (navigator.clipboard) {
      try { await navigator.clipboard.writeText(text); return; } catch { /* refused: the old way */ }
    }
    const field = Object.assign(document.createElement("textarea"), { value: text });
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const announce = (words) => { document.getElementById("announcer").textContent = words; };

  // Messages: good news goes by itself, unless somebody is reading or about to press a button in it.
  const GOES_AFTER = 9000;
  const watched = new WeakSet();
  function watch() {
    all("[data-toast]").forEach((toast) => {
      if (watched.has(toast)) return;
      watched.add(toast);
      if (toast.matches(".toast--error, .toast--warning")) return;
      const go = () => { if (toast.matches(":hover, :focus-within")) setTimeout(go, 2000); else toast.remove(); };
      setTimeout(go, GOES_AFTER);
    });
  }
  document.addEventListener("click", (event) => event.target.closest("[data-toast-close]")?.closest("[data-toast]").remove());

  // The last card of a page has gone: what is left to show or to say comes from the server.
  let filling = false;
  async function fill() {
    const results = document.querySelector("#tasks #results");
    if (filling || !results || results.querySelector(".task, .empty")) return;
    filling = true;
    try { await htmx.ajax("GET", location.href, { target: "#tasks", select: "#tasks", swap: "morph" }); } catch { /* tried again below */ }
    setTimeout(() => { filling = false; }, 2000);
  }
  document.addEventListener("htmx:afterSettle", fill);
  document.addEventListener("htmx:afterRequest", () => setTimeout(fill, 50));

  // The rail and the player stand outside what is swapped.
  function mark() {
    all("[data-place]").forEach((link) => {
      const here = link.dataset.place.split(",").some((place) => place === "/" ? location.pathname === "/" : location.pathname.startsWith(place));
      if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    });
  }
  for (const name of ["htmx:afterSettle", "htmx:historyRestore"]) document.addEventListener(name, () => { mark(); watch(); });
  document.addEventListener("htmx:afterSwap", watch);
  // After a visit the keyboard goes on from the new page's beginning.
  document.addEventListener("htmx:afterSettle", (event) => {
    const asked = event.detail.requestConfig;
    if (asked?.boosted && asked.verb === "get" && document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
  });
  document.addEventListener("DOMContentLoaded", watch);
  watch();
})();
