// Runs before the first paint: styles may tell a page with scripts from one without.
document.documentElement.classList.add("js");
