// How far a backup is, without loading the page again.
'use strict';
const making = document.getElementById('making');
const look = async () => {
  try {
    const answer = await fetch(location.href, { headers: { 'X-Renew': '1' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = answer.ok && !answer.redirected && page.getElementById('making');
    if (fresh && !fresh.hasAttribute('data-running')) return location.reload();
    if (fresh) making.replaceChildren(...fresh.childNodes);
  } catch { /* the next look may find it */ }
  setTimeout(look, 1000);
};
if (making && making.hasAttribute('data-running')) setTimeout(look, 500);
