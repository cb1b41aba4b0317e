// A flow's slots as a picture: what stands beside each other in a column, one column after another.

import { h } from "./dom.js";
import { to } from "./router.js";
import { badge } from "./state.js";
import { took } from "./time.js";
import { progress } from "./progress.js";

const FOLLOWS = {
  stop: "else the flow stops",
  continue: "else the flow goes on",
  rescue: "else it is rescued, and the flow goes on",
  rescue_and_stop: "else it is rescued, and the flow stops",
};

/** Of a run: with how far each part has come. `resumed`: what an earlier run had done. */
export function slots(all, resumed) {
  return columns(all, (part, at) => progressOf(part, at < (resumed?.slot ?? 0)), (at, part) => resumed && at === resumed.slot && resumed.done[part]?.length);
}

/** Of a job: what it is to do. */
export const plan = (all) => columns(all, () => null, () => 0);

function columns(all, says, done) {
  return h("ol", { class: "slots", tabindex: "0", "aria-label": "Slots of the flow" }, all.map((parts, n) =>
    h("li", { class: "slot" }, h("h3", null, `Slot ${n + 1}`),
      h("ul", null, parts.map((part, nth) => h("li", null, box(part, n + 1, says, done(n + 1, nth))))))));
}

function progressOf({ run }, before) {
  if (!run) return h("p", null, badge(before ? "succeeded" : "skipped", before ? "done before" : "not begun"));
  return [h("p", null, badge(run.state), run.started_at && h("span", { class: "quiet" }, ` ${took(run)}`)), run.units.total > 0 && h("p", null, progress(run))];
}

function box(part, slot, says, done, rescues) {
  const { run } = part;
  return h("div", { class: `part p-${run ? run.state : "none"}` },
    h("p", { class: "name" }, rescues && h("span", { class: "quiet" }, "rescue: "), run ? h("a", { href: to("runs", run.id) }, part.job) : part.job),
    part.command && h("p", null, h("code", null, part.command)),
    says(part, slot),
    done > 0 && h("p", { class: "quiet" }, `on ${done} done before`),
    h("p", { class: "quiet" }, `${part.needed} of ${part.targets.length} must succeed, ${FOLLOWS[part.on_failure] ?? part.on_failure}`),
    part.parallel && h("p", { class: "quiet" }, `${part.parallel} at once`),
    part.rescued_by ? box(part.rescued_by, slot, says, 0, true) : part.rescue && h("p", { class: "quiet" }, `rescue: ${part.rescue.job}`));
}
