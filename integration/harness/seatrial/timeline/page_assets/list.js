// List: the events in the order of time. Only the rows that can be seen are in the page, however many events there are.

const LINE_PX = 22;
const BEYOND = 8;

class List {
  #state;
  #rows = byId("list");
  #space = byId("space");
  #numbers = [];
  #shownChoice = -1;
  #shownWindow;

  constructor(state) {
    this.#state = state;
    this.#rows.addEventListener("scroll", () => this.#fill());
    this.#rows.addEventListener("click", (event) => {
      const row = event.target.closest("[data-number]");
      if (row) state.choose(Number(row.dataset.number));
    });
    this.#rows.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#fill()).observe(this.#rows);
    state.view(() => this.#show());
  }

  #show() {
    this.#numbers = this.#state.listed;
    this.#space.style.height = `${this.#numbers.length * LINE_PX}px`;
    const { chosen, window } = this.#state;
    if (chosen !== this.#shownChoice || window !== this.#shownWindow) {
      if (window !== this.#shownWindow && this.#index(chosen) < 0) this.#rows.scrollTop = 0;
      [this.#shownChoice, this.#shownWindow] = [chosen, window];
      this.#scrollTo(chosen);
    }
    this.#fill();
  }

  #index(number) {
    const index = firstNotBefore(this.#numbers, (one) => one >= number);
    return this.#numbers[index] === number ? index : -1;
  }

  /** Bring an event into view, in the middle unless it is there already. */
  #scrollTo(number) {
    const index = number < 0 ? -1 : this.#index(number);
    if (index < 0) return;
    const top = index * LINE_PX;
    const { scrollTop, clientHeight } = this.#rows;
    if (top < scrollTop || top + LINE_PX > scrollTop + clientHeight) this.#rows.scrollTop = top - clientHeight / 2;
  }

  #fill() {
    const { scrollTop, clientHeight } = this.#rows;
    const from = Math.max(0, Math.floor(scrollTop / LINE_PX) - BEYOND);
    const to = Math.min(this.#numbers.length, Math.ceil((scrollTop + clientHeight) / LINE_PX) + BEYOND);
    const made = [];
    for (let index = from; index < to; index += 1) made.push(this.#row(index));
    if (!this.#numbers.length) made.push(element("p", { class: "nothing" }, "Nothing passes the filters in this window of time."));
    this.#space.replaceChildren(...made);
    const { chosen } = this.#state;
    if (chosen >= 0 && this.#index(chosen) >= 0) this.#rows.setAttribute("aria-activedescendant", `row-${chosen}`);
    else this.#rows.removeAttribute("aria-activedescendant");
  }

  #row(index) {
    const number = this.#numbers[index];
    const { events, chosen, related, hitSet, query } = this.#state;
    const event = events.all[number];
    const role = events.sources.find((source) => source.name === event.source).role;
    const gap = index ? event.at_s - events.all[this.#numbers[index - 1]].at_s : 0;
    const since = gap ? signed(gap) : "";
    const marked = (text) => (hitSet.has(number) ? highlighted(text, query) : [text]);
    const kind = event.event === "log" && event.level ? event.level : event.event;
    const classes = ["row", role, `tone-${toneOf(event)}`];
    if (number === chosen) classes.push("chosen");
    else if (related.has(number)) classes.push("related");
    if (hitSet.has(number)) classes.push("hit");
    const row = element(
      "div",
      {
        class: classes.join(" "),
        id: `row-${number}`,
        role: "option",
        "aria-selected": String(number === chosen),
        "aria-setsize": String(this.#numbers.length),
        "aria-posinset": String(index + 1),
        "data-number": String(number),
      },
      element("span", {}, moment(event.at_s)),
      element("span", {}, since),
      element("span", { class: "source" }, ...marked(event.source)),
      element("span", { class: "kind" }, ...marked(kind)),
      element("span", { class: "what" }, ...marked(summary(event).slice(0, 400))),
    );
    row.style.top = `${index * LINE_PX}px`;
    return row;
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.#rows.clientHeight / LINE_PX) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#state.step(steps[event.key]);
  }
}

/** A text as nodes, with each place where a query is found marked. */
function highlighted(text, query) {
  const parts = [];
  const lower = text.toLowerCase();
  const wanted = query.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), element("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  parts.push(text.slice(from));
  return parts;
}
