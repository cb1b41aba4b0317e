// How things stand: what runs, what comes, what failed, and who does the work.

import { h, fill, section, facts, tell, seldom } from "./dom.js";
import { get } from "./api.js";
import { listen } from "./events.js";
import { to } from "./router.js";
import { progress } from "./progress.js";
import { badge, tally } from "./state.js";
import { ago, when, took, clock } from "./time.js";
import { timeline } from "./chart.js";
import { table } from "./list.js";

const LOOKED = "loom-looked";
const DAY = 86400000;
const SHOWN = 50;

export async function overview(main, { me, signal }) {
  const running = h("div", null, h("p", { class: "quiet" }, "…"));
  const coming = h("div");
  const failed = h("div");
  const work = h("div");
  const trouble = h("div");
  main.append(trouble,
    h("div", { class: "columns" },
      section("Running now", running),
      section("Workers and queue", work)),
    section("Failed since you last looked", failed),
    section("Next 24 hours", coming));

  let open = new Map();
  let more = false;

  const drawRunning = () => {
    if (!open.size) return fill(running, h("p", { class: "quiet" }, "Nothing runs."));
    fill(running, table("What runs now", [
      { name: "Job", cell: (run) => h("a", { href: to("runs", run.id) }, run.command ?? run.job) },
      { name: "State", class: "narrow", cell: (run) => badge(run.state) },
      { name: "Units", cell: progress },
      { name: "For", class: "number", cell: took },
    ], [...open.values()]), more && h("p", null, h("a", { href: "#/runs?state=queued,running" }, "All that run")));
  };

  let asked = 0;
  let pending = false;
  async function runs() {
    const own = ++asked;
    pending = true;
    const page = await get("runs", { state: "queued,running", limit: SHOWN }, signal);
    if (own !== asked) return;
    pending = false;
    open = new Map(page.items.map((run) => [run.id, run]));
    more = Boolean(page.next);
    drawRunning();
  }

  async function daemon() {
    const is = await get("daemon", {}, signal);
    const { units, workers, ledger } = is;
    fill(work, facts(
      ["Workers", `${workers.busy} busy of ${workers.live} (${workers.min} to ${workers.max})`],
      ["Units", `${units.running} running, ${units.waiting} waiting, ${units.held} held back`],
      ["Nodes", h("a", { href: "#/nodes" }, `${is.nodes}, ${is.connections} connected`)],
      ["Jobs", h("a", { href: "#/jobs" }, `${is.jobs}`)],
      ["Daemon", `${is.version} on ${is.hostname}, up since ${clock(is.started_at)}`]));
    fill(trouble,
      is.paused && h("p", { class: "notice" }, "All schedules are paused."),
      is.stopping && h("p", { class: "notice" }, "The daemon is being stopped; nothing starts any more."),
      is.reload_trouble && h("div", { class: "notice bad" }, "The last reload was refused: ", h("pre", null, is.reload_trouble)),
      ledger.trouble && h("p", { class: "notice bad" }, `The ledger cannot be written: ${ledger.trouble}`));
  }

  async function fires() {
    const all = await get("fires", { limit: 8 }, signal);
    if (!all.spans.length) return fill(coming, h("p", { class: "quiet" }, "Nothing comes due."));
    fill(coming, timeline(all), h("ol", { class: "due" }, all.next.map(({ at, job, timezone }) =>
      h("li", null, when(at, timezone), " ", h("a", { href: to("jobs", job) }, job)))));
  }

  async function failures() {
    const since = looked();
    const page = await get("runs", { state: "failed,lost", since, limit: SHOWN }, signal);
    if (!page.items.length) return fill(failed, h("p", { class: "quiet" }, `Nothing has failed since ${clock(since)}.`));
    const seen = () => {
      localStorage.setItem(LOOKED, new Date().toISOString());
      tell("Marked as seen.");
      failures();
    };
    const last = new Map();
    for (const run of page.items) {
      const name = run.command ?? run.job;
      if (last.has(name)) last.get(name).times++;
      else last.set(name, { run, name, times: 1 });
    }
    fill(failed, table("What failed", [
      { name: "Job", cell: ({ run, name }) => (run.command ? h("code", null, name) : h("a", { href: to("jobs", run.job) }, name)) },
      { name: "State", class: "narrow", cell: ({ run, times }) => badge(run.state, times > 1 ? `${run.state}, ${times} times` : run.state) },
      { name: "Last run", cell: ({ run }) => h("a", { href: to("runs", run.id) }, `${run.id}`) },
      { name: "Units", class: "minor", cell: ({ run }) => tally(run.units) },
      { name: "When", class: "number", cell: ({ run }) => h("time", { datetime: run.queued_at, title: clock(run.queued_at, true) }, ago(run.queued_at)) },
    ], [...last.values()]), h("p", null, h("button", { onclick: seen }, "I have seen these"), page.next && [" ", h("a", { href: "#/runs?state=failed,lost" }, "All that failed")]));
  }

  const all = () => Promise.all([runs(), daemon(), fires(), failures()]);
  const again = { daemon: seldom(1000, quietly(daemon)), runs: seldom(1000, quietly(runs)), failures: seldom(1000, quietly(failures)), fires: seldom(5000, quietly(fires)) };

  function quietly(work) {
    return () => {
      if (!signal.aborted) work().catch(() => {});
    };
  }

  listen((events) => {
    let drawn = false;
    for (const event of events) {
      const run = open.get(event.run);
      // The answer that is on its way may be from before this.
      if (pending && event.run) again.runs();
      if (event.type === "unit_ended" && run && event.again == null) {
        const units = { ...run.units };
        units.open = Math.max(0, units.open - 1);
        units[event.outcome === "succeeded" ? "succeeded" : event.outcome in units ? event.outcome : "failed"]++;
        open.set(run.id, { ...run, units });
        drawn = true;
      } else if (event.type === "run_queued") again.runs();
      else if (event.type === "run_started" && run) {
        open.set(run.id, { ...run, state: "running", started_at: run.started_at ?? event.at });
        drawn = true;
      } else if (event.type === "run_ended") {
        drawn = open.delete(event.run) || drawn;
        if (more) again.runs();
        if (["failed", "lost"].includes(event.state)) {
          tell(`${event.job}: run ${event.run} ${event.state}`);
          again.failures();
        }
      } else if (event.type === "resync") all().catch(() => {});
      if (["reloaded", "switched", "paused"].includes(event.type)) again.fires();
    }
    if (drawn) drawRunning();
    again.daemon();
  }, signal);
  await all();

  // What runs has been running for longer; and the coming day moves on.
  const clockwork = setInterval(() => {
    if (!document.hidden && open.size) drawRunning();
  }, 1000);
  const minutes = setInterval(() => {
    again.fires();
    again.daemon();
  }, 60000);
  signal.addEventListener("abort", () => {
    clearInterval(clockwork);
    clearInterval(minutes);
  });
}

/** Of who has never looked, it is a day. */
function looked() {
  const kept = localStorage.getItem(LOOKED);
  const fits = kept && !Number.isNaN(Date.parse(kept));
  return fits ? kept : new Date(Date.now() - DAY).toISOString();
}
