// Runs of all jobs, the latest first; further ones come as one scrolls.

import { h, fill, seldom } from "./dom.js";
import { get } from "./api.js";
import { listen } from "./events.js";
import { to, remember } from "./router.js";
import { progress } from "./progress.js";
import { badge } from "./state.js";
import { clock, when, took } from "./time.js";
import { listed } from "./list.js";
import { choice, field, filters, search, written } from "./filters.js";

const STATES = ["queued,running", "failed,lost", "succeeded", "failed", "cancelled", "lost", "skipped"];

export async function runs(main, { query, signal }) {
  const job = search("f-job", query.get("job"), { first: true, placeholder: "its whole name" });
  const node = search("f-node", query.get("node"));
  const state = choice("f-state", ["", "any"], STATES.map((word) => [word, word.replace(",", " or ")]), query.get("state"));
  main.append(filters(field("Job", job), field("Node", node), field("State", state)));
  // As a bar of the overview leads here.
  let span = Object.fromEntries(["since", "until", "parts"].map((name) => [name, query.get(name) ?? ""]));
  const wanted = () => ({ job: job.value.trim(), node: node.value.trim(), state: state.value, ...span });
  const { element, load } = runList("Runs", wanted, signal);
  const during = h("p", { class: "quiet" });
  main.append(during, element);
  const drawSpan = () => fill(during, (span.since || span.until) && ["Queued", span.since && ` from ${said(span.since)}`, span.until && ` until ${said(span.until)}`, ". ",
    h("button", { class: "plain", type: "button", onclick: () => { span = {}; drawSpan(); reload(); } }, "At any time")]);
  drawSpan();
  const reload = () => {
    remember(wanted());
    load();
  };
  written([job, node], reload, signal);
  state.addEventListener("change", reload);
  await load();
}

const said = (at) => (Number.isNaN(Date.parse(at)) ? at : clock(at));

/** A list of runs; `wanted` says of which. */
export function runList(label, wanted, signal, without = []) {
  let items = [];
  let cursor;
  let turn = 0;
  const none = h("span");
  const columns = [
    { name: "Run", class: "narrow", cell: (run) => h("a", { href: to("runs", run.id) }, `${run.id}`) },
    { name: "Job", class: "wide", cell: (run) => (run.command ? h("code", null, run.command) : h("a", { href: to("jobs", run.job) }, run.job)) },
    { name: "State", class: "middle word", cell: (run) => badge(run.state) },
    { name: "Units", class: "units minor", cell: progress },
    { name: "Begun", class: "middle", cell: (run) => when(run.started_at ?? run.queued_at) },
    { name: "Took", class: "number minor", cell: took },
    { name: "By", class: "minor", cell: (run) => (run.by ? `${run.trigger}, ${run.by}` : run.trigger) },
  ];
  const rows = listed({
    label,
    key: (run) => run.id,
    empty: none,
    columns: columns.filter(({ name }) => !without.includes(name)),
    more,
  }, signal);

  async function more() {
    const own = turn;
    const page = await get("runs", { ...wanted(), limit: 200, cursor }, signal);
    if (own !== turn) return true;
    items = items.concat(page.items);
    cursor = page.next;
    rows.set(items, !cursor);
    return Boolean(cursor);
  }

  async function load() {
    const own = ++turn;
    const page = await get("runs", { ...wanted(), limit: 100 }, signal);
    if (own !== turn) return;
    ({ items, next: cursor } = page);
    const { job, ...others } = wanted();
    fill(none, Object.values(others).some(Boolean) || (job && !without.includes("Job")) ? "There is no such run." : job ? "It never ran." : "Nothing has run yet.");
    rows.set(items, !cursor);
    return items;
  }

  // Who has scrolled away reads what is there.
  const again = seldom(1000, () => items.length <= 100 && load(), signal);
  listen((events) => {
    for (const { type } of events) if (type.startsWith("run_") || type === "resync") return again();
  }, signal);
  return { element: rows.element, load };
}
