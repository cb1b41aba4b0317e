// Event streams. A browser's own EventSource shows no token, so they are read from a response as it
// comes. Events are handed on once a frame, however many there are.

import { ask, Problem } from "./api.js";

const MOST = 2000;

/**
 * Events of a stream until it ends or `signal` says so; comes back after the last event when the
 * connection breaks. `onState` hears whether there is one.
 */
export async function* stream(path, { params, signal, onState = () => {} }) {
  let last = null;
  let pause = 500;
  while (!signal.aborted) {
    await looked();
    if (signal.aborted) return;
    const unseen = new AbortController();
    const leave = () => unseen.abort();
    signal.addEventListener("abort", leave, { once: true });
    const hidden = whenHidden(leave);
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const response = await ask(path, { params, headers, signal: unseen.signal });
      onState(true);
      for await (const event of parsed(response.body)) {
        if (event.id !== null) last = event.id;
        pause = 500;
        if (event.data) {
          const data = JSON.parse(event.data);
          yield data;
          if (data.type === "run" || (data.type === "unit" && path.startsWith("units/"))) return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      // It will say the same next time.
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    } finally {
      hidden();
      signal.removeEventListener("abort", leave);
    }
    if (document.hidden) continue;
    onState(false);
    await new Promise((done) => setTimeout(done, pause * (0.5 + Math.random())));
    pause = Math.min(pause * 2, 15000);
  }
}

// A browser has six connections to a host, over all its tabs: those that nobody looks at let go of
// theirs after a while, and go on where they were when somebody does.
const LEFT = 3000;

const looked = () => new Promise((done) => {
  if (!document.hidden) return done();
  document.addEventListener("visibilitychange", done, { once: true });
});

/** The answer stops it. */
function whenHidden(work) {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(work, LEFT);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

async function* parsed(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const messages = (rest + value).split("\n\n");
      rest = messages.pop();
      for (const message of messages) yield fields(message);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function fields(message) {
  const event = { id: null, data: "" };
  for (const line of message.split("\n")) {
    if (line.startsWith("id: ")) event.id = line.slice(4);
    else if (line.startsWith("data: ")) event.data += line.slice(6);
  }
  return event;
}

/** Collects, and hands on what there is once a frame; or once a second while nobody looks. */
export function batch(work, signal) {
  let waiting = [];
  let armed = false;
  let dropped = false;
  const hand = () => {
    armed = false;
    const now = waiting;
    const gap = dropped;
    [waiting, dropped] = [[], false];
    if (!signal.aborted) work(now, gap);
  };
  return (event) => {
    if (waiting.length >= MOST * 10) {
      waiting.shift();
      dropped = true;
    }
    waiting.push(event);
    if (armed) return;
    armed = true;
    if (document.hidden) setTimeout(hand, 1000);
    else requestAnimationFrame(hand);
  };
}

const listeners = new Set();

/** Hears what happens, in batches, until `signal`. `[{type: "resync"}]`: some of it is missing. */
export function listen(work, signal) {
  listeners.add(work);
  signal.addEventListener("abort", () => listeners.delete(work), { once: true });
}

/** Follows the daemon's news for all who listen. */
export async function follow(signal, onState) {
  const hand = batch((events) => {
    const told = events.length > MOST ? [{ type: "resync" }] : events;
    for (const listener of listeners) listener(told);
  }, signal);
  for await (const event of stream("events", { signal, onState })) hand(event);
}
