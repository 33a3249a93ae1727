// The guided test on a screen, run from rules that are data (programme/results/guided.py gives them), without a word to the server.
// tests/journeys/test_guided_test.py holds this to the same levels as the server's.
"use strict";
const guidedTest = (() => {
  // Times are taken from a clock that nobody sets: a phone that finds a network sets its own, in the middle of a minute of reading.
  const LONGEST_S = 7200; // what a page that was left open says of a child is not told
  const hasPassed = (step, threshold) =>
    threshold.most_mistakes === null
      ? (step.right ?? 0) >= threshold.needed
      : Boolean(step.is_fluent) && (step.mistakes ?? 0) <= threshold.most_mistakes;

  // Where a test stands after these steps: the task that is asked next, or the level they lead to.
  function standAfter(subject, steps, rules) {
    let onward = { task: rules.first[subject], level: null };
    for (const step of steps) {
      if (onward.task !== step.task) return null;
      const fork = rules.after[step.task];
      onward = hasPassed(step, rules.thresholds[step.task]) ? fork.passed : fork.failed;
    }
    return onward;
  }

  const shownAt = (tool, task, threshold) =>
    tool.content[task === "paragraph_again" ? "paragraph" : task].slice(0, threshold.most_mistakes === null ? threshold.items : 1);

  function make(tag, known = {}, ...inner) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(known)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...inner.flat().filter((each) => each !== null && each !== undefined && each !== false));
    return made;
  }
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  function ladder(about, code) {
    return make("ol", { class: "rungs" }, about.levels.map(([rank, each]) =>
      (about.coloured ?? ((node) => node))(make("li", { class: `on-${rank}`, "aria-current": each === code ? "step" : null }, about.words.level[each]), about.subject, rank)));
  }

  // Runs a test in `place`. `about`: subject, tools, tool, language, languages, rules, words, levels, assent, steps. `reached` is told
  // what came of it: { assent, tool, language, steps, level }.
  function open(place, about, reached) {
    const words = about.words;
    const now = { tool: about.tool, language: about.language, assent: about.assent || null, steps: [...about.steps] };
    // What was chosen on the page before this script came stays chosen.
    for (const each of place.querySelectorAll("select[name=tool], select[name=language]"))
      now[each.name] = each.name === "tool" ? Number(each.value) : each.value;
    let answer = { mistakes: 0, right: new Set() };
    let began = performance.now();
    const toolNow = () => {
      const own = about.tools.filter((each) => each.language === now.language);
      return (own.length ? own : about.tools).find((each) => each.number === now.tool);
    };
    const result = (more) => ({ assent: now.assent, tool: now.tool, tool_id: toolNow().id, language: now.language, steps: now.steps, ...more });

    let ticking = 0;
    const step = (known) => {
      now.steps.push({ took_s: Math.min(LONGEST_S, Math.max(0, Math.round((performance.now() - began) / 1000))), ...known });
      answer = { mistakes: 0, right: new Set() };
      began = performance.now();
      const stands = standAfter(about.subject, now.steps, about.rules);
      if (stands.level) reached(result({ level: stands.level }));
      else show();
    };
    // One step back shows what was tapped there, to be changed.
    const back = () => {
      const last = now.steps.pop();
      if (last === undefined) now.assent = null;
      else answer = {
        mistakes: last.mistakes ?? 0,
        right: new Set((last.items ?? []).flatMap((isRight, number) => (isRight ? [number] : []))),
      };
      began = performance.now();
      show();
    };

    function begin() {
      const pick = (label, name, choices) => make("label", { class: "field" }, label,
        make("select", { name, onchange: (event) => { now[name] = name === "tool" ? Number(event.target.value) : event.target.value; } },
          choices.map(([value, text]) => make("option", { value, selected: value === now[name] }, text))));
      return [
        make("div", { class: "filters once" },
          pick(words.tool, "tool", (about.numbers ?? [1, 2, 3, 4]).map((each) => [each, String(each)])),
          pick(words.tool_language, "language", Object.entries(about.languages))),
        make("h2", { tabindex: -1 }, words.agrees),
        make("p", { class: "answers" },
          make("button", { class: "button", type: "button", onclick: () => { now.assent = true; began = performance.now(); show(); } }, words.yes),
          make("button", { class: "button second", type: "button", onclick: () => { now.assent = false; reached(result({ steps: [], level: null })); } },
            words.refuses)),
      ];
    }

    function text(task, threshold, shown) {
      const count = make("output", { "aria-live": "polite" }, String(answer.mistakes));
      const change = (by) => { answer.mistakes = Math.max(0, answer.mistakes + by); count.value = String(answer.mistakes); };
      const judged = (isFluent) => step({ task, mistakes: answer.mistakes, is_fluent: isFluent });
      return [
        make("p", { class: "shown", lang: now.language }, shown[0].text),
        make("div", { class: "counting", role: "group", "aria-label": words.mistakes }, make("span", {}, words.mistakes),
          make("button", { class: "button second", type: "button", "aria-label": words.fewer, onclick: () => change(-1) }, "−"), count,
          make("button", { class: "button second", type: "button", "aria-label": words.more, onclick: () => change(1) }, "+"),
          make("span", { class: "hint" }, filled(words.most, { most: threshold.most_mistakes }))),
        make("p", { class: "answers" },
          make("button", { class: "button", type: "button", onclick: () => judged(true) }, words.fluent),
          make("button", { class: "button second", type: "button", onclick: () => judged(false) }, words.not_yet)),
      ];
    }

    function items(task, threshold, shown) {
      const told = make("p", { class: "hint", "aria-live": "polite" });
      const tell = () => {
        told.textContent = filled(words.right_so_far, { right: answer.right.size, items: shown.length }) + " · " +
          filled(words.needed, { needed: threshold.needed, items: threshold.items });
      };
      tell();
      const isLong = ["fact_questions", "inference_questions", "word_problem"].includes(task);
      const one = (item, number) => make("label", { class: "shown-item" },
        make("input", { type: "checkbox", checked: answer.right.has(number),
          onchange: (event) => { answer.right[event.target.checked ? "add" : "delete"](number); tell(); } }),
        make("span", { lang: now.language }, item.text, item.answer ? make("small", {}, filled(words.answer, { answer: item.answer })) : null));
      const next = () => {
        const each = shown.map((_, number) => answer.right.has(number));
        step({ task, right: answer.right.size, items: each });
      };
      return [
        make("fieldset", { class: isLong ? "shown-items are-long" : "shown-items" },
          make("legend", { class: "visually-hidden" }, words.task[task]), shown.map(one)),
        told,
        make("p", { class: "answers" }, make("button", { class: "button", type: "button", onclick: next }, words.next)),
      ];
    }

    // A timed subtest: the clock runs from a tap on, what is wrong is tapped, and when the time is over what the child read last.
    function timed(task, threshold, shown) {
      let last = null;
      let took = threshold.seconds;
      const wrong = new Set();
      const said = make("p", { class: "hint", role: "status" }, filled(words.timed, { needed: threshold.needed, seconds: threshold.seconds }));
      const clock = make("p", { class: "clock", role: "timer" }, filled(words.seconds_left, { n: threshold.seconds }));
      const tapped = (number) => {
        if (ticking) wrong[wrong.has(number) ? "delete" : "add"](number);
        else last = number;
        each.forEach((one, at) => {
          one.setAttribute("aria-pressed", String(wrong.has(at)));
          one.classList.toggle("is-after", last !== null && at > last);
        });
        next.disabled = last === null;
      };
      const each = shown.map((item, number) => make("button", { class: "timed-item", type: "button", disabled: true, "aria-pressed": "false", lang: now.language,
        onclick: () => tapped(number) }, item.text));
      const over = () => {
        clearInterval(ticking);
        ticking = 0;
        stop.hidden = true;
      };
      const start = make("button", { class: "button", type: "button", onclick: () => {
        began = performance.now();
        start.hidden = true;
        stop.hidden = false;
        said.textContent = words.tap_wrong;
        for (const one of each) one.disabled = false;
        ticking = setInterval(() => {
          const left = Math.max(0, Math.ceil(threshold.seconds - (performance.now() - began) / 1000));
          clock.textContent = filled(words.seconds_left, { n: left });
          if (left) return;
          over();
          said.textContent = words.time_over;
        }, 200);
      } }, words.start);
      const stop = make("button", { class: "button second", type: "button", hidden: true, onclick: () => {
        took = Math.min(took, Math.max(1, Math.round((performance.now() - began) / 1000)));
        over();
        tapped(shown.length - 1);
      } }, words.stop);
      const next = make("button", { class: "button", type: "button", disabled: true, onclick: () => {
        const items = shown.slice(0, last + 1).map((_, at) => !wrong.has(at));
        step({ task, right: items.filter(Boolean).length, items, took_s: took });
      } }, words.next);
      return [clock, said, make("p", { class: "answers" }, start, stop), make("div", { class: "timed-items" }, each), make("p", { class: "answers" }, next)];
    }

    function show() {
      clearInterval(ticking);
      ticking = 0;
      if (!now.assent) {
        place.replaceChildren(...begin());
        return;
      }
      const { task } = standAfter(about.subject, now.steps, about.rules);
      const threshold = about.rules.thresholds[task];
      const shown = shownAt(toolNow(), task, threshold);
      const heading = make("h2", { tabindex: -1 }, words.task[task]);
      place.replaceChildren(
        make("p", { class: "under" }, filled(words.step, { number: now.steps.length + 1 })),
        heading,
        make("p", {}, words.asks[task]),
        ...(threshold.most_mistakes !== null ? text : threshold.seconds ? timed : items)(task, threshold, shown),
        ladder(about, about.rules.after[task].tests),
        make("p", {}, make("button", { class: "button quiet", type: "button", onclick: back }, words.back)),
      );
      heading.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    show();
    return { back };
  }

  return { hasPassed, standAfter, open, make, filled, ladder };
})();
