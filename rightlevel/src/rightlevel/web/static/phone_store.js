// What a phone keeps of its owner's work: a pack and an outbox, in IndexedDB, encrypted with a key that only a PIN opens. Nothing is told
// as saved before the disk has it; where that can't be had, NotKept is thrown and the page says so.
"use strict";
class NotKept extends Error {
  constructor(why) {
    super(`not kept: ${why}`);
    this.why = why;
  }
}

const phoneStore = (() => {
  const NAME = "rightlevel";
  const VERSION = 1;
  const PATIENCE_MS = 6000; // some browsers never answer on a store that broke while the phone slept
  const ROUNDS = 600000; // PBKDF2-SHA256; OWASP password storage, 2023
  const FILE = "rightlevel-outbox";
  const utf8 = new TextEncoder();

  const newId = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };

  const inTime = (promise) => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new DOMException("no answer", "TimeoutError")), PATIENCE_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  };

  let opened = null;
  function drop() {
    const old = opened;
    opened = null;
    old?.then((database) => database.close(), () => {});
  }
  function open() {
    if (opened) return opened;
    const opening = inTime(new Promise((resolve, reject) => {
      const asked = indexedDB.open(NAME, VERSION);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore("vaults", { keyPath: "person_id" });
        asked.result.createObjectStore("outbox", { keyPath: ["person_id", "id"] });
      };
      asked.onblocked = () => reject(new DOMException("another window holds it", "BlockedError"));
      asked.onerror = () => reject(asked.error);
      asked.onsuccess = () => {
        const database = asked.result;
        database.onversionchange = () => { database.close(); if (opened === opening) opened = null; };
        database.onclose = () => { if (opened === opening) opened = null; };
        resolve(database);
      };
    }));
    opened = opening;
    opening.catch(() => { if (opened === opening) opened = null; });
    return opening;
  }

  // One transaction, resolved when it is on the disk. A connection that breaks is dropped, opened again and tried once more; every write
  // here may be done twice.
  async function within(stores, mode, deed) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const database = await open();
        return await inTime(new Promise((resolve, reject) => {
          const transaction = database.transaction(stores, mode, { durability: "strict" });
          let answer;
          transaction.oncomplete = () => resolve(answer?.result ?? answer);
          transaction.onabort = () => reject(transaction.error ?? new DOMException("given up", "AbortError"));
          answer = deed(...stores.map((each) => transaction.objectStore(each)));
        }));
      } catch (error) {
        drop();
        if (error?.name === "QuotaExceededError") throw new NotKept("full");
        if (attempt === 2) throw new NotKept(error?.name ?? "unknown");
      }
    }
  }

  const keyOf = async (secret, salt, rounds) => {
    const typed = await crypto.subtle.importKey("raw", utf8.encode(secret.normalize("NFC")), "PBKDF2", false, ["deriveKey"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
    return crypto.subtle.deriveKey(how, typed, { name: "AES-GCM", length: 256 }, false, ["wrapKey", "unwrapKey"]);
  };
  const boundTo = (personId, iv) => ({ name: "AES-GCM", iv, additionalData: utf8.encode(`rightlevel ${personId}`) });
  async function seal(key, personId, value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return { iv, sealed: await crypto.subtle.encrypt(boundTo(personId, iv), key, utf8.encode(JSON.stringify(value))) };
  }
  async function unseal(key, personId, { iv, sealed }) {
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt(boundTo(personId, iv), key, sealed)));
  }
  async function openKey(record, secret) {
    const wrapping = await keyOf(secret, record.salt, record.rounds);
    try {
      return await crypto.subtle.unwrapKey("raw", record.wrapped, wrapping, boundTo(record.person_id, record.key_iv), "AES-GCM", false,
        ["encrypt", "decrypt"]);
    } catch {
      return null; // another PIN: authenticated encryption says no more than that
    }
  }

  const hasPack = async (personId) => Boolean((await within(["vaults"], "readonly", (store) => store.get(personId)))?.pack);
  const vaults = () => within(["vaults"], "readonly", (store) => store.getAll());

  async function create(person, secret) {
    const salt = crypto.getRandomValues(new Uint8Array(16));
    const keyIv = crypto.getRandomValues(new Uint8Array(12));
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
    const wrapping = await keyOf(secret, salt, ROUNDS);
    const wrapped = await crypto.subtle.wrapKey("raw", key, wrapping, boundTo(person.person_id, keyIv));
    const record = { person_id: person.person_id, display_name: person.display_name, salt, rounds: ROUNDS, key_iv: keyIv, wrapped, pack: null, phone_id: newId() };
    await within(["vaults"], "readwrite", (store) => { store.add(record); });
    return unlock(person.person_id, secret);
  }

  // A person's own store, or null for a wrong PIN.
  async function unlock(personId, secret) {
    const record = await within(["vaults"], "readonly", (store) => store.get(personId));
    const key = record && (await openKey(record, secret));
    return key ? vaultOf(record, key) : null;
  }

  // Takes the children and classes of somebody (of all, where nobody is named) off this phone; what is not sent stays, encrypted. A phone
  // that was ended has another id when it is set up again.
  async function forgetPacks(personId = null, isEnded = false) {
    await within(["vaults"], "readwrite", (store) => {
      store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
        if (!cursor) return;
        if (personId === null || cursor.value.person_id === personId) cursor.update({ ...cursor.value, pack: null, ...(isEnded ? { phone_id: newId() } : {}) });
        cursor.continue();
      };
    });
  }

  function vaultOf(record, key) {
    const person = record.person_id;
    const sealed = async (item) => ({ person_id: person, id: item.id, at: item.at, ...(await seal(key, person, item)) });
    const own = IDBKeyRange.bound([person, ""], [person, "\uffff"]);
    const changePack = (store, pack) => {
      store.get(person).onsuccess = ({ target }) => { if (target.result) store.put({ ...target.result, pack }); };
    };
    return {
      person_id: person,
      display_name: record.display_name,
      // By which the server knows this phone.
      async phoneId() {
        const now = await within(["vaults"], "readonly", (store) => store.get(person));
        const id = now?.phone_id ?? newId();
        if (!now?.phone_id) await within(["vaults"], "readwrite", (store) => {
          store.get(person).onsuccess = ({ target }) => { if (target.result) store.put({ ...target.result, phone_id: id }); };
        });
        return id;
      },
      async pack() {
        const now = await within(["vaults"], "readonly", (store) => store.get(person));
        return now?.pack ? unseal(key, person, now.pack) : null;
      },
      async keepPack(pack) {
        const made = await seal(key, person, pack);
        await within(["vaults"], "readwrite", (store) => changePack(store, made));
      },
      // What waits, in the order in which it was entered.
      async all() {
        const rows = await within(["outbox"], "readonly", (store) => store.getAll(own));
        rows.sort((one, other) => one.at - other.at);
        return Promise.all(rows.map((row) => unseal(key, person, row)));
      },
      // One change of everything: items that are kept or kept otherwise, items that are done with, and the pack that follows from it.
      async settle({ keep = [], gone = [], pack = null }) {
        const kept = await Promise.all(keep.map(sealed));
        const made = pack && (await seal(key, person, pack));
        await within(made ? ["outbox", "vaults"] : ["outbox"], "readwrite", (outbox, vaultsStore) => {
          for (const each of kept) outbox.put(each);
          for (const id of gone) outbox.delete([person, id]);
          if (made) changePack(vaultsStore, made);
        });
      },
      async remove() {
        const count = await within(["outbox"], "readonly", (store) => store.count(own));
        if (count) throw new Error("there is something that was not sent");
        await within(["vaults"], "readwrite", (store) => { store.delete(person); });
      },
      // The outbox to be carried by hand: it can be read by nobody without the PIN, and not be changed or cut by anybody.
      async toFile() {
        const now = await within(["vaults"], "readonly", (store) => store.get(person));
        const rows = await within(["outbox"], "readonly", (store) => store.getAll(own));
        const made = await seal(key, person, rows.map((row) => row.id));
        return JSON.stringify({
          format: FILE, version: 1, person_id: person, display_name: now.display_name, rounds: now.rounds,
          salt: text64(now.salt), key_iv: text64(now.key_iv), wrapped: text64(now.wrapped),
          ids: { iv: text64(made.iv), sealed: text64(made.sealed) },
          rows: rows.map((row) => ({ id: row.id, at: row.at, iv: text64(row.iv), sealed: text64(row.sealed) })),
        });
      },
    };
  }

  const text64 = (bytes) => {
    let text = "";
    for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
    return btoa(text);
  };
  const bytes64 = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));

  // The items of a file from another phone. null: not whole, or another PIN.
  async function readFile(text, secret) {
    try {
      const file = JSON.parse(text);
      if (file.format !== FILE || file.version !== 1) return null;
      const record = { person_id: file.person_id, rounds: Math.min(file.rounds, 5000000), salt: bytes64(file.salt), key_iv: bytes64(file.key_iv),
        wrapped: bytes64(file.wrapped) };
      const key = await openKey(record, secret);
      if (!key) return null;
      const opened64 = ({ iv, sealed }) => unseal(key, file.person_id, { iv: bytes64(iv), sealed: bytes64(sealed) });
      const ids = await opened64(file.ids);
      const items = await Promise.all(file.rows.map(opened64));
      const isWhole = ids.length === items.length && items.every((item, number) => item.id === ids[number]);
      return isWhole ? { person_id: file.person_id, items } : null;
    } catch {
      return null;
    }
  }

  return { newId, vaults, create, unlock, forgetPacks, hasPack, readFile, drop, text64, bytes64 };
})();
