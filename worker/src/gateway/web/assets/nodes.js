// All nodes, and how each fares.

import { h, fill, seldom } from "./dom.js";
import { pages, part } from "./api.js";
import { listen } from "./events.js";
import { to, remember } from "./router.js";
import { listed } from "./list.js";
import { ago, clock } from "./time.js";
import { choice, field, filters, search, written } from "./filters.js";
import { atWork } from "./atwork.js";

const FAR = ["", "any"];
// What one looks for, and which nodes are like that.
const STATES = [
  ["connected", "connected", (node) => node.connected],
  ["apart", "not connected", (node) => !node.connected],
  ["failing", "failing", (node) => node.failures_in_a_row > 0],
  ["never", "never reached", (node) => !node.last_contact],
  ["busy", "at work", (node, work) => work.of(node.name).length > 0],
];

export async function nodes(main, { query, signal }) {
  const count = h("p", { class: "quiet", role: "status" });
  const name = search("f-name", query.get("name"), { first: true, placeholder: "part, or web*" });
  const tag = search("f-tag", query.get("tag"));
  const state = choice("f-state", FAR, STATES.map(([word, says]) => [word, says]), query.get("state"));
  main.append(filters(field("Name", name), field("Tag", tag), field("State", state), count));
  const work = atWork(signal, (node) => {
    if (node === undefined || state.value === "busy") return show();
    const known = rows.get(node);
    if (known) rows.replace({ ...known });
  });
  const none = h("span");
  const rows = listed({
    label: "Nodes",
    key: (node) => node.name,
    empty: none,
    columns: [
      { name: "Node", cell: (node) => h("a", { href: to("nodes", node.name) }, node.name) },
      { name: "Connection", class: "middle", cell: connection },
      { name: "Runs now", class: "middle minor", cell: (node) => running(work.of(node.name), node.name) },
      { name: "Failures", class: "due-at linked", cell: failures },
      { name: "Last contact", class: "short minor", cell: (node) => contact(node.last_contact) },
      { name: "Address", class: "minor", cell: (node) => address(node) },
      { name: "Tags", class: "minor", cell: (node) => node.tags.join(", ") },
    ],
  }, signal);
  main.append(rows.element);
  name.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") rows.element.querySelector("tbody a")?.focus();
  });

  let turn = new AbortController();
  let all = [];
  let whole = false;
  signal.addEventListener("abort", () => turn.abort());

  function show() {
    const fits = STATES.find(([word]) => word === state.value)?.[2];
    const some = fits ? all.filter((node) => fits(node, work)) : all;
    fill(none, fits || name.value.trim() || tag.value.trim() ? "No node is like that." : "There are no nodes. They are written in the file that nodesfile in loom.yaml names.");
    // Each anew: what runs there is not told by the node itself.
    rows.set(some.map((node) => ({ ...node })), whole);
    const many = (list) => (list.length === 1 ? "1 node" : `${list.length} nodes`);
    fill(count, fits ? `${some.length} of ${many(all)}` : many(all), !whole && ", …", work.partial && "; so much runs that not all of it is named here");
  }

  async function load(again = false) {
    turn.abort();
    turn = new AbortController();
    const { signal: own } = turn;
    const wanted = { name: name.value.trim(), tag: tag.value.trim() };
    remember({ ...wanted, state: state.value });
    const items = [];
    try {
      for await (const page of pages("nodes", wanted, { signal: own })) {
        if (own.aborted) return;
        items.push(...page);
        if (again) continue;
        [all, whole] = [items.slice(), false];
        show();
      }
    } catch (error) {
      if (!own.aborted) fill(count, error.message);
      return;
    }
    [all, whole] = [items, true];
    show();
  }
  written([name, tag], load, signal);
  state.addEventListener("change", () => {
    remember({ name: name.value.trim(), tag: tag.value.trim(), state: state.value });
    show();
  });
  const again = seldom(5000, () => load(true), signal);
  listen((events) => {
    for (const { type } of events) if (["unit_ended", "reloaded", "resync"].includes(type)) return again();
  }, signal);
  await Promise.all([load(), work.load()]);
}

/** Links to the runs that are at work on a node. */
export function running(some, node) {
  if (!some.length) return h("span", { class: "quiet" }, "nothing");
  const [{ job, run }] = some;
  return [h("a", { class: "state run", href: `${to("runs", run)}?node=${part(node)}` }, h("span", { class: "shape", "aria-hidden": "true" }, "◐ "), job),
    some.length > 1 && ` and ${some.length - 1} more`];
}

export const address = ({ user, host, port }) => `${user}@${host}${port ? `:${port}` : ""}`;

export const connection = (node) => (node.connected
  ? h("span", { class: "state good" }, h("span", { class: "shape", "aria-hidden": "true" }, "● "), "connected")
  : h("span", { class: "state none" }, h("span", { class: "shape", "aria-hidden": "true" }, "○ "), "not connected"));

export const contact = (at) => (at ? h("time", { datetime: at, title: clock(at, true) }, ago(at)) : h("span", { class: "quiet" }, "never"));

export function failures(node) {
  const { failures_in_a_row: row, last_failure: last } = node;
  if (!row) return h("span", { class: "quiet" }, "none");
  const many = row >= 50 ? "50 or more" : row;
  return [h("span", { class: "state bad" }, h("span", { class: "shape", "aria-hidden": "true" }, "✗ "), `${many} in a row`),
    last && [": ", h("a", { href: `${to("runs", last.run)}?node=${part(node.name)}` }, last.summary)]];
}
