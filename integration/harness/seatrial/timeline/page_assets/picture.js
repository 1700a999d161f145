// Picture: what is drawn of the events, in lanes and rows: bars for what has a begin and an end, points for the rest.

const MOST_ROWS = 8;
const ENDS_EXCHANGE = new Set(["response", "no_answer", "stream_end"]);
const RED = new Set(["no_answer", "step_failed", "failed", "malformed", "oom"]);
const NAMED_BY_DETAIL = new Set(["request", "step", "call", "push", "entry", "fault"]);
const ALARMING = new Set(["ERROR", "CRITICAL", "FATAL"]);

/**
 * Items: { number, last, from, to, open, row, shape, tone, next }. `number` is the event that begins it, `last` the one that
 * ends it (-1 when nothing does), `next` the time of the next item in its row.
 * Shapes: `bar`, `point`, `booting` and `alive` (the life of a process, behind its points).
 */
class Picture {
  constructor(events) {
    this.events = events;
    this.end = events.last;
    this.faults = [];
    const bySource = Map.groupBy(events.all.keys(), (number) => events.all[number].source);
    this.lanes = events.sources.map((source) => this.#lane(source, bySource.get(source.name)));
    this.rowOf = this.#rows();
  }

  #lane(source, numbers) {
    const { all } = this.events;
    const items = [];
    const open = new Map();
    let life;
    const begin = (key, number, shape, tone = "plain") => {
      const item = { number, last: -1, from: all[number].at_s, to: this.end, open: true, row: 0, shape, tone };
      open.set(key, item);
      items.push(item);
      return item;
    };
    const end = (key, number, tone) => {
      const item = open.get(key);
      if (item === undefined) return false;
      open.delete(key);
      Object.assign(item, { last: number, to: all[number].at_s, open: false, tone: tone ?? item.tone });
      return true;
    };
    const point = (number) => {
      const event = all[number];
      const took = typeof event.took_s === "number" && event.took_s > 0 ? event.took_s : 0;
      const shape = took ? "bar" : "point";
      const along = event.exchange === undefined ? undefined : open.get(`exchange ${event.exchange}`);
      items.push({ number, last: number, from: event.at_s - took, to: event.at_s, open: false, row: 0, shape, tone: toneOf(event), along });
    };
    for (const number of numbers) {
      const event = all[number];
      const exchange = `exchange ${event.exchange}`;
      if (event.event === "step") begin(`step ${event.step ?? event.detail}`, number, "bar");
      else if (event.event === "step_done" && end(`step ${event.step ?? event.detail}`, number)) continue;
      else if (event.event === "step_failed" && end(`step ${event.step ?? event.detail}`, number, "error")) continue;
      else if (event.event === "teardown") begin("teardown", number, "bar", "quiet");
      else if (event.event === "request") begin(exchange, number, "bar");
      else if (ENDS_EXCHANGE.has(event.event) && end(exchange, number, toneOf(event))) continue;
      else if (event.event === "fault") this.faults.push(begin(`fault ${event.fault}`, number, "bar", "fault"));
      else if (event.event === "fault_over" && end(`fault ${event.fault}`, number)) continue;
      else {
        if (event.event === "spawned") {
          end("life", number);
          life = begin("life", number, "booting", "quiet");
        } else if (event.event === "ready" && life?.shape === "booting" && end("life", number)) {
          life = begin("life", number, "alive", "quiet");
        } else if (event.event === "exited") end("life", number);
        else if (event.source === "test" && event.event === "end") end("teardown", number);
        point(number);
      }
    }
    return { ...source, items, rows: placed(items) };
  }

  /** The row of its lane in which each event is drawn, by its number. */
  #rows() {
    const rows = new Array(this.events.all.length);
    for (const item of this.lanes.flatMap((lane) => lane.items)) {
      rows[item.number] ??= item.row;
      if (item.last >= 0) rows[item.last] ??= item.row;
    }
    return rows;
  }
}

/** Give each bar the first row that is free for all of its time, and each point its bar's; how many rows there are. */
function placed(items) {
  const free = [];
  const bars = items.filter((item) => item.shape === "bar");
  const apart = items.some((item) => item.shape !== "bar" && item.along === undefined) ? 1 : 0;
  for (const bar of bars.toSorted((one, other) => one.from - other.from)) {
    let row = free.findIndex((until) => until <= bar.from);
    if (row < 0) row = Math.min(free.length, MOST_ROWS - 1);
    free[row] = Math.max(free[row] ?? 0, bar.to);
    bar.row = row + apart;
  }
  for (const item of items) if (item.along !== undefined) item.row = item.along.row;
  // Room for words: up to the next item of the row
  for (const row of Map.groupBy(items.filter((item) => item.shape === "bar" || item.shape === "point"), (item) => item.row).values()) {
    row.sort((one, other) => one.from - other.from);
    row.forEach((item, index) => (item.next = row[index + 1]?.from ?? Infinity));
  }
  return Math.max(1, free.length + apart);
}

/** How an event is coloured: by the level of a log's line, by what a response says, else as its lane. */
function toneOf(event) {
  const level = typeof event.level === "string" ? event.level.toUpperCase() : "";
  if (ALARMING.has(level)) return "error";
  if (level.startsWith("WARN")) return "warning";
  if (level === "DEBUG" || (event.event === "log" && !level)) return "quiet";
  if (RED.has(event.event)) return "error";
  const said = answer(event);
  if (said === undefined) return "plain";
  if (event.event === "exited") return /^(exit code )?0$/.test(said) ? "plain" : "warning";
  if (event.event !== "response") return "plain";
  const status = Number(said);
  if (Number.isNaN(status)) return said === "OK" ? "plain" : "warning";
  return status >= 500 ? "error" : status >= 400 ? "warning" : "plain";
}

/** What an event says of success: the status that a service gave, else that of its protocol; undefined when it says nothing. */
function answer(event) {
  const status = event.status_code ?? event.status;
  return status == null ? undefined : String(status);
}

/** The few words beside an item of the drawing. */
function label(event, last) {
  if (event.event === "log") return asDocument(event.detail)?.event ?? event.detail ?? "";
  const said = NAMED_BY_DETAIL.has(event.event) ? (event.detail ?? "") : event.event;
  const status = last?.event === "no_answer" ? "no answer" : last && answer(last);
  return status === undefined || last === event ? said : `${said} → ${status}`;
}
