// One job: what it is, when it comes, how it went, and what one may do with it.

import { h, fill, section, facts, tell, seldom } from "./dom.js";
import { get, part } from "./api.js";
import { listen } from "./events.js";
import { to } from "./router.js";
import { badge, FLOW } from "./state.js";
import { when } from "./time.js";
import { heat, durations } from "./chart.js";
import { confirm, carryOut } from "./dialog.js";
import { runList } from "./runs.js";
import { plan } from "./flow.js";

const CELLS = 120;
const NODES = 30;

export async function job(main, { params: { name }, me, signal }) {
  const path = `jobs/${part(name)}`;
  const top = h("div");
  const why = h("p", { class: "why" });
  const next = h("div");
  const picture = h("div");
  const history = h("div");
  const log = runList(`Runs of ${name}`, () => ({ job: name }), signal, ["Job"]);
  main.append(top, why, picture,
    section("Comes due", next),
    section("What became of its runs", history),
    ask(path, signal),
    section("Runs", log.element));

  let zone;
  async function facts_() {
    const is = await get(path, {}, signal);
    zone ??= is.timezone ?? (await get(`${path}/fires`, { count: 1 }, signal)).timezone;
    const open = top.querySelector("details")?.open;
    fill(top,
      is.description && h("p", null, is.description),
      me.operates && buttons(is),
      facts(
        ["Schedule", [h("code", null, is.schedule), ` ${zone}`]],
        ["State", state(is)],
        ["Last run", is.last_run ? [h("a", { href: to("runs", is.last_run.id) }, badge(is.last_run.state)), " ", when(is.last_run.started_at ?? is.last_run.queued_at, zone)] : "never ran"],
        ["Task", is.task === FLOW ? "a flow" : h("code", null, is.task)],
        ["Nodes", targets(is.targets)],
        ["Tags", is.tags.map((tag) => [h("a", { href: `#/jobs?tag=${part(tag)}` }, tag), " "])],
        ["Written in", `${is.file}, line ${is.line}`]),
      h("details", { open }, h("summary", null, "All its keys"), h("pre", { tabindex: "0" }, JSON.stringify(is.manifest, null, 2))));
    fill(picture, is.plan && section("Slots", plan(is.plan.slots)));
    fill(next, is.next.length
      ? h("ol", { class: "due" }, is.next.map((at) => h("li", null, when(at, zone))))
      : h("p", { class: "quiet" }, is.enabled ? "It does not." : "It is off."));
  }

  function buttons(is) {
    const run = h("button", { class: "primary", onclick: async () => {
      const on = await confirm({ title: `Run ${name} now?`, text: is.task === FLOW ? "All its slots, as they are written." : `On ${is.targets.length === 1 ? is.targets[0] : `its ${is.targets.length} nodes`}, as it is written.`, action: "Run it" });
      if (on) carryOut(run, `${path}/run`, {}, (started) => {
        if (started.run) location.hash = to("runs", started.run);
        else return "It still runs on all its nodes; nothing was started.";
      });
    } }, "Run now");
    const turn = is.enabled ? "Disable" : "Enable";
    const off = !is.enabled && !is.switched_off;
    const flip = !off && h("button", { onclick: async () => {
      const text = is.enabled ? "It will not come due until somebody enables it, whatever its manifest says." : "It will come due again by its schedule.";
      if (await confirm({ title: `${turn} ${name}?`, text, action: turn, danger: is.enabled })) {
        carryOut(flip, `${path}/${turn.toLowerCase()}`, {}, () => {
          facts_();
          return `${name} is ${is.enabled ? "disabled" : "enabled"}.`;
        });
      }
    } }, turn);
    return h("div", { class: "buttons" }, run, flip);
  }

  const state = ({ enabled, switched_off: off }) => {
    if (off) return [h("span", { class: "mark off" }, "off"), ` switched off by ${off.by}, `, when(off.at)];
    return enabled ? "on" : [h("span", { class: "mark off" }, "off"), " by its manifest"];
  };

  async function past() {
    const { items } = await get("runs", { job: name, limit: CELLS }, signal);
    fill(history, items.length ? [heat(items), durations(items)] : h("p", { class: "quiet" }, "It never ran."));
  }

  async function reason() {
    const is = await get(`${path}/why`, {}, signal);
    fill(why, is.text);
  }

  const again = seldom(1000, () => {
    if (!signal.aborted) Promise.all([facts_(), past(), reason()]).catch(() => {});
  });
  listen((events) => {
    for (const event of events) {
      if (event.job === name && event.type === "run_ended") tell(`Run ${event.run} ${event.state}`);
      if ((event.job === name && !event.type.startsWith("unit_")) || ["resync", "reloaded", "paused"].includes(event.type)) again();
    }
  }, signal);
  await Promise.all([facts_(), past(), reason(), log.load()]);
}

function targets(names) {
  if (!names.length) return null;
  const links = (some) => some.map((name, n) => [n ? ", " : "", h("a", { href: to("nodes", name) }, name)]);
  if (names.length <= NODES) return links(names);
  return h("details", null, h("summary", null, `${names.length} nodes`), names.join(", "));
}

/** What became of an instant. */
function ask(path, signal) {
  const input = h("input", { id: "at", placeholder: "02:00 or 2026-11-20T02:00", autocomplete: "off", spellcheck: "false" });
  const said = h("p", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      const is = await get(`${path}/why`, { at: input.value.trim() }, signal);
      fill(said, is.text, is.run && [" ", h("a", { href: to("runs", is.run.id) }, `Run ${is.run.id}`)]);
    } catch (error) {
      fill(said, error.message);
    }
  };
  return section("Why did it not run?",
    h("form", { class: "filters", onsubmit: submit },
      h("div", { class: "field" }, h("label", { for: "at" }, "At, on the job's clock"), input),
      h("button", { type: "submit" }, "Ask")), said);
}
