// What moves on Today and on the page of an issue: figures that the server sends once a second.
'use strict';
{
  const running = document.getElementById('running');
  const only = running.dataset.only; // the issue of the page, none on Today
  const number = n => Math.round(n).toLocaleString('en-US');
  const pace = f => f >= 10 ? number(f) : f.toFixed(1);
  const span = s => {
    s = Math.round(s);
    const two = n => String(n).padStart(2, '0');
    if (s <= 0) return 'not known';
    if (s < 60) return s + ' s';
    if (s < 3600) return Math.floor(s / 60) + ' min ' + two(s % 60) + ' s';
    if (s < 172800) return Math.floor(s / 3600) + ' h ' + two(Math.floor(s % 3600 / 60)) + ' min';
    return Math.floor(s / 86400) + ' days';
  };
  const put = (root, name, text) => {
    const e = root?.querySelector(`[data-live="${name}"]`);
    if (e && e.textContent !== text) e.textContent = text;
  };

  // books fills the tiles of an issue, and makes those of states that are new.
  const books = (list, run) => {
    for (const tile of list.querySelectorAll('[data-state]')) {
      if (!run.books.some(b => b.state === tile.dataset.state)) tile.parentNode.remove();
    }
    run.books.forEach((b, n) => {
      let tile = list.querySelector(`[data-state="${b.state}"]`);
      if (!tile) {
        const item = document.createElement('li');
        tile = document.createElement('a');
        tile.className = 'tile';
        tile.dataset.state = b.state;
        tile.href = `/issues/${run.id}/deliveries?state=${b.state}`;
        for (const part of ['label', 'figure']) {
          const e = document.createElement('span');
          e.className = part;
          tile.append(e);
        }
        tile.firstChild.textContent = b.state;
        item.append(tile);
        list.insertBefore(item, list.children[n] ?? null);
      }
      tile.lastElementChild.textContent = number(b.n);
    });
  };

  const show = run => {
    const box = running.querySelector(`[data-run="${run.id}"]`);
    if (!box) return;
    put(box, 'done', number(run.audience - run.left));
    put(box, 'audience', number(run.audience));
    put(box, 'rate', pace(run.rate));
    put(box, 'left', span(run.need));
    put(box, 'held', run.held.join('; '));
    box.querySelector('.held').hidden = run.held.length === 0;
    put(box, 'waits', run.waits);
    box.querySelector('.waits').hidden = run.waits === '';
    const bar = box.querySelector('progress');
    bar.max = run.audience || 1;
    bar.value = run.audience - run.left;
    books(box.querySelector('.books'), run);
    for (const relay of run.relays) {
      const row = box.querySelector(`[data-relay="${CSS.escape(relay.name)}"]`);
      put(row, 'taken', number(relay.taken));
      put(row, 'rate', pace(relay.rate));
      put(row, 'put', number(relay.put_off));
      put(row, 'bad', number(relay.refused));
      put(row, 'togo', number(relay.to_go));
      put(row, 'state', relay.state);
    }
    const balance = document.querySelector(`[data-balance="${run.id}"]`);
    if (balance && run.balanced) {
      balance.lastChild.textContent = ` ${number(run.audience)} = ${run.books.map(b => number(b.n) + ' ' + b.state).join(' + ')}`;
    }
  };

  // renew takes parts of the page anew from the server.
  window.renew = async ids => {
    const answer = await fetch(location.href, {headers: {'X-Renew': '1'}});
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const id of ids) {
      const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
      if (!old || !fresh || old.contains(document.activeElement)) continue;
      const open = [...old.querySelectorAll('details')].map(d => d.open);
      fresh.querySelectorAll('details').forEach((d, n) => { d.open = open[n] ?? d.open; });
      old.replaceChildren(...fresh.childNodes);
      for (const a of fresh.attributes) old.setAttribute(a.name, a.value);
    }
  };

  let heard = 0, age = 0, busy = false;
  const began = parseFloat(document.querySelector('.age')?.dataset.age ?? '0');
  const tick = () => {
    const lost = running.querySelector('.lost'), ago = running.querySelector('.ago');
    const now = heard ? age + (performance.now() - heard) / 1000 : began + performance.now() / 1000;
    if (ago) ago.textContent = `, ${now.toFixed(0)} s ago`;
    if (lost) lost.hidden = now < 6;
  };
  setInterval(tick, 500);

  const stream = new EventSource('/live');
  stream.onmessage = async e => {
    const live = JSON.parse(e.data);
    heard = performance.now();
    age = live.age_s;
    const time = running.querySelector('.age time');
    time.dateTime = live.at;
    time.textContent = live.at.slice(11, 19) + ' UTC';
    live.runs.forEach(show);
    document.dispatchEvent(new CustomEvent('live', {detail: live}));
    tick();
    const ids = live.runs.map(r => String(r.id)).filter(id => !only || id === only).map(id => id + ' ').join('');
    const alarms = document.getElementById('alarms'); // on Today; whoever is in it with the keyboard keeps it
    const wrong = live.wrong.map(key => key + '|').join('');
    if (busy || ids === running.dataset.running && (!alarms || wrong === alarms.dataset.wrong || alarms.contains(document.activeElement))) return;
    busy = true; // a run began or ended, or something went wrong or right; what is not taken anew now is the next time
    try {
      await renew(only ? ['running', 'acts', 'proof', 'course', 'look', 'looked'] : ['alarms', 'running', 'coming', 'last']);
    } finally {
      setTimeout(() => { busy = false; }, 1000);
    }
  };
  addEventListener('pagehide', () => stream.close());
}
