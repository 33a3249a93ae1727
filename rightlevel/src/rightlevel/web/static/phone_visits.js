// Visits without a network: the form of programme/forms shown from its definition, kept on the phone after every change, and finished there.
// What it asks when is form_engine.js's; what is kept and sent is phone.js's.
"use strict";
const phoneVisits = (phone) => {
  const { words, make, filled, title, say, button, show, number, dayText, field, pick, choices } = phone;
  const language = document.documentElement.lang;
  const AFTER_MS = 400; // typing goes together
  const MOST_PHOTOS = 5;
  const LONGEST_SIDE = 1600;
  const MANY = ["choices", "grades", "levels"];
  const labelOf = (labels, otherwise = "") => labels?.[language] || labels?.en || Object.values(labels ?? {})[0] || otherwise;
  const isBlank = (answer) => answer === undefined || answer === null || answer === "" || (typeof answer === "object" && !Object.keys(answer).length);

  // A visit as this phone has it: what was entered here, else what was there when the pack came.
  function visitOf(id) {
    const item = phone.lastItem(`visit ${id}`);
    const there = phone.pack.visits.find((each) => each.id === id);
    return item ? { ...item.body, id, state: item.body.submit ? "submitted" : "draft", item } : there ?? null;
  }
  const all = () => [...new Set([...phone.items.filter((each) => each.kind === "visit").map((each) => each.body.visit_id), ...phone.pack.visits.map((each) => each.id)])]
    .map(visitOf).sort((one, other) => other.visited_on.localeCompare(one.visited_on));
  const schoolOf = (id) => phone.pack.schools.find((each) => each.id === id);
  function stateOf({ item, state }) {
    if (item && item.state !== "waiting") return words.to_look_at;
    return [state === "submitted" ? words.finished : words.draft, item ? words.on_phone : words.on_server].join(" · ");
  }
  const nameOf = (visit) => `${schoolOf(visit.school_id)?.name ?? ""} · ${words.subject[visit.subject]} · ${dayText(visit.visited_on)}`;

  function section() {
    if (!phone.pack.may.visit) return null;
    return make("section", { class: "panel" }, make("h2", {}, words.visits), all().map((each) =>
      make("a", { class: "link-row", href: `#visit/${each.id}` }, make("b", {}, nameOf(each)), make("small", {}, stateOf(each)))),
    make("p", { class: "acts" }, make("a", { class: "button second", href: "#visit-new" }, words.new_visit)));
  }

  function begin() {
    const schools = phone.pack.schools.filter((each) => each.subjects.length);
    const place = make("div");
    const school = make("select", { id: "f-school", onchange: () => fill() }, schools.map((each) => make("option", { value: each.id }, each.name)));
    const fault = phone.fault();
    function fill() {
      const { subjects, teachers } = schools.find((each) => each.id === Number(school.value));
      place.replaceChildren(
        choices(words.subject_word, "subject", subjects.map((each) => [each, words.subject[each]]), subjects[0]),
        field(words.day, "visited_on", { type: "date", value: phone.today(), max: phone.today(), required: true }),
        pick(words.teacher, "teacher_id", [["", "–"], ...teachers.map((each) => [each.id, each.name])], ""));
    }
    if (!schools.length) return show(title(words.new_visit, null, ""), say(words.no_classes));
    fill();
    show(title(words.new_visit, null, ""), make("form", { class: "form", onsubmit: async (event) => {
      event.preventDefault();
      const sent = new FormData(event.target);
      const id = phoneStore.newId();
      await phone.kept(fault, () => phone.keep("visit", {
        visit_id: id, school_id: Number(school.value), subject: sent.get("subject"), visited_on: sent.get("visited_on"),
        teacher_id: Number(sent.get("teacher_id")) || null, answers: {}, version: 0, submit: false, form_version_id: phone.pack.forms[0].id, after: [],
      }), () => phone.go(`visit/${id}`));
    } }, make("div", { class: "field" }, make("label", { for: "f-school" }, words.school), school), place, fault,
    make("button", { class: "button" }, words.begin)));
  }

  // One question as the definition has it, with its answer.
  function question(each, path, answer) {
    const text = labelOf(each.labels, each.key);
    const hint = labelOf(each.hints);
    const mark = each.required_when === undefined || each.required_when === null;
    const around = (...inner) => make("div", { "data-asked": path, "data-type": each.type }, inner,
      make("p", { class: "fault", role: "alert", hidden: true, "data-fault": path }));
    const radios = (options, value) => around(choices(text, path, mark ? [...options, ["", words.no_answer]] : options, value, hint));
    const truth = (value) => (value === true ? "yes" : value === false ? "no" : value ?? "");
    const typed = (known, value = answer ?? "") => around(field(text, path, { value, hint, ...known }));
    const options = (each.options ?? []).map((option) => [option.value, labelOf(option.labels, option.value)]);
    switch (each.type) {
      case "note": return around(make("p", { class: "mute" }, text));
      case "calculated": return around(make("p", { class: "mute" }, `${text}: `, make("output", {}, formEngine.textOf(answer ?? null))));
      case "yes_no": return radios([["yes", words.yes], ["no", words.no]], truth(answer));
      case "yes_no_unknown": return radios([["yes", words.yes], ["no", words.no], ["unknown", words.unknown]], truth(answer));
      case "choice": return options.length > 6 ? around(pick(text, path, [["", "–"], ...options], answer ?? "", hint)) : radios(options, answer ?? "");
      case "choices": case "grades": case "levels": return around(choices(text, path, options, answer ?? [], hint, "checkbox"));
      case "long_text": return around(field(text, path, { value: answer ?? "", hint, maxlength: each.max_length ?? 2000, isLong: true }));
      case "number": return typed({ inputmode: each.digits ? "decimal" : "numeric", maxlength: 20 });
      case "date": case "time": return typed({ type: each.type });
      case "gps": return around(place(text, path, answer, hint));
      case "signature": {
        // What an earlier version of this page kept is the name alone.
        const strokes = make("input", { type: "hidden", name: `${path}.strokes`, value: answer?.strokes ?? "", "data-draw": words.sign_here, "data-again": words.draw_again });
        const made = around(field(text, `${path}.name`, { value: (typeof answer === "string" ? answer : answer?.name) ?? "", hint: hint || words.signature_hint, maxlength: 120 }), strokes);
        signatures.draw(strokes);
        return made;
      }
      case "group": return make("div", { "data-asked": path }, Array.from({ length: each.repeat ?? 1 }, (_, row) =>
        make("fieldset", { class: "panel", "data-asked": `${path}.${row}` }, make("legend", {}, `${text} ${number.format(row + 1)}`),
          asked(each.fields, `${path}.${row}.`, answer?.[row] ?? {}))));
      default: return typed({ maxlength: each.max_length ?? 500 });
    }
  }
  const isShownHere = (each) => !each.is_given && each.type !== "photo" && Object.keys(each.labels ?? {}).length > 0;
  const asked = (fields, under, answers) => fields.filter(isShownHere).map((each) => question(each, under + each.key, answers[each.key]));
  function place(text, path, answer, hint) {
    const made = field(text, path, { value: answer ? `${answer.lat}, ${answer.lon}` : "", hint: hint || words.place_hint, maxlength: 60 });
    const input = made.querySelector("input");
    if (navigator.geolocation) made.append(button(words.take_place, (event) => {
      const { target } = event;
      target.disabled = true;
      navigator.geolocation.getCurrentPosition(({ coords }) => {
        input.value = `${coords.latitude.toFixed(6)}, ${coords.longitude.toFixed(6)}`;
        target.disabled = false;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }, () => { target.disabled = false; }, { enableHighAccuracy: true, timeout: 20000 });
    }, "quiet"));
    return made;
  }

  const fieldsOf = (definition) => definition.sections.flatMap((each) => each.fields ?? []);
  function rulesOf(form, visit) {
    const about = { visit_day: visit.visited_on, school: visit.school_id, teacher: visit.teacher_id, subject: visit.subject };
    const given = fieldsOf(form.definition).filter((each) => each.is_given && !isBlank(about[each.key])).map((each) => [each.key, about[each.key]]);
    const photos = fieldsOf(form.definition).filter((each) => each.type === "photo" && !isBlank(visit.answers[each.key])).map((each) => [each.key, visit.answers[each.key]]);
    return { ...form.rules, today: phone.today(), given: Object.fromEntries([...given, ...photos]) };
  }

  // What does not fit a question whatever the others say: a number that is none, or out of its bounds. The rest the server says.
  function misfits(form, page, answers) {
    const typed = new FormData(page);
    const found = new Map();
    const look = (fields, under, own) => {
      for (const each of fields) {
        const path = under + each.key;
        if (each.type === "group") (own[each.key] ?? []).forEach((row, at) => look(each.fields, `${path}.${at}.`, row));
        else if (each.type === "number" || MANY.includes(each.type)) {
          const text = each.type === "number" ? String(typed.get(path) ?? "").trim() : "";
          const bound = (of) => (Array.isArray(of) ? own[of[1]] ?? answers[of[1]] : of);
          const value = each.type === "number" ? own[each.key] : own[each.key]?.length || undefined;
          const [least, most] = [bound(each.min), bound(each.max)];
          if (text && value === undefined) found.set(path, words.a_number);
          else if (value === undefined) continue;
          else if (each.type === "number" && !each.digits && !Number.isInteger(value)) found.set(path, words.a_number);
          else if (typeof least === "number" && value < least) found.set(path, filled(words.at_least, { least: number.format(least) }));
          else if (typeof most === "number" && value > most) found.set(path, filled(words.at_most, { most: number.format(most) }));
        }
      }
    };
    look(fieldsOf(form.definition), "", answers);
    return found;
  }

  function visit(id) {
    const known = visitOf(id);
    if (!known) return phone.home();
    const form = phone.pack.forms.find((each) => each.id === known.form_version_id);
    const head = title(schoolOf(known.school_id)?.name ?? "", `${words.subject[known.subject]} · ${dayText(known.visited_on)}`, "");
    if (!form) return show(head, say(words.form_missing, "warn"));
    if (known.item && known.item.state === "conflict") return show(head, say(words.visit_differs, "warn"), phone.oneWaiting(known.item));
    if (known.state === "submitted" && !(known.item && known.item.state === "refused"))
      return show(head, say(known.item ? words.finished_here : words.finished_there, "good"), photos(known), followUps(known),
        known.item ? make("p", { class: "acts" }, button(words.change_again, async () => {
          await phone.keep("visit", () => ({ ...bodyOf(visitOf(id)), submit: false }));
          visit(id);
        }, "second")) : null);
    const rules = rulesOf(form, known);
    const given = new Set(fieldsOf(form.definition).filter((each) => each.is_given).map((each) => each.key));
    const told = make("p", { class: "mute small", role: "status" }, stateOf(known));
    const page = make("form", { class: "form visit-form", autocomplete: "off", novalidate: true });
    const teachers = schoolOf(known.school_id)?.teachers ?? [];
    page.append(
      field(words.day, "visited_on", { type: "date", value: known.visited_on, max: phone.today() }),
      pick(words.teacher, "teacher_id", [["", "–"], ...teachers.map((each) => [each.id, each.name])], known.teacher_id ?? ""),
      ...form.definition.sections.filter((each) => (each.fields ?? []).some(isShownHere)).map((each) => make("section", { class: "panel", "data-asked": each.key },
        make("h2", {}, labelOf(each.labels, each.key)), asked(each.fields, "", known.answers))));
    const answersNow = () => formEngine.answersIn(page, rules);
    const show_ = () => {
      const answers = answersNow();
      const found = formEngine.examine(rules, answers);
      const rows = formEngine.rowsShown(rules, answers);
      for (const each of page.querySelectorAll("[data-asked]")) each.hidden = !(rows.get(each.dataset.asked) ?? found.shown.has(each.dataset.asked));
      for (const each of page.querySelectorAll("output")) each.textContent = formEngine.textOf(found.calculated.get(each.closest("[data-asked]").dataset.asked) ?? null);
      for (const each of page.querySelectorAll(".chip, select > option")) {
        const input = each.matches("option") ? each : each.querySelector("input");
        each.hidden = found.hidden.has(`${(each.closest("select") ?? input).name}=${input.value}`) && !input.checked && !input.selected;
      }
      mark(new Map([...misfits(form, page, answers), ...[...found.invalid].map((path) => [path, words.does_not_fit])]));
      return { answers, found };
    };
    const mark = (faults) => {
      for (const each of page.querySelectorAll("[data-fault]")) {
        const said = faults.get(each.dataset.fault) ?? "";
        each.hidden = !said;
        each.textContent = said;
      }
    };
    // What is kept is what was answered; what the visit itself says (its day, its school) is not sent twice.
    const kept = (answers) => Object.fromEntries(Object.entries(answers).filter(([key]) => !given.has(key)).map(([key, answer]) =>
      [key, Array.isArray(answer) && answer.some((row) => row && typeof row === "object") ? answer.filter((row) => !Object.values(row).every(isBlank)) : answer]));
    let timer = 0;
    let isChanged = false;
    const save = async (submit = false) => {
      clearTimeout(timer);
      isChanged = false;
      const answers = kept(answersNow());
      const about = { visited_on: page.elements.visited_on.value || known.visited_on, teacher_id: Number(page.elements.teacher_id.value) || null };
      await phone.keep("visit", () => ({ ...bodyOf(visitOf(id)), ...about, answers, submit }));
    };
    const saveAndTell = async () => {
      try {
        await save();
        if (isChanged) return; // and is saved in its turn
        told.className = "mute small";
        told.textContent = stateOf(visitOf(id));
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        isChanged = true;
        told.className = "fault";
        told.textContent = error.why === "full" ? words.not_kept_full : words.not_kept_form;
      }
    };
    page.addEventListener("submit", (event) => event.preventDefault());
    for (const each of ["input", "change"]) page.addEventListener(each, () => {
      show_();
      isChanged = true;
      told.className = "mute small";
      if (told.textContent !== words.saving) told.textContent = words.saving;
      clearTimeout(timer);
      timer = setTimeout(saveAndTell, AFTER_MS);
    });
    const tellAnew = () => {
      const now = visitOf(id);
      if (isChanged || !now) return;
      told.className = now.item?.state === "refused" ? "fault" : "mute small";
      told.textContent = now.item?.state === "refused" ? phone.reasonOf(now.item) : stateOf(now);
    };
    const finish = async (event) => {
      const { answers, found } = show_();
      const open = new Map([...[...found.missing].map((path) => [path, words.fill_in]), ...misfits(form, page, answers), ...[...found.invalid].map((path) => [path, words.does_not_fit])]);
      const shown = new Map([...open].filter(([path]) => found.shown.has(path)));
      mark(shown);
      if (shown.size) {
        const first = [...page.querySelectorAll("[data-fault]")].find((each) => !each.hidden);
        told.className = "fault";
        told.textContent = filled(words.open_questions, { n: number.format(shown.size) });
        first?.closest("[data-asked]").querySelector("input, select, textarea")?.focus();
        first?.scrollIntoView({ block: "center" });
        return;
      }
      await phone.kept(told, () => save(true), () => phone.go("", words.finished_here), event.target);
    };
    const refusal = known.item?.state === "refused" ? say(phone.reasonOf(known.item), "bad") : null;
    phone.leaving(() => (isChanged ? saveAndTell() : null), tellAnew);
    show(head, refusal, page, photos(known), followUps(known), make("div", { id: "saved" }, told), make("p", { class: "acts" }, button(words.finish, finish), make("a", { class: "button quiet", href: "#" }, words.later)));
    show_();
  }
  const bodyOf = (visit) => ({
    visit_id: visit.id, school_id: visit.school_id, subject: visit.subject, visited_on: visit.visited_on, teacher_id: visit.teacher_id, answers: visit.answers,
    version: visit.version, submit: visit.state === "submitted", form_version_id: visit.form_version_id, after: visit.after ?? [],
  });

  // Photos ------------------------------------------------------------------------------------------------------------------------
  // Made small here: a network that is there for a minute takes a visit along with its photos. Where it was taken is not in it any more.
  async function shrunk(file) {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    const made = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.8); });
    return new Uint8Array(await made.arrayBuffer());
  }
  function photos(known) {
    const mine = phone.items.filter((each) => each.kind === "photo" && each.body.visit_id === known.id);
    const sent = phone.pack.visits.find((each) => each.id === known.id)?.photos ?? 0;
    const fault = phone.fault();
    const input = make("input", { type: "file", accept: "image/jpeg,image/png,image/webp", id: "f-photo", onchange: async () => {
      const [file] = input.files;
      if (!file) return;
      let content;
      try {
        content = await shrunk(file);
      } catch {
        fault.hidden = false;
        fault.textContent = words.no_picture;
        return;
      }
      await phone.kept(fault, () => phone.keep("photo", { id: phoneStore.newId(), visit_id: known.id, content: phoneStore.text64(content) }),
        () => place_.replaceWith(photos(known)));
    } });
    const place_ = make("section", { class: "panel", id: "photos" }, make("h2", {}, words.photos),
      mine.length + sent ? make("p", {}, [mine.length ? `${number.format(mine.length)} ${words.on_phone}` : "", sent ? `${number.format(sent)} ${words.on_server}` : ""].filter(Boolean).join(" · "))
        : make("p", { class: "mute" }, words.none),
      mine.length + sent < MOST_PHOTOS ? make("div", { class: "field" }, make("label", { for: "f-photo" }, words.add_photo), input) : null, fault);
    return place_;
  }

  // What was agreed: of a visit, and for the owner of this phone -------------------------------------------------------------------
  function followUps(known) {
    const mine = phone.items.filter((each) => each.kind === "follow_up" && each.body.visit_id === known.id);
    const fault = phone.fault();
    const teachers = schoolOf(known.school_id)?.teachers ?? [];
    const owners = [...teachers, ...(teachers.some((each) => each.id === phone.pack.person_id) ? [] : [{ id: phone.pack.person_id, name: phone.pack.display_name }])];
    const form = make("form", { class: "form", onsubmit: async (event) => {
      event.preventDefault();
      const sent = new FormData(form);
      const text = sent.get("follow_words").trim();
      fault.hidden = Boolean(text && sent.get("due_on"));
      fault.textContent = words.fill_in;
      if (!fault.hidden) return;
      await phone.kept(fault, () => phone.keep("follow_up", { id: phoneStore.newId(), visit_id: known.id, owner_id: Number(sent.get("owner_id")), due_on: sent.get("due_on"),
        words: text, school_name: schoolOf(known.school_id)?.name ?? "" }), () => section_.replaceWith(followUps(known)), event.submitter);
    } },
    field(words.follow_what, "follow_words", { maxlength: 500, isLong: true }), pick(words.follow_who, "owner_id", owners.map((each) => [each.id, each.name]), owners[0].id),
    field(words.follow_until, "due_on", { type: "date", min: phone.today() }), fault, make("button", { class: "button second" }, words.follow_add));
    const section_ = make("section", { class: "panel", id: "follow-ups" }, make("h2", {}, words.follow_ups),
      mine.length ? make("ul", { class: "list" }, mine.map((each) => make("li", {}, each.body.words, make("div", { class: "mute small" },
        `${owners.find((one) => one.id === each.body.owner_id)?.name ?? ""} · ${dayText(each.body.due_on)} · ${each.state === "waiting" ? words.on_phone : phone.reasonOf(each)}`)))) : null,
      make("details", {}, make("summary", {}, words.follow_add), form));
    return section_;
  }
  const endingOf = (id) => phone.lastItem(`ending ${id}`);
  function agreed() {
    const open = phone.pack.follow_ups.filter((each) => !endingOf(each.id));
    if (!phone.pack.follow_ups.length) return null;
    return make("section", { class: "panel" }, make("h2", {}, words.follow_ups), make("a", { class: "link-row", href: "#agreed" }, make("b", {}, words.follow_mine),
      make("small", {}, phone.counted(words.to_do, open.length))));
  }
  function agreedList() {
    show(title(words.follow_mine, null, ""), phone.notice(), phone.pack.follow_ups.length ? null : make("p", { class: "empty" }, words.none), make("ul", { class: "list panel" }, phone.pack.follow_ups.map((each) => {
      const item = endingOf(each.id);
      const fault = phone.fault();
      const text = field(words.follow_how, `how-${each.id}`, { maxlength: 500 });
      const end = (state) => (event) => {
        const said = text.querySelector("input").value.trim();
        fault.hidden = Boolean(said);
        fault.textContent = words.fill_in;
        if (said) phone.kept(fault, () => phone.keep("ending", { id: phoneStore.newId(), follow_up_id: each.id, version: each.version, state, words: said, about: each.words }),
          () => phone.go("agreed", `${each.words} ✓ ${words.on_phone}`), event.target);
      };
      return make("li", {}, make("p", {}, make("b", {}, each.words)), make("p", { class: "mute small" }, `${each.school_name} · ${dayText(each.due_on)}`),
        item ? make("p", { class: item.state === "waiting" ? "good-text" : "bad-text" }, item.state === "waiting" ? `✓ ${words.on_phone}` : phone.reasonOf(item))
          : make("details", {}, make("summary", {}, words.follow_close), text, fault, make("p", { class: "acts" }, button(words.follow_done, end("done"), "second"),
            button(words.follow_given_up, end("cancelled"), "quiet"))));
    })));
  }

  // What two say of one visit: the questions that are answered otherwise.
  function differences({ body, answer: { current } }) {
    const form = phone.pack.forms.find((each) => each.id === body.form_version_id);
    const text = (each, answer) => {
      if (isBlank(answer)) return "–";
      const option = (value) => labelOf((each.options ?? []).find((one) => one.value === value)?.labels, String(value));
      if (typeof answer === "boolean") return answer ? words.yes : words.no;
      if (answer === "unknown") return words.unknown;
      if (Array.isArray(answer)) return each.type === "group" ? number.format(answer.length) : answer.map(option).join(", ");
      if (typeof answer === "object") return answer.name ?? `${answer.lat}, ${answer.lon}`;
      return option(answer);
    };
    const found = body.visited_on === current.visited_on ? [] : [[words.day, dayText(current.visited_on), dayText(body.visited_on)]];
    for (const each of form ? fieldsOf(form.definition).filter(isShownHere) : []) {
      const [theirs, mine] = [current.answers[each.key], body.answers[each.key]];
      if (JSON.stringify(theirs ?? null) !== JSON.stringify(mine ?? null) && !(isBlank(theirs) && isBlank(mine)))
        found.push([labelOf(each.labels, each.key), text(each, theirs), text(each, mine)]);
    }
    return found;
  }

  const screens = { "visit-new": begin, visit, agreed: agreedList };
  return { screens, section, agreed, nameOf, visitOf, differences, holds: new Set([begin, visit, agreedList]) };
};
