// The API, and the token that it wants over the network. The token is kept for as long as the tab
// is, and shown to nothing but this daemon and other tabs on this page, which ask for it when they
// are opened. It is stored nowhere else.

const BASE = new URL("api/v1/", document.baseURI);
const KEPT = "loom-token";

let token = sessionStorage.getItem(KEPT);
let onRefused = () => {};
let onSignedOut = () => {};

// For the tabs of this origin only.
const tabs = new BroadcastChannel("loom");
const ANSWERED = 400;

export function signIn(with_) {
  token = with_;
  if (token) sessionStorage.setItem(KEPT, token);
  else sessionStorage.removeItem(KEPT);
}

/** Here and in all other tabs. */
export function signOut() {
  signIn(null);
  tabs.postMessage({ signedOut: true });
}

/** What is done when another tab has signed out. */
export function whenSignedOut(work) {
  onSignedOut = work;
}

/** The token of another tab; `null` if none says it soon. */
export function borrow() {
  return new Promise((done) => {
    const timer = setTimeout(() => end(null), ANSWERED);
    const hear = ({ data }) => {
      if (typeof data?.token === "string") end(data.token);
    };
    const end = (found) => {
      clearTimeout(timer);
      tabs.removeEventListener("message", hear);
      done(found);
    };
    tabs.addEventListener("message", hear);
    tabs.postMessage({ wanted: true });
  });
}

tabs.addEventListener("message", ({ data }) => {
  if (data?.wanted && token) tabs.postMessage({ token });
  else if (data?.signedOut && token) {
    // Even while nobody knows yet whose it is.
    signIn(null);
    onSignedOut();
  }
});

export const isSignedIn = () => Boolean(token);

/** What is done when the daemon does not know who we are. */
export function whenRefused(work) {
  onRefused = work;
}

/** What the daemon says against a request. */
export class Problem extends Error {
  /** Of status 0 nobody answered; `remedy`: what to do when somebody does. */
  constructor(status, detail, remedy) {
    super(detail);
    Object.assign(this, { status, remedy });
  }
}

async function problem(response) {
  let detail = response.statusText || `HTTP ${response.status}`;
  try {
    detail = (await response.json()).detail ?? detail;
  } catch {
    // Something between us and the daemon has answered.
  }
  return new Problem(response.status, detail);
}

/** A response that went well. `path` is below the API; its parts are to be encoded. */
export async function ask(path, { method = "GET", params, headers, body, signal } = {}) {
  const url = new URL(path, BASE);
  for (const name in params) if (params[name] !== undefined && params[name] !== "") url.searchParams.set(name, params[name]);
  const all = { ...headers };
  if (token) all.Authorization = `Bearer ${token}`;
  if (body) all["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers: all, body: body && JSON.stringify(body), signal, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The daemon cannot be reached.");
  }
  if (response.ok) return response;
  const why = await problem(response);
  if (response.status === 401) onRefused(why);
  throw why;
}

export const get = async (path, params, signal) => (await ask(path, { params, signal })).json();

/** Of what starts something, the same key twice is carried out once: it may be sent again. */
export async function post(path, body = {}) {
  const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
  const response = await ask(path, { method: "POST", body, headers });
  return response.headers.get("content-type")?.startsWith("application/json") ? response.json() : null;
}

/** A list, page by page. */
export async function* pages(path, params, { first = 100, then = 1000, signal } = {}) {
  let cursor;
  do {
    const page = await get(path, { ...params, limit: cursor ? then : first, cursor }, signal);
    yield page.items;
    cursor = page.next;
  } while (cursor);
}

export const part = encodeURIComponent;
