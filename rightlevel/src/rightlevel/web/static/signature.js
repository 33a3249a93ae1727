// A signature drawn with a finger: kept as strokes (M x y L x y …) in a field beside the name, which stands for it where nothing is drawn.
// How much is drawn is bounded as programme/forms/typed_answers.py has it.
"use strict";
const signatures = (() => {
  const [WIDE, HIGH] = [600, 200];
  const MOST = 6000;
  const SHAPE = /^(?:[ML]\d{1,4} \d{1,4})+$/;

  function shown(strokes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    made.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH}`);
    made.setAttribute("class", "drawn");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", SHAPE.test(strokes) ? strokes : "");
    made.append(path);
    return made;
  }

  // Puts a place to sign before the field that holds the strokes.
  function draw(field) {
    if (!window.PointerEvent || field.dataset.isDrawn) return;
    field.dataset.isDrawn = "yes";
    const place = document.createElement("div");
    place.className = "sign-here";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", field.dataset.draw);
    const picture = shown(field.value);
    const path = picture.querySelector("path");
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = field.dataset.draw;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "button quiet";
    again.textContent = field.dataset.again;
    again.hidden = !field.value;
    place.append(picture);
    const point = ({ clientX, clientY }) => {
      const box = place.getBoundingClientRect();
      const within = (part, whole, most) => Math.max(0, Math.min(most, Math.round((part / whole) * most)));
      return `${within(clientX - box.left, box.width, WIDE)} ${within(clientY - box.top, box.height, HIGH)}`;
    };
    let strokes = "";
    let pen = null;
    const add = (mark, event) => {
      const next = `${strokes}${mark}${point(event)}`;
      if (next.length <= MOST) path.setAttribute("d", (strokes = next));
    };
    place.addEventListener("pointerdown", (event) => {
      if (pen !== null) return;
      pen = event.pointerId;
      place.setPointerCapture(pen);
      strokes = field.value;
      add("M", event);
    });
    place.addEventListener("pointermove", (event) => { if (event.pointerId === pen) add("L", event); });
    const changed = (value) => {
      field.value = value;
      again.hidden = !value;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    };
    for (const end of ["pointerup", "pointercancel"]) place.addEventListener(end, (event) => {
      if (event.pointerId !== pen) return;
      pen = null;
      changed(/L/.test(strokes) ? strokes : field.value);
    });
    again.addEventListener("click", () => {
      path.setAttribute("d", "");
      changed("");
    });
    field.before(hint, place, again);
  }

  for (const each of document.querySelectorAll("input[data-draw]")) draw(each);
  return { draw, shown };
})();
