// Children without a network: those to be tested again, a new one, and the groups. What is kept and sent is phone.js's.
"use strict";
const phoneChildren = (phone) => {
  const { words, make, filled, title, say, button, show, number, dayText, field, pick, choices } = phone;
  const OTHERS = ["absent", "refused"];

  // Testing again: the first level is not on this phone, and comes only with the answer to the second.
  const retestItem = (row) => phone.lastItem(`retest ${row.result_id}`);
  function retestState(row) {
    const item = retestItem(row);
    if (item) return item.state === "waiting" ? `${phone.nameOf(row.subject, item.body.level ?? item.body.outcome)} ✓ ${words.on_phone}` : words.to_look_at;
    if (!row.done) return words.to_do_word;
    return row.done.code === "agreed" ? filled(words.agreed, { level: words.level[row.subject][row.done.level] })
      : filled(words.disagreed, { first: words.level[row.subject][row.done.first_level], level: words.level[row.subject][row.done.level] });
  }
  const toRetest = () => phone.pack.retests.filter((each) => !each.done && !retestItem(each));
  function section() {
    const rows = phone.pack.retests;
    if (!rows.length) return null;
    return make("section", { class: "panel" }, make("h2", {}, words.test_again), make("a", { class: "link-row", href: "#retests" }, make("b", {}, words.children_again),
      make("small", {}, `${phone.counted(words.to_do, toRetest().length)}, ${phone.counted(words.of, rows.length)}`)));
  }
  function retests() {
    show(title(words.test_again, words.blind_hint, ""), phone.notice(), phone.pack.schools.map((school) => {
      const rows = phone.pack.retests.filter((each) => each.school_id === school.id);
      return rows.length ? make("section", { class: "panel" }, make("h2", {}, school.name), rows.map((row) =>
        make("a", { class: "link-row", href: `#retest/${row.id}` }, make("span", {}, make("b", {}, row.name), " ",
          make("span", { class: "mute small" }, `${row.code} · ${phone.gradeName(row.grade)} · ${words.subject[row.subject]}`)), make("small", {}, retestState(row))))) : null;
    }));
  }
  function retest(id) {
    const row = phone.pack.retests.find((each) => each.id === id);
    if (!row) return phone.home();
    const item = retestItem(row);
    const head = title(row.name, `${row.code} · ${phone.gradeName(row.grade)} · ${words.subject[row.subject]}`, "retests", words.test_again);
    if (row.done || (item?.isTried && item.state === "waiting")) return show(head, say(retestState(row), "good"));
    const tools = [1, 2, 3, 4].filter((each) => each !== row.first_tool);
    const fault = phone.fault();
    const save = (known, target) => phone.kept(fault, () => phone.keep("retest", {
      id: phoneStore.newId(), result_id: row.result_id, student_id: row.student_id, subject: row.subject, ...known,
    }), () => {
      const next = toRetest().find((each) => each.school_id === row.school_id);
      phone.go(next ? `retest/${next.id}` : "retests", `${filled(words.child_of_level, { name: row.name, level: phone.nameOf(row.subject, known.level ?? known.outcome) })} ✓ ${words.on_phone}`);
    }, target);
    const place = make("div", { class: "guided" });
    const form = make("form", { class: "form", onsubmit: (event) => {
      event.preventDefault();
      const sent = new FormData(form);
      const choice = sent.get("level");
      if (!choice) {
        fault.hidden = false;
        fault.textContent = words.fill_in;
        return;
      }
      const isOther = OTHERS.includes(choice);
      save({ tested_on: sent.get("day"), outcome: isOther ? choice : "assessed", level: isOther ? null : choice, tool: isOther ? null : Number(sent.get("tool")) }, event.submitter);
    } },
    make("div", { class: "filters once" }, field(words.date_of_test, "day", { type: "date", value: item?.body.tested_on ?? phone.today(), min: row.first_tested_on, max: phone.today() }),
      pick(words.tool, "tool", tools.map((each) => [each, number.format(each)]), item?.body.tool ?? tools[0])),
    make("p", {}, button(words.run_test, () => {
      form.hidden = true;
      const own = phone.pack.tools.filter((each) => each.subject === row.subject);
      const about = { ...phone.guidedAbout(row.subject, own), tool: Number(form.elements.tool.value), numbers: tools };
      guidedTest.open(place, about, (came) => {
        place.replaceChildren();
        form.hidden = false;
        form.elements.tool.value = String(came.tool);
        for (const each of form.querySelectorAll("[name=level]")) each.checked = each.value === (came.level ?? "refused");
        form.querySelector("[name=level]:checked")?.focus();
      });
    }, "second")),
    choices(words.level_now, "level", [...words.levels[row.subject].map(([, code]) => [code, words.level[row.subject][code]]), ...OTHERS.map((each) => [each, words.other[each]])],
      item ? item.body.level ?? item.body.outcome : ""), fault, make("button", { class: "button" }, words.save));
    show(head, phone.notice(), phone.due(row.school_id, row.subject), item?.state === "refused" ? say(phone.reasonOf(item), "bad") : null,
      row.first_tool ? make("p", { class: "mute" }, filled(words.other_tool, { tool: number.format(row.first_tool) })) : null, place, form);
  }

  // A new child -------------------------------------------------------------------------------------------------------------------
  // The next code after the largest one of this school's own kind.
  function nextCode(children) {
    const kinds = new Map();
    for (const { code } of children) {
      const [, prefix, digits] = /^(.*?)([0-9]{1,9})$/.exec(code) ?? [];
      if (digits === undefined) continue;
      const known = kinds.get(prefix) ?? { count: 0, most: 0, length: 0 };
      kinds.set(prefix, { count: known.count + 1, most: Math.max(known.most, Number(digits)), length: Math.max(known.length, digits.length) });
    }
    const [usual] = [...kinds].sort(([, one], [, other]) => other.count - one.count);
    return usual ? usual[0] + String(usual[1].most + 1).padStart(usual[1].length, "0") : "1";
  }
  const folded = (name) => name.normalize("NFC").trim().replace(/\s+/g, " ").toLowerCase();
  function child(schoolId) {
    const school = phone.pack.schools.find((each) => each.id === Number(schoolId));
    if (!school || !phone.pack.may.child) return phone.home();
    const there = phone.children().filter((each) => each.school_id === school.id);
    const classes = phone.classesOf(school).filter((each) => each.class_id);
    const own = [...new Map(classes.map((each) => [each.class_id, each])).values()];
    const fault = phone.fault();
    let isToldTwice = "";
    const form = make("form", { class: "form", onsubmit: async (event) => {
      event.preventDefault();
      const sent = new FormData(form);
      const [code, name] = [sent.get("code").trim(), sent.get("name").trim().replace(/\s+/g, " ")];
      const inClass = own.find((each) => each.class_id === Number(sent.get("class_id")));
      const grade = inClass?.grade ?? Number(sent.get("grade"));
      const same = there.find((each) => folded(each.name) === folded(name));
      const wrong = !code || !name || !sent.get("sex") || !grade ? words.fill_in
        : there.some((each) => each.code === code) ? words.code_taken
          : same && isToldTwice !== name ? filled(words.same_name, { name: same.name, code: same.code }) : "";
      isToldTwice = same ? name : "";
      fault.hidden = !wrong;
      fault.textContent = wrong;
      if (wrong) return;
      const id = phoneStore.newId();
      await phone.kept(fault, () => phone.keep("student", { id, school_id: school.id, code, name, sex: Number(sent.get("sex")), grade, class_id: inClass?.class_id ?? null }),
        () => phone.go(phone.pack.round?.state === "open" && school.subjects.length ? `test/${id}/${school.subjects[0]}` : "", `${name} ✓ ${words.on_phone}`), event.submitter);
    } },
    field(words.code, "code", { value: nextCode(there), maxlength: 40, required: true }),
    field(words.name, "name", { maxlength: 200, required: true }),
    choices(words.sex, "sex", [["1", words.boy], ["2", words.girl]], ""),
    own.length ? pick(words.class_word, "class_id", [["", words.no_class], ...own.map((each) => [each.class_id, phone.className(each)])], own[0].class_id) : null,
    choices(words.grade_word, "grade", phone.pack.grades.map((each) => [String(each), number.format(each)]), String(own[0]?.grade ?? "")), fault,
    make("button", { class: "button" }, words.save_child));
    const grades = form.querySelector("#f-grade");
    const follow = () => { grades.hidden = Boolean(form.elements.class_id?.value); };
    form.addEventListener("change", follow);
    show(title(words.add_child, school.name, ""), form);
    follow();
  }

  // Groups ------------------------------------------------------------------------------------------------------------------------
  const moveItem = (childId, subject) => phone.lastItem(`move ${childId} ${subject}`);
  const groupsOf = (schoolId, subject) => phone.pack.groups.filter((each) => each.school_id === schoolId && each.subject === subject);
  // Who is where, with the moves that were made here.
  function membersOf(group, groups) {
    const everybody = groups.flatMap((each) => each.members.map((member) => ({ ...member, from: each.id })));
    return everybody.map((member) => {
      const item = moveItem(member.student_id, group.subject);
      return { ...member, item, at: item && item.state === "waiting" ? item.body.to_group : member.from };
    }).filter((each) => each.at === group.id);
  }
  const links = (school) => school.subjects.filter((subject) => groupsOf(school.id, subject).length).map((subject) =>
    make("a", { class: "link-row", href: `#groups/${school.id}/${subject}` }, make("span", {}, make("b", {}, words.groups), " ", words.subject[subject]),
      make("small", {}, number.format(groupsOf(school.id, subject).length))));
  function groups(schoolId, subject) {
    const school = phone.pack.schools.find((each) => each.id === Number(schoolId));
    const own = school ? groupsOf(school.id, subject) : [];
    if (!own.length) return phone.home();
    const moved = async (member, to, row) => {
      const fault = phone.fault();
      row.append(fault);
      await phone.kept(fault, () => phone.keep("move", { id: phoneStore.newId(), student_id: member.student_id, subject, from_group: member.at, to_group: to }),
        () => phone.go(`groups/${schoolId}/${subject}`, `${member.name} ✓ ${words.on_phone}`));
    };
    show(title(`${words.groups} · ${words.subject[subject]}`, school.name, ""), phone.notice(), phone.pack.retests.some((each) => each.school_id === school.id && each.subject === subject) ? say(words.hidden) : null, own.map((group) => make("section", { class: "panel" },
      make("h2", {}, phone.groupName(group)), make("p", { class: "mute" }, group.teacher_name ?? ""),
      make("p", {}, make("a", { class: "button second", href: `#checks/${group.id}` }, words.quick)),
      make("ul", { class: "list" }, membersOf(group, own).map((member) => {
        const row = make("li", { class: "member" }, make("p", {}, make("b", {}, member.name), " ",
          make("span", { class: "mute small" }, member.level ? words.level[subject][member.level] : "")),
        member.item ? make("p", { class: member.item.state === "waiting" ? "good-text" : "bad-text" }, member.item.state === "waiting" ? `✓ ${words.on_phone}` : phone.reasonOf(member.item)) : null);
        if (phone.pack.may.group && own.length > 1)
          row.append(make("label", { class: "field" }, words.move_to, make("select", { "aria-label": `${member.name}: ${words.move_to}`, onchange: (event) => moved(member, Number(event.target.value), row) },
            make("option", { value: "" }, "–"), own.filter((each) => each.id !== group.id).map((each) => make("option", { value: each.id }, phone.groupName(each))))));
        return row;
      })))));
  }

  // Quick re-tests of a group: a tap a child, kept before it is told; what they suggest for the groups the server says.
  const checkItem = (member, subject, day) => phone.lastItem(`check ${member.student_id} ${subject} ${day}`);
  function checks(groupId) {
    const group = phone.pack.groups.find((each) => each.id === Number(groupId));
    if (!group) return phone.home();
    const own = groupsOf(group.school_id, group.subject);
    const day = make("input", { id: "f-checked", type: "date", value: phone.today(), max: phone.today(), required: true, onchange: () => fill() });
    const place = make("div", { class: "grid" });
    const row = (member) => {
      const item = checkItem(member, group.subject, day.value);
      const isThere = !item && member.checked_on === day.value;
      const chosen = item?.body.level ?? (isThere ? member.level : null);
      const told = make("span", { class: `grid-state ${item && item.state !== "waiting" ? "bad-text" : item || isThere ? "good-text" : "mute"}`, "aria-live": "polite" },
        item ? (item.state === "waiting" ? `✓ ${words.on_phone}` : phone.reasonOf(item)) : isThere ? `✓ ${words.on_server}` : member.level ? words.level[group.subject][member.level] : "");
      const made = make("div", { class: "grid-row", role: "group", "aria-label": member.name, onchange: async ({ target }) => {
        phone.saving(told);
        try {
          await phone.keep("check", {
            id: phoneStore.newId(), student_id: member.student_id, subject: group.subject, level: target.value, checked_on: day.value, version: null,
          });
          made.replaceWith(row(member));
        } catch (error) {
          if (!(error instanceof NotKept)) throw error;
          told.className = "grid-state bad-text";
          told.textContent = error.why === "full" ? words.not_kept_full : words.not_kept;
          for (const each of made.querySelectorAll("input")) each.checked = each.value === chosen;
        }
      } },
      make("div", { class: "grid-head" }, make("p", {}, make("span", { class: "grid-name" }, member.name)), make("div", { class: "grid-answer" }, told)),
      make("fieldset", { class: "choices", "aria-label": member.name }, words.levels[group.subject].map(([rank, code]) => phone.coloured(make("label", { class: `choice on-${rank}` },
        make("input", { type: "radio", name: `check-${member.student_id}`, value: code, checked: code === chosen, "aria-label": words.level[group.subject][code] }),
        make("span", {}, words.short[group.subject][code] ?? words.level[group.subject][code])), group.subject, rank))));
      return made;
    };
    const fill = () => place.replaceChildren(...membersOf(group, own).map(row));
    fill();
    show(title(words.quick, phone.groupName(group), `groups/${group.school_id}/${group.subject}`, words.groups), make("p", { class: "mute" }, words.quick_hint),
      make("div", { class: "filters once" }, make("label", { class: "field" }, words.date_of_test, day)), place);
  }

  const screens = { retests, retest, child, groups, checks };
  return { screens, section, links, holds: new Set([retest, child, groups, checks]) };
};
