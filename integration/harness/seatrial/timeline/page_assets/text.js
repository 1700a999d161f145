// Text: how times, numbers and values are written, and how elements are made. Values of events become text nodes, never markup.

/** An element with properties and children; strings among the children become text nodes. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The element of an id. */
function byId(id) {
  return document.getElementById(id);
}

/** A number with its thousands apart. */
function grouped(number) {
  return number.toLocaleString("en-US");
}

/** A count of things: `1 event`, `20,000 events`. */
function counted(number, thing) {
  return `${grouped(number)} ${thing}${number === 1 ? "" : "s"}`;
}

/** A moment of the test, in seconds, to a tenth of a millisecond. */
function moment(seconds) {
  return seconds.toFixed(4);
}

/** A span of time in the unit that suits it: `85 µs`, `12.3 ms`, `1.25 s`. */
function span(seconds) {
  const size = Math.abs(seconds);
  if (size < 0.0001) return `${Math.round(seconds * 1e6)} µs`;
  if (size < 1) return `${(seconds * 1e3).toFixed(size < 0.1 ? 1 : 0)} ms`;
  return `${seconds.toFixed(size < 10 ? 2 : 1)} s`;
}

/** The same with its sign. */
function signed(seconds) {
  return seconds < 0 ? `−${span(-seconds)}` : `+${span(seconds)}`;
}

/** What a text is as JSON, if it is an object or an array. */
function asDocument(text) {
  if (typeof text !== "string" || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A value of a field as it is shown in full. */
function pretty(value) {
  const read = asDocument(value);
  if (read !== undefined) return JSON.stringify(read, null, 2);
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** A value in one line. */
function brief(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

const STATUSES = ["status", "status_code", "error_code"];
const SAID_ELSEWHERE = new Set(["at_s", "ts", "source", "event", "detail", "level"]);
const IDS = new Set(["trace_id", "request_id", "exchange", "step", "fault"]);
const SAID_BY_LOG = new Set(["ts", "level", "event", "logger", "trace_id", "request_id"]);

/** What an event says, in one line: its detail, or the record of a log, then its other fields. */
function summary(event) {
  const record = event.event === "log" ? asDocument(event.detail) : undefined;
  if (record !== undefined && typeof record.event === "string") {
    const rest = Object.entries(record).filter(([name]) => !SAID_BY_LOG.has(name));
    return [record.event, ...rest.map(([name, value]) => `${name}=${brief(value)}`)].join("  ");
  }
  const said = [];
  for (const name of STATUSES) if (event[name] !== undefined) said.push(String(event[name]));
  if (event.detail) said.push(event.detail);
  for (const [name, value] of Object.entries(event)) {
    if (SAID_ELSEWHERE.has(name) || IDS.has(name) || STATUSES.includes(name)) continue;
    said.push(name === "took_s" && typeof value === "number" ? `(${span(value)})` : name === "to" ? `→ ${value}` : `${name}=${brief(value)}`);
  }
  return said.join("  ").replace(/\s*\n\s*/g, " ⏎ ");
}
