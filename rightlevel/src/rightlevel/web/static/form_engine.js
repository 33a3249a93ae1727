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
  const isDay = (value) => typeof value === "string" && /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value);
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
    const other = Array.isArray(rest[1]) ? known[rest[1][0] === "today" ? "today()" : rest[1][1]] : rest[1];
    if (operator === "eq" || operator === "ne") return isSame(answer, other) === (operator === "eq");
    const areOrdered = (isNumber(answer) && isNumber(other)) || (isDay(answer) && isDay(other));
    return areOrdered && ORDERS[operator](answer, other);
  }

  // Calculations as programme/forms/calculation.py makes them; tests/programme/forms/calculations.json holds the two to the same values.
  const ARITHMETIC = { add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b };
  const MOST = 1e15;
  const DECIMALS_BELOW = 1e9;

  function calculate(calculation, known) {
    const found = valueOf(calculation, known);
    return isNumber(found) ? settled(found) : found;
  }

  function valueOf(calculation, known) {
    if (!Array.isArray(calculation)) return calculation;
    const [operator, ...rest] = calculation;
    if (operator === "answer") return known[rest[0]];
    if (operator === "if") return valueOf(isTrue(rest[0], known) ? rest[1] : rest[2], known);
    const values = rest.map((each) => valueOf(each, known));
    if (operator === "concat") return [...values.map(textOf).join("")].slice(0, 500).join("") || undefined;
    const [one, other] = values.map(asNumber);
    if (one === undefined || other === undefined || (operator === "div" && other === 0)) return undefined;
    const made = ARITHMETIC[operator](one, other);
    return Math.abs(made) < MOST ? made : undefined;
  }

  function asNumber(value) {
    if (isNumber(value)) return value;
    return typeof value === "string" && /^-?[0-9]{1,15}(?:\.[0-9]{1,15})?$/.test(value) ? Number(value) : undefined;
  }

  function settled(number) {
    if (!Number.isFinite(number) || Math.abs(number) >= MOST) return undefined;
    const scale = Math.abs(number) < DECIMALS_BELOW ? 1000000 : 1;
    return Math.floor(number * scale + 0.5) / scale + 0;
  }

  function textOf(value) {
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (isNumber(value)) {
      const found = settled(value);
      if (found === undefined) return "";
      return Number.isInteger(found) ? String(found) : found.toFixed(6).replace(/0+$/, "");
    }
    if (Array.isArray(value)) return value.filter((each) => typeof each === "string").join(" ");
    return typeof value === "string" ? value : "";
  }

  // Only patterns that a browser reads as the server does come here; what it can't read after all is the server's to say.
  function fits(pattern, answer) {
    try {
      return typeof answer !== "string" || new RegExp(pattern, "u").test(answer);
    } catch {
      return true;
    }
  }

  // *Shape*: sets of paths, as `activities.0.minutes`; `invalid` are answers that don't fit; `calculated` a map of values; `hidden` are choices that are not offered, as `materials=abacus`.
  function examine(rules, answers) {
    const found = { shown: new Set(), required: new Set(), missing: new Set(), hidden: new Set(), invalid: new Set(), calculated: new Map() };
    const kept = Object.create(rules.today === undefined ? null : Object.assign(Object.create(null), { "today()": rules.today }));
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
    if (field.type === "calculated") found.calculated.set(path, (answer = calculate(field.calculation, known)));
    if (!isBlank(answer)) {
      known[field.key] = answer;
      if ((field.pattern && !fits(field.pattern, answer)) || !isTrue(field.valid_when ?? null, known)) found.invalid.add(path);
    }
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
    if (type === "calculated") return undefined;
    if (type === "choices" || type === "grades" || type === "levels") return fields.getAll(path).filter((each) => each !== "");
    const typed = (fields.get(type === "signature" ? `${path}.name` : path) ?? "").trim();
    if (type === "signature") {
      const strokes = fields.get(`${path}.strokes`) || "";
      return typed || strokes ? { ...(typed ? { name: typed } : {}), ...(strokes ? { strokes } : {}) } : undefined;
    }
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

  return { examine, answersIn, rowsShown, textOf };
})();
