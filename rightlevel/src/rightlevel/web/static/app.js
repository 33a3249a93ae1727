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

// What ails the line or the server is no fault of what was entered: it is sent again, later each time, and not by everybody at once.
const isForLater = (status) => status === 0 || status >= 500 || [408, 425, 429].includes(status);
const retryIn = (tries) => Math.min(60_000, 4000 * 2 ** Math.min(tries, 5)) * (0.75 + Math.random() / 2);

// The session may end while a page is open. What was typed stays on it; whoever signs in again, in another tab, goes on here with the
// new session's token. A page that was made for somebody else gives none.
const isSignInAsked = (xhr) => [401, 403].includes(xhr.status) && xhr.responseText.includes("data-sign-in");
const goOnSignedIn = async () => {
  const mine = document.querySelector('[name="form_owner"]')?.value;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) return false;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const token = page.querySelector('[name="csrf_token"]')?.value;
    if (!token || page.querySelector('[name="form_owner"]')?.value !== mine) return false;
    for (const field of document.querySelectorAll('[name="csrf_token"]')) field.value = token;
    for (const each of document.querySelectorAll("[hx-headers]"))
      each.setAttribute("hx-headers", JSON.stringify({ "x-csrf-token": token }));
    return true;
  } catch {
    return false; // no connection: it is tried again at the next look at the page
  }
};
const signInLink = (text) => {
  const link = document.createElement("a");
  link.href = "/sign-in";
  link.target = "_blank";
  link.textContent = text;
  return link;
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
