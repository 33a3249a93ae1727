// What a form asks, in the page: the walk of programme/forms/engine.py over the rules of programme/forms/page_rules.py, without a word
// to the server. tests/journeys/test_form_engine_in_the_page.py holds the two to the same answers.
"use strict";
const formEngine = (() => {
  const isBlank = (answer) =>
    answer === undefined || answer === null || answer === "" || (typeof answer === "object" && Object.keys(answer).length === 0);
  const isNumber = (value) => typeof value === "number";
  const own = (answers, key) => (Object.prototype.hasOwnProperty.call(answers, key) ? answers[key] : undefined);
  const plain = (value) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]))
      : Array.isArray(value) ? value.map(plain) : value;

  function isSame(one, other) {
    if (one === undefined || one === null || other === undefined || other === null) return false;
    return typeof one === "object" ? JSON.stringify(plain(one)) === JSON.stringify(plain(other)) : one === other;
  }
  const ORDERS = { lt: (a, b) => a < b, le: (a, b) => a <= b, gt: (a, b) => a > b, ge: (a, b) => a >= b };

  // `known` has no prototype but the answers around it, so that a question may be called "constructor".
  function isTrue(expression, known) {
    if (!Array.isArray(expression)) return expression !== false;
    const [operator, ...rest] = expression;
    if (operator === "and") return rest.every((each) => isTrue(each, known));
    if (operator === "or") return rest.some((each) => isTrue(each, known));
    if (operator === "not") return !isTrue(rest[0], known);
    const answer = known[rest[0]];
    if (operator === "answered") return !isBlank(answer);
    if (operator === "has") return Array.isArray(answer) && answer.includes(rest[1]);
    const other = Array.isArray(rest[1]) ? known[rest[1][1]] : rest[1];
    if (operator === "eq" || operator === "ne") return isSame(answer, other) === (operator === "eq");
    return isNumber(answer) && isNumber(other) && ORDERS[operator](answer, other);
  }

  // *Shape*: sets of paths, as `activities.0.minutes`; `hidden` are choices that are not offered, as `materials=abacus`.
  function examine(rules, answers) {
    const found = { shown: new Set(), required: new Set(), missing: new Set(), hidden: new Set() };
    const kept = Object.create(null);
    for (const section of rules.sections) {
      const isShown = isTrue(section.shown_when ?? null, kept);
      if (isShown) found.shown.add(section.key);
      for (const field of section.fields ?? []) look(field, answers, kept, "", isShown, found);
    }
    return found;
  }

  function look(field, given, known, under, isShown, found) {
    const path = under + field.key;
    if (!(isShown && isTrue(field.shown_when ?? null, known))) return;
    found.shown.add(path);
    for (const option of field.options ?? [])
      if (!isTrue(option.shown_when ?? null, known)) found.hidden.add(`${path}=${option.value}`);
    if (field.type === "note") return;
    let answer = own(given, field.key);
    if (field.type === "group") answer = rowsOf(field, answer ?? [], known, path, found);
    if (!isBlank(answer)) known[field.key] = answer;
    if (!field.is_given && (field.required_when ?? null) !== null && isTrue(field.required_when, known)) {
      found.required.add(path);
      if (isBlank(answer)) found.missing.add(path);
    }
  }

  function rowsOf(field, rows, known, path, found) {
    const kept = rows.map((row, number) => {
      const answers = Object.create(known);
      for (const inner of field.fields) look(inner, row, answers, `${path}.${number}.`, true, found);
      return answers;
    });
    return kept.some((answers) => Object.keys(answers).length > 0) ? kept.map((answers) => ({ ...answers })) : [];
  }

  // What the fields of a page hold, as typed_answers.py reads it. What can't be read is no answer: the server says why.
  function answersIn(page, rules) {
    const fields = new FormData(page);
    return { ...rules.given, ...readAll(rules.sections.flatMap((each) => each.fields ?? []), fields, "") };
  }

  // Of each group, the times that are answered and the next. *Shape*: path of a row → whether it is shown.
  function rowsShown(rules, answers) {
    const shown = new Map();
    for (const field of rules.sections.flatMap((each) => each.fields ?? []).filter((each) => each.type === "group")) {
      const rows = answers[field.key];
      const there = rows.reduce((most, row, number) => (Object.values(row).every(isBlank) ? most : number + 1), 0);
      rows.forEach((_, number) => shown.set(`${field.key}.${number}`, number <= there));
    }
    return shown;
  }

  function readAll(questions, fields, under) {
    const answers = {};
    for (const field of questions) {
      const path = under + field.key;
      const answer = field.type === "group"
        ? Array.from({ length: field.repeat ?? 1 }, (_, number) => readAll(field.fields, fields, `${path}.${number}.`))
        : read(field.type, fields, path);
      if (answer !== undefined) answers[field.key] = answer;
    }
    return answers;
  }

  function read(type, fields, path) {
    if (type === "choices" || type === "grades" || type === "levels") return fields.getAll(path).filter((each) => each !== "");
    const typed = (fields.get(type === "signature" ? `${path}.name` : path) ?? "").trim();
    if (typed === "") return undefined;
    if (type === "yes_no" || type === "yes_no_unknown") return typed === "unknown" ? typed : typed === "yes";
    return type === "number" ? numberOf(typed) : typed;
  }

  // Digits of Khmer, Arabic and Devanagari keyboards are digits.
  function numberOf(typed) {
    const found = Number(typed.replace(/[០-៩٠-٩۰-۹०-९]/g, (each) => {
      const code = each.charCodeAt(0);
      return String((code & 15) - (code >= 0x966 && code <= 0x96f ? 6 : 0));
    }).replace(",", "."));
    return Number.isFinite(found) ? found : undefined;
  }

  return { examine, answersIn, rowsShown };
})();
