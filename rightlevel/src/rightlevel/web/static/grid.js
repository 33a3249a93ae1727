// The class grid: says at each child whether the tap has reached the server, and tries again by itself when it has not.
// Without this file the grid still saves: htmx per child, or "save all" without any script.
(() => {
  "use strict";
  const RETRY_MS = 4000;
  const BUSY = [429, 502, 503, 504];
  const grid = document.querySelector(".grid");
  if (!grid) return;
  const waiting = new Set();
  // Every tap is saved by itself, so the button need not stand in the way of the children.
  document.querySelector(".grid-save")?.classList.add("is-at-end");
  const rowOf = (event) => event.target.closest?.(".grid-row");

  const say = (row, text, kind) => {
    const said = document.createElement("span");
    said.className = kind;
    said.textContent = text;
    row.querySelector(".grid-state").replaceChildren(said);
  };

  const again = (row) => {
    waiting.add(row.id);
    setTimeout(() => {
      const still = document.getElementById(row.id);
      if (still && waiting.delete(row.id)) still.dispatchEvent(new Event("change", { bubbles: true }));
    }, RETRY_MS);
  };

  // Another choice is another write: it must not be taken for a repeat of the one whose answer was lost.
  grid.addEventListener("change", (event) => {
    const row = rowOf(event);
    if (!row || event.target.type !== "radio") return;
    waiting.delete(row.id);
    row.querySelector(".both")?.remove(); // the person has decided
    if (row.dataset.sent && row.dataset.sent !== event.target.value) {
      const id = newWriteId();
      row.querySelector('[name="write_id"]').value = id;
      row.querySelector('[name^="write."]').value = id;
    }
    row.dataset.sent = event.target.value;
  }, true);

  const unsent = (event) => {
    const row = rowOf(event);
    if (!row) return;
    say(row, grid.dataset.unsaved, "bad-text");
    again(row);
  };
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    const row = rowOf(event);
    if (row) say(row, grid.dataset.saving, "mute");
  });
  document.body.addEventListener("htmx:sendError", unsent);
  document.body.addEventListener("htmx:timeout", unsent);
  document.body.addEventListener("htmx:responseError", (event) => {
    const row = rowOf(event);
    if (!row) return;
    say(row, grid.dataset.failed, "bad-text");
    if (BUSY.includes(event.detail.xhr.status)) again(row);
  });
  // What came of the children that are shown, as the page's own sentence counts it: only an assessed child is tested.
  const counted = () => {
    const counts = { tested: 0, absent: 0, refused: 0, left: 0 };
    for (const was of grid.querySelectorAll('[name^="was."]'))
      if (was.value) counts[was.value in counts ? was.value : "tested"] += 1;
    return counts;
  };
  const start = counted();
  document.body.addEventListener("htmx:afterSettle", () => {
    const bar = document.querySelector("#tested progress");
    if (!bar) return;
    const here = counted();
    const enrolled = Number(grid.dataset.enrolled);
    const now = { n: enrolled, to_do: enrolled };
    for (const name of Object.keys(here)) {
      now[name] = Number(grid.dataset[name]) + here[name] - start[name];
      now.to_do -= now[name];
    }
    bar.value = enrolled - now.to_do;
    const words = now.refused || now.left ? grid.dataset.moreWords : grid.dataset.words;
    bar.nextElementSibling.textContent = words.replace(/{(\w+)}/g, (whole, name) => now[name] ?? whole);
  });
  window.addEventListener("beforeunload", (event) => {
    if (waiting.size) event.preventDefault();
  });
  // What was tapped before the scripts had come is as good as any other tap.
  document.body.addEventListener("htmx:load", () => {
    for (const chosen of grid.querySelectorAll("input[type=radio]:checked"))
      if (!chosen.defaultChecked) chosen.dispatchEvent(new Event("change", { bubbles: true }));
  }, { once: true });
})();
