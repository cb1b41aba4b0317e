// What units have written: as it comes while they run; of those that have ended, the end first, by
// ranges of bytes.

import { h } from "./dom.js";
import { ask, Problem } from "./api.js";
import { stream, batch } from "./events.js";
import { box } from "./output.js";

const RANGE = 64 * 1024;
// Lines of the end, where that is enough.
export const TAIL = 500;

/** A box with the output of one unit. */
export function ofUnit(unit, signal) {
  const out = box(`Output of ${unit.node}`);
  const work = unit.state === "done" ? ended(unit, out, signal) : running(unit, out, signal);
  work.catch((error) => {
    if (!signal.aborted) out.say(error.message);
  });
  return out.element;
}

/** A box with the output of all units of a run; with `tail`, from so many lines of each on. */
export function ofRun(run, tail, signal) {
  const out = box(`Output of run ${run}`);
  let lines = 0;
  const hand = batch((events) => {
    const fresh = events.flatMap((event) => told(event, true));
    lines += fresh.length;
    out.add(fresh);
    if (!lines) out.say(events.at(-1)?.type === "run" ? "It wrote nothing." : "Nothing yet.");
    else if (tail) out.say(`The last ${tail} lines of each node. Choose a node for all that it wrote.`);
    else out.say(events.at(-1)?.type === "run" ? "The run is over." : "As it comes:");
  }, signal);
  out.say("Nothing yet.");
  (async () => {
    try {
      for await (const event of stream(`runs/${run}/output`, { params: { tail }, signal })) hand(event);
    } catch (error) {
      if (!signal.aborted) out.say(error.message);
    }
  })();
  return out.element;
}

const told = (event, named) => {
  if (event.type === "line") return [{ ...event, of: `${event.unit} ${event.stream}`, node: named ? event.node : null }];
  if (event.type !== "skipped") return [];
  const much = event.bytes ? `${size(event.bytes)} of ` : "some ";
  return [{ text: `… ${much}output of ${event.node} is not kept …` }];
};

async function running(unit, out, signal) {
  let any = false;
  const hand = batch((events) => {
    const fresh = events.flatMap((event) => told(event, false));
    any ||= fresh.length > 0;
    out.add(fresh);
    const over = events.at(-1)?.type === "unit";
    out.say(over ? (any ? "It has ended." : "It wrote nothing.") : any ? "As it comes, from the last lines on:" : "Nothing yet.");
  }, signal);
  out.say("Nothing yet.");
  for await (const event of stream(`units/${unit.id}/output`, { params: { follow: true, tail: TAIL }, signal })) hand(event);
}

async function ended(unit, out, signal) {
  let begin = await piece(unit.id, null);
  if (begin === null) return;

  async function piece(id, before) {
    const range = before === null ? `bytes=-${RANGE}` : `bytes=${Math.max(0, before - RANGE)}-${before - 1}`;
    const found = await part(id, range, signal);
    if (!found) {
      out.say(unit.output_bytes ? "What it wrote is not kept any more." : "It wrote nothing.");
      return null;
    }
    const { lines, from } = found;
    if (before === null) out.add(lines);
    else out.before(lines);
    const earlier = h("button", { type: "button", onclick: async () => {
      earlier.disabled = true;
      begin = await piece(id, begin);
    } }, `Earlier (${size(from)})`);
    const all = `${size(unit.output_bytes)}${unit.output_truncated ? ", of which the middle is not kept" : ""}`;
    out.say(from > 0 && [earlier, " of "], all);
    return from;
  }
}

/** A range of the log, from a whole line on; `from`: where that is. `null`: there is nothing. */
async function part(id, range, signal) {
  let response;
  try {
    response = await ask(`units/${id}/output`, { headers: { Range: range }, signal });
  } catch (error) {
    if (error instanceof Problem && [410, 416].includes(error.status)) return null;
    throw error;
  }
  let bytes = new Uint8Array(await response.arrayBuffer());
  if (!bytes.length) return null;
  let from = Number(/^bytes (\d+)-/.exec(response.headers.get("content-range"))?.[1] ?? 0);
  if (from > 0) {
    const whole = bytes.indexOf(10) + 1;
    from += whole;
    bytes = bytes.subarray(whole);
  }
  return { lines: logged(new TextDecoder().decode(bytes)), from };
}

/** Lines of the log as it is kept: `TIME STREAM F|P TEXT`, `P` of a part of a line; and a word of ours where some is left out. */
export function logged(text) {
  const lines = [];
  const open = {};
  for (const line of text.split("\n")) {
    // Behind here it goes on at another place of all that was written.
    if (/^\S+ (stdout|stderr) P:from=/.test(line)) {
      lines.push({ text: "… the middle is not kept …" });
      for (const stream of Object.keys(open)) open[stream] = null;
      continue;
    }
    const found = /^(\S+) (stdout|stderr) ([FP]) ?(.*)$/s.exec(line);
    if (!found) continue;
    const [, at, stream, whole, said] = found;
    if (open[stream]) open[stream].text += said;
    else lines.push((open[stream] = { at, stream, text: said }));
    if (whole === "F") open[stream] = null;
  }
  return lines;
}

/** The last lines that a unit wrote, as one text. */
export async function text(unit, signal) {
  if (!unit.output_bytes && unit.state === "done") return "";
  try {
    return await (await ask(`units/${unit.id}/output`, { params: { text: true, tail: TAIL }, signal })).text();
  } catch (error) {
    if (error instanceof Problem && error.status === 410) return "(not kept any more)";
    throw error;
  }
}

export const size = (bytes) => (bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
