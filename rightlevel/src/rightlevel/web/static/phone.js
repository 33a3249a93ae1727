// The page for work without a network: opens its owner's store with the PIN, shows their classes, keeps every tap before it says so, and
// sends what waits whenever there is a network. What is kept and sent is phone_store.js's and phone_outbox.js's.
"use strict";
(() => {
  const words = JSON.parse(document.getElementById("words").textContent);
  const { make, filled } = guidedTest;
  const main = document.getElementById("main");
  const line = document.getElementById("line");
  const language = document.documentElement.lang;
  const OTHERS = ["absent", "refused", "left"];
  const FIRST_WAIT_MS = 2000;
  const LONGEST_WAIT_MS = 60000;
  const ASK_MS = 20000;
  const FILE_MS = 120000; // a photo over 2G
  const DAY_MS = 86400000;

  let vault = null;
  let pack = null;
  let items = [];
  let connection = null;
  let waitMs = FIRST_WAIT_MS;
  let timer = 0;
  let isSending = false;
  let notice = ""; // what is said on the screen that is shown
  let toSay = ""; // and on the next
  let lastAt = 0;
  const drafts = new Map(); // what was tapped on a page that is not saved yet, by its address
  const others = "BroadcastChannel" in window ? new BroadcastChannel("rightlevel-phone") : null;

  // Parts -------------------------------------------------------------------------------------------------------------------------
  const icon = (name) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    made.setAttribute("class", "icon");
    made.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
    made.append(use);
    return made;
  };
  const say = (text, kind = "") => make("p", { class: `notice ${kind}`, role: "status" }, icon(kind === "good" ? "check" : "warn"), make("span", {}, text));
  const button = (text, deed, kind = "") => make("button", { class: `button ${kind}`, type: "button", onclick: deed }, text);
  const title = (text, under, hash, backText = words.home) => make("div", { class: "heading" },
    hash === undefined ? null : make("a", { class: "back", href: `#${hash}` }, icon("back"), backText),
    make("h1", { tabindex: -1 }, text), under ? make("p", { class: "under" }, under) : null);
  const show = (...parts) => main.replaceChildren(...parts.flat().filter(Boolean));
  // Digits as the owner of the work reads them; what is typed into fields stays as it is.
  const inDigits = (text) => (pack?.has_own_digits ? String(text).replace(/[0-9]/g, (each) => words.digits[each]) : String(text));
  const grouped = new Intl.NumberFormat(`${language}-u-nu-latn`);
  const number = { format: (n) => inDigits(grouped.format(n)) };
  // Months are named by us: many phones have no Khmer names for them.
  const dayText = (day) => inDigits(filled(words.date, {
    day: Number(day.slice(8, 10)), month: words.months[Number(day.slice(5, 7)) - 1], year: Number(day.slice(0, 4)) + words.later_years,
  }));
  const two = (n) => String(n).padStart(2, "0");
  const moment = {
    format: (at) => `${dayText(`${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`)}, ${inDigits(`${two(at.getHours())}:${two(at.getMinutes())}`)}`,
  };
  const counted = (text, n) => text.replace("{n}", number.format(n));

  // The server's day, also on a phone whose clock is wrong: as far from this clock as it was when the two were compared.
  const serverNow = () => new Date(Date.now() + (pack?.clock_off_ms ?? 0));
  const today = () => {
    const days = Math.floor((serverNow() - new Date(pack.made_at)) / DAY_MS);
    const day = new Date(new Date(`${pack.today}T00:00:00Z`).getTime() + Math.max(0, days) * DAY_MS);
    return day.toISOString().slice(0, 10);
  };
  const testDay = () => {
    const day = today();
    const { starts_on: first, ends_on: last } = pack.round;
    return day < first ? first : day > last ? last : day;
  };

  // The network -------------------------------------------------------------------------------------------------------------------
  async function fetched(path, more = {}) {
    const answer = await fetch(path, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(ASK_MS), ...more });
    let body = null;
    try {
      body = await answer.json();
    } catch (error) {
      if (answer.ok) throw error; // an answer that is none of ours, or half of one
    }
    return { status: answer.status, body, retry_after_s: Number(answer.headers.get("retry-after")) || 0 };
  }
  async function connect() {
    const { status, body } = await fetched("/api/v1/me/connection");
    if (status === 401 || status === 403) return { state: "sign_in" };
    if (status !== 200 || !body?.csrf_token) throw new Error(`no connection: ${status}`);
    return { state: "here", ...body };
  }

  // Sending -----------------------------------------------------------------------------------------------------------------------
  let standing = "";
  const setStanding = (text) => {
    standing = text;
    showLine();
  };
  // How long what was entered first is not on the server: said from an hour on.
  const waitedFor = () => {
    const hours = Math.floor((Date.now() - (items[0]?.at ?? Date.now())) / 3600000);
    return hours < 1 ? null : hours < 48 ? counted(words.for_hours, hours) : counted(words.for_days, Math.floor(hours / 24));
  };
  function showLine() {
    if (!vault) {
      line.hidden = true;
      return;
    }
    const isOffline = !navigator.onLine;
    const waiting = items.length ? counted(words.kept, items.length) : words.all_sent;
    line.hidden = false;
    line.className = isOffline ? "line is-offline" : "line";
    line.textContent = [isOffline ? words.offline : null, standing || null, waiting, waitedFor()].filter(Boolean).join(" · ");
  }
  const later = (seconds = 0) => {
    clearTimeout(timer);
    timer = setTimeout(sendNow, Math.max(seconds * 1000, waitMs * (0.75 + Math.random() / 2)));
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
  };

  async function sendNow() {
    clearTimeout(timer);
    if (!vault || isSending || !items.some((each) => each.state === "waiting")) return;
    isSending = true;
    const mine = vault;
    // One window sends at a time; the others are told what became of it.
    const here = navigator.locks
      ? (deed) => navigator.locks.request("rightlevel-sending", { ifAvailable: true }, (lock) => (lock ? deed() : { state: "another" }))
      : (deed) => deed();
    let came;
    try {
      came = await here(async () => {
        connection = await connect();
        if (connection.state === "sign_in") return connection;
        if (connection.person_id !== mine.person_id) return { state: "somebody_else", name: connection.display_name };
        setStanding(words.sending);
        await alone(async () => { items = await mine.all(); });
        return phoneOutbox.send(() => items, ask, (came) => alone(() => settled(came)), versionOf, (ids) => alone(() => tried(ids)));
      });
    } catch (error) {
      if (!(error instanceof NotKept) && navigator.onLine) console.warn(`sending: ${error}`);
      came = { state: "away" };
    }
    isSending = false;
    if (vault !== mine) return;
    const told = { sign_in: words.sign_in_to_send, somebody_else: filled(words.somebody_else, { name: came.name }), another: words.another_tab };
    setStanding(told[came.state] ?? "");
    if (came.state === "done") {
      waitMs = FIRST_WAIT_MS;
      if (items.some((each) => each.state === "waiting")) later(); // tapped meanwhile
    } else later(came.retry_after_s);
    refresh();
  }

  function ask({ method, path, body, key, isFile }) {
    const headers = { "x-csrf-token": connection.csrf_token, ...(key ? { "idempotency-key": key } : {}) };
    if (!isFile) return fetched(path, { method, body: JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } });
    const sent = new FormData();
    sent.append("id", body.id);
    sent.append("file", new Blob([phoneStore.bytes64(body.content)], { type: "image/jpeg" }), "photo.jpg");
    return fetched(path, { method, body: sent, headers, signal: AbortSignal.timeout(FILE_MS) });
  }
  // From here on these may have arrived, whatever becomes of the answer.
  async function tried(ids) {
    const keep = items.filter((each) => ids.includes(each.id)).map((each) => ({ ...each, isTried: true }));
    await vault.settle({ keep });
    const marked = new Map(keep.map((each) => [each.id, each]));
    items = items.map((each) => marked.get(each.id) ?? each);
  }

  // What the pack says once an item is on the server.
  const APPLIED = {
    result({ body }, version) {
      const child = pack.children.find((each) => each.id === body.student_id);
      if (child && body.round_id === pack.round?.id)
        child.results = { ...child.results, [body.subject]: { version, outcome: body.outcome, level: body.level ?? null, tested_on: body.tested_on } };
    },
    session({ body }, version) {
      const group = pack.groups.find((each) => each.id === body.group_id);
      if (group) group.taught = [{ held_on: body.held_on, version }, ...group.taught.filter((each) => each.held_on !== body.held_on)];
    },
    retest({ body }, _version, { code, level, first_level }) {
      const row = pack.retests.find((each) => each.result_id === body.result_id);
      if (row && code !== "missed") row.done = { code, level, first_level };
    },
    student({ body }, _version, { id }) {
      if (!pack.children.some((each) => each.id === id)) pack.children.push({ ...newChild(body), id });
    },
    move({ body }) {
      const from = pack.groups.find((each) => each.members.some((member) => member.student_id === body.student_id) && each.subject === body.subject);
      const to = pack.groups.find((each) => each.id === body.to_group);
      const member = from?.members.find((each) => each.student_id === body.student_id);
      if (!member || !to) return;
      from.members = from.members.filter((each) => each !== member);
      to.members = [...to.members, member];
    },
    visit({ body }, version, { visit }) {
      const { visit_id: id, school_id, subject, form_version_id } = body;
      const there = pack.visits.find((each) => each.id === id);
      const now = { id, school_id, subject, form_version_id, visited_on: visit.visited_on, teacher_id: visit.teacher_id, answers: visit.answers, state: visit.state, version,
        photos: there?.photos ?? 0 };
      pack.visits = [now, ...pack.visits.filter((each) => each !== there)];
      // What was changed while this was on its way goes on from it.
      return items.filter((each) => each.kind === "visit" && each.body.visit_id === id && each.state === "waiting" && !each.isTried)
        .map((each) => ({ ...each, body: { ...each.body, version, after: [] } }));
    },
    check({ body }) {
      for (const member of pack.groups.filter((each) => each.subject === body.subject).flatMap((each) => each.members))
        if (member.student_id === body.student_id && (member.checked_on ?? "") <= body.checked_on) Object.assign(member, { level: body.level, checked_on: body.checked_on });
    },
    ending({ body }) {
      pack.follow_ups = pack.follow_ups.filter((each) => each.id !== body.follow_up_id);
    },
    follow_up({ body }, version) {
      if (body.owner_id === pack.person_id && !pack.follow_ups.some((each) => each.id === body.id))
        pack.follow_ups.push({ id: body.id, words: body.words, due_on: body.due_on, school_name: body.school_name, version });
    },
    photo({ body }) {
      const there = pack.visits.find((each) => each.id === body.visit_id);
      if (there) there.photos = (there.photos ?? 0) + 1;
    },
  };
  // A child that was added here and is there already, as it turns out: what was entered about it is about that one.
  const asAnother = (item, to) => ({ gone: [item.id], keep: phoneOutbox.about(items, item.body.id, to) });

  // What came of a request, on the phone before anything else is sent: items that are done go, and the pack knows what is there now.
  async function settled({ keep: judged, gone: done, saved }) {
    const ids = new Set(items.map((each) => each.id));
    const gone = [...done];
    const keep = [];
    for (const item of judged) {
      const to = item.kind === "student" && item.answer?.merged_into;
      if (to) {
        const other = asAnother(item, to);
        gone.push(...other.gone);
        keep.push(...other.keep);
      } else if (ids.has(item.id)) keep.push(item); // what took its place meanwhile is asked by itself
    }
    keep.push(...phoneOutbox.freed(items, saved));
    for (const { item, version, answer } of saved) {
      if (item.kind === "student" && answer.id !== item.body.id) keep.push(...asAnother(item, answer.id).keep);
      if (pack) keep.push(...(APPLIED[item.kind](item, version, answer) || []).filter((each) => each.id !== item.id));
    }
    await vault.settle({ keep, gone, pack: saved.length ? pack : null });
    waitMs = FIRST_WAIT_MS; // it goes forward: a bad line is asked again soon
    const changed = new Map(keep.map((each) => [each.id, each]));
    items = items.filter((each) => !gone.includes(each.id)).map((each) => changed.get(each.id) ?? each);
    others?.postMessage("changed");
    showLine();
  }

  // The version of what an item is about, as far as this phone knows.
  function versionOf({ kind, body }) {
    if (kind === "result") return pack?.children.find((each) => each.id === body.student_id)?.results?.[body.subject]?.version ?? null;
    if (kind !== "session") return null;
    return pack?.groups.find((each) => each.id === body.group_id)?.taught.find((each) => each.held_on === body.held_on)?.version ?? null;
  }
  // One change of what waits at a time: a tap while an answer comes in joins behind what that leaves.
  let last = Promise.resolve();
  function alone(deed) {
    const mine = last.then(deed);
    last = mine.catch(() => {}); // told to whoever asked for it; the next goes on
    return mine;
  }

  // Keeps something that was entered; only when this has come back is it told as saved. *Errors*: NotKept.
  // `made` is what is entered, or makes it of what is there when its turn comes.
  const keep = (kind, made) => alone(() => keepNow(kind, typeof made === "function" ? made() : made));
  async function keepNow(kind, body) {
    lastAt = Math.max(Date.now(), lastAt + 1, (items.at(-1)?.at ?? 0) + 1);
    const item = { id: body.id ?? phoneStore.newId(), at: lastAt, kind, body, after: null, state: "waiting", form: 1 };
    const { keep: kept, gone } = phoneOutbox.joined(items, item);
    await vault.settle({ keep: [kept], gone });
    items = [...items.filter((each) => !gone.includes(each.id)), kept].sort((one, other) => one.at - other.at);
    others?.postMessage("changed");
    showLine();
    sendSoon();
    return kept;
  }
  const sendSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(sendNow, 300); // a few taps go together
  };

  others?.addEventListener("message", async () => {
    if (!vault) return;
    await alone(async () => {
      items = await vault.all();
      pack = whole(await vault.pack()) ?? pack;
    });
    refresh();
  });
  window.addEventListener("online", () => { askWhetherEnded(); waitMs = FIRST_WAIT_MS; showLine(); sendNow(); });
  window.addEventListener("offline", showLine);
  document.addEventListener("visibilitychange", () => {
    if (!vault) return;
    if (document.hidden) {
      onLeaving?.();
      return;
    }
    waitMs = FIRST_WAIT_MS;
    askWhetherEnded();
    sendNow().then(freshen);
  });

  // Opening -----------------------------------------------------------------------------------------------------------------------
  async function start(said = "") {
    if (!window.isSecureContext || !crypto.subtle || !window.indexedDB) {
      show(title(words.title), say(window.isSecureContext ? words.no_store : words.not_secure, "warn"));
      return;
    }
    // On a first visit who is signed in is asked while the store opens: over a slow line that is a way there and back.
    const asked = navigator.serviceWorker?.controller ? null : connect();
    asked?.catch(() => {}); // told by the screen that waits for it
    let known;
    try {
      known = await phoneStore.vaults();
    } catch {
      show(title(words.title), say(words.no_store, "bad"));
      return;
    }
    if (known.length) showUnlock(known, known[0].person_id, said);
    else await showSetUp(asked);
    register(); // after the first screen: what it fetches shares a slow line
    if (known.length) askWhetherEnded();
  }

  function secretField(label, name, hint) {
    const field = make("input", { id: `f-${name}`, type: "password", name, autocomplete: "off", required: true, minlength: 6 });
    return [field, make("div", { class: "field" }, make("label", { for: `f-${name}` }, label), hint ? make("p", { class: "hint" }, hint) : null, field)];
  }

  function showUnlock(known, person = known[0].person_id, fault = "") {
    const who = make("select", { id: "f-who" }, known.map((each) =>
      make("option", { value: each.person_id, selected: each.person_id === person }, each.display_name)));
    const [secret, field] = secretField(words.pin, "pin");
    const form = make("form", { class: "form", onsubmit: async (event) => {
      event.preventDefault();
      const chosen = Number(who.value);
      event.submitter?.setAttribute("aria-busy", "true");
      try {
        const found = await phoneStore.unlock(chosen, secret.value);
        if (found) await opened(found);
        else showUnlock(known, chosen, words.pin_wrong);
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        showUnlock(known, chosen, words.no_store);
      }
    } },
    known.length > 1 ? make("div", { class: "field" }, make("label", { for: "f-who" }, words.open_as), who) : make("p", {}, known[0].display_name),
    fault ? make("p", { class: "fault", role: "alert" }, fault) : null, field, make("button", { class: "button" }, words.unlock));
    show(title(words.title), form,
      make("p", {}, button(words.add_person, () => showSetUp(), "quiet")), fromFile());
    secret.focus();
  }

  async function showSetUp(asked = null) {
    show(title(words.title, words.intro));
    let here = null;
    try {
      here = await (asked ?? connect());
    } catch {
      show(title(words.title, words.intro), say(words.offline, "warn"), fromFile());
      return;
    }
    if (here.state === "sign_in") {
      const to = `/sign-in?next=${encodeURIComponent(location.pathname)}`;
      show(title(words.title, words.intro), say(words.sign_in_first), make("p", {}, make("a", { class: "button", href: to }, words.sign_in)), fromFile());
      return;
    }
    if ((await phoneStore.vaults()).some((each) => each.person_id === here.person_id)) {
      showUnlock(await phoneStore.vaults(), here.person_id);
      return;
    }
    const [secret, field] = secretField(words.choose_pin, "pin", words.pin_hint);
    const [again, second] = secretField(words.pin_again, "again");
    const fault = make("p", { class: "fault", role: "alert", hidden: true });
    const form = make("form", { class: "form", novalidate: true, onsubmit: async (event) => {
      event.preventDefault();
      const wrong = secret.value.length < 6 ? words.pin_short : secret.value !== again.value ? words.pin_differs : "";
      fault.hidden = !wrong;
      fault.textContent = wrong;
      if (wrong) return;
      event.submitter?.setAttribute("aria-busy", "true");
      try {
        await navigator.storage?.persist?.();
        vault = await phoneStore.create(here, secret.value);
        await fetchPack();
        await opened(vault);
      } catch (error) {
        vault = null;
        fault.hidden = false;
        fault.textContent = error instanceof NotKept ? words.no_store : words.fetch_failed;
        event.submitter?.removeAttribute("aria-busy");
      }
    } }, make("p", {}, here.display_name), field, second, fault, make("button", { class: "button" }, words.keep_here));
    show(title(words.title, words.intro), form, fromFile());
    secret.focus();
  }

  // The server knows on which phones somebody's work is, so that a lost one can be ended from afar.
  async function keepPhone() {
    const path = `/api/v1/me/phones/${await vault.phoneId()}`;
    const came = await fetched(path, { method: "PUT", headers: { "x-csrf-token": connection.csrf_token } });
    if (came.status === 410) await ended(vault.person_id);
    if (came.status !== 200) throw new Error(`this phone is not known: ${came.status}`);
  }
  async function ended(personId) {
    await phoneStore.forgetPacks(personId, true);
    if (vault?.person_id === personId) lock(words.phone_ended);
  }
  // Asked at each connection, whoever is signed in, before any PIN: what was ended has nobody's children on it any more.
  async function askWhetherEnded() {
    try {
      for (const { person_id, phone_id } of await phoneStore.vaults()) {
        if (!phone_id) continue;
        const came = await fetched(`/api/v1/phones/${phone_id}`);
        if (came.status === 200 && came.body?.state === "ended" && (await phoneStore.hasPack(person_id))) await ended(person_id);
      }
    } catch (error) {
      if (error instanceof NotKept) throw error;
      if (navigator.onLine) console.warn(`whether this phone was ended: ${error}`); // asked at the next connection
    }
  }

  // A pack that an earlier version of this page kept has less in it; it is fetched anew with the next network.
  // A scale that was made in the product brings its own levels, names and colours; the rest is what the page was made with.
  const made = { levels: words.levels, level: words.level, short: words.short };
  let colours = {};
  function named(kept) {
    // By subject: two scales may have a level of one code and call it otherwise.
    const bySubject = (names) => Object.fromEntries(Object.keys(made.levels).map((subject) => [subject, { ...names }]));
    Object.assign(words, { levels: { ...made.levels }, level: bySubject(made.level), short: bySubject(made.short) });
    colours = {};
    for (const { subject, rungs } of kept?.scales ?? []) {
      words.levels[subject] = rungs.map(({ rank, code }) => [rank, code]);
      colours[subject] = Object.fromEntries(rungs.map((each) => [each.rank, [each.colour, each.text_colour]]));
      for (const { code, labels } of rungs) words.level[subject][code] = words.short[subject][code] = labels[language] ?? labels.en;
    }
    return kept;
  }
  named(null); // what waits is named also where the pack was taken away
  function coloured(node, subject, rank) {
    const [own, onOwn] = colours[subject]?.[rank] ?? [];
    if (own) node.style.setProperty("--own", own);
    if (own) node.style.setProperty("--on-own", onOwn);
    return node;
  }
  const whole = (kept) => named(kept) && {
    retests: [], forms: [], visits: [], follow_ups: [], grades: [], may: {}, exercises_due: [], ...kept,
    schools: kept.schools.map((each) => ({ subjects: [], teachers: [], ...each })),
    groups: kept.groups.map((each) => ({ is_led: true, ...each })),
  };

  async function fetchPack() {
    connection = await connect();
    if (connection.person_id !== vault.person_id) throw new Error("somebody else is signed in");
    await keepPhone();
    const came = await fetched("/api/v1/pack");
    if (came.status !== 200) throw new Error(`no pack: ${came.status}`);
    await keepPack(came.body);
  }
  async function keepPack(body) {
    if (body.person_id !== vault.person_id) throw new Error("another person's pack");
    const fresh = { ...body, clock_off_ms: new Date(body.made_at) - Date.now() };
    await vault.keepPack(fresh);
    pack = whole(fresh); // of another host that is a version behind there may be less in it
    others?.postMessage("changed");
  }

  // A pack that is older than half a day is fetched again where there is a network: who lost a school has it no longer, and who may enter
  // nothing any more has no pack at all. Who has an exercise to pass may have passed it since. What waits to be sent stays, whatever comes of it.
  async function freshen() {
    const mine = vault;
    if (!mine || !pack || isSending || serverNow() - new Date(pack.made_at) < (pack.exercises_due.length ? 0 : DAY_MS / 2) || items.some((each) => each.state === "waiting")) return;
    try {
      connection = await connect();
      if (vault !== mine || connection.person_id !== mine.person_id) return;
      await keepPhone();
      const came = await fetched("/api/v1/pack");
      if (vault !== mine || items.some((each) => each.state === "waiting")) return;
      if (came.status === 403) {
        await phoneStore.forgetPacks(mine.person_id);
        lock();
      } else if (came.status === 200) {
        await alone(() => keepPack(came.body));
        refresh();
      }
    } catch (error) {
      if (error instanceof NotKept) throw error;
      if (navigator.onLine) console.warn(`fetching again: ${error}`); // tried at the next opening
    }
  }

  async function opened(found) {
    vault = found;
    items = await vault.all();
    pack = whole(await vault.pack());
    if (!pack) {
      try {
        await fetchPack();
      } catch {
        show(title(words.title), say(words.sign_in_first, "warn"),
          make("p", {}, make("a", { class: "button", href: `/sign-in?next=${encodeURIComponent(location.pathname)}` }, words.sign_in)), outbox());
        sendNow();
        return;
      }
    }
    refresh(true);
    await sendNow();
    freshen();
  }

  // Screens -----------------------------------------------------------------------------------------------------------------------
  // By what each is about: thousands may wait, and a class asks for each of its children. Every change of what waits makes another list.
  let lastOf = new Map();
  let lastOfItems = null;
  const lastItem = (key) => {
    if (lastOfItems !== items) {
      lastOf = new Map(items.map((each) => [phoneOutbox.keyOf(each), each]));
      lastOfItems = items;
    }
    return lastOf.get(key) ?? null;
  };
  const itemOf = (child, subject) => lastItem(`result ${child.id} ${pack.round?.id} ${subject}`);
  const choiceOf = (result) => (result ? result.level ?? (result.outcome === "assessed" ? "" : result.outcome) : "");
  // What a child's row says: what is marked, and where that is.
  function stateOf(child, subject) {
    const item = itemOf(child, subject);
    const there = child.results?.[subject];
    if (!item) return { choice: choiceOf(there), where: there ? (there.is_blind ? "blind" : there.is_held ? "held" : "server") : "none", there };
    if (item.state === "conflict") return { choice: "", where: "conflict", item, there: item.answer.current };
    return { choice: choiceOf(item.body), where: item.state === "refused" ? "refused" : "phone", item, there };
  }
  // That levels of a subject are refused until its owner has passed an exercise is said before the first is entered, as the server says it.
  const isDue = (school, subject) => !school?.is_practice && pack.exercises_due.includes(subject);
  const dueText = (subject) => make("p", { class: "notice warn" }, icon("warn"), make("span", {}, filled(words.exercise_due, { subject: words.subject[subject] }), " ",
    make("a", { href: "/exercises" }, words.exercises)));
  const due = (schoolId, subject) => (isDue(pack.schools.find((each) => each.id === schoolId), subject) ? dueText(subject) : null);
  const nameOf = (subject, choice) => words.level[subject]?.[choice] ?? words.other[choice] ?? "–";
  const gradeName = (grade) => words.grade.replace("{number}", number.format(grade));
  const classKey = (each) => (each.class_id ? `class-${each.class_id}` : `grade-${each.grade}`);
  const className = (each) => (each.class_id ? `${gradeName(each.grade)} ${each.section}`.trim() : words.whole.replace("{grade}", gradeName(each.grade)));
  // A child that was added here, as the pack will have it.
  const newChild = ({ id, school_id, code, name, sex, grade, class_id }) => ({
    id, school_id, code, name, sex, grade, class_id: class_id ?? null, subjects: pack.schools.find((each) => each.id === school_id)?.subjects ?? [], results: {},
  });
  const children = () => {
    const added = items.filter((each) => each.kind === "student");
    return added.length ? [...pack.children, ...added.map((each) => newChild(each.body)).filter((each) => !pack.children.some((there) => there.id === each.id))] : pack.children;
  };
  // The classes of a school, and grades in which children were added here.
  const classesOf = (school) => {
    const known = new Set(school.classes.map((each) => `${each.subject} ${classKey(each)}`));
    const added = children().slice(pack.children.length).filter((each) => each.school_id === school.id);
    const more = added.flatMap((each) => each.subjects.map((subject) => ({ class_id: each.class_id, grade: each.grade, section: "", subject })))
      .filter((each) => !known.has(`${each.subject} ${classKey(each)}`) && known.add(`${each.subject} ${classKey(each)}`));
    return [...school.classes, ...more];
  };
  const childOf = (id) => children().find((each) => each.id === id);
  const childrenOf = (schoolId, subject, key) => children().filter((each) =>
    each.school_id === schoolId && each.subjects.includes(subject) &&
    (key.startsWith("class-") ? each.class_id === Number(key.slice(6)) : !each.class_id && each.grade === Number(key.slice(6))));
  function progressOf(children, subject) {
    const count = { tested: 0, absent: 0, to_do: 0 };
    for (const child of children) {
      const { choice, where } = stateOf(child, subject);
      if (choice === "absent") count.absent += 1;
      else if (choice || ["blind", "held"].includes(where)) count.tested += 1;
      else count.to_do += 1;
    }
    return [counted(words.tested, count.tested), counted(words.absent_n, count.absent), counted(words.to_do, count.to_do),
      counted(words.of, children.length)].join(", ");
  }

  const screens = {
    "": home, grid, test: guided, attendance, outbox: outboxScreen,
  };
  // What the other scripts' screens are made of.
  const phone = {
    words, make, filled, title, say, button, show, number, dayText, counted, keep, go: (...where) => go(...where), home: () => home(), today: () => today(),
    nameOf: (...level) => nameOf(...level), coloured: (...rung) => coloured(...rung), gradeName: (grade) => gradeName(grade), className: (each) => className(each), groupName: (each) => groupName(each),
    classesOf, children, reasonOf: (item) => reasonOf(item), oneWaiting: (item) => oneWaiting(item), lastItem: (key) => lastItem(key), saving,
    guidedAbout: (subject, tools) => guidedAbout(subject, tools), notice: () => (notice ? say(notice, "good") : null),
    due, leaving: (deed, changed) => { [onLeaving, onChanged] = [deed, changed]; }, fault: () => make("p", { class: "fault", role: "alert", hidden: true }),
    get pack() { return pack; }, get items() { return items; },
    // Does what is kept, and goes on; where it can't be kept that is said, and what was entered stays on the screen.
    async kept(place, deed, onward, pressed = null) {
      pressed?.setAttribute("aria-busy", "true");
      try {
        await deed();
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        pressed?.removeAttribute("aria-busy");
        place.hidden = false;
        place.className = "fault";
        place.textContent = error.why === "full" ? words.not_kept_full : words.not_kept_form;
        return;
      }
      await onward(); // what is typed beside it on the same screen is still kept when that is left
    },
    field(text, name, { value = "", hint = "", isLong = false, ...known } = {}) {
      const id = `f-${name}`;
      const told = hint ? make("p", { class: "hint", id: `${id}-hint` }, hint) : null;
      const input = make(isLong ? "textarea" : "input", { id, name, autocomplete: "off", "aria-describedby": told ? `${id}-hint` : null, rows: isLong ? 3 : null, ...known });
      input.value = value;
      return make("div", { class: "field" }, make("label", { for: id }, text), told, input);
    },
    pick: (text, name, options, value, hint = "") => make("div", { class: "field" }, make("label", { for: `f-${name}` }, text), hint ? make("p", { class: "hint" }, hint) : null,
      make("select", { id: `f-${name}`, name }, options.map(([each, label]) => make("option", { value: each, selected: String(each) === String(value) }, label)))),
    choices: (text, name, options, value, hint = "", type = "radio") => make("fieldset", { class: "field chips", id: `f-${name}` }, make("legend", {}, text),
      hint ? make("p", { class: "hint" }, hint) : null, make("div", { class: "chip-row" }, options.map(([each, label]) =>
        make("label", { class: "chip" }, make("input", { type, name, value: each, checked: Array.isArray(value) ? value.includes(each) : each === value }), make("span", {}, label))))),
  };
  const visits = phoneVisits(phone);
  const byChild = phoneChildren(phone);
  Object.assign(screens, visits.screens, byChild.screens);
  const holding = new Set([guided, attendance, ...visits.holds, ...byChild.holds]);
  // Shows the screen of the address once more; a screen on which something is half entered is left alone.
  function refresh(isNew = false) {
    showLine();
    if (!vault || !pack) return;
    const [name, ...parts] = decodeURIComponent(location.hash.slice(1)).split("/");
    const screen = screens[name] ?? home;
    if (!isNew && holding.has(screen)) return onChanged?.();
    if (!isNew && screen === grid) return updateGrid(parts);
    if (isNew) {
      notice = toSay;
      toSay = "";
      onLeaving = onChanged = null;
    }
    // What was opened stays open when the same screen is drawn anew: an attempt to send must not close it under the finger.
    const named = (each) => each.querySelector("summary")?.textContent;
    const opened = isNew ? [] : [...main.querySelectorAll("details[open]")].map(named);
    screen(...parts);
    for (const each of main.querySelectorAll("details")) if (opened.includes(named(each))) each.open = true;
    if (isNew) {
      window.scrollTo(0, 0);
      main.querySelector("h1")?.focus({ preventScroll: true });
    }
  }
  // What is half typed when its screen is left is kept first.
  let onLeaving = null;
  let onChanged = null; // what a screen that is left alone says anew when something was sent
  const leave = async () => {
    const deed = onLeaving;
    onLeaving = null;
    await deed?.();
  };
  window.addEventListener("hashchange", () => leave().then(() => refresh(true)));
  window.addEventListener("pagehide", () => onLeaving?.());
  const go = (hash, said = "") => {
    toSay = said;
    onLeaving = null;
    if (location.hash === `#${hash}`) refresh(true);
    else location.hash = hash;
  };

  function home() {
    const problems = items.filter((each) => each.state !== "waiting");
    const led = pack.groups.filter((each) => each.is_led);
    const off = Math.abs(pack.clock_off_ms) > DAY_MS / 4;
    show(
      title(pack.display_name, pack.round ? `${words.round[pack.round.kind]} · ${dayText(pack.round.starts_on)} – ${dayText(pack.round.ends_on)}` : null),
      notice ? say(notice, "good") : null,
      location.pathname.startsWith("/phone") ? null : say(words.needs_network, "warn"),
      off ? say(filled(words.clock_wrong, { here: moment.format(new Date()), there: moment.format(serverNow()) }), "warn") : null,
      pack.round?.state === "open" ? null : say(words.no_round),
      pack.exercises_due.filter((subject) => pack.schools.some((each) => each.subjects.includes(subject) && isDue(each, subject))).map(dueText),
      pack.left_out.length ? say(filled(words.cut, { most: number.format(pack.most_children), schools: pack.left_out.join(", ") }), "warn") : null,
      pack.is_cut ? say(filled(words.cut_children, { most: number.format(pack.most_children) }), "warn") : null,
      problems.length ? make("section", { class: "panel" }, make("a", { class: "link-row", href: "#outbox" }, make("b", {}, words.to_look_at),
        make("small", {}, number.format(problems.length)))) : null,
      byChild.section(),
      visits.agreed(),
      visits.section(),
      pack.schools.map((school) => make("section", { class: "panel" }, make("h2", {}, school.name),
        classesOf(school).length ? classesOf(school).map((each) => make("a", { class: "link-row", href: `#grid/${school.id}/${each.subject}/${classKey(each)}` },
          make("span", {}, make("b", {}, className(each)), " ", words.subject[each.subject]),
          make("small", {}, progressOf(childrenOf(school.id, each.subject, classKey(each)), each.subject))))
          : make("p", { class: "mute" }, words.no_classes),
        byChild.links(school),
        pack.may.child ? make("p", { class: "acts" }, make("a", { class: "button quiet", href: `#child/${school.id}` }, words.add_child)) : null)),
      led.length ? make("section", { class: "panel" }, make("h2", {}, words.attendance), led.map((group) =>
        make("a", { class: "link-row", href: `#attendance/${group.id}` }, make("b", {}, groupName(group)), make("small", {}, attendedToday(group))))) : null,
      more());
    navigator.storage?.persisted?.().then((isSafe) => {
      if (!isSafe) document.getElementById("more")?.append(make("p", { class: "mute" }, words.evicted));
    });
  }

  function more() {
    const waiting = items.length;
    return make("details", { class: "panel", id: "more" }, make("summary", {}, words.more_deeds),
      make("p", { class: "mute" }, filled(words.fetched, { moment: moment.format(new Date(pack.made_at)) })),
      make("p", { class: "acts" },
        button(words.fetch_again, async () => {
          try {
            await sendNow();
            await fetchPack();
            toSay = filled(words.fetched, { moment: moment.format(new Date(pack.made_at)) });
          } catch {
            toSay = words.fetch_failed;
          }
          refresh(true);
        }, "second"),
        make("a", { class: "button second", href: "#outbox" }, `${words.waiting}: ${number.format(waiting)}`),
        waiting ? button(words.to_file, saveFile, "second") : null,
        button(words.lock, () => lock(), "second"),
        button(words.remove, remove, "danger")),
      fromFile());
  }

  function lock(said = "") {
    vault = null;
    pack = null;
    items = [];
    drafts.clear();
    history.replaceState(null, "", location.pathname);
    showLine();
    start(said);
  }

  async function remove() {
    items = await vault.all();
    if (items.length) {
      toSay = filled(words.remove_sure, { n: number.format(items.length) });
      refresh(true);
      return;
    }
    if (!confirm(words.remove_ok)) return;
    await vault.remove();
    lock();
  }

  async function saveFile() {
    const link = make("a", { href: URL.createObjectURL(new Blob([await vault.toFile()], { type: "application/json" })),
      download: `rightlevel-${vault.person_id}-${serverNow().toISOString().slice(0, 10)}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), DAY_MS / 1440);
  }

  function fromFile() {
    const [secret, field] = secretField(words.pin, "file-pin");
    const chosen = make("input", { id: "f-file", type: "file", accept: ".json,application/json", required: true });
    const told = make("p", { class: "hint", role: "status" });
    return make("details", {}, make("summary", {}, words.from_file), make("form", { class: "form", onsubmit: async (event) => {
      event.preventDefault();
      const found = await phoneStore.readFile(await chosen.files[0].text(), secret.value);
      if (!found) told.textContent = words.file_wrong;
      else if (!vault || found.person_id !== vault.person_id) told.textContent = words.file_of_other;
      else {
        const there = new Set(items.map((each) => each.id));
        const fresh = found.items.filter((each) => !there.has(each.id));
        await vault.settle({ keep: fresh });
        items = await vault.all();
        told.textContent = counted(words.file_read, fresh.length);
        showLine();
        sendSoon();
      }
    } }, make("div", { class: "field" }, make("label", { for: "f-file" }, words.from_file), chosen), field, make("button", { class: "button second" }, words.unlock), told));
  }

  // The class grid ----------------------------------------------------------------------------------------------------------------
  function grid(schoolId, subject, key) {
    const school = pack.schools.find((each) => each.id === Number(schoolId));
    const own = school && classesOf(school).find((each) => each.subject === subject && classKey(each) === key);
    if (!own) return home();
    const children = childrenOf(school.id, subject, key);
    const isOpen = pack.round?.state === "open";
    const day = make("input", { id: "f-day", type: "date", value: drafts.get("day") ?? testDay(), min: pack.round?.starts_on, max: pack.round?.ends_on,
      onchange: () => drafts.set("day", day.value) });
    const tool = make("select", { id: "f-tool", onchange: () => drafts.set("tool", tool.value) },
      ["", 1, 2, 3, 4].map((each) => make("option", { value: each, selected: String(each) === drafts.get("tool") }, each === "" ? "–" : number.format(each))));
    show(
      title(className(own), `${school.name} · ${words.subject[subject]}`, ""),
      notice ? say(notice, "good") : null,
      isOpen ? make("div", { class: "filters once" }, make("label", { class: "field" }, words.date_of_test, day),
        make("label", { class: "field" }, words.tool, tool)) : say(words.no_round, "warn"),
      isOpen ? make("div", { id: "due" }, due(school.id, subject) ?? "") : null,
      make("p", { class: "grid-progress", id: "progress" }, progressOf(children, subject)),
      isOpen ? make("p", {}, button(words.test_next, () => {
        const next = children.find((child) => stateOf(child, subject).where === "none");
        if (next) go(`test/${next.id}/${subject}`);
      }, children.some((child) => stateOf(child, subject).where === "none") ? "" : "second")) : null,
      make("div", { class: "grid" }, children.map((child) => row(child, subject, isOpen))));
  }
  function row(child, subject, isOpen) {
    const { choice, where, item, there } = stateOf(child, subject);
    const isFree = isOpen && !["held", "blind"].includes(where);
    const told = {
      none: ["mute", words.not_tested], server: ["good-text", `✓ ${words.on_server}`], phone: ["good-text", `✓ ${words.on_phone}`],
      held: ["mute", words.held], blind: ["mute", words.blind], conflict: ["bad-text", words.yours],
      refused: ["bad-text", item ? reasonOf(item) : ""],
    }[where];
    const chip = (value, rank, text, label) => coloured(make("label", { class: `choice on-${rank}` },
      make("input", { type: "radio", name: `choice-${child.id}`, value, checked: value === choice, "aria-label": label === text ? null : label }),
      make("span", {}, text)), subject, rank);
    return make("div", { class: "grid-row", id: `child-${child.id}`, role: "group", "aria-label": child.name,
      onchange: (event) => { if (event.target.type === "radio") tapped(child, subject, event.target.value); } },
    make("div", { class: "grid-head" },
      make("p", {}, isFree ? make("a", { class: "grid-name", href: `#test/${child.id}/${subject}`, "aria-label": filled(words.test, { name: child.name }) }, child.name)
        : make("span", { class: "grid-name" }, child.name), " ", make("span", { class: "mute small" }, child.code)),
      make("div", { class: "grid-answer" }, make("span", { class: `grid-state ${told[0]}`, "aria-live": "polite" }, where === "conflict" ? "" : told[1]))),
    where === "conflict" ? make("div", { class: "both", role: "alert" }, make("p", {}, words.differs),
      make("dl", {}, make("dt", {}, words.server_has), make("dd", {}, nameOf(subject, choiceOf(there))), make("dt", {}, words.yours), make("dd", {}, nameOf(subject, choiceOf(item.body))))) : null,
    make("fieldset", { class: "choices", disabled: !isFree, "aria-label": child.name },
      words.levels[subject].map(([rank, code]) => chip(code, rank, words.short[subject][code] ?? words.level[subject][code], words.level[subject][code])),
      OTHERS.map((code) => chip(code, "none", words.other[code], words.other[code]))));
  }
  function updateGrid([schoolId, subject, key], only = null) {
    const children = childrenOf(Number(schoolId), subject, key);
    for (const child of children) {
      if (only && child.id !== only) continue;
      const old = document.getElementById(`child-${child.id}`);
      if (!old || old.dataset.saving) continue;
      const fresh = row(child, subject, pack.round?.state === "open");
      const hasFocus = old.contains(document.activeElement) && document.activeElement.value;
      old.replaceWith(fresh);
      if (hasFocus) fresh.querySelector(`[value="${CSS.escape(hasFocus)}"]`)?.focus({ preventScroll: true });
    }
    if (!only) document.getElementById("due")?.replaceChildren(due(Number(schoolId), subject) ?? "");
    const told = document.getElementById("progress");
    if (told) told.textContent = progressOf(children, subject);
  }
  // What a row said of an earlier tap is no longer so once it is tapped again.
  function saving(told) {
    told.className = "grid-state mute";
    told.textContent = words.saving;
  }
  async function tapped(child, subject, choice) {
    const place = document.getElementById(`child-${child.id}`);
    const told = place?.querySelector(".grid-state");
    const isOther = OTHERS.includes(choice);
    const known = stateOf(child, subject);
    const tool = document.getElementById("f-tool")?.value;
    place.dataset.saving = "yes";
    saving(told);
    try {
      await keepResult(child, subject, {
        outcome: isOther ? choice : "assessed", level: isOther ? null : choice, method: "grid",
        tested_on: known.item?.body.tested_on ?? child.results?.[subject]?.tested_on ?? document.getElementById("f-day").value,
        tool: isOther || !tool ? null : Number(tool),
      });
      delete place.dataset.saving;
      updateGrid(decodeURIComponent(location.hash.slice(1)).split("/").slice(1), child.id);
    } catch (error) {
      delete place.dataset.saving;
      if (!(error instanceof NotKept)) throw error;
      told.className = "grid-state bad-text";
      told.textContent = error.why === "full" ? words.not_kept_full : words.not_kept;
      for (const each of place.querySelectorAll("input[type=radio]")) each.checked = each.value === known.choice;
    }
  }
  const keepResult = (child, subject, more) => keep("result", {
    id: phoneStore.newId(), student_id: child.id, round_id: pack.round.id, subject, version: child.results?.[subject]?.version ?? null, ...more,
  });

  // The guided test ---------------------------------------------------------------------------------------------------------------
  function guided(childId, subject) {
    const child = childOf(childId);
    if (!child || pack.round?.state !== "open") return home();
    const school = pack.schools.find((each) => each.id === child.school_id);
    const hash = `grid/${school.id}/${subject}/${classKey(child)}`;
    const place = make("div", { class: "guided" });
    const own = className(classesOf(school).find((each) => classKey(each) === classKey(child)) ?? child);
    const back = title(child.name, `${child.code} · ${gradeName(child.grade)} · ${words.subject[subject]}`, hash, own);
    show(back, notice ? say(notice, "good") : null, due(school.id, subject), place);
    const tools = pack.tools.filter((each) => each.subject === subject);
    const about = guidedAbout(subject, tools);
    guidedTest.open(place, about, (came) => confirmLevel(place, child, subject, hash, about, came));
  }
  const guidedAbout = (subject, tools) => ({
    subject, tools, rules: pack.rules, words: { ...words, level: words.level[subject] }, levels: words.levels[subject], coloured, steps: [], assent: false,
    tool: Number(drafts.get("tool")) || 1, language: drafts.get("language") ?? (tools.some((each) => each.language === language) ? language : tools[0].language),
    languages: Object.fromEntries(tools.map((each) => [each.language, words.languages[each.language] ?? each.language])),
  });
  function confirmLevel(place, child, subject, hash, about, came) {
    drafts.set("tool", String(came.tool));
    drafts.set("language", came.language);
    const day = make("input", { id: "f-day", type: "date", value: drafts.get("day") ?? testDay(), min: pack.round.starts_on, max: pack.round.ends_on });
    const fault = make("p", { class: "fault", role: "alert", hidden: true });
    const save = async (event) => {
      event.target.setAttribute("aria-busy", "true");
      try {
        await keepResult(child, subject, {
          outcome: came.level ? "assessed" : "refused", level: came.level, method: "guided", tested_on: day.value,
          assent: came.assent, tool: came.level ? came.tool : null, steps: came.steps,
          ...(came.level ? { tool_id: came.tool_id, rules_version: about.rules.version } : {}),
        });
        const said = `${filled(words.child_of_level, { name: child.name, level: came.level ? words.level[subject][came.level] : words.other.refused })} ✓ ${words.on_phone}`;
        const next = nextChild(child, subject);
        go(next ? `test/${next.id}/${subject}` : hash, said);
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        event.target.removeAttribute("aria-busy");
        fault.hidden = false;
        fault.textContent = error.why === "full" ? words.not_kept_full : words.not_kept;
      }
    };
    const again = () => guidedTest.open(place, { ...about, assent: came.assent, steps: came.steps, ...(came.level ? {} : { assent: false }), tool: came.tool,
      language: came.language }, (next) => confirmLevel(place, child, subject, hash, about, next));
    const heading = make("h2", { class: "level-is", tabindex: -1 }, came.level ? filled(words.level_is, { level: words.level[subject][came.level] }) : words.other.refused);
    place.replaceChildren(heading, came.level ? guidedTest.ladder(about, came.level) : "",
      make("div", { class: "field" }, make("label", { for: "f-day" }, words.date_of_test), day), fault,
      make("p", { class: "answers" }, button(came.level ? words.save : words.save_refused, save)),
      make("p", {}, button(words.back, () => {
        came.steps = came.steps.slice(0, -1);
        again();
      }, "quiet")));
    heading.focus({ preventScroll: true });
  }
  function nextChild(child, subject) {
    const children = childrenOf(child.school_id, subject, classKey(child));
    const at = children.findIndex((each) => each.id === child.id);
    return [...children.slice(at + 1), ...children.slice(0, at)].find((each) => stateOf(each, subject).where === "none");
  }

  // Attendance --------------------------------------------------------------------------------------------------------------------
  const groupName = (group) => `${words.subject[group.subject]} · ${group.levels.map((each) => words.level[group.subject][each]).join(", ")} · ${words.group_name.replace("{number}", number.format(group.number))}`;
  const sessionItem = (group, day) => lastItem(`session ${group.id} ${day}`);
  function attendedToday(group) {
    const item = sessionItem(group, today());
    if (item) return item.state === "waiting" ? `✓ ${words.on_phone}` : words.to_look_at;
    return group.taught.some((each) => each.held_on === today()) ? `✓ ${words.on_server}` : "";
  }
  function attendance(groupId) {
    const group = pack.groups.find((each) => each.id === Number(groupId));
    if (!group) return home();
    const day = make("input", { id: "f-held", type: "date", value: today(), max: today(), required: true });
    const before = sessionItem(group, today())?.body;
    const minutes = make("input", { id: "f-minutes", type: "number", inputmode: "numeric", min: 5, max: 240, value: before?.minutes ?? 60, required: true });
    const activity = make("input", { id: "f-activity", maxlength: 200, value: before?.activity ?? "" });
    const marks = new Map((before?.marks ?? []).map((each) => [each.student_id, each.presence]));
    const fault = make("p", { class: "fault", role: "alert", hidden: true });
    const rows = group.members.map((child) => make("div", { class: "grid-row", role: "group", "aria-label": child.name },
      make("div", { class: "grid-head" }, make("p", {}, make("span", { class: "grid-name" }, child.name))),
      make("div", { class: "marks" }, Object.keys(words.presence).map((each) => make("label", { class: "choice" },
        make("input", { type: "radio", name: `mark-${child.student_id}`, value: each, checked: marks.get(child.student_id) === each,
          onchange: () => marks.set(child.student_id, each) }),
        make("span", {}, words.presence[each]))))));
    const save = async (event) => {
      event.preventDefault();
      const held = sessionItem(group, day.value);
      try {
        await keep("session", {
          id: phoneStore.newId(), group_id: group.id, held_on: day.value, minutes: Number(minutes.value), activity: activity.value.trim(),
          marks: [...marks].map(([student_id, presence]) => ({ student_id, presence })),
          version: held ? null : group.taught.find((each) => each.held_on === day.value)?.version ?? null,
        });
        const there = [...marks.values()].filter((each) => each !== "absent").length;
        go("", filled(words.saved_attendance, { present: number.format(there), all: number.format(group.members.length) }));
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        fault.hidden = false;
        fault.textContent = error.why === "full" ? words.not_kept_full : words.not_kept;
      }
    };
    show(title(groupName(group), words.attendance, ""), make("form", { class: "form", onsubmit: save },
      make("div", { class: "filters once" }, make("label", { class: "field" }, words.day, day), make("label", { class: "field" }, words.minutes, minutes)),
      make("div", { class: "field" }, make("label", { for: "f-activity" }, words.activity), activity),
      make("p", {}, button(words.all_present, () => {
        for (const each of rows) each.querySelector("[value=present]").click();
      }, "second")),
      make("div", { class: "grid" }, rows), fault, make("button", { class: "button" }, words.save_attendance)));
  }

  // What waits --------------------------------------------------------------------------------------------------------------------
  const reasonOf = ({ kind, answer }) => (answer?.faults ?? []).map((each) => words.rules[each.rule] ?? each.rule).join(". ") ||
    (kind === "retest" ? words.retest_refusal : words.refusal)[answer?.code] || answer?.message || answer?.code || "";
  const aboutItem = (item) => {
    const { kind, body } = item;
    const group = kind === "session" && pack?.groups.find((each) => each.id === body.group_id);
    const name = childOf_(body.student_id);
    switch (kind) {
      case "session": return `${group ? groupName(group) : words.attendance} · ${dayText(body.held_on)}`;
      case "student": return `${words.new_child}: ${body.name} · ${body.code}`;
      case "move": return `${name} · ${words.subject[body.subject]} · ${words.move_to} ${groupName_(body.to_group)}`;
      case "visit": return `${words.visit} · ${visits.nameOf(body)}`;
      case "photo": return words.photo;
      case "check": return `${words.quick} · ${name} · ${words.subject[body.subject]} · ${nameOf(body.subject, body.level)}`;
      case "follow_up": case "ending": return `${words.follow_up}: ${kind === "ending" ? body.about : body.words}`;
      case "retest": return `${words.test_again} · ${name} · ${words.subject[body.subject]} · ${nameOf(body.subject, body.level ?? body.outcome)}`;
      default: return `${name} · ${words.subject[body.subject]} · ${nameOf(body.subject, choiceOf(body))}`;
    }
  };
  const childOf_ = (id) => (pack && id ? childOf(id)?.name ?? pack.retests.find((each) => each.student_id === id)?.name
    ?? pack.groups.flatMap((each) => each.members).find((each) => each.student_id === id)?.name : null) ?? words.child_gone;
  const groupName_ = (id) => {
    const group = pack?.groups.find((each) => each.id === id);
    return group ? groupName(group) : "";
  };
  // Both values of a conflict, thing by thing: [what, there, here].
  const bothOf = (item) => {
    const { current } = item.answer;
    if (item.kind === "visit" && pack) return visits.differences(item);
    if (item.kind === "ending") return [["", current.closed_words ?? current.words, item.body.words]];
    return [["", ...(item.kind === "session" ? [current, item.body].map((each) => `${words.minutes} ${number.format(each.minutes)}`)
      : [current, item.body].map((each) => nameOf(item.body.subject, choiceOf(each))))]];
  };
  function outboxScreen() {
    show(title(words.waiting, null, ""), notice ? say(notice) : null, outbox());
  }
  function outbox() {
    if (!items.length) return make("p", { class: "empty" }, words.nothing_waits);
    const shown = [...items].sort((one, other) => (one.state === "waiting") - (other.state === "waiting")).slice(0, 200);
    return make("div", {}, make("p", { class: "acts" }, button(words.to_file, saveFile, "second")), make("ul", { class: "list panel" }, shown.map(oneWaiting)));
  }
  function oneWaiting(item) {
    const isHeld = phoneOutbox.heldIn(items);
    const settle = async (change) => {
      await alone(async () => {
        await vault.settle(change);
        items = await vault.all();
      });
      others?.postMessage("changed");
      refresh(true);
      sendSoon();
    };
    // A new write of the same: its id is the item's; a child's and a photo's own id stay.
    const anew = (body) => {
      const isOwn = ["student", "photo", "follow_up"].includes(item.kind);
      const id = isOwn ? item.id : phoneStore.newId();
      const known = isOwn || item.kind === "visit" ? body : { ...body, id };
      return settle({ gone: isOwn ? [] : [item.id], keep: [{ ...item, id, body: known, state: "waiting", answer: null, isTried: false }, ...followers(item, id)] });
    };
    const acts = [];
    if (item.state === "conflict") {
      const { version } = item.answer.current;
      acts.push(button(words.use_mine, () => anew({ ...item.body, version }), "second"));
      acts.push(button(words.use_theirs, () => {
        const there = item.kind === "visit" && pack.visits.find((each) => each.id === item.body.visit_id);
        if (there) Object.assign(there, item.answer.current);
        return settle({ gone: [item.id], keep: followers(item, null, version), pack: there ? pack : null });
      }, "second"));
    } else if (item.state === "refused" && item.kind === "visit") {
      acts.push(make("a", { class: "button second", href: `#visit/${item.body.visit_id}` }, words.open_visit));
    } else if (item.state === "refused" && item.kind === "student") {
      const code = make("input", { value: item.body.code, maxlength: 40, "aria-label": words.code });
      const name = make("input", { value: item.body.name, maxlength: 200, "aria-label": words.name });
      acts.push(make("label", { class: "field" }, words.code, code), make("label", { class: "field" }, words.name, name));
      acts.push(button(words.send_again, () => anew({ ...item.body, code: code.value.trim(), name: name.value.trim() }), "second"));
      const same = pack?.children.find((each) => each.school_id === item.body.school_id && each.code === item.body.code);
      if (same) acts.push(button(filled(words.is_child, { name: same.name }), () => settle(asAnother(item, same.id)), "second"));
    } else if (item.state === "refused" && ["move", "photo", "ending"].includes(item.kind)) {
      acts.push(button(words.send_again, () => anew(item.body), "second"));
    } else if (item.state === "refused") {
      const name = { session: "held_on", check: "checked_on", follow_up: "due_on" }[item.kind] ?? "tested_on";
      const day = make("input", { type: "date", value: item.body[name], "aria-label": words.change_day });
      acts.push(make("label", { class: "field" }, words.change_day, day));
      acts.push(button(words.send_again, () => anew({ ...item.body, [name]: day.value }), "second"));
      if (["result", "check"].includes(item.kind) && item.answer?.merged_into)
        acts.push(button(words.for_kept_child, () => anew({ ...item.body, student_id: item.answer.merged_into, version: null }), "second"));
    }
    if (item.state !== "waiting")
      acts.push(button(words.take_out, () => {
        const lost = dependents(item);
        if (confirm(lost.length ? counted(words.sure_with, lost.length) : words.sure))
          settle({ gone: [item.id, ...lost.map((each) => each.id)], keep: followers(item, null, item.body.version) });
      }, "danger"));
    return make("li", {}, make("p", {}, make("b", {}, aboutItem(item))),
      item.state === "conflict" ? make("div", { class: "both" }, bothOf(item).map(([what, there, here]) => make("dl", {}, what ? make("dt", { class: "what" }, what) : null,
        make("dt", {}, words.server_has), make("dd", {}, there), make("dt", {}, words.yours), make("dd", {}, here))))
        : item.state === "refused" ? make("p", { class: "bad-text" }, reasonOf(item))
          : make("p", { class: "mute" }, `${isHeld(item) ? words.after_other : words.on_phone} · ${moment.format(new Date(item.at))}`),
      acts.length ? make("div", { class: "acts" }, acts) : null);
  }
  // What can't be sent without an item: what was entered about a child that was added here, the photos of a visit.
  const dependents = (item) => items.filter((each) => (item.kind === "student" && each.body.student_id === item.body.id) ||
    (item.kind === "visit" && ["photo", "follow_up"].includes(each.kind) && each.body.visit_id === item.body.visit_id && !pack?.visits.some((there) => there.id === item.body.visit_id)));
  // What waited behind an item that is taken away follows what takes its place.
  const followers = (item, id, version = null) => items.filter((each) => each.after === item.id)
    .map((each) => ({ ...each, after: id, body: id ? each.body : { ...each.body, version } }));

  // The worker that keeps this page -----------------------------------------------------------------------------------------------
  async function register() {
    if (!navigator.serviceWorker) return;
    let isAsked = false;
    navigator.serviceWorker.addEventListener("controllerchange", () => { if (isAsked) location.reload(); });
    try {
      const known = await navigator.serviceWorker.register("/worker.js", { scope: "/", updateViaCache: "none" });
      const offer = (worker) => {
        if (!worker || !navigator.serviceWorker.controller) return;
        const told = make("p", { class: "notice" }, icon("import"), make("span", {}, words.new_version), button(words.use_new, () => {
          isAsked = true;
          worker.postMessage("take over");
        }, "second"));
        told.id = "new-version";
        document.getElementById("new-version")?.remove();
        main.before(told);
      };
      offer(known.waiting);
      known.addEventListener("updatefound", () => {
        const coming = known.installing;
        coming?.addEventListener("statechange", () => { if (coming.state === "installed") offer(coming); });
      });
    } catch (error) {
      if (navigator.onLine) console.warn(`the page could not be kept: ${error}`);
    }
  }

  start();
})();
