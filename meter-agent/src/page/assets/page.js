"use strict";

// The page follows what happens without being loaded again: it asks for itself, and takes over what has changed.
const main = document.getElementById("main");
const notLive = document.getElementById("not-live");
const PATIENCE_MS = 10_000;

async function follow() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    const now = new DOMParser().parseFromString(text, "text/html").getElementById("main");
    if (now && now.innerHTML !== main.innerHTML) main.replaceChildren(...now.childNodes);
    notLive.hidden = true;
  } catch {
    notLive.hidden = false;
  }
}

if (main.dataset.live) {
  setInterval(follow, 1_000 * Number(main.dataset.live));
  document.addEventListener("visibilitychange", follow);
}
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
