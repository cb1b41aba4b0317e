// One node: how it fares, and what runs there.

import { h, fill, section, facts, seldom } from "./dom.js";
import { get, part } from "./api.js";
import { listen } from "./events.js";
import { to } from "./router.js";
import { badge, unitWord } from "./state.js";
import { clock, when, took } from "./time.js";
import { strip } from "./cells.js";
import { table } from "./list.js";
import { address, connection, contact, failures, running } from "./nodes.js";

// More of them are names and no links: thousands take a second to draw.
const LINKS = 200;

export async function node(main, { params: { name }, signal }) {
  const body = h("div");
  main.append(body);
  async function load() {
    const is = await get(`nodes/${part(name)}`, {}, signal);
    const open = body.querySelector(":scope > details")?.open;
    const rest = body.querySelector("section details")?.open;
    const now = is.units.filter((unit) => unit.state === "running").map((unit) => ({ job: unit.job, run: unit.run }));
    fill(body,
      facts(
        ["Connection", connection(is)],
        ["Last contact", contact(is.last_contact)],
        ["Runs now", running(now, name)],
        ["Failures", failures(is)],
        ["Address", address(is)],
        ["Tags", is.tags.join(", ")]),
      section("What ran there last", is.units.length
        ? [history(is.units, name), table("Latest units", [
          { name: "Job", cell: (unit) => h("a", { href: `${to("runs", unit.run)}?node=${part(name)}` }, unit.job) },
          { name: "State", cell: (unit) => badge(unitWord(unit), unit.summary) },
          { name: "Run", class: "minor", cell: (unit) => h("a", { href: to("runs", unit.run) }, `${unit.run}`) },
          { name: "Begun", cell: (unit) => when(unit.started_at) },
          { name: "Took", class: "number", cell: took },
        ], is.units)]
        : h("p", { class: "quiet" }, "Nothing has run there.")),
      section("Jobs that run there", is.jobs.length
        ? [h("ul", { class: "names" }, is.jobs.slice(0, LINKS).map((job) => h("li", null, h("a", { href: to("jobs", job) }, job)))),
          is.jobs.length > LINKS && h("details", { open: rest }, h("summary", null, `${is.jobs.length - LINKS} more`), h("p", { class: "names" }, is.jobs.slice(LINKS).join(", ")))]
        : h("p", { class: "quiet" }, "None.")),
      h("details", { open }, h("summary", null, "All its keys"), h("pre", { tabindex: "0" }, JSON.stringify(is.manifest, null, 2))));
  }
  const again = seldom(1000, load, signal);
  listen((events) => {
    if (events.some((event) => event.node === name || event.type === "resync" || event.type === "reloaded")) again();
  }, signal);
  await load();
}

/** Its latest units as cells. */
const history = (units, name) => strip("Latest units, the newest last", [...units].reverse().map((unit) => ({
  word: unitWord(unit),
  label: `${unit.job}, ${unit.summary ?? unitWord(unit)}, ${clock(unit.started_at ?? unit.finished_at ?? Date.now())}`,
  href: `${to("runs", unit.run)}?node=${part(name)}`,
})));
