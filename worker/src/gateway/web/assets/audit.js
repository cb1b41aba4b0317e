// Who did what.

import { h } from "./dom.js";
import { get } from "./api.js";
import { listed } from "./list.js";
import { clock } from "./time.js";
import { badge } from "./state.js";
import { remember, to } from "./router.js";
import { choice, field, filters, search, written } from "./filters.js";

// As the daemon names what was done, and for people.
const ACTIONS = new Map([
  ["run", "ran a job"],
  ["retry", "retried a run"],
  ["cancel", "cancelled a run"],
  ["exec", "ran a command"],
  ["flow run", "ran a flow of a file"],
  ["flow retry", "retried a flow"],
  ["enable", "enabled a job"],
  ["disable", "disabled a job"],
  ["pause", "paused all schedules"],
  ["resume", "resumed all schedules"],
  ["reload", "reloaded the configuration"],
  ["stop", "stopped the daemon"],
  ["drain", "drained and stopped the daemon"],
  ["token add", "added a token"],
  ["token revoke", "revoked a token"],
]);
const RUN = /^run (\d+)$/;
const OF_RUNS = ["run", "retry", "exec", "flow run", "flow retry", "cancel"];
const OF_JOBS = ["run", "enable", "disable"];

export async function audit(main, { query, signal }) {
  const who = search("f-who", query.get("who"), { first: true, placeholder: "a user, or token:NAME" });
  const action = choice("f-action", ["", "any"], [...ACTIONS], query.get("action"));
  main.append(filters(field("Who", who), field("What", action)));
  const states = new Map();

  const subject = ({ action: done, subject: of }) => (OF_JOBS.includes(done) ? h("a", { href: to("jobs", of) }, of) : OF_RUNS.includes(done) ? linked(of) : of);

  function detail({ action: done, detail: text }) {
    if (!text) return OF_RUNS.includes(done) && done !== "cancel" ? h("span", { class: "quiet" }, "nothing was started: it still runs") : "";
    return OF_RUNS.includes(done) ? text.split(", ").map((part, n) => [n > 0 && ", ", linked(part)]) : text;
  }

  /** The run that it names, with what became of it. */
  function linked(text) {
    const id = RUN.exec(text)?.[1];
    if (!id) return text;
    return [h("a", { href: to("runs", id) }, text), states.has(id) && [" ", badge(states.get(id))]];
  }

  /** What became of runs that somebody began. */
  async function outcomes(entries) {
    if (!entries.some((entry) => OF_RUNS.includes(entry.action))) return;
    const { items: runs } = await get("runs", { trigger: "manual,retry,exec", parts: "false", since: off(entries.at(-1).at, -1), until: off(entries[0].at, 1), limit: 500 }, signal);
    for (const run of runs) states.set(`${run.id}`, run.state);
    rows.anew();
  }

  let items = [];
  let cursor;
  let turn = 0;
  const rows = listed({
    label: "Audit",
    key: (entry) => entry.id,
    empty: "Nobody has done that.",
    more: () => load(false),
    columns: [
      { name: "When", class: "middle", cell: (entry) => h("time", { datetime: entry.at }, clock(entry.at, true)) },
      { name: "Who", class: "middle", cell: (entry) => entry.who },
      { name: "What", class: "middle what", cell: ({ action: done }) => ACTIONS.get(done) ?? done },
      { name: "To", class: "wide linked", cell: subject },
      { name: "Detail", class: "wide minor linked", cell: detail },
      { name: "Via", class: "minor narrow", cell: (entry) => entry.via },
    ],
  }, signal);
  main.append(rows.element);

  async function load(anew) {
    const own = anew ? ++turn : turn;
    const page = await get("audit", { who: who.value.trim(), action: action.value, limit: anew ? 100 : 500, cursor: anew ? undefined : cursor }, signal);
    if (own !== turn) return true;
    items = anew ? page.items : items.concat(page.items);
    cursor = page.next;
    rows.set(items, !cursor);
    outcomes(page.items).catch(() => {});
    return Boolean(cursor);
  }
  const reload = () => {
    remember({ who: who.value.trim(), action: action.value });
    load(true);
  };
  written([who], reload, signal);
  action.addEventListener("change", reload);
  await load(true);
}

/** Who began a run is written a moment after it. */
const off = (at, seconds) => new Date(new Date(at).getTime() + seconds * 1000).toISOString();
