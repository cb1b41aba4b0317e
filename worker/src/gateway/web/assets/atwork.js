// What runs on which node just now, put together from the runs that are under way and from the news.

import { get } from "./api.js";
import { listen } from "./events.js";

// So many runs are looked into, with so many units in all; beyond that only what begins from now on
// is known.
const RUNS = 20;
const UNITS = 5000;

/** `changed(node)` hears of each that has begun or ended something; without a node, of all. */
export function atWork(signal, changed) {
  let on = new Map();
  let partial = false;
  // Units that ended while the runs were on their way.
  let ended = null;
  let turn = 0;

  const begin = ({ id, node, job, run }) => {
    if (ended?.has(id)) return;
    if (!on.has(node)) on.set(node, new Map());
    on.get(node).set(id, { job, run });
  };

  async function load() {
    const own = ++turn;
    ended = new Set();
    on = new Map();
    try {
      await look(own);
    } finally {
      if (own === turn) ended = null;
    }
    changed();
  }

  async function look(own) {
    const { items, next } = await get("runs", { state: "running", limit: RUNS }, signal);
    if (own !== turn) return;
    partial = Boolean(next);
    let left = UNITS;
    for (const run of items) {
      if (!run.units.open) continue;
      left -= run.units.total;
      if (left < 0) {
        partial = true;
        continue;
      }
      const units = await unitsOf(run);
      if (own !== turn) return;
      for (const unit of units) if (unit.state === "running") begin({ ...unit, job: run.command ?? run.job });
    }
  }

  async function unitsOf({ id }) {
    try {
      return (await get(`runs/${id}`, {}, signal)).nodes;
    } catch (error) {
      // It has ended and been pruned meanwhile.
      if (error.status === 404) return [];
      throw error;
    }
  }

  listen((events) => {
    const nodes = new Set();
    for (const { type, unit, node, job, run } of events) {
      if (type === "unit_started") begin({ id: unit, node, job, run });
      else if (type === "unit_ended") {
        ended?.add(unit);
        on.get(node)?.delete(unit);
      } else {
        if (type === "resync") load().catch(() => {});
        continue;
      }
      nodes.add(node);
    }
    for (const node of nodes) changed(node);
  }, signal);

  return {
    load,
    of: (node) => [...(on.get(node)?.values() ?? [])],
    /** Not all that runs is known. */
    get partial() {
      return partial;
    },
  };
}
