// Addresses of views: `#/jobs/NAME?tag=x`. Going to another ends all that the view before had
// going.

const views = [];
let ended = new AbortController();
let render = () => {};

/** `pattern`: its parts that begin with a colon are handed to the view by name. */
export function route(pattern, title, view) {
  views.push({ parts: pattern.split("/"), title, view });
}

export const to = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path ? path.split("/").map(decoded) : [""];
  for (const { parts: wanted, title, view } of views) {
    const params = {};
    const fits = wanted.length === parts.length && wanted.every((part, n) => {
      if (!part.startsWith(":")) return part === parts[n];
      params[part.slice(1)] = parts[n];
      return parts[n] !== "";
    });
    if (fits) return { view, params, title: title(params), query: new URLSearchParams(query) };
  }
  return null;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What the view shows, put in its address without leaving it. */
export function remember(query) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  const path = location.hash.split("?")[0] || "#/";
  history.replaceState(null, "", text ? `${path}?${text}` : path);
}

export function go() {
  ended.abort();
  ended = new AbortController();
  render(read(), ended.signal);
}

export function start(with_) {
  render = with_;
  addEventListener("hashchange", (event) => {
    // A link within the page, as the one to its content.
    if (!location.hash.startsWith("#/") && location.hash !== "") return history.replaceState(null, "", event.oldURL);
    go();
  });
  go();
}

export const stop = () => ended.abort();

/** Aborted when the view that is open now is left. */
export const leaving = () => ended.signal;
