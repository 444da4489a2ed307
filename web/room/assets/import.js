// How far an import is, without loading the page again.
'use strict';
const section = document.querySelector('[data-running]');
if (section) {
  const bar = document.getElementById('far'), rows = document.getElementById('rows');
  const look = async () => {
    try {
      const answer = await fetch('/subscribers/import/progress', { headers: { Accept: 'application/json' } });
      if (answer.ok) {
        const now = await answer.json();
        if (now.state !== 'running') return location.reload();
        bar.value = Math.floor(100 * now.octets / Math.max(now.size, 1));
        rows.textContent = now.rows.toLocaleString('en') + ' rows';
      }
    } catch { /* the next look may find it */ }
    setTimeout(look, 1000);
  };
  setTimeout(look, 500);
}
