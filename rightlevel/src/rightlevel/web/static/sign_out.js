// Whoever signs out takes their children and classes off this phone; what was not sent stays on it, encrypted.
"use strict";
for (const form of document.querySelectorAll('form[action="/sign-out"][data-person]')) {
  form.addEventListener("submit", async (event) => {
    if (!window.indexedDB) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    try {
      await phoneStore.forgetPacks(Number(form.dataset.person));
    } catch (error) {
      if (!(error instanceof NotKept)) throw error;
      if (!confirm(form.dataset.stays)) return;
    }
    form.submit();
  });
}
