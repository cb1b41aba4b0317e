// One run: how it stands, live. Its units and what they write are in parts of their own.

import { h, fill, section, facts, tell, seldom } from "./dom.js";
import { get, part } from "./api.js";
import { listen } from "./events.js";
import { to } from "./router.js";
import { EXEC, badge, isOver } from "./state.js";
import { when, took } from "./time.js";
import { buttons } from "./act.js";
import { slots } from "./flow.js";
import { panes as outputs } from "./panes.js";
import { progress } from "./progress.js";
import { counted } from "./units.js";
import { words } from "./why.js";

export async function run(main, { params: { id }, query, me, signal }) {
  const path = `runs/${part(id)}`;
  // What happens while it is fetched is not missed.
  let early = [];
  listen((events) => (early ? early.push(...events) : heard(events)), signal);
  let is = await get(path, {}, signal);
  // Until it is known, times are on the viewer's clock alone.
  let zone = null;
  const top = h("div");
  const picture = h("div");
  const why = h("p");
  fill(main.querySelector("h1"), `Run ${id} `, h("span", { class: "quiet" }, is.job === EXEC ? "of a command" : `of ${is.job}`));
  main.append(top, why, picture);

  const units = new Map(is.nodes.map((unit) => [unit.id, unit]));
  // Which of the open ones run, the API does not count.
  const tallied = (run) => (run.slots ? run : { ...run, units: counted(units) });
  is = tallied(is);
  const panes = is.slots ? null : outputs(main, () => is, units, query, signal);

  function draw() {
    fill(top,
      me.operates && buttons(is, units),
      facts(
        ["State", [badge(is.state), is.reason && `: ${is.reason}`]],
        ["Job", is.job === EXEC ? h("code", null, is.command) : h("a", { href: to("jobs", is.job) }, is.job)],
        ["Units", is.units.total ? progress(is) : null],
        ["Due", is.scheduled_at && when(is.scheduled_at, zone)],
        ["Begun", is.started_at && when(is.started_at, zone, true)],
        ["Took", is.started_at && h("span", { id: "took" }, took(is))],
        ["By", is.by ? `${is.trigger}, ${is.by}` : is.trigger],
        ["Retry of", is.retry_of && h("a", { href: to("runs", is.retry_of) }, `run ${is.retry_of}`)],
        ["Begun in", is.resumed && `slot ${is.resumed.slot} of ${is.slots.length}`],
        ["Part of", is.flow && h("a", { href: to("runs", is.flow.run) }, `run ${is.flow.run}, slot ${is.flow.slot}`)],
        ["Left out", is.gaps.length ? is.gaps.map((gap) => `${gap.node ?? "all"} (${gap.reason})`).join(", ") : null]));
    fill(picture, is.slots && section("Slots", slots(is.slots, is)));
  }

  async function reason() {
    if (!isOver(is) || is.job.startsWith("@")) return;
    fill(why, words((await get(`jobs/${part(is.job)}/why`, { run: id }, signal)).text));
  }

  async function load() {
    const now = await get(path, {}, signal);
    // It may have been on its way while more happened.
    if (isOver(is) && !isOver(now)) return;
    for (const unit of now.nodes) if (unit.state === "done" || units.get(unit.id)?.state !== "done") units.set(unit.id, unit);
    is = tallied(now);
    draw();
    panes?.draw();
    await reason();
  }

  draw();
  panes?.draw();
  // The job may be gone; then there is nobody to say.
  reason().catch(() => {});
  zoneOf(is, signal).then((found) => {
    zone = found;
    draw();
  }).catch(() => {});
  const again = seldom(500, load, signal);
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
    is = tallied(is);
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
