// Details: all fields of the chosen event, and everything else that belongs to its exchange, on both sides.

const MOST_RELATED = 200;
const FIRST_FIELDS = ["at_s", "ts", "source", "event", "level"];

class Details {
  #state;
  #place = byId("details");
  #shown;

  constructor(state) {
    this.#state = state;
    state.view(() => this.#show());
  }

  #show() {
    const { chosen, events } = this.#state;
    if (this.#shown === chosen) return;
    this.#shown = chosen;
    this.#place.scrollTop = 0;
    if (chosen < 0) {
      this.#place.replaceChildren(element("p", { class: "nothing" }, "Choose an event, in the drawing or in the list, to see all that is known of it."));
      return;
    }
    const event = events.all[chosen];
    this.#place.replaceChildren(
      element("h2", {}, element("span", { class: `kind tone-${toneOf(event)}` }, event.event), ` ${event.source} `, element("small", {}, `${moment(event.at_s)} s`)),
      ...this.#exchange(chosen),
      this.#fields(event),
    );
  }

  #fields(event) {
    const names = Object.keys(event);
    const ordered = [...names.filter((name) => !FIRST_FIELDS.includes(name)), ...FIRST_FIELDS.filter((name) => names.includes(name))];
    return element(
      "dl",
      { class: "fields" },
      ...ordered.flatMap((name) => [element("dt", {}, name), element("dd", {}, element("pre", {}, pretty(event[name])))]),
    );
  }

  /** The events of the same exchange, with the time from the chosen one to each. */
  #exchange(chosen) {
    const { events } = this.#state;
    const related = events.related(chosen);
    if (!related.length) return [];
    const at = related.indexOf(chosen);
    const from = Math.max(0, Math.min(at - MOST_RELATED / 2, related.length - MOST_RELATED));
    const shown = related.slice(from, from + MOST_RELATED);
    const sources = new Set(related.map((number) => events.all[number].source));
    const [kind, ...id] = events.key(chosen).split(" ");
    const rows = shown.map((number) => {
      const event = events.all[number];
      const since = number === chosen ? "chosen" : signed(event.at_s - events.all[chosen].at_s);
      const role = events.sources.find((source) => source.name === event.source).role;
      return element(
        "li",
        {},
        element(
          "button",
          { type: "button", class: `${role} tone-${toneOf(event)}${number === chosen ? " chosen" : ""}`, "data-related": String(number), "aria-current": number === chosen ? "true" : undefined, onclick: () => this.#state.choose(number) },
          element("span", { class: "since" }, since),
          element("span", { class: "source" }, event.source),
          element("span", { class: "what" }, `${event.event === "log" ? (event.level ?? "log") : event.event}  ${summary(event).slice(0, 200)}`),
        ),
      );
    });
    const left = related.length - shown.length;
    return [
      element(
        "h3",
        {},
        `Same ${kind}: ${counted(related.length, "event")} in ${counted(sources.size, "lane")} `,
        element("button", { type: "button", title: "Zoom to these events ( z )", onclick: () => this.#state.showRelated() }, "zoom"),
      ),
      element("p", { class: "id" }, id.join(" ")),
      element("ol", { class: "exchange" }, ...rows),
      ...(left ? [element("p", { class: "nothing" }, `${counted(left, "event")} more: search for the id`)] : []),
    ];
  }
}
