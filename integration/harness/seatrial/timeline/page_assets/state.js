// State: what is shown and chosen. Whoever changes it says so by a method; every view is told once for each frame.

const SHORTEST_S = 0.00002;
const MARGIN = 0.015;

class State {
  #views = [];
  #asked = false;
  #passing;

  constructor(events) {
    this.events = events;
    const length = Math.max(events.last - events.first, 0.001);
    this.whole = { from: events.first - length * MARGIN, to: events.last + length * MARGIN };
    this.window = { ...this.whole };
    this.hidden = { source: new Set(), event: new Set(), level: new Set() };
    this.chosen = -1;
    this.related = new Set();
    this.query = "";
    this.hits = [];
    this.hitSet = new Set();
    this.#filter();
  }

  /** Add a view: a function that shows the state. */
  view(show) {
    this.#views.push(show);
  }

  /** Show everything with the next frame. */
  changed() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      for (const show of this.#views) show();
    });
  }

  /** Whether the filters let an event through. */
  passes(number) {
    return this.#passing[number] === 1;
  }

  /** The numbers of the events in the window that the filters let through. */
  get listed() {
    const { all } = this.events;
    const from = firstNotBefore(this.visible, (number) => all[number].at_s >= this.window.from);
    const to = firstNotBefore(this.visible, (number) => all[number].at_s > this.window.to);
    return this.visible.slice(from, to);
  }

  #filter() {
    const { source, event, level } = this.hidden;
    const { all } = this.events;
    this.#passing = new Uint8Array(all.length);
    this.visible = [];
    all.forEach((one, number) => {
      if (source.has(one.source) || event.has(one.event) || level.has(one.level)) return;
      this.#passing[number] = 1;
      this.visible.push(number);
    });
    this.#search();
    this.changed();
  }

  #search() {
    const text = this.query.toLowerCase();
    this.hits = text ? this.visible.filter((number) => this.events.has(number, text)) : [];
    this.hitSet = new Set(this.hits);
  }

  /** Hide or show all events with a value: of `source`, `event` or `level`. */
  setHidden(field, values, hide) {
    for (const value of values) {
      if (hide) this.hidden[field].add(value);
      else this.hidden[field].delete(value);
    }
    this.#filter();
  }

  /** Look for a text in all fields of the events that the filters let through. */
  search(text) {
    this.query = text;
    this.#search();
    this.changed();
  }

  /** Choose the next hit (1) or the previous one (-1), from what is chosen; around the end it begins anew. */
  stepHit(direction) {
    if (!this.hits.length) return;
    const at = this.chosen;
    const found = direction > 0 ? this.hits.find((number) => number > at) : this.hits.findLast((number) => number < at);
    this.choose(found ?? this.hits.at(direction > 0 ? 0 : -1));
  }

  /** Choose the next event that is shown (1) or the previous one (-1), or several further, in the window or beyond it. */
  step(count) {
    if (!this.visible.length) return;
    const at = firstNotBefore(this.visible, (number) => number >= this.chosen);
    const exact = this.visible[at] === this.chosen;
    const index = this.chosen < 0 ? 0 : at + count - (count > 0 && !exact ? 1 : 0);
    this.choose(this.visible[Math.max(0, Math.min(this.visible.length - 1, index))]);
  }

  /** Choose the next event of the same exchange (1) or the previous one (-1). */
  stepRelated(direction) {
    const related = [...this.related];
    const index = related.indexOf(this.chosen) + direction;
    if (index >= 0 && index < related.length) this.choose(related[index]);
  }

  /** Choose an event, bring it into the window, and tell the address of the page; -1 chooses nothing. */
  choose(number) {
    this.chosen = number;
    this.related = new Set(number < 0 ? [] : this.events.related(number));
    if (number >= 0) this.#reveal(this.events.all[number].at_s);
    history.replaceState(null, "", number < 0 ? location.pathname + location.search : `#e${number}`);
    this.changed();
  }

  /** Move the window, as little as shows a time with some room beside it. */
  #reveal(at) {
    const length = this.window.to - this.window.from;
    if (at < this.window.from || at > this.window.to) this.show(at - length / 2, at + length / 2);
  }

  /** Show a window of time; it stays within the test, and is not shorter than 20 µs. */
  show(from, to) {
    const longest = this.whole.to - this.whole.from;
    const length = Math.min(Math.max(to - from, SHORTEST_S), longest);
    const middle = (from + to) / 2;
    const start = Math.min(Math.max(middle - length / 2, this.whole.from), this.whole.to - length);
    this.window = { from: start, to: start + length };
    this.changed();
  }

  /** Show `factor` times as much, with the time `at` staying where it is; without it, the middle or what is chosen. */
  zoom(factor, at = this.#centre()) {
    const { from, to } = this.window;
    this.show(at - (at - from) * factor, at + (to - at) * factor);
  }

  #centre() {
    const { from, to } = this.window;
    const at = this.chosen < 0 ? NaN : this.events.all[this.chosen].at_s;
    return at >= from && at <= to ? at : (from + to) / 2;
  }

  /** Show the time of the exchange of what is chosen, with as much before and after it. */
  showRelated() {
    const times = [...this.related].map((number) => this.events.all[number].at_s);
    if (!times.length) return;
    const [from, to] = [times[0], times.at(-1)];
    this.show(from - (to - from), to + (to - from));
  }

  /** Move the window by a part of its length. */
  pan(part) {
    const { from, to } = this.window;
    const by = (to - from) * part;
    this.show(from + by, to + by);
  }

  /** Show what explains most: the whole test, or without its setting up where that took more than half of the time. */
  showStart() {
    const { first, last, firstAction } = this.events;
    if (firstAction - first <= (last - first) / 2) return;
    this.show(firstAction - (last - firstAction) * 2 * MARGIN, this.whole.to);
  }

  /** Show the whole test. */
  showAll() {
    this.show(this.whole.from, this.whole.to);
  }
}

/** The index of the first of some ordered numbers for which a condition holds; their count when it holds for none. */
function firstNotBefore(numbers, holds) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(numbers[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
