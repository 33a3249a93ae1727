// Sends what waits on a phone, in order, each under the id it was made with; what was sent and not answered is sent again. Nothing leaves
// the outbox but by the server's word that it is saved, or by a person's. This file knows neither page nor store.
"use strict";
const phoneOutbox = (() => {
  const BATCH = 50;
  const MOST_UNANSWERED = 20; // as programme/visits/model.py has it
  const BUSY = new Set([408, 425, 429]);
  const isBusy = (status) => status >= 500 || BUSY.has(status); // what ails the server is no entry's fault
  const AGAIN = new Set(["round_sealing"]); // refused for a moment only

  // What each kind of item is: what it is about (a second one about the same is an update of it), how it is sent, how its answer is known
  // for one of ours, and what must be there before it can go.
  const KINDS = {
    result: {
      key: (body) => `${body.student_id} ${body.round_id} ${body.subject}`,
      many: (writes) => ({ path: "/api/v1/results/batch", body: { writes } }),
      saved: ["saved", "changed"], child: true,
    },
    retest: {
      key: (body) => body.result_id, fields: ["id", "result_id", "tested_on", "outcome", "level", "tool"],
      many: (retests) => ({ path: "/api/v1/verifications/retests", body: { retests } }),
      saved: ["agreed", "disagreed", "missed"], marks: true,
    },
    check: {
      key: (body) => `${body.student_id} ${body.subject} ${body.checked_on}`,
      many: (writes) => ({ path: "/api/v1/level-checks", body: { writes } }),
      saved: ["saved", "changed"], child: true,
    },
    session: { key: (body) => `${body.group_id} ${body.held_on}`, path: () => "/api/v1/teaching-sessions", version: (answer) => answer.session_id && answer.version },
    student: {
      key: (body) => body.id, fields: ["id", "school_id", "code", "name", "sex", "grade", "class_id"], path: () => "/api/v1/students",
      version: (answer) => answer.id && answer.version,
    },
    move: {
      key: (body) => `${body.student_id} ${body.subject}`, fields: ["student_id", "from_group", "to_group"], path: () => "/api/v1/group-moves",
      version: (answer) => answer.id && answer.version, isKeyed: true, child: true,
    },
    visit: {
      key: (body) => body.visit_id, fields: ["school_id", "subject", "visited_on", "answers", "teacher_id", "version", "submit", "form_version_id", "after"],
      method: "PUT", path: (body) => `/api/v1/visits/${body.visit_id}`, version: (answer) => answer.visit?.version, marks: true,
    },
    photo: {
      key: (body) => body.id, path: (body) => `/api/v1/visits/${body.visit_id}/photos`, version: (answer) => answer.id && 1, isFile: true, visit: true,
    },
    follow_up: {
      key: (body) => body.id, fields: ["id", "owner_id", "due_on", "words"], path: (body) => `/api/v1/visits/${body.visit_id}/follow-ups`,
      version: (answer) => answer.id && answer.version, visit: true,
    },
    ending: {
      key: (body) => body.follow_up_id, fields: ["version", "state", "words"], path: (body) => `/api/v1/follow-ups/${body.follow_up_id}/close`,
      version: (answer) => answer.id && answer.version, isKeyed: true,
    },
  };
  const keyOf = ({ kind, body }) => `${kind} ${KINDS[kind].key(body)}`;

  // How a new item joins: behind the one about the same that still waits, or in the place of one that was refused. A visit saves itself
  // again and again: what was never sent is written over, and what may have arrived is named, so that the server goes on from it.
  function joined(items, item) {
    const before = items.filter((each) => keyOf(each) === keyOf(item)).at(-1);
    if (!before) return { keep: item, gone: [] };
    if (before.state !== "waiting") {
      const version = before.answer?.current?.version ?? before.body.version;
      return { keep: { ...item, after: before.after ?? null, body: { ...item.body, version: version ?? null } }, gone: [before.id] };
    }
    if (item.kind === "visit") {
      const after = [...(before.body.after ?? []), ...(before.isTried ? [before.id] : [])].slice(-MOST_UNANSWERED);
      return { keep: { ...item, at: before.at, body: { ...item.body, after, version: before.body.version } }, gone: [before.id] };
    }
    if (item.kind === "retest" && !before.isTried) return { keep: item, gone: [before.id] };
    return { keep: { ...item, after: before.id }, gone: [] };
  }

  // What must be answered first: the child that was added here, the visit of a photo, what was entered about the same before.
  function heldIn(items) {
    const ids = new Set(items.map((each) => each.id));
    const of = (kind, name) => new Set(items.filter((each) => each.kind === kind).map((each) => each.body[name]));
    const children = of("student", "id");
    const visits = of("visit", "visit_id");
    return ({ kind, after, body }) => (after && ids.has(after)) || (KINDS[kind].child && children.has(body.student_id)) ||
      (KINDS[kind].visit && visits.has(body.visit_id));
  }

  // The next request: results go many at once, everything else by itself. What another window entered behind something that is done by now
  // is an update of what is there: `versionOf` knows it.
  function next(everything, versionOf = () => null) {
    const ids = new Set(everything.map((each) => each.id));
    const items = everything.map((each) => (each.after && !ids.has(each.after)
      ? { ...each, after: null, body: { ...each.body, version: versionOf(each) ?? each.body.version } } : each));
    const isHeld = heldIn(items);
    const isReady = (each) => each.state === "waiting" && !isHeld(each);
    const first = items.find(isReady);
    if (!first) return null;
    const { many, method = "POST", path, isKeyed, isFile } = KINDS[first.kind];
    if (!many) return { method, path: path(first.body), body: bodyOf(first), items: [first], isFile, key: isKeyed ? first.id : null };
    const some = items.filter((each) => each.kind === first.kind && isReady(each)).slice(0, BATCH);
    return { method, ...many(some.map(bodyOf)), items: some };
  }
  // What is sent of an item; what the phone knows of it besides stays here.
  function bodyOf({ kind, id, body }) {
    const { fields } = KINDS[kind];
    const sent = fields ? Object.fromEntries(fields.filter((name) => body[name] !== undefined).map((name) => [name, body[name]])) : body;
    return kind === "visit" ? { ...sent, write_id: id } : sent;
  }

  const saved = (item, version, answer) => ({ item, isSaved: true, version, answer });
  function refused(item, { code, message, faults = [], current = null, merged_into = null }) {
    if (AGAIN.has(code)) return { item, isLater: true };
    const isBoth = Boolean(current) && (code === "stale" || code === "conflict" || code === "session_there");
    // Somebody entered the very same: there is nothing to decide.
    if (isBoth && item.kind === "result" && !current.is_blind && current.outcome === item.body.outcome &&
        (current.level ?? null) === (item.body.level ?? null)) return saved(item, current.version, current);
    // Closed already as it was here: perhaps by this very entry, whose answer was lost weeks ago.
    if (item.kind === "ending" && current?.state === item.body.state) return saved(item, current.version, current);
    return { item: { ...item, state: isBoth ? "conflict" : "refused", answer: { code, message, faults, current, merged_into } }, isSaved: false };
  }
  const told = (answer) => ({
    code: answer.body?.code ?? String(answer.status), message: answer.body?.detail ?? "", faults: answer.body?.faults,
    current: answer.body?.values?.current ?? answer.body?.current ?? null, merged_into: answer.body?.values?.merged_into ?? answer.body?.merged_into ?? null,
  });

  // What became of each item of a request; null where the answer is none of ours (a hotel's page, half an answer).
  function judged(request, answer) {
    const { body } = answer;
    const [first] = request.items;
    const kind = KINDS[first.kind];
    if (!kind.many) {
      if (answer.status >= 300) return [refused(first, told(answer))];
      const version = body && kind.version(body);
      return version ? [saved(first, version, body)] : null;
    }
    if (answer.status >= 300) return request.items.length === 1 ? [refused(first, told(answer))] : "apart";
    const answers = body?.answers;
    if (!Array.isArray(answers) || answers.length !== request.items.length) return null;
    return request.items.map((item, number) => {
      const each = answers[number];
      return kind.saved.includes(each.code) ? saved(item, each.version, each) : refused(item, each);
    });
  }

  // What waited behind something that was saved is an update of the version that is there now.
  function freed(items, done) {
    const versions = new Map(done.map((each) => [each.item.id, each.version]));
    return items.filter((each) => each.after && versions.has(each.after))
      .map((each) => ({ ...each, after: null, body: { ...each.body, version: versions.get(each.after) } }));
  }

  // What was entered about a child that was added here and is another's record: a result that is there already is a conflict to be looked at.
  const about = (items, from, to) => items.filter((each) => KINDS[each.kind].child && each.body.student_id === from)
    .map((each) => ({ ...each, body: { ...each.body, student_id: to, ...(["result", "check"].includes(each.kind) ? { version: null } : {}) } }));

  // Sends until nothing is ready. `ask(request)` answers { status, body, retry_after_s } or throws where the network does; `mark(items)`
  // says on the phone, before they are sent, that they may have arrived from now on; `settle({ keep, gone, saved })` makes it so on the
  // phone, and frees what waited, before anything else is sent. Gives: "done", "sign_in", "away" (try again later).
  async function send(itemsNow, ask, settle, versionOf, mark = async () => {}) {
    let isApart = false;
    for (;;) {
      const request = next(itemsNow(), versionOf);
      if (!request) return { state: "done" };
      if (isApart && request.items.length > 1) {
        request.items = request.items.slice(0, 1);
        request.body = KINDS[request.items[0].kind].many(request.items.map(bodyOf)).body;
      }
      const unmarked = request.items.filter((each) => KINDS[each.kind].marks && !each.isTried);
      if (unmarked.length) {
        await mark(unmarked.map((each) => each.id));
        continue; // a tap meanwhile may have taken its place
      }
      let answer;
      try {
        answer = await ask(request);
      } catch {
        return { state: "away" };
      }
      if (answer.status === 401 || (answer.status === 403 && answer.body?.code === "cross_site")) return { state: "sign_in" };
      if (isBusy(answer.status)) return { state: "away", retry_after_s: answer.retry_after_s };
      const outcomes = judged(request, answer);
      if (outcomes === null) return { state: "away" };
      if (outcomes === "apart") { // the whole batch was refused: each is asked by itself, so that one holds up no other
        isApart = true;
        continue;
      }
      const done = outcomes.filter((each) => each.isSaved);
      const keep = outcomes.filter((each) => !each.isSaved && !each.isLater).map((each) => each.item);
      await settle({ keep, gone: done.map((each) => each.item.id), saved: done });
      if (outcomes.some((each) => each.isLater)) return { state: "away" };
    }
  }

  return { keyOf, joined, freed, about, heldIn, next, send };
})();
