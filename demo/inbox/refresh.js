// Shows new mail without a reload: asks every two seconds whether anything came, and if so
// takes the list out of a fresh copy of this page. Without it "Look again" does the same.
"use strict";
(() => {
  const list = document.getElementById("mails");
  const news = document.getElementById("news");
  const total = document.getElementById("total");
  let busy = false;
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  async function look() {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const { version } = await (await fetch("/inbox/count")).json();
      if (version === list.dataset.version) return;
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      const fresh = page.getElementById("mails");
      if (!fresh) return;
      const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      list.replaceChildren(...fresh.childNodes);
      list.dataset.version = fresh.dataset.version;
      total.replaceChildren(...page.getElementById("total").childNodes);
      if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      news.textContent = "The list has changed: " + total.textContent.trim();
    } catch {
      // The program has ended, or is about to: the page stays as it is.
    } finally {
      busy = false;
    }
  }
  setInterval(look, 2000);
})();
