// Runs the guided test in its page; the level that it leads to is confirmed and saved on a page of the server. Without this file each step
// is a page.
"use strict";
for (const script of document.querySelectorAll("script[data-guided-test]")) {
  const about = JSON.parse(script.textContent);
  const place = script.parentElement;
  guidedTest.open(place, about, ({ assent, tool, language, steps }) => {
    const query = new URLSearchParams({ tool, language, assent: assent ? "yes" : "no" });
    if (steps.length) query.set("steps", JSON.stringify(steps));
    location.assign(`${about.address}?${query}`);
  });
}
