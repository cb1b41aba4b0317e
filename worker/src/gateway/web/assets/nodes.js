// All nodes, and how each fares.

import { h, fill, seldom } from "./dom.js";
import { pages } from "./api.js";
import { listen } from "./events.js";
import { to, remember } from "./router.js";
import { listed } from "./list.js";
import { ago, clock } from "./time.js";
import { field } from "./jobs.js";

export async function nodes(main, { query, signal }) {
  const count = h("p", { class: "quiet", role: "status" });
  const name = h("input", { id: "f-name", type: "search", "data-filter": true, placeholder: "part of a name, or web*", value: query.get("name") ?? "", spellcheck: "false", autocomplete: "off" });
  const tag = h("input", { id: "f-tag", type: "search", value: query.get("tag") ?? "", spellcheck: "false", autocomplete: "off" });
  main.append(h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    field("Name", name), field("Tag", tag), count));
  const rows = listed({
    label: "Nodes",
    key: (node) => node.name,
    empty: "No node is like that.",
    columns: [
      { name: "Node", class: "wide", cell: (node) => h("a", { href: to("nodes", node.name) }, node.name) },
      { name: "Connection", class: "middle", cell: connection },
      { name: "Last contact", class: "middle", cell: (node) => contact(node.last_contact) },
      { name: "Failures", class: "middle", cell: failures },
      { name: "Address", class: "minor", cell: (node) => address(node) },
      { name: "Tags", class: "minor", cell: (node) => node.tags.join(", ") },
    ],
  }, signal);
  main.append(rows.element);

  let turn = new AbortController();
  signal.addEventListener("abort", () => turn.abort());
  async function load(again = false) {
    turn.abort();
    turn = new AbortController();
    const { signal: own } = turn;
    const wanted = { name: name.value.trim(), tag: tag.value.trim() };
    remember(wanted);
    const items = [];
    try {
      for await (const page of pages("nodes", wanted, { signal: own })) {
        if (own.aborted) return;
        items.push(...page);
        if (!again) rows.set(items.slice(), false);
      }
    } catch (error) {
      if (!own.aborted) fill(count, error.message);
      return;
    }
    rows.set(items);
    fill(count, items.length === 1 ? "1 node" : `${items.length} nodes`);
  }
  let typing = 0;
  for (const input of [name, tag]) input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => load(), 150);
  });
  const again = seldom(5000, () => {
    if (!signal.aborted) load(true);
  });
  listen((events) => {
    for (const { type } of events) if (["unit_ended", "reloaded", "resync"].includes(type)) return again();
  }, signal);
  await load();
}

export const address = ({ user, host, port }) => `${user}@${host}${port ? `:${port}` : ""}`;

export const connection = (node) => (node.connected
  ? h("span", { class: "state run" }, h("span", { class: "shape", "aria-hidden": "true" }, "●"), " connected")
  : h("span", { class: "state none" }, h("span", { class: "shape", "aria-hidden": "true" }, "○"), " not connected"));

export const contact = (at) => (at ? h("time", { datetime: at, title: clock(at, true) }, ago(at)) : h("span", { class: "quiet" }, "never"));

export function failures(node) {
  const { failures_in_a_row: row, last_failure: last } = node;
  if (!row) return h("span", { class: "quiet" }, "none");
  const many = row >= 50 ? "50 or more" : row;
  return h("span", { class: "state bad" }, h("span", { class: "shape", "aria-hidden": "true" }, "✗"), ` ${many} in a row`, last && `: ${last.summary}`);
}
