// What a daemon would say of a big run in which 200 units a second start and end and write a line,
// while 20 other runs a second begin and end. Also notes each task of the page that takes 50 ms or
// more, and counts the units told.
(() => {
const UNITS = 3000, RATE = 200, JOBS = 5000;
const at = () => new Date().toISOString();
const unit = (n) => ({ id: n, run: 1, node: 'node-' + String(n).padStart(4, '0'), attempt: 1, state: 'queued', output_bytes: 0 });
const run = { id: 1, job: 'big', trigger: 'manual', queued_at: at(), started_at: at(), state: 'running', gaps: [],
  units: { total: UNITS, succeeded: 0, failed: 0, cancelled: 0, lost: 0, skipped: 0, open: UNITS } };
const told = (make) => new Response(new ReadableStream({ start(to) {
  const text = new TextEncoder();
  let n = 0;
  setInterval(() => {
    for (let more = 0; more < RATE / 20; more++) for (const one of make(n++)) {
      to.enqueue(text.encode(`event: ${one.type}\nid: ${n}\ndata: ${JSON.stringify(one)}\n\n`));
    }
  }, 50);
} }), { headers: { 'content-type': 'text/event-stream' } });
const others = (n) => {
  const it = { run: 1e6 + n, job: 'j' + (n % JOBS + 1), at: at() };
  const state = n % 100 === 0 ? 'failed' : 'succeeded';
  return [{ type: 'run_queued', ...it }, { type: 'run_started', ...it }, { type: 'run_ended', ...it, state }];
};
const events = (n) => {
  window.units = n;
  const it = { unit: n % UNITS, run: 1, job: 'big', node: unit(n % UNITS).node, at: at(), attempt: 1 };
  const units = [{ type: 'unit_started', ...it }, { type: 'unit_ended', ...it, outcome: 'succeeded', summary: 'succeeded' }];
  return n % 10 ? units : [...others(n), ...units];
};
const lines = (n) => [{ type: 'line', unit: n % UNITS, node: unit(n % UNITS).node, at: at(), stream: 'stdout', text: 'line ' + n }];
const real = window.fetch;
window.fetch = async (url, options) => {
  const path = new URL(url).pathname.replace('/api/v1/', '');
  const json = (value) => new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } });
  if (path === 'events') return told(events);
  if (path === 'runs/1/output') return told(lines);
  if (path === 'runs/1') return json({ ...run, nodes: Array.from({ length: UNITS }, (_, n) => unit(n)) });
  if (path === 'runs' && new URL(url).searchParams.get('state') === 'queued,running') return json({ items: [run] });
  return real(url, options);
};
window.units = 0;
window.long = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.long.push([Math.round(entry.startTime), Math.round(entry.duration)]);
}).observe({ type: 'longtask', buffered: true });
})();
