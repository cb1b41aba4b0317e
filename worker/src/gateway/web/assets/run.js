// One run: its units by node, what they write, and ending it or trying it again.

import { h, fill, section, facts, tell, seldom } from "./dom.js";
import { get, part } from "./api.js";
import { listen } from "./events.js";
import { to, remember } from "./router.js";
import { badge, isOver, unitWord, isBad } from "./state.js";
import { when, took } from "./time.js";
import { listed } from "./list.js";
import { confirm, carryOut } from "./dialog.js";
import { ofRun, ofUnit, size } from "./follow.js";
import { alike, changed } from "./compare.js";
import { slots } from "./flow.js";
import { progress } from "./progress.js";

// Of so many bytes in all, one looks at a node's.
const MUCH = 2e6;
const EXEC = "@exec";

export async function run(main, { params: { id }, query, me, signal }) {
  const path = `runs/${part(id)}`;
  // What happens while it is fetched is not missed.
  let early = [];
  listen((events) => (early ? early.push(...events) : heard(events)), signal);
  let is = await get(path, {}, signal);
  const zone = await zoneOf(is, signal);
  const top = h("div");
  const picture = h("div");
  const why = h("p");
  fill(main.querySelector("h1"), `Run ${id} `, h("span", { class: "quiet" }, is.job === EXEC ? "of a command" : `of ${is.job}`));
  main.append(top, why, picture);

  const units = new Map(is.nodes.map((unit) => [unit.id, unit]));
  const panes = is.slots ? null : outputs(main, () => is, units, query, signal);

  function draw() {
    fill(top,
      me.operates && buttons(),
      facts(
        ["State", [badge(is.state), is.reason && `: ${is.reason}`]],
        ["Job", is.job === EXEC ? h("code", null, is.command) : h("a", { href: to("jobs", is.job) }, is.job)],
        ["Units", is.units.total ? progress(is) : null],
        ["Due", is.scheduled_at && when(is.scheduled_at, zone)],
        ["Begun", is.started_at && when(is.started_at, zone, true)],
        ["Took", is.started_at && h("span", { id: "took" }, took(is))],
        ["By", is.by ? `${is.trigger}, ${is.by}` : is.trigger],
        ["Retry of", is.retry_of && h("a", { href: to("runs", is.retry_of) }, `run ${is.retry_of}`)],
        ["Taken up", is.resumed && `in slot ${is.resumed.slot}`],
        ["Part of", is.flow && h("a", { href: to("runs", is.flow.run) }, `run ${is.flow.run}, slot ${is.flow.slot}`)],
        ["Left out", is.gaps.length ? is.gaps.map((gap) => `${gap.node ?? "all"} (${gap.reason})`).join(", ") : null]));
    fill(picture, is.slots && section("Slots", slots(is.slots, is.resumed)));
  }

  function buttons() {
    if (!isOver(is)) {
      const cancel = h("button", { class: "danger", onclick: async () => {
        const sure = await confirm({ title: `Cancel run ${id}?`, text: "What runs of it is ended, on the nodes too; nothing more of it starts.", action: "Cancel the run", danger: true });
        if (sure) carryOut(cancel, `${path}/cancel`, undefined, () => "The run is being ended.");
      } }, "Cancel the run");
      return h("div", { class: "buttons" }, cancel);
    }
    if (is.job === EXEC || is.state === "succeeded") return null;
    if (!is.slots && !is.units.total) return null;
    const retry = (only, name, text) => {
      const button = h("button", { onclick: async () => {
        if (!(await confirm({ title: `${name}?`, text, action: name }))) return;
        carryOut(button, `${path}/retry`, { only }, (started) => {
          if (started.run) location.hash = to("runs", started.run);
          else return "It still runs there; nothing was started.";
        });
      } }, name);
      return button;
    };
    if (is.slots) {
      const take = retry("unsuccessful", "Take it up", "As a new run of the flow, from the first slot that is not done, with the units that did not succeed.");
      return h("div", { class: "buttons" }, take);
    }
    const last = lastAttempts(units);
    const some = last.some((unit) => ["unreachable", "skipped"].includes(unit.outcome));
    return h("div", { class: "buttons" },
      retry("unsuccessful", "Retry what did not succeed", "As a new run of the job, on every node whose last attempt did not succeed."),
      some && retry("unstarted", "Retry what never started", "As a new run of the job, on the nodes where it certainly never started."));
  }

  async function reason() {
    if (!isOver(is) || is.job.startsWith("@")) return;
    fill(why, (await get(`jobs/${part(is.job)}/why`, { run: id }, signal)).text);
  }

  async function load() {
    const now = await get(path, {}, signal);
    // It may have been on its way while more happened.
    if (isOver(is) && !isOver(now)) return;
    is = now;
    for (const unit of is.nodes) if (unit.state === "done" || units.get(unit.id)?.state !== "done") units.set(unit.id, unit);
    draw();
    panes?.draw();
    await reason();
  }

  draw();
  panes?.draw();
  // The job may be gone; then there is nobody to say.
  reason().catch(() => {});
  const again = seldom(500, () => {
    if (!signal.aborted) load().catch(() => {});
  });
  const parts = new Set();
  for (const some of is.slots ?? []) for (const one of some) if (one.run) parts.add(one.run.id);

  function heard(events) {
    let drawn = false;
    for (const event of events) {
      if (event.type === "resync") return again();
      if (is.slots && (event.flow?.run === is.id || parts.has(event.run))) {
        parts.add(event.run);
        again();
      }
      if (event.run !== is.id) continue;
      if (event.type === "unit_started" || event.type === "unit_ended") {
        apply(event);
        drawn = true;
      } else if (event.type === "run_started") again();
      else if (event.type === "run_ended") {
        tell(`Run ${id} ${event.state}`);
        again();
      }
    }
    if (!drawn) return;
    is = { ...is, units: counted(units) };
    draw();
    panes?.draw();
  }

  function apply({ type, unit, run, node, at, attempt, outcome, summary, detail, result }) {
    const old = units.get(unit) ?? { id: unit, run, node, attempt: attempt ?? attempts(node) + 1, output_bytes: 0 };
    if (old.state === "done") return;
    units.set(unit, type === "unit_started"
      ? { ...old, state: "running", started_at: at }
      : { ...old, state: "done", outcome, summary, detail, result, finished_at: at });
  }
  const attempts = (node) => [...units.values()].filter((unit) => unit.node === node).length;

  heard(early);
  early = null;

  const ticking = setInterval(() => {
    if (isOver(is) || !is.started_at) return;
    const shown = document.getElementById("took");
    if (shown) fill(shown, took(is));
    panes?.anew();
  }, 1000);
  signal.addEventListener("abort", () => clearInterval(ticking));
}

async function zoneOf(run, signal) {
  if (run.job.startsWith("@")) return null;
  try {
    return (await get(`jobs/${part(run.job)}/fires`, { count: 1 }, signal)).timezone;
  } catch (error) {
    if (signal.aborted) throw error;
    // It has left the configuration.
    return null;
  }
}

function lastAttempts(units) {
  const last = new Map();
  for (const unit of units.values()) if (!(last.get(unit.node)?.attempt > unit.attempt)) last.set(unit.node, unit);
  return [...last.values()];
}

function counted(units) {
  const tally = { total: 0, succeeded: 0, failed: 0, cancelled: 0, lost: 0, skipped: 0, open: 0 };
  for (const unit of lastAttempts(units)) {
    tally.total++;
    const word = unitWord(unit);
    if (unit.state !== "done") tally.open++;
    else tally[word in tally ? word : "failed"]++;
  }
  return tally;
}

/** The units and what they wrote, beside each other. */
function outputs(main, run, units, query, signal) {
  let chosen = query.get("node");
  let mode = query.get("show") ?? (chosen ? "one" : "all");
  let showing = new AbortController();
  signal.addEventListener("abort", () => showing.abort());

  const rows = listed({
    label: "Units",
    key: (unit) => unit.id,
    inside: true,
    empty: "It has no units.",
    columns: [
      { name: "Node", class: "wide", cell: (unit) => h("button", { class: "link", type: "button", onclick: () => choose(unit) }, unit.node, unit.attempt > 1 && h("span", { class: "quiet" }, ` attempt ${unit.attempt}`)) },
      { name: "State", class: "wide", cell: (unit) => badge(unitWord(unit), unit.summary) },
      { name: "Took", class: "number", cell: took },
      { name: "Wrote", class: "number minor", cell: (unit) => (unit.output_bytes ? size(unit.output_bytes) : "–") },
    ],
  }, signal);
  const tabs = [["all", "All nodes"], ["one", "One node"], ["alike", "Alike"], ["compare", "Since the run before"]].map(([name, label]) => ({ name, button:
    h("button", { type: "button", class: "tab", onclick: () => select(name) }, label) }));
  const pane = h("div", { class: "pane" });
  main.append(h("div", { class: "beside" },
    section("Units", rows.element),
    section("Output", h("div", { class: "tabs", role: "group", "aria-label": "What to show" }, tabs.map(({ button }) => button)), pane)));

  function choose(unit) {
    chosen = unit.node;
    select(mode === "compare" ? "compare" : "one", unit);
  }

  function pick() {
    const last = lastAttempts(units);
    const found = last.find((unit) => unit.node === chosen);
    return found ?? last.find((unit) => isBad(unitWord(unit))) ?? last[0];
  }

  function select(name, unit = pick()) {
    mode = name;
    remember({ node: mode === "one" || mode === "compare" ? unit?.node : "", show: mode === "all" || mode === "one" ? "" : mode });
    for (const { name: known, button } of tabs) button.setAttribute("aria-pressed", String(known === name));
    showing.abort();
    showing = new AbortController();
    // What is drawn next keeps hold of its own parts.
    pane.replaceChildren();
    const { signal: own } = showing;
    const failed = (error) => {
      if (!own.aborted) fill(pane, h("p", { class: "error" }, error.message));
    };
    if (!unit) return fill(pane, h("p", { class: "quiet" }, "There is no output."));
    if (name === "all") {
      const sum = [...units.values()].reduce((sum, one) => sum + one.output_bytes, 0);
      if (sum > MUCH) return fill(pane, h("p", { class: "quiet" }, `It wrote ${size(sum)} in all: choose a node.`));
      fill(pane, ofRun(run().id, own));
    } else if (name === "one") {
      const detail = [unit.detail && h("p", null, unit.detail), unit.result && unit.result !== "No output returned." && h("p", null, "Returned: ", h("code", null, unit.result))];
      fill(pane, h("h3", null, unit.node, " ", badge(unitWord(unit), unit.summary)), detail, ofUnit(unit, own));
    } else if (name === "alike") alike(pane, lastAttempts(units), own).catch(failed);
    else changed(pane, run(), unit, own).catch(failed);
  }

  let begun = false;
  return {
    anew: rows.anew,
    draw() {
      const all = [...units.values()];
      all.sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : a.attempt - b.attempt));
      rows.set(all);
      if (begun || !all.length) return;
      begun = true;
      select(mode);
    },
  };
}
