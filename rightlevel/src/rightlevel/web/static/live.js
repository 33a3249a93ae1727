// Keeps an element up to date from a stream of server-sent events; without it the page shows what was true when it was loaded.
const live = document.querySelector("[data-live]");
if (live && window.EventSource) {
  const source = new EventSource(live.dataset.live);
  source.addEventListener("live", (event) => {
    if (!live.contains(document.activeElement)) live.innerHTML = event.data;
  });
  window.addEventListener("pagehide", () => source.close());
}
