// The class grid: says at each child whether the tap has reached the server, and tries again by itself when it has not.
// Without this file the grid still saves: htmx per child, or "save all" without any script.
(() => {
  "use strict";
  const grid = document.querySelector(".grid");
  if (!grid) return;
  const waiting = new Set();
  const tries = new Map();
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
    const before = tries.get(row.id) ?? 0;
    tries.set(row.id, before + 1);
    setTimeout(() => {
      const still = document.getElementById(row.id);
      if (still && waiting.delete(row.id)) still.dispatchEvent(new Event("change", { bubbles: true }));
    }, retryIn(before));
  };

  // Another choice is another write: it must not be taken for a repeat of the one whose answer was lost.
  grid.addEventListener("change", (event) => {
    const row = rowOf(event);
    if (!row || event.target.type !== "radio") return;
    waiting.delete(row.id);
    row.querySelector(".both")?.remove(); // the person has decided
    if (row.dataset.sent && row.dataset.sent !== event.target.value)
      row.querySelector('[name^="write."]').value = newWriteId();
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
  // Taps that came when nobody was signed in any more; they are sent when somebody is.
  const lapsed = new Set();
  document.body.addEventListener("htmx:responseError", (event) => {
    const row = rowOf(event);
    if (!row) return;
    if (isSignInAsked(event.detail.xhr)) {
      lapsed.add(row.id);
      row.querySelector(".grid-state").replaceChildren(signInLink(grid.dataset.signIn));
      return;
    }
    if (isForLater(event.detail.xhr.status)) unsent(event);
    else say(row, grid.dataset.failed, "bad-text");
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const row = rowOf(event);
    if (row && event.detail.xhr.status < 300) tries.delete(row.id);
  });
  // How far testing is: what the page came with, and what the children on it have become since.
  const parts = [...document.querySelectorAll("#tested [data-part]")];
  const countHere = () => {
    const counts = { tested: 0, absent: 0, refused: 0, left: 0, to_do: 0 };
    for (const was of grid.querySelectorAll('[name^="was."]'))
      counts[was.value in counts ? was.value : was.value ? "tested" : "to_do"] += 1;
    return counts;
  };
  const start = countHere();
  document.body.addEventListener("htmx:afterSettle", () => {
    const here = countHere();
    let withResult = 0;
    for (const part of parts) {
      const name = part.dataset.part, now = Number(part.dataset.count) + here[name] - start[name];
      part.textContent = part.dataset.words.replace("{n}", now) + ", ";
      part.hidden = now === 0 && (name === "refused" || name === "left");
      if (name !== "to_do") withResult += now;
    }
    const bar = document.querySelector("#tested progress");
    if (bar) bar.value = withResult;
  });
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || !lapsed.size || !(await goOnSignedIn())) return;
    for (const id of [...lapsed]) {
      lapsed.delete(id);
      document.getElementById(id)?.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
  window.addEventListener("beforeunload", (event) => {
    if (waiting.size || lapsed.size) event.preventDefault();
  });
  // What was tapped before the scripts had come is as good as any other tap.
  document.body.addEventListener("htmx:load", () => {
    for (const chosen of grid.querySelectorAll("input[type=radio]:checked"))
      if (!chosen.defaultChecked) chosen.dispatchEvent(new Event("change", { bubbles: true }));
  }, { once: true });
})();
