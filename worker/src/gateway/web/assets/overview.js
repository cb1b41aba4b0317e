// How the last day went, what failed, what runs and comes, and who does the work.

import { h, fill, section, facts, tell, seldom, complain } from "./dom.js";
import { get } from "./api.js";
import { listen } from "./events.js";
import { to } from "./router.js";
import { progress } from "./progress.js";
import { badge, tally } from "./state.js";
import { ago, when, took, clock } from "./time.js";
import { timeline, step, parts, sum, counted, whenResized } from "./timeline.js";
import { table } from "./list.js";

const LOOKED = "loom-looked";
const HOUR = 3600000;
const WEEK = 168;
const SHOWN = 50;

// Why nothing ran, for people. What was switched off or taken out on purpose is not told.
const REASONS = {
  overlap: "the run before still went on",
  paused: "all schedules were paused",
  "daemon down": "no daemon ran",
  "ledger down": "the ledger could not be written",
  deadline: "it was noticed too late",
  "clock jump": "the clock stepped over it",
  "no targets": "there were no nodes to run on",
};

export async function overview(main, { me, signal }) {
  const told = h("p", { class: "told" }, "…");
  const buttons = me.administers && h("div", { class: "buttons" });
  const running = h("div", null, h("p", { class: "quiet" }, "…"));
  const next = h("div");
  const failed = h("div");
  const work = h("div");
  const trouble = h("div");
  const answer = h("div");
  const picture = timeline();
  main.append(h("div", { class: "beginning" }, told, buttons), answer, trouble,
    section("Failed since you last looked", failed),
    section("The last 24 hours and the next 24", picture.element),
    h("div", { class: "columns" },
      h("div", null, section("Running now", running), section("Coming next", next)),
      section("Workers and queue", work)));

  let past = null;
  let coming = null;
  let is = null;
  let drawControls = null;
  if (me.administers) {
    import("./controls.js").then(({ controls }) => {
      drawControls = controls(buttons, answer, () => Promise.all([daemon(), fires()]));
      if (is) drawControls(is.paused);
    }, complain);
  }
  let open = new Map();
  let more = false;

  function drawTold() {
    if (!past || !is) return;
    const { runs, missed } = past;
    const all = sum(runs);
    const late = missed.filter(({ reason }) => REASONS[reason]);
    const now = [...open.values()].filter((run) => !run.flow && run.state === "running").length;
    const wait = is.units.waiting + is.units.held;
    fill(told, h("strong", null, "Last 24 hours: "),
      all ? `${counted(all, "run")}, ${parts(runs, ["succeeded", "failed", "lost", "skipped", "cancelled"]) || "none of them over"}. ` : "nothing ran. ",
      late.length === 1 && `${counted(late[0].jobs, "job")} did not run when due. `,
      late.length > 1 && "Some jobs did not run when due. ",
      now ? `${more ? `More than ${now}` : now} ${now === 1 ? "runs" : "run"} now` : "Nothing runs now",
      wait ? `, ${counted(wait, "unit")} ${wait === 1 ? "waits" : "wait"}.` : ".");
  }

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
    drawTold();
  }

  async function daemon() {
    is = await get("daemon", {}, signal);
    const { units, workers, ledger } = is;
    fill(work, facts(
      ["Workers", `${workers.busy} busy of ${workers.live}; at most ${workers.max}`],
      ["Units", `${units.running} running, ${units.waiting} waiting, ${units.held} held back`],
      ["Nodes", h("a", { href: "#/nodes" }, `${is.nodes}, ${is.connections} connected`)],
      // Whose token is limited is shown some of them.
      ["Jobs", me.jobs.length ? null : h("a", { href: "#/jobs" }, `${is.jobs}`)],
      ["Daemon", `${is.version} on ${is.hostname}, up since ${clock(is.started_at)}`]));
    fill(trouble,
      !is.jobs && begin(is),
      is.paused && h("p", { class: "notice" }, "All schedules are paused."),
      is.stopping && h("p", { class: "notice" }, "The daemon is being stopped; nothing starts any more."),
      is.reload_trouble && h("div", { class: "notice bad" }, "The last reload was refused: ", h("pre", null, is.reload_trouble)),
      ledger.trouble && h("p", { class: "notice bad" }, `The ledger cannot be written: ${ledger.trouble}`));
    drawControls?.(is.paused);
    drawTold();
    drawNext();
  }

  const draw = () => {
    if (past && coming) picture.draw(past, coming);
  };

  async function activity() {
    past = await get("activity", { step: step() }, signal);
    draw();
    drawTold();
  }

  async function fires() {
    coming = await get("fires", { step: step(), limit: 8 }, signal);
    draw();
    drawNext();
  }

  // That all is paused may be known later than that nothing comes due.
  function drawNext() {
    if (coming) fill(next, coming.next.length
      ? h("ol", { class: "due" }, coming.next.map(({ at, job, timezone }) => h("li", null, when(at, timezone), " ", h("a", { href: to("jobs", job) }, job))))
      : h("p", { class: "quiet" }, is?.paused ? "Nothing: all schedules are paused." : "Nothing comes due in the next 24 hours."));
  }

  /** What has not run since, as far back as is kept count of. */
  async function unrun(since) {
    const hours = Math.max(1, Math.min(WEEK, Math.ceil((Date.now() - new Date(since)) / HOUR)));
    const { missed } = await get("activity", { hours, step: hours * 3600 }, signal);
    return missed.filter(({ reason, last_at }) => REASONS[reason] && last_at >= since);
  }

  async function failures() {
    const since = looked();
    const [page, missed] = await Promise.all([get("runs", { state: "failed,lost,skipped", parts: false, since, limit: SHOWN }, signal), unrun(since)]);
    if (!page.items.length && !missed.length) return fill(failed, h("p", { class: "quiet" }, `Nothing has failed since ${clock(since)}, and nothing was missed.`));
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
    fill(failed, page.items.length > 0 && table("What failed", [
      { name: "Job", cell: ({ run, name }) => (run.command ? h("code", null, name) : h("a", { href: to("jobs", run.job) }, name)) },
      { name: "Last run", cell: ({ run, times }) => h("a", { href: to("runs", run.id) }, badge(run.state, [run.reason ? `${run.state}: ${REASONS[run.reason] ?? run.reason}` : run.state, times > 1 && `, ${times} times`])) },
      { name: "Units", class: "minor", cell: ({ run }) => tally(run.units) },
      { name: "When", class: "number", cell: ({ run }) => h("time", { datetime: run.queued_at, title: clock(run.queued_at, true) }, ago(run.queued_at)) },
    ], [...last.values()]), missed.length > 0 && h("ul", { class: "missed linked" }, missed.map(unrunWords)), h("p", null, h("button", { onclick: seen }, "I have seen these"), page.next && [" ", h("a", { href: "#/runs?state=failed,lost" }, "All that failed")]));
  }

  const again = {
    daemon: seldom(1000, daemon, signal),
    runs: seldom(1000, runs, signal),
    failures: seldom(1000, failures, signal),
    fires: seldom(5000, fires, signal),
    activity: seldom(5000, activity, signal),
  };

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
        if (["failed", "lost", "skipped"].includes(event.state)) {
          tell(`${event.job}: run ${event.run} ${event.state}`);
          again.failures();
        }
      } else if (event.type === "resync") for (const work of Object.values(again)) work();
      if (event.type === "missed") again.failures();
      if (["run_queued", "run_ended", "missed"].includes(event.type)) again.activity();
      if (["reloaded", "switched", "paused"].includes(event.type)) again.fires();
    }
    if (drawn) {
      drawRunning();
      drawTold();
    }
    again.daemon();
  }, signal);

  // What runs has been running for longer; and the coming day moves on.
  const clockwork = setInterval(() => {
    if (!document.hidden && open.size) drawRunning();
  }, 1000);
  const minutes = setInterval(() => {
    again.activity();
    again.fires();
    again.daemon();
  }, 60000);
  whenResized(() => {
    again.activity();
    again.fires();
  }, signal);
  signal.addEventListener("abort", () => {
    clearInterval(clockwork);
    clearInterval(minutes);
  });
  await Promise.all([activity(), fires(), failures(), runs(), daemon()]);
}

function unrunWords({ reason, jobs, names, count, first_at: first, last_at: last }) {
  const times = first === last ? `at ${clock(last)}` : `${counted(count, "time")} from ${clock(first)} to ${clock(last)}`;
  const others = jobs - names.length;
  return h("li", null, badge("skipped", "not run"), " ", names.map((name, n) => [n > 0 && ", ", h("a", { href: to("jobs", name) }, name)]),
    others > 0 && ` and ${counted(others, "other")}`, ` ${times}: ${REASONS[reason]}.`);
}

/** What to do where there is nothing yet. */
const begin = ({ nodes }) => h("p", { class: "notice" }, `There are no ${nodes ? "" : "nodes and no "}jobs yet. Loom reads them from files: `,
  h("code", null, "nodesfile"), " and ", h("code", null, "jobspath"), " in ", h("code", null, "loom.yaml"), " say where. What is written there appears here within seconds; ",
  h("code", null, "loom check"), " says what is wrong with it.");

/** Of who has never looked, it is a day. */
function looked() {
  const kept = localStorage.getItem(LOOKED);
  const fits = kept && !Number.isNaN(Date.parse(kept));
  return fits ? kept : new Date(Date.now() - 24 * HOUR).toISOString();
}
