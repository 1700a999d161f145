// Events: what happened, by source, and which events belong to one exchange.

/** The groups of lanes, in the order that explains: who acts, who serves, what is kept, what stands in, what is between them. */
const ROLES = ["test", "client", "process", "store", "stub", "network"];

const CLIENT_KINDS = ["request", "response", "no_answer", "subscribed", "push"];
const PROCESS_KINDS = ["spawned", "ready", "boot", "exited"];

/** A log's lines are written with a clock of milliseconds: they may seem to be earlier than what caused them. */
const CLOCK_S = 0.002;

/** The events of a test, in the order of time; each is known by its number, from 0. */
class Events {
  #keys;
  #members;
  #words;

  constructor(all) {
    this.all = all;
    this.first = Math.min(0, all.length ? all[0].at_s : 0);
    this.last = all.length ? all.at(-1).at_s : 0;
    this.sources = this.#findSources();
    this.kinds = tally(all.map((event) => event.event));
    this.levels = tally(all.filter((event) => typeof event.level === "string").map((event) => event.level));
    this.failures = all.flatMap((event, number) => (event.source === "test" && event.event === "failed" ? [number] : []));
    this.ended = all.findLast((event) => event.source === "test" && event.event === "end");
    this.started = all.find((event) => event.source === "test" && event.event === "start");
    this.#keys = this.#join();
    this.#members = Map.groupBy(all.keys(), (number) => this.#keys[number]);
    this.#words = new Array(all.length);
  }

  /** `passed`, `failed`, ..., or `unfinished` when the runner ended before the test. */
  get outcome() {
    if (this.failures.length) return "failed";
    if (this.ended === undefined) return "unfinished";
    return typeof this.ended.outcome === "string" ? this.ended.outcome : "ended";
  }

  /** The steps that a failure broke, the outer ones first: they failed right before it, one after the other. */
  brokenSteps(failure) {
    const told = this.all.slice(0, failure).filter((event) => event.source === "test");
    return told.slice(told.findLastIndex((event) => event.event !== "step_failed") + 1).reverse();
  }

  /** When the test begins to act: what is before it is setting up. */
  get firstAction() {
    const roles = new Map(this.sources.map((source) => [source.name, source.role]));
    const acts = ({ source, event }) => (source === "test" ? event === "step" : roles.get(source) !== "process" && event !== "log");
    return this.all.find(acts)?.at_s ?? this.first;
  }

  /** What joins an event with others: its trace, else its request, else its exchange; undefined when nothing does. */
  key(number) {
    return this.#keys[number];
  }

  /** The numbers of all events of the same exchange, the event's own among them; none when nothing joins it with others. */
  related(number) {
    const key = this.#keys[number];
    const members = key === undefined ? [] : this.#members.get(key);
    return members.length > 1 ? members : [];
  }

  /** Whether an event has a text, given in lower case, in any of its fields. */
  has(number, text) {
    this.#words[number] ??= Object.values(this.all[number]).map(brief).join("\n").toLowerCase();
    return this.#words[number].includes(text);
  }

  /** The sources by role, in each in the order of their first events: [{ name, role, count }]. */
  #findSources() {
    const kinds = new Map();
    for (const event of this.all) {
      if (!kinds.has(event.source)) kinds.set(event.source, new Map());
      const seen = kinds.get(event.source);
      seen.set(event.event, (seen.get(event.event) ?? 0) + 1);
    }
    const found = [...kinds].map(([name, seen]) => ({
      name,
      role: roleOf(name, seen),
      count: [...seen.values()].reduce((sum, count) => sum + count, 0),
    }));
    return ROLES.flatMap((role) => found.filter((source) => source.role === role));
  }

  #join() {
    const byRequest = this.#tracesBy("request_id");
    const byExchange = this.#tracesBy("exchange");
    return this.all.map((event) => {
      const { trace_id, request_id, exchange, at_s } = event;
      const trace = trace_id ?? nearest(byRequest.get(request_id), at_s) ?? nearest(byExchange.get(exchange), at_s);
      if (trace != null) return `trace ${trace}`;
      if (request_id != null) return `request ${request_id}`;
      return exchange == null ? undefined : `exchange ${exchange}`;
    });
  }

  /** The traces in which an id was seen, and when: one side of an exchange may name only the other id. */
  #tracesBy(field) {
    const seen = this.all.filter((event) => event.trace_id != null && event[field] != null);
    return Map.groupBy(seen, (event) => event[field]);
  }
}

/** How often each word occurs, in the order of the alphabet. */
function tally(words) {
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return new Map([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The trace of the last event at or before a time, else of the first one after it. */
function nearest(events, at) {
  if (events === undefined) return undefined;
  return (events.findLast((event) => event.at_s <= at + CLOCK_S) ?? events[0]).trace_id;
}

function roleOf(name, kinds) {
  const has = (some) => some.some((kind) => kinds.has(kind));
  if (name === "test") return "test";
  if (name.startsWith("stream ")) return "store";
  if (has(CLIENT_KINDS)) return "client";
  if (has(["call"])) return "stub";
  if (has(PROCESS_KINDS)) return "process";
  return has(["log", "probe", "entry"]) ? "store" : "network";
}
