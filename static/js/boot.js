// Runs before the first paint: styles may tell a page with scripts from one without.
document.documentElement.classList.add("js");
// The player's scripts come later than its buttons: a press before them is pressed again when they are there.
{
  let pressed = null;
  const note = ({ target }) => { pressed = target.closest?.("[data-toggle], [data-choose], [data-play], [data-play-all]"); };
  document.addEventListener("click", note);
  document.addEventListener("player:ready", () => {
    document.removeEventListener("click", note);
    if (pressed?.isConnected) pressed.click();
  }, { once: true });
}
