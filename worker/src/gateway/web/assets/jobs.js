// All jobs, filtered by the daemon and shown as far as they are in view.

import { h, fill, seldom } from "./dom.js";
import { pages } from "./api.js";
import { listen } from "./events.js";
import { to, remember } from "./router.js";
import { badge, FLOW } from "./state.js";
import { when, ago, took } from "./time.js";
import { listed } from "./list.js";
import { choice, field, filters, search, written } from "./filters.js";

const STATES = ["failed", "lost", "running", "queued", "succeeded", "cancelled", "skipped"];

export async function jobs(main, { query, signal }) {
  const count = h("p", { class: "quiet", role: "status" });
  const name = search("f-name", query.get("name"), { first: true, placeholder: "part, or web-*" });
  const tag = search("f-tag", query.get("tag"), { list: "tags" });
  const tags = h("datalist", { id: "tags" });
  const state = choice("f-state", ["", "any"], STATES.map((word) => [word, word]), query.get("state"));
  const enabled = choice("f-on", ["", "on and off"], [["true", "on"], ["false", "off"]], query.get("enabled"));
  main.append(filters(field("Name", name), field("Tag", tag), tags, field("Last run", state), field("Schedule", enabled), count));

  const none = h("span");
  const rows = listed({
    label: "Jobs",
    key: (job) => job.name,
    empty: none,
    columns: [
      { name: "Job", cell: (job) => [h("a", { href: to("jobs", job.name) }, job.name), job.task === FLOW && h("span", { class: "mark" }, "flow")] },
      { name: "Last run", class: "middle", cell: lastRun },
      { name: "Took", class: "number minor", cell: (job) => (job.last_run ? took(job.last_run) : "–") },
      { name: "Schedule", class: "minor", cell: (job) => h("code", { title: job.timezone }, job.schedule) },
      { name: "Next", class: "due-at", cell: (job) => (job.enabled ? when(job.next_at, job.timezone) : h("span", { class: "mark off" }, "off")) },
      { name: "Tags", class: "minor", cell: (job) => job.tags.map((word) => h("button", { class: "tag", type: "button", onclick: () => { tag.value = word; load(); } }, word)) },
    ],
  }, signal);
  main.append(rows.element);

  // Runs while the list is on its way, by job.
  let since = null;
  let turn = new AbortController();
  signal.addEventListener("abort", () => turn.abort());

  /** What one scrolls in stays as long as it was, if it is the same list `again`. */
  async function load(again = false) {
    turn.abort();
    turn = new AbortController();
    const { signal: own } = turn;
    const wanted = { name: name.value.trim(), tag: tag.value.trim(), state: state.value, enabled: enabled.value };
    remember(wanted);
    since = new Map();
    const items = [];
    const known = new Set();
    const current = () => items.map((job) => (since.get(job.name) ?? []).reduce(changed, job));
    try {
      for await (const page of pages("jobs", { ...wanted, targets: false }, { signal: own })) {
        if (own.aborted) return;
        items.push(...page);
        if (!again) {
          rows.set(current(), false);
          fill(count, `${items.length} jobs, …`);
        }
        for (const job of page) for (const word of job.tags) known.add(word);
        await idle();
      }
    } catch (error) {
      if (!own.aborted) fill(count, error.message);
      return;
    }
    fill(none, Object.values(wanted).some(Boolean) ? "No job is like that." : "There are no jobs. They are written in the files that jobspath in loom.yaml names.");
    rows.set(current());
    since = null;
    fill(tags, [...known].sort().slice(0, 200).map((word) => h("option", { value: word })));
    fill(count, items.length === 1 ? "1 job" : `${items.length} jobs`);
  }

  written([name, tag], load, signal);
  for (const select of [state, enabled]) select.addEventListener("change", () => load());
  name.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") rows.element.querySelector("tbody a")?.focus();
  });

  const again = seldom(2000, () => load(true), signal);
  listen((events) => {
    for (const event of events) {
      if (["resync", "reloaded", "switched", "paused"].includes(event.type)) return again();
      if (!event.type.startsWith("run_")) continue;
      if (since) since.set(event.job, [...(since.get(event.job) ?? []), event]);
      const job = rows.get(event.job);
      if (job) rows.replace(changed(job, event));
    }
  }, signal);
  await load();
}

const changed = (job, event) => ({ ...job, last_run: after(job.last_run, event) });

/** The last run, once this has happened. */
function after(run, event) {
  if (event.type === "run_queued") return { id: event.run, state: "queued", queued_at: event.at };
  if (run?.id !== event.run) return run;
  if (event.type === "run_started") return { ...run, state: "running", started_at: event.at };
  return { ...run, state: event.state, finished_at: event.at };
}

function lastRun(job) {
  const run = job.last_run;
  if (!run) return h("span", { class: "quiet" }, "never ran");
  const at = run.started_at ?? run.queued_at;
  return [h("a", { href: to("runs", run.id) }, badge(run.state)), h("time", { class: "quiet", datetime: at }, ` ${ago(at)}`)];
}

/** Between two tasks, so that none of them is long. */
const idle = () => new Promise((done) => setTimeout(done, 0));
