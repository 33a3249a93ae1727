// What pages do beyond plain HTML; nothing is lost without it.
"use strict";

// A UUID also where crypto.randomUUID is missing: on plain http in a school's own network.
const newWriteId = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
};

// A form that is on its way says so and isn't sent twice (the write id would make the second harmless anyway).
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  if (event.submitter) event.submitter.setAttribute("aria-busy", "true");
});
// Coming back with the browser's own button shows a kept page: its forms may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
  for (const busy of document.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
  const faults = document.getElementById("faults");
  if (faults) (document.querySelector("[aria-invalid=true]:not([type=hidden])") ?? faults).focus();
});
document.addEventListener("click", (event) => {
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) {
    const field = document.getElementById(reveal.dataset.reveal);
    const isHidden = field.type === "password";
    field.type = isHidden ? "text" : "password";
    reveal.setAttribute("aria-pressed", String(isHidden));
  }
  for (const open of document.querySelectorAll(".more details[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll(".more details[open]")) open.open = false;
});
document.addEventListener("DOMContentLoaded", () => {
  for (const hidden of document.querySelectorAll("[data-needs-script]")) hidden.hidden = false;
});
