// Shows and hides a form's questions and choices while it is answered, saves it again when no answer came, and fills in a place from the
// phone. Without it "Save" does.
"use strict";
for (const script of document.querySelectorAll("script[data-form-rules]")) {
  const page = script.closest("form");
  const rules = JSON.parse(script.textContent);
  const show = () => {
    const answers = formEngine.answersIn(page, rules);
    const found = formEngine.examine(rules, answers);
    const rows = formEngine.rowsShown(rules, answers);
    for (const each of page.querySelectorAll("[data-asked]"))
      each.hidden = !(rows.get(each.dataset.asked) ?? found.shown.has(each.dataset.asked));
    for (const each of page.querySelectorAll("[data-calculated]"))
      each.textContent = formEngine.textOf(found.calculated.get(each.closest("[data-asked]").dataset.asked));
    // What the server said of it already is not said twice.
    for (const each of page.querySelectorAll("[data-invalid]")) {
      const asked = each.closest("[data-asked]");
      each.hidden = !found.invalid.has(asked.dataset.asked) || asked.querySelector(".is-wrong") !== null;
    }
    for (const each of page.querySelectorAll("label.chip, select > option")) {
      const field = each.matches("option") ? each : each.querySelector("input");
      const name = (each.closest("select") ?? field).name;
      // What is chosen stays to be seen, so that it can be taken back.
      each.hidden = found.hidden.has(`${name}=${field.value}`) && !field.checked && !field.selected;
    }
  };
  page.addEventListener("input", show);
  page.addEventListener("change", show);
  show(); // something may have been answered before the scripts had come
}
// What is typed saves itself. Every try is a write of its own and names those that got no answer, so that the server goes on from
// whichever of them arrived all the same: none is lost, none is taken for somebody else's.
for (const page of document.querySelectorAll("form[data-unsaved]")) {
  const MOST_UNANSWERED = 20;
  let unanswered = [];
  let tries = 0;
  let isUnsaved = false;
  let isLapsed = false;
  page.addEventListener("htmx:configRequest", () => {
    unanswered = [...unanswered, page.elements.write_id.value].slice(-MOST_UNANSWERED);
    page.elements.write_id.value = newWriteId();
    page.elements.after.value = unanswered.join(" ");
  });
  page.addEventListener("htmx:beforeRequest", (event) => {
    if (page.dataset.sent) event.preventDefault(); // it is being sent for good
  });
  page.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr.status;
    isUnsaved = !(event.detail.successful || [409, 422].includes(status));
    if (!isUnsaved) {
      unanswered = [];
      tries = 0;
      return;
    }
    const said = document.createElement("p");
    said.className = "fault";
    isLapsed = isSignInAsked(event.detail.xhr);
    if (isLapsed) said.append(signInLink(page.dataset.signIn));
    else said.textContent = isForLater(status) ? page.dataset.unsaved : page.dataset.failed;
    document.querySelector("#saved > p")?.remove();
    document.getElementById("saved").append(said);
    if (!isForLater(status)) return;
    setTimeout(() => page.dispatchEvent(new Event("change")), retryIn(tries));
    tries += 1;
  });
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || !isLapsed || !(await goOnSignedIn())) return;
    isLapsed = false;
    page.dispatchEvent(new Event("change"));
  });
  window.addEventListener("beforeunload", (event) => {
    if (isUnsaved && !page.dataset.sent) event.preventDefault();
  });
  const isTouched = (field) => {
    if (field.type === "radio" || field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((each) => each.defaultSelected));
    return "defaultValue" in field && field.type !== "hidden" && field.value !== field.defaultValue;
  };
  document.body.addEventListener("htmx:load", () => {
    if ([...page.elements].some(isTouched)) page.dispatchEvent(new Event("change"));
  }, { once: true });
}
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
