// A flow's slots as a picture: what stands beside each other in a column, one column after another.

import { h } from "./dom.js";
import { to } from "./router.js";
import { badge } from "./state.js";
import { took } from "./time.js";
import { progress } from "./progress.js";

/** Of a run: with how far each part has come, and what an earlier run had done. */
export function slots(all, { resumed, retry_of: of }) {
  const earlier = () => of && [" · ", h("a", { href: to("runs", of) }, `run ${of}`)];
  const isDone = (part, slot, nth) => resumed && (slot < resumed.slot || (slot === resumed.slot && resumed.done[nth]?.length === part.targets.length && !part.run));
  return columns(all, (part, slot, nth) => {
    if (isDone(part, slot, nth)) return h("p", { class: "state good" }, h("span", { class: "shape", "aria-hidden": "true" }, "✓ "), "done before", earlier());
    const some = resumed?.slot === slot ? resumed.done[nth]?.length ?? 0 : 0;
    return [progressOf(part), some > 0 && h("p", { class: "quiet" }, `${nodes(some)} done before`, earlier())];
  }, isDone);
}

/** Of a job: what it is to do. */
export const plan = (all) => columns(all, () => null, () => false);

const nodes = (count) => (count === 1 ? "1 node" : `${count} nodes`);

function columns(all, says, isDone) {
  return [h("p", { class: "quiet" }, "Slots run one after the other, what is in one beside each other. A job that misses what it needs stops the flow, unless it says otherwise."),
    h("ol", { class: "slots", tabindex: "0", "aria-label": "Slots of the flow" }, all.map((parts, n) =>
      h("li", { class: "slot" }, h("h3", null, `Slot ${n + 1}`, h("span", { class: "quiet" }, ` of ${all.length}`)),
        h("ul", null, parts.map((part, nth) => h("li", null, box(part, says(part, n + 1, nth), { isDone: isDone(part, n + 1, nth) })))))))];
}

function progressOf({ run }) {
  if (!run) return h("p", null, badge("skipped", "not begun"));
  return [h("p", null, badge(run.state), run.started_at && h("span", { class: "quiet" }, ` · ${took(run)}`)),
    run.units.total > 0 && h("p", null, progress(run))];
}

/** `95%` as one writes it. */
const written = (text) => text.replace(/\s*%/g, "\u00a0%");

function needs({ success, needed, targets }) {
  if (needed >= targets.length) return targets.length > 1 ? "needs all" : null;
  return success.includes("%") ? `needs ${written(success)}` : `needs ${needed}`;
}

function pace({ parallel }) {
  if (!parallel) return null;
  const steps = parallel.replace(/[[\]]/g, "").split(",").map((step) => written(step.trim()));
  return steps.length > 1 ? `steps ${steps.join(", ")}` : `${steps[0]} at once`;
}

const FOLLOWS = { stop: null, continue: "goes on if it fails", rescue: null, rescue_and_stop: null };

function box(part, says, { isRescue, isDone }) {
  const { run } = part;
  const rules = [nodes(part.targets.length), needs(part), pace(part), FOLLOWS[part.on_failure]].filter(Boolean);
  const ends = part.on_failure === "rescue_and_stop";
  const rescue = part.rescued_by ?? part.rescue;
  return h("div", { class: `part p-${run?.state ?? (isDone ? "succeeded" : "none")}` },
    h("div", { class: "card" },
      h("p", { class: "name" }, run ? h("a", { href: to("runs", run.id) }, part.job) : part.job),
      part.command && h("p", null, h("code", null, part.command)),
      says,
      h("p", { class: "quiet rules" }, rules.join(" · "))),
    rescue && h("div", { class: "rescue" },
      h("p", { class: "quiet" }, isRescue ? "If that fails" : "If it fails", ends ? ", and then it stops:" : ":"),
      box(rescue, part.rescued_by ? progressOf(rescue) : null, { isRescue: true })));
}
