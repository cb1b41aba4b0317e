// What one may do with a run: end it, or try again what did not succeed.

import { h } from "./dom.js";
import { part } from "./api.js";
import { to } from "./router.js";
import { EXEC, isOver } from "./state.js";
import { confirm, carryOut } from "./dialog.js";
import { lastAttempts } from "./units.js";

/** Buttons for that, or nothing. */
export function buttons(run, units) {
  if (!isOver(run)) return h("div", { class: "buttons" }, cancel(run));
  if (run.job === EXEC || run.state === "succeeded") return null;
  if (run.slots) return h("div", { class: "buttons" }, takeUp(run));
  const some = run.units.total > 0 && retries(run, lastAttempts(units));
  return some && h("div", { class: "buttons" }, some);
}

function cancel({ id }) {
  const button = h("button", { class: "danger", onclick: async () => {
    const sure = await confirm({ title: `Cancel run ${id}?`, text: "What runs of it is ended, on the nodes too; nothing more of it starts.", action: "Cancel the run", danger: true });
    if (sure) carryOut(button, `runs/${part(id)}/cancel`, undefined, () => "The run is being ended.");
  } }, "Cancel the run");
  return button;
}

function retry({ id }, only, name, text) {
  const button = h("button", { onclick: async () => {
    if (!(await confirm({ title: `${name}?`, text, action: "Retry" }))) return;
    carryOut(button, `runs/${part(id)}/retry`, { only }, (started) => {
      if (started.run) location.hash = to("runs", started.run);
      else return "It still runs there; nothing was started.";
    });
  } }, name);
  return button;
}

function takeUp(run) {
  const slot = left(run);
  return retry(run, "unsuccessful", slot <= run.slots.length ? `Retry from slot ${slot}` : "Retry the flow",
    "As a new run of the flow: from the first slot that is not done, and there on the nodes that did not succeed. What is done stays done.");
}

/** Whether the flow could go on after this part. */
function wentWell({ run, on_failure: follows, rescued_by: rescue }) {
  if (run?.state === "succeeded") return true;
  if (run?.state === "failed" && follows === "continue") return true;
  return follows === "rescue" && Boolean(rescue) && wentWell(rescue);
}

/** The slot where the daemon will take the flow up: the furthest one, or that behind it. */
function left({ slots, resumed }) {
  const first = resumed?.slot ?? 1;
  const at = Math.max(first, slots.findLastIndex((parts) => parts.some((one) => one.run)) + 1);
  const before = at === first ? resumed?.done : null;
  const done = slots[at - 1].every((one, nth) => wentWell(one) || (!one.run && before?.[nth]?.length === one.targets.length));
  return done ? at + 1 : at;
}

// As the API tells them apart.
const neverStarted = ({ outcome, started_at: at }) => outcome === "unreachable" || outcome === "skipped" || (outcome === "cancelled" && !at);

function retries(run, last) {
  const wanting = last.filter((unit) => unit.state === "done" && unit.outcome !== "succeeded");
  const unstarted = wanting.filter(neverStarted).length;
  const failed = wanting.length - unstarted;
  const many = (count) => (count === 1 ? "1 node" : `${count} nodes`);
  const all = (name) => retry(run, "unsuccessful", `${name} (${wanting.length})`, `As a new run of the job, on ${many(wanting.length)} whose last attempt did not succeed.`);
  if (!wanting.length) return null;
  if (!unstarted) return all(wanting.some(({ outcome }) => ["cancelled", "lost"].includes(outcome)) ? "Retry nodes that did not succeed" : "Retry failed nodes");
  if (!failed) return all("Retry nodes that never started");
  return [
    all("Retry nodes that did not succeed"),
    retry(run, "failed", `Retry failed nodes (${failed})`, `As a new run of the job, on ${many(failed)} where it ran and did not succeed.`),
    retry(run, "unstarted", `Retry nodes that never started (${unstarted})`, `As a new run of the job, on ${many(unstarted)} where it certainly never started.`),
  ];
}
