// Sends what waits on a phone, in order, each under the id it was made with; what was sent and not answered is sent again. Nothing leaves
// the outbox but by the server's word that it is saved, or by a person's. This file knows neither page nor store.
"use strict";
const phoneOutbox = (() => {
  const BATCH = 50;
  const BUSY = new Set([408, 425, 429]);
  const isBusy = (status) => status >= 500 || BUSY.has(status); // what ails the server is no entry's fault
  const AGAIN = new Set(["round_sealing"]); // refused for a moment only

  // What an item is about: a second one about the same is an update of it.
  const keyOf = ({ kind, body }) =>
    kind === "result" ? `result ${body.student_id} ${body.round_id} ${body.subject}` : `session ${body.group_id} ${body.held_on}`;

  // How a new item joins: behind the one about the same that still waits, or in the place of one that was refused.
  function joined(items, item) {
    const before = items.filter((each) => keyOf(each) === keyOf(item)).at(-1);
    if (!before) return { keep: item, gone: [] };
    if (before.state === "waiting") return { keep: { ...item, after: before.id }, gone: [] };
    const version = before.answer?.current?.version ?? before.body.version;
    return { keep: { ...item, after: before.after ?? null, body: { ...item.body, version: version ?? null } }, gone: [before.id] };
  }

  const isReady = (item, ids) => item.state === "waiting" && !(item.after && ids.has(item.after));

  // The next request: results go many at once, everything else by itself. What another window entered behind something that is done by now
  // is an update of what is there: `versionOf` knows it.
  function next(everything, versionOf = () => null) {
    const ids = new Set(everything.map((each) => each.id));
    const items = everything.map((each) => (each.after && !ids.has(each.after)
      ? { ...each, after: null, body: { ...each.body, version: versionOf(each) ?? each.body.version } } : each));
    const first = items.find((each) => isReady(each, ids));
    if (!first) return null;
    if (first.kind === "session") return { path: "/api/v1/teaching-sessions", body: first.body, items: [first] };
    const some = items.filter((each) => each.kind === "result" && isReady(each, ids)).slice(0, BATCH);
    return { path: "/api/v1/results/batch", body: { writes: some.map((each) => each.body) }, items: some };
  }

  const saved = (item, version) => ({ item, isSaved: true, version });
  function refused(item, { code, message, faults = [], current = null }) {
    if (AGAIN.has(code)) return { item, isLater: true };
    const isBoth = Boolean(current) && (code === "stale" || code === "conflict" || code === "session_there");
    // Somebody entered the very same: there is nothing to decide.
    if (isBoth && item.kind === "result" && !current.is_blind && current.outcome === item.body.outcome &&
        (current.level ?? null) === (item.body.level ?? null)) return saved(item, current.version);
    return { item: { ...item, state: isBoth ? "conflict" : "refused", answer: { code, message, faults, current } }, isSaved: false };
  }

  // What became of each item of a request; null where the answer is none of ours (a hotel's page, half an answer).
  function judged(request, answer) {
    const { body } = answer;
    if (request.items[0].kind === "session") {
      const item = request.items[0];
      if (answer.status < 300) return body?.session_id ? [saved(item, body.version)] : null;
      const values = body?.values?.current ?? body?.current ?? null;
      return [refused(item, { code: body?.code ?? String(answer.status), message: body?.detail ?? "", faults: body?.faults, current: values })];
    }
    if (answer.status >= 300)
      return request.items.length === 1
        ? [refused(request.items[0], { code: body?.code ?? String(answer.status), message: body?.detail ?? "", faults: body?.faults })]
        : "apart";
    const answers = body?.answers;
    if (!Array.isArray(answers) || answers.length !== request.items.length) return null;
    return request.items.map((item, number) => {
      const each = answers[number];
      return each.code === "saved" || each.code === "changed" ? saved(item, each.version) : refused(item, each);
    });
  }

  // What waited behind something that was saved is an update of the version that is there now.
  function freed(items, saved) {
    const versions = new Map(saved.map((each) => [each.item.id, each.version]));
    return items.filter((each) => each.after && versions.has(each.after))
      .map((each) => ({ ...each, after: null, body: { ...each.body, version: versions.get(each.after) } }));
  }

  // Sends until nothing is ready. `ask(path, body)` answers { status, body, retry_after_s } or throws where the network does;
  // `settle({ keep, gone, saved })` makes it so on the phone, and frees what waited, before anything else is sent. Gives: "done", "sign_in",
  // "away" (try again later).
  async function send(itemsNow, ask, settle, versionOf) {
    let isApart = false;
    for (;;) {
      const request = next(itemsNow(), versionOf);
      if (!request) return { state: "done" };
      if (isApart && request.items.length > 1) {
        request.items = request.items.slice(0, 1);
        request.body = { writes: [request.items[0].body] };
      }
      let answer;
      try {
        answer = await ask(request.path, request.body);
      } catch {
        return { state: "away" };
      }
      if (answer.status === 401 || (answer.status === 403 && ["cross_site", "forbidden"].includes(answer.body?.code))) return { state: "sign_in" };
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

  return { keyOf, joined, freed, next, send };
})();
