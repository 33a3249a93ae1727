// Keeps the page for work without a network on the phone, in one version at a time, and shows it where a page can't be reached. It
// holds nothing of anybody: pages with names in them are never kept.
"use strict";
const HERE = `rightlevel-shell-${KEPT.version}`;
const CHOSEN = "rightlevel-chosen";

self.addEventListener("install", (event) => {
  // Whole or not at all: a version of which a part could not be fetched is never used. Without cookies, so that nothing personal comes.
  // A file's address has its own mark: what the browser has of it already is the right one.
  const anew = { cache: "reload", credentials: "omit" };
  const asked = [
    ...Object.values(KEPT.pages).map((each) => new Request(each, anew)),
    ...KEPT.files.map((each) => new Request(each, { credentials: "omit" })),
  ];
  event.waitUntil(caches.open(HERE).then((cache) => cache.addAll(asked)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys())
      if (name.startsWith("rightlevel-shell-") && name !== HERE) await caches.delete(name);
    await self.clients.claim();
  })());
});

// The page says when the new version may take over: nothing is half entered then.
self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

async function shellFor(path) {
  const kept = await caches.open(CHOSEN);
  let language = Object.keys(KEPT.pages).find((each) => KEPT.pages[each] === path);
  if (language) await kept.put("/phone/chosen", new Response(language));
  else language = await (await kept.match("/phone/chosen"))?.text();
  const cache = await caches.open(HERE);
  return (await cache.match(KEPT.pages[language] ?? Object.values(KEPT.pages)[0])) ?? Response.error();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") {
    if (url.pathname === "/phone" || url.pathname.startsWith("/phone/"))
      event.respondWith(shellFor(url.pathname).then((kept) => (kept.type === "error" ? fetch(request) : kept)));
    else event.respondWith(fetch(request).catch(() => shellFor(url.pathname)));
    return;
  }
  if (KEPT.files.includes(url.pathname + url.search))
    event.respondWith(caches.open(HERE).then(async (cache) => (await cache.match(request.url)) ?? fetch(request)));
});
