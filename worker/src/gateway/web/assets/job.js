// One job: what it is, when it comes, how it went, and what one may do with it.

import { h, fill, section, facts, tell, seldom } from "./dom.js";
import { get, part } from "./api.js";
import { listen } from "./events.js";
import { to } from "./router.js";
import { badge, FLOW } from "./state.js";
import { when } from "./time.js";
import { past as pictured } from "./plot.js";
import { confirm, carryOut } from "./dialog.js";
import { runList } from "./runs.js";
import { plan } from "./flow.js";
import { runWith } from "./runwith.js";
import { ask, words } from "./why.js";

const CELLS = 120;
const NODES = 12;

export async function job(main, { params: { name }, me, signal }) {
  const path = `jobs/${part(name)}`;
  const top = h("div");
  const why = h("p", { class: "why" }, "…");
  const next = h("div");
  const picture = h("div");
  const never = h("p", { class: "quiet", hidden: true }, "It never ran.");
  const history = pictured(signal);
  const log = runList(`Runs of ${name}`, () => ({ job: name }), signal, ["Job"]);
  main.append(top, picture,
    section("Its last runs", never, history.element),
    h("div", { class: "columns" },
      section("Did it run?", why, ask(path, signal)),
      section("Comes due", next)),
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
        ["Tags", is.tags.length ? is.tags.map((tag) => [h("a", { href: `#/jobs?tag=${part(tag)}` }, tag), " "]) : null],
        ["Written in", [h("span", { class: "path" }, breakable(is.file)), `, line ${is.line}`]]),
      h("details", { open }, h("summary", null, "All its keys"), h("pre", { tabindex: "0" }, JSON.stringify(is.manifest, null, 2))));
    fill(picture, is.plan && section("Slots", plan(is.plan.slots)));
    fill(next, is.next.length
      ? h("ol", { class: "due" }, is.next.map((at) => h("li", null, when(at, zone))))
      : h("p", { class: "quiet" }, is.enabled ? ["At no time of the clock: its schedule is ", h("code", null, is.schedule), "."] : "Not while it is off."));
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
    // Of one node there is no choice, for who may choose among its own alone.
    const other = is.task !== FLOW && (me.role === "admin" || is.targets.length > 1) && h("button", { onclick: () => runWith(is, me) }, "Run with…");
    return h("div", { class: "buttons" }, run, other, flip);
  }

  const state = ({ enabled, switched_off: off }) => {
    if (off) return [h("span", { class: "mark off" }, "off"), ` switched off by ${off.by}, `, when(off.at)];
    return enabled ? "on" : [h("span", { class: "mark off" }, "off"), " by its manifest"];
  };

  async function past() {
    const { items } = await get("runs", { job: name, limit: CELLS }, signal);
    never.hidden = items.length > 0;
    history.element.hidden = !items.length;
    history.set(items);
  }

  async function reason() {
    const is = await get(`${path}/why`, {}, signal);
    fill(why, words(is.text));
  }

  const again = seldom(1000, () => Promise.all([facts_(), past(), reason()]), signal);
  listen((events) => {
    for (const event of events) {
      if (event.job === name && event.type === "run_ended") tell(`Run ${event.run} ${event.state}`);
      if ((event.job === name && !event.type.startsWith("unit_")) || ["resync", "reloaded", "paused"].includes(event.type)) again();
    }
  }, signal);
  try {
    await Promise.all([facts_(), past(), reason(), log.load()]);
  } catch (error) {
    // Of what does not exist there is nothing else to say.
    if (error.status === 404) main.replaceChildren(main.querySelector("h1"));
    throw error;
  }
}

function targets(names) {
  if (!names.length) return null;
  const links = (some) => some.map((name, n) => [n ? ", " : "", h("a", { href: to("nodes", name) }, name)]);
  if (names.length <= NODES) return links(names);
  return h("details", null, h("summary", null, `${names.length} nodes`), names.join(", "));
}

/** A path, which may go on in another line behind a slash and nowhere else. */
const breakable = (path) => path.split(/(?<=\/)/).map((part, n) => [n > 0 && h("wbr"), part]);
