// Drawing: the lanes, the axis and the overview, on canvases that are drawn anew for each frame in which something changed.

const ROW_PX = 18;
const PAD_PX = 5;
const FONT = "11px system-ui, sans-serif";
const TONES = ["quiet", "plain", "warning", "error"];
const LABEL_PX = 34;
const LABEL_LIMIT = 80;
const ABOVE_LANES_PX = 72;
const STREAM = /^stream /;

class Drawing {
  #state;
  #picture;
  #colours;
  #inView = -1;

  constructor(state, picture) {
    this.#state = state;
    this.#picture = picture;
    this.canvas = byId("drawing");
    this.axis = byId("axis");
    this.overview = byId("overview");
    this.#readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#readColours();
      state.changed();
    });
    new ResizeObserver(() => state.changed()).observe(this.axis.parentElement);
    state.view(() => this.#show());
  }

  #readColours() {
    const style = getComputedStyle(document.documentElement);
    this.#colours = (name) => style.getPropertyValue(`--${name}`);
  }

  /** The scale of the lanes at present. */
  get scale() {
    return new Scale(this.#state.window, this.axis.clientWidth);
  }

  /** The event drawn at a place of the lanes; -1 when there is none. Points come before bars, and these before lives. */
  eventAt(x, y) {
    const lane = this.lanes?.find((one) => y >= one.top && y < one.top + one.height);
    if (lane === undefined) return -1;
    const row = Math.min(Math.max(0, Math.floor((y - lane.top - PAD_PX) / ROW_PX)), lane.rows - 1);
    const { scale } = this;
    let found = -1;
    let nearest = 6;
    let width = Infinity;
    for (const item of lane.items) {
      if (item.row !== row || !this.#state.passes(item.number)) continue;
      const from = scale.x(item.from);
      const to = Math.max(scale.x(item.to), from + 2);
      if (item.shape === "point") {
        const distance = Math.abs(from - x);
        if (distance < nearest) [found, nearest, width] = [item.number, distance, 0];
      } else if (x >= from - 2 && x <= to + 2 && to - from < width) [found, width] = [item.number, to - from];
    }
    return found;
  }

  #show() {
    const { hidden, window } = this.#state;
    let top = 0;
    this.lanes = this.#picture.lanes
      .filter((lane) => !hidden.source.has(lane.name))
      .map((lane) => {
        const height = lane.rows * ROW_PX + 2 * PAD_PX;
        const placed = { ...lane, top, height };
        top += height;
        return placed;
      });
    this.height = top;
    this.#showLabels();
    this.#fit(top);
    this.#bringIntoView();
    const { scale } = this;
    this.canvas.dataset.from = window.from;
    this.canvas.dataset.to = window.to;
    this.#drawOverview(prepared(this.overview, this.overview.clientWidth, this.overview.clientHeight));
    this.#drawAxis(prepared(this.axis, scale.width, this.axis.clientHeight), scale);
    this.#drawLanes(prepared(this.canvas, scale.width, top), scale);
  }

  /** Give the drawing the height that its lanes need, up to a part of the page, until a person chooses another. */
  #fit(height) {
    const picture = byId("picture");
    if (picture.dataset.chosen) return;
    picture.style.height = `${Math.min(height + ABOVE_LANES_PX + 2, innerHeight * 0.48)}px`;
  }

  /** Scroll to the lane of what was chosen last. */
  #bringIntoView() {
    const { chosen, events } = this.#state;
    if (chosen === this.#inView) return;
    this.#inView = chosen;
    const lane = this.lanes.find((one) => one.name === events.all[chosen]?.source);
    const picture = byId("picture");
    if (lane === undefined) return;
    const room = picture.clientHeight - ABOVE_LANES_PX;
    if (lane.top < picture.scrollTop) picture.scrollTop = lane.top;
    else if (lane.top + lane.height > picture.scrollTop + room) picture.scrollTop = lane.top + lane.height - room;
  }

  #showLabels() {
    const wanted = this.lanes.map((lane) => lane.name).join("\n");
    if (this.labelled === wanted) return;
    this.labelled = wanted;
    byId("labels").replaceChildren(
      ...this.lanes.map((lane, index) => {
        const role = shownRole(lane);
        const begins = index === 0 || role !== shownRole(this.lanes[index - 1]);
        const shown = element(
          "li",
          { class: lane.role === this.lanes[index - 1]?.role ? lane.role : `${lane.role} first`, title: `${lane.name}: ${counted(lane.count, "event")}` },
          element("span", { class: "name" }, lane.name.replace(STREAM, "")),
          element("span", { class: "role" }, begins && role !== lane.name ? role : ""),
          element("button", { type: "button", title: "Hide this lane", "aria-label": `Hide lane ${lane.name}`, onclick: () => this.#state.setHidden("source", [lane.name], true) }, "×"),
        );
        shown.style.height = `${lane.height}px`;
        return shown;
      }),
    );
  }

  #drawOverview({ context, width, height }) {
    const { events, visible, window, whole } = this.#state;
    const scale = new Scale(whole, width);
    const columns = new Uint32Array(Math.ceil(width / 2) + 1);
    const alarms = new Set();
    for (const number of visible) {
      const column = Math.floor(scale.x(events.all[number].at_s) / 2);
      columns[column] += 1;
      if (toneOf(events.all[number]) === "error") alarms.add(column);
    }
    const most = Math.log1p(Math.max(...columns));
    for (const fault of this.#picture.faults) {
      context.fillStyle = this.#colours("fault-fill");
      context.fillRect(scale.x(fault.from), 0, Math.max(scale.x(fault.to) - scale.x(fault.from), 2), height);
    }
    columns.forEach((count, column) => {
      if (!count) return;
      const size = Math.max(2, (Math.log1p(count) / most) * (height - 8));
      context.fillStyle = this.#colours(alarms.has(column) ? "error" : "density");
      context.fillRect(column * 2, height - size, 1.5, size);
    });
    const from = scale.x(window.from);
    const to = Math.max(scale.x(window.to), from + 3);
    context.fillStyle = this.#colours("veil");
    context.fillRect(0, 0, from, height);
    context.fillRect(to, 0, width - to, height);
    context.strokeStyle = this.#colours("accent");
    context.strokeRect(Math.max(from, 0.5), 0.5, Math.min(to, width - 0.5) - Math.max(from, 0.5), height - 1);
  }

  #drawAxis({ context, width, height }, scale) {
    context.fillStyle = this.#colours("muted");
    context.textBaseline = "middle";
    for (const { at, label: text } of scale.ticks()) {
      const x = Math.round(scale.x(at)) + 0.5;
      const needed = context.measureText(text).width;
      if (x + 4 + needed <= width) context.fillText(text, x + 4, 10);
      context.globalAlpha = 0.35;
      context.fillRect(x - 0.5, 2, 1, height - 2);
      context.globalAlpha = 1;
    }
    let free = -Infinity;
    const flag = (x, text, colour) => {
      const words = shortenedTo(context, text, Math.min(260, width - 12));
      const needed = context.measureText(words).width + 10;
      const left = Math.max(0, Math.min(x, width - needed));
      if (left < free) return;
      free = left + needed + 4;
      context.fillStyle = this.#colours(colour);
      context.beginPath();
      context.roundRect(left, 20, needed, 16, 3);
      context.fill();
      context.fillStyle = this.#colours("on-flag");
      context.fillText(words, left + 5, 28.5);
    };
    const { all, failures } = this.#state.events;
    for (const number of failures) {
      const x = scale.x(all[number].at_s);
      if (x >= 0 && x <= width) flag(x, `failed in ${all[number].detail ?? "the test"}`, "error");
    }
    free = -Infinity;
    const failed = failures.map((number) => scale.x(all[number].at_s)).filter((x) => x >= 0 && x <= width);
    const limit = failed.length ? Math.min(failed[0], width - 130) : Infinity;
    for (const fault of this.#picture.faults) {
      const [from, to] = [Math.max(0, scale.x(fault.from)), scale.x(fault.to)];
      if (to >= 0 && from <= limit - 60 && from <= width) flag(from, `${all[fault.number].source}: ${all[fault.number].detail ?? "fault"}`, "fault");
    }
  }

  #drawLanes({ context, width, height }, scale) {
    const { related } = this.#state;
    context.textBaseline = "middle";
    this.lanes.forEach((lane, index) => {
      if (index && lane.role === this.lanes[index - 1].role) {
        context.fillStyle = this.#colours("grid");
        context.fillRect(0, lane.top, width, 1);
      } else if (index) {
        context.fillStyle = this.#colours("edge");
        context.fillRect(0, lane.top, width, 1);
      }
    });
    context.fillStyle = this.#colours("grid");
    for (const { at } of scale.ticks()) context.fillRect(Math.round(scale.x(at)), 0, 1, height);
    for (const fault of this.#picture.faults) this.#drawFault(context, scale, fault, height);
    for (const lane of this.lanes) this.#drawLane(context, scale, lane, related.size > 0);
    for (const number of this.#state.events.failures) {
      const x = Math.round(scale.x(this.#state.events.all[number].at_s));
      context.fillStyle = this.#colours("error");
      context.fillRect(x - 1, 0, 2, height);
    }
    this.#drawChosen(context, scale, height);
  }

  #drawFault(context, scale, fault, height) {
    const from = scale.x(fault.from);
    const to = Math.max(scale.x(fault.to), from + 2);
    context.fillStyle = this.#colours("fault-fill");
    context.fillRect(from, 0, to - from, height);
    context.fillStyle = this.#colours("fault");
    context.fillRect(from, 0, 1, height);
    if (!fault.open) context.fillRect(to - 1, 0, 1, height);
  }

  #drawLane(context, scale, lane, dimmed) {
    const { related, hitSet } = this.#state;
    const shown = lane.items.filter((item) => {
      const inWindow = item.to >= scale.from && item.from <= scale.to;
      return inWindow && this.#state.passes(item.number);
    });
    const role = this.#colours(`role-${lane.role}`);
    const colour = { plain: role, quiet: this.#colours("quiet"), warning: this.#colours("warning"), error: this.#colours("error"), fault: this.#colours("fault") };
    const middle = (item) => lane.top + PAD_PX + item.row * ROW_PX + ROW_PX / 2;
    const isRelated = (item) => related.has(item.number) || related.has(item.last);
    const strength = (item) => (dimmed && !isRelated(item) ? 0.3 : 1);
    for (const item of shown) {
      if (item.shape === "booting" || item.shape === "alive") this.#drawLife(context, scale, item, role, middle(item));
      else if (item.shape === "bar") this.#drawBar(context, scale, item, colour[item.tone], middle(item), strength(item));
    }
    const points = shown.filter((item) => item.shape === "point");
    for (const tone of TONES) {
      context.fillStyle = colour[tone];
      let before = "";
      for (const item of points) {
        if (item.tone !== tone) continue;
        const place = `${Math.round(scale.x(item.from))} ${item.row}`;
        if (place === before && !related.has(item.number)) continue;
        before = place;
        context.globalAlpha = strength(item);
        this.#drawPoint(context, scale.x(item.from), middle(item), this.#state.events.all[item.number]);
      }
    }
    for (const item of shown) {
      if (item.shape === "bar" || item.shape === "point") this.#drawLabel(context, scale, item, middle(item), strength(item));
      if (hitSet.has(item.number) || hitSet.has(item.last)) {
        context.globalAlpha = 1;
        context.fillStyle = this.#colours("hit");
        context.fillRect(scale.x(item.from) - 3, middle(item) + ROW_PX / 2 - 2, 7, 2);
      }
    }
    context.globalAlpha = 1;
  }

  #drawLife(context, scale, item, role, y) {
    const from = Math.max(scale.x(item.from), -10);
    const to = Math.min(scale.x(item.to), scale.width + 10);
    context.fillStyle = context.strokeStyle = role;
    context.globalAlpha = item.shape === "alive" ? 0.16 : 0.06;
    context.fillRect(from, y - 8, Math.max(to - from, 1), 16);
    context.globalAlpha = 0.5;
    context.setLineDash(item.shape === "alive" ? [] : [3, 2]);
    context.strokeRect(from + 0.5, y - 7.5, Math.max(to - from - 1, 1), 15);
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  #drawBar(context, scale, item, colour, y, strength) {
    const from = Math.max(scale.x(item.from), -10);
    const to = Math.min(Math.max(scale.x(item.to), from + 2), scale.width + 10);
    context.fillStyle = colour;
    context.globalAlpha = 0.24 * strength;
    context.fillRect(from, y - 7, to - from, 14);
    context.globalAlpha = strength;
    context.fillRect(from, y - 7, 2, 14);
    if (!item.open && to - from > 4) context.fillRect(to - 1, y - 7, 1, 14);
    context.globalAlpha = 1;
  }

  #drawPoint(context, x, y, event) {
    if (event.event === "log") {
      context.fillRect(x - 1, y - 5, 2, 10);
      return;
    }
    context.beginPath();
    context.arc(x, y, 3.5, 0, 2 * Math.PI);
    context.fill();
  }

  #drawLabel(context, scale, item, y, strength) {
    const x = Math.max(scale.x(item.from), 0) + (item.shape === "bar" ? 6 : 7);
    const room = Math.min(scale.x(item.next), scale.width) - x - 5;
    if (room < LABEL_PX) return;
    const { all } = this.#state.events;
    const words = shortenedTo(context, label(all[item.number], all[item.last]), item.shape === "bar" ? room : Math.min(room, 180));
    context.fillStyle = this.#colours(item.shape === "bar" ? "text" : "muted");
    context.globalAlpha = strength;
    context.fillText(words, x, y + 0.5);
    context.globalAlpha = 1;
  }

  /** What is chosen, and the way of its exchange from lane to lane. */
  #drawChosen(context, scale, height) {
    const { chosen, related, events } = this.#state;
    const tops = new Map(this.lanes.map((lane) => [lane.name, lane.top]));
    const place = (number) => {
      const top = tops.get(events.all[number].source);
      const y = top + PAD_PX + this.#picture.rowOf[number] * ROW_PX + ROW_PX / 2;
      return top === undefined ? undefined : [scale.x(events.all[number].at_s), y];
    };
    const way = [...related].map(place).filter((at) => at !== undefined);
    context.strokeStyle = this.#colours("accent");
    context.lineWidth = 1.25;
    context.beginPath();
    way.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
    if (chosen < 0 || tops.size === 0) return;
    const x = scale.x(events.all[chosen].at_s);
    context.fillStyle = this.#colours("accent");
    context.globalAlpha = 0.5;
    context.fillRect(Math.round(x), 0, 1, height);
    context.globalAlpha = 1;
    const at = place(chosen);
    if (at === undefined) return;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(at[0], at[1], 7, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** What a lane is called beside its name. */
function shownRole(lane) {
  return STREAM.test(lane.name) ? "stream" : lane.role;
}

/** A canvas of a size, empty and sharp on any screen. */
function prepared(canvas, width, height) {
  const ratio = devicePixelRatio;
  const [columns, lines] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== lines) [canvas.width, canvas.height] = [columns, lines];
  if (canvas.id === "drawing") canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.lineWidth = 1;
  return { context, width, height };
}

/** A text in at most so many pixels; what is cut is shown by an ellipsis. */
function shortenedTo(context, text, room) {
  const words = text.length > LABEL_LIMIT ? `${text.slice(0, LABEL_LIMIT)}…` : text;
  if (context.measureText(words).width <= room) return words;
  const fits = firstNotBefore([...words].map((_, index) => index + 1), (length) => context.measureText(`${words.slice(0, length)}…`).width > room);
  return fits < 1 ? "" : `${words.slice(0, fits)}…`;
}
