// Shows and hides a form's questions as the server says after each save, and fills in a place from the phone. Without it "Save" does.
"use strict";
document.addEventListener("htmx:afterSwap", () => {
  const now = document.querySelector("[data-asked-now]");
  if (!now) return;
  const shown = new Set(now.dataset.askedNow.split(" "));
  for (const each of document.querySelectorAll("[data-asked]")) each.hidden = !shown.has(each.dataset.asked);
});
for (const field of document.querySelectorAll("input[data-place]")) {
  if (!navigator.geolocation) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet";
  button.textContent = field.dataset.place;
  button.addEventListener("click", () => {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        field.value = coords.latitude.toFixed(6) + ", " + coords.longitude.toFixed(6);
        button.disabled = false;
        field.dispatchEvent(new Event("change", { bubbles: true }));
      },
      () => { button.disabled = false; },
      { enableHighAccuracy: true, timeout: 20000 },
    );
  });
  field.after(button);
}
