// What makes pages handier where scripts run; each works without.
'use strict';

// Where this machine is: <select data-guess="zone"> takes it unless somebody has chosen. A zone
// that the list lacks is added under its own name.
for (const list of document.querySelectorAll('select[data-guess=zone]')) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || !zone.includes('/') || [...list.options].some((o) => o.defaultSelected && o.value)) continue;
  if (![...list.options].some((o) => o.value === zone)) list.add(new Option(zone.replaceAll('_', ' '), zone));
  list.value = zone;
}

// Whoever has changed something long above the button has it in sight.
for (const form of document.forms) form.addEventListener('input', () => form.classList.add('changed'));

// The order of a list: <ul data-sort> of <li>, whose buttons data-move="up" and "down" send the
// form where no script runs. Rows can be dragged by [data-grip], with mouse, pen or finger.
for (const list of document.querySelectorAll('[data-sort]')) {
  const said = document.querySelector(list.dataset.said);
  const place = () => {
    const rows = [...list.children];
    for (const row of rows) {
      row.querySelector('[data-move=up]').disabled = row === rows[0];
      row.querySelector('[data-move=down]').disabled = row === rows.at(-1);
    }
  };
  const tell = (row) => {
    place();
    list.closest('form')?.classList.add('changed');
    if (said) said.textContent = `${row.dataset.name} ${[...list.children].indexOf(row) + 1}/${list.children.length}`;
  };
  list.addEventListener('click', (e) => {
    const button = e.target.closest('[data-move]');
    if (!button) return;
    e.preventDefault();
    const row = button.closest('li');
    const other = button.dataset.move === 'up' ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    if (button.dataset.move === 'up') other.before(row); else other.after(row);
    tell(row);
    (button.disabled ? row.querySelector('[data-move]:not(:disabled)') : button)?.focus();
  });
  for (const grip of list.querySelectorAll('[data-grip]')) {
    const row = grip.closest('li');
    grip.hidden = false;
    grip.addEventListener('pointerdown', (e) => {
      if (e.button !== 0) return;
      e.preventDefault();
      grip.setPointerCapture(e.pointerId);
      row.classList.add('held');
      const move = (e) => {
        const others = [...list.children].filter((r) => r !== row);
        const next = others.find((r) => { const b = r.getBoundingClientRect(); return e.clientY < b.top + b.height / 2; });
        if (next !== row.nextElementSibling) list.insertBefore(row, next ?? null);
      };
      const end = () => {
        grip.removeEventListener('pointermove', move);
        row.classList.remove('held');
        tell(row);
      };
      grip.addEventListener('pointermove', move);
      grip.addEventListener('lostpointercapture', end, { once: true });
    });
  }
  place();
}
