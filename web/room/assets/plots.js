// The plots on the page of an issue. Beside each is a table with the same figures.
'use strict';
{
  const section = document.getElementById('plots');
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colours = () => ['--blue', '--green', '--red', '--amber', '--ink', '--muted'].map(css);
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 5]];
  const charts = new Map();
  // As on the badges of states; dashes tell those of one colour apart.
  const ofState = {accepted: '--green', delivered: '--green', queued: '--blue', sending: '--blue', handed: '--blue', deferred: '--amber', delayed: '--amber',
    uncertain: '--amber', failed: '--red', bounced: '--red', expired: '--red', suppressed: '--red'};

  const axis = more => ({stroke: css('--muted'), grid: {stroke: css('--line'), width: 1}, ticks: {stroke: css('--line'), width: 1}, ...more});
  const whole = (u, list) => list.map(v => v == null || v % 1 ? '' : v >= 1e4 ? v / 1e3 + 'k' : v.toLocaleString('en-US'));

  const clock = (u, list) => list.map(v => {
    const iso = new Date(v * 1e3).toISOString();
    return list.at(-1) - list[0] > 86400 ? iso.slice(5, 16).replace('T', ' ') : iso.slice(11, 16);
  });

  // draw makes a plot, or gives it new values if its lines are the same.
  const draw = (id, lines, data, x) => {
    const area = document.getElementById(id);
    if (!data[0].length) return;
    area.parentNode.hidden = false; // before that there is nothing beneath its heading
    const width = area.clientWidth - 8, key = lines.map(l => l.label).join('|') + width + (x.names?.join('|') ?? '');
    const known = charts.get(id);
    if (known?.key === key) {
      known.times = data[0];
      known.chart.setData(data);
      return;
    }
    known?.chart.destroy();
    charts.delete(id);
    const palette = colours();
    const series = lines.map((l, n) => ({label: l.label, stroke: l.colour ? css(l.colour) : palette[n % palette.length], dash: x.names ? [] : dashes[n % dashes.length],
      width: 2, points: {show: !x.names && data[0].length < 3}, fill: l.bars ? palette[n % palette.length] : undefined,
      paths: l.bars ? uPlot.paths.bars({size: [0.7, 60]}) : undefined, value: (u, v, s, at) => (v = l.own && at != null ? l.own[at] : v) == null ? '–' : v.toLocaleString('en-US')}));
    const named = {space: 20, size: 84, rotate: -45, gap: 4, splits: () => x.names?.map((_, n) => n), values: () => x.names};
    const chart = new uPlot({
      width, height: 300, padding: [12, 12, 0, 0], cursor: {drag: {x: false, y: false}}, tzDate: t => uPlot.tzDate(new Date(t * 1e3), 'UTC'),
      scales: {x: x.names ? {time: false, range: [-0.6, x.names.length - 0.4]} : {time: true, range: () => { const times = charts.get(id)?.times ?? data[0], [low, high] = [times[0], times.at(-1)], more = Math.max(0, 600 - (high - low)) / 2; return [low - more, high + more]; }}, y: {range: (u, low, high) => [0, Math.max(high * 1.05, 1)]}},
      axes: [axis(x.names ? named : {values: clock, space: 90}), axis({values: whole, size: 56})],
      series: [{label: x.label, value: (u, v) => v == null ? '–' : x.names ? x.names[v] ?? '' : new Date(v * 1e3).toISOString().slice(11, 16)}, ...series],
    }, data, area);
    charts.set(id, {key, chart, times: data[0]});
  };

  const show = p => {
    const time = {label: 'UTC'};
    const relays = p.relays.length > 1 ? p.relays : [];
    draw('plot-taken', [{label: 'all', bars: !relays.length && p.times.length < 60}, ...relays.map(r => ({label: r.name}))], [p.times, p.taken, ...relays.map(r => r.n)], time);
    draw('plot-states', p.states.map(s => ({label: s.name, colour: ofState[s.name] ?? '--muted'})), [p.times, ...p.states.map(s => s.n)], time);
    if (!p.look) return;
    const names = p.look.latency.map(b => b.name);
    draw('plot-latency', [{label: 'mails', bars: true}], [names.map((_, n) => n), p.look.latency.map(b => b.n)], {label: 'within', names});
    const domains = p.look.domains.filter(d => d.refused + d.bounced + d.put_off > 0).slice(0, 8);
    const total = keys => domains.map(d => keys.reduce((sum, k) => sum + d[k], 0));
    // The tallest first: the shorter ones are drawn over it, and each shows its own part.
    draw('plot-domains', [['put off', 'put_off'], ['came back', 'bounced'], ['refused', 'refused']].map(([label, key]) => ({label, bars: true, own: domains.map(d => d[key])})),
      [domains.map((_, n) => n), total(['refused', 'bounced', 'put_off']), total(['refused', 'bounced']), total(['refused'])], {label: 'domain', names: domains.map(d => d.domain)});
  };

  let last, looked = '', timer;
  const load = async () => {
    clearTimeout(timer);
    try {
      const answer = await fetch(section.dataset.plots);
      if (!answer.ok) return;
      last = await answer.json();
      show(last);
      const news = last.look?.to ?? '';
      if (looked !== '' && news !== looked || looked === '' && news !== '' && !document.querySelector('#looked .wide')) await renew(['course', 'look', 'looked']);
      looked = news || looked;
    } catch { // the server is away: the next time
    }
    const moves = document.querySelector('#running [data-run]') !== null;
    if (moves || !last || last.looked < 1) timer = setTimeout(load, last?.looked < 1 && !moves ? 2000 : 5000);
  };
  load();
  const again = () => {
    for (const {chart} of charts.values()) chart.destroy();
    charts.clear();
    if (last) show(last);
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  let width = innerWidth;
  addEventListener('resize', () => innerWidth !== width && (width = innerWidth, again()));
}
