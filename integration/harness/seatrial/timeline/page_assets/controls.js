// Controls: what stands above the drawing: outcome, failure, lines that could not be read, search, filters, keys.

/** The outcome, the title, and what is known of the test as a whole. */
function showHead(data, events) {
  byId("outcome").textContent = events.outcome;
  byId("outcome").classList.add(events.outcome);
  const [, place, name] = /^(.*::)?(.*)$/s.exec(data.title);
  byId("title").replaceChildren(element("small", {}, place ?? ""), name);
  byId("title").title = data.title;
  const facts = [
    ["took", span(events.last)],
    ["events", grouped(events.all.length)],
    ["seed", events.started?.seed],
    ["began", typeof events.started?.ts === "string" ? events.started.ts.replace("T", " ").replace(/\.\d+Z$/, " UTC") : undefined],
  ];
  for (const [name, value] of facts) {
    if (value === undefined) continue;
    byId("facts").append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
  }
}

/** What failed, when, and the message: the first thing that is seen. */
function showFailure(state) {
  const { all, failures } = state.events;
  if (!failures.length) return;
  byId("failure").replaceChildren(
    ...failures.map((number) => {
      const event = all[number];
      const broken = state.events.brokenSteps(number);
      const steps = broken.map((one) => ` > ${one.detail}`).join("");
      return element(
        "div",
        {},
        element("button", { type: "button", onclick: () => state.choose(number) }, `failed in ${event.detail || "the test"}${steps} at ${moment(event.at_s)} s`),
        element("pre", {}, event.message || "no message: see failure.txt beside this page"),
      );
    }),
  );
  byId("failure").hidden = false;
}

/** The lines of the file that are no events. */
function showProblems(problems) {
  if (!problems.length) return;
  const place = byId("problems");
  place.hidden = false;
  place.querySelector("summary").textContent = `${counted(problems.length, "line")} of the timeline could not be read`;
  place.querySelector("ol").append(
    ...problems.slice(0, 100).map((one) => element("li", {}, `line ${one.line}: ${one.reason}`, element("pre", {}, one.text))),
  );
  if (problems.length > 100) place.querySelector("ol").append(element("li", {}, `and ${counted(problems.length - 100, "line")} more`));
}

/** A menu of check boxes that hide and show the events of a field's values. */
function makeMenu(state, menu, field, values) {
  const place = menu.querySelector(".choices");
  const title = menu.querySelector("summary").textContent;
  menu.hidden = values.size === 0;
  const names = [...values.keys()];
  const boxes = names.map((name) => {
    const box = element("input", { type: "checkbox", onchange: () => state.setHidden(field, [name], !box.checked) });
    return box;
  });
  const every = (hide) => () => state.setHidden(field, names, hide);
  place.append(
    element("div", { class: "every" }, element("button", { type: "button", onclick: every(false) }, "all"), element("button", { type: "button", onclick: every(true) }, "none")),
    ...names.map((name, index) =>
      element(
        "div",
        { class: "choice" },
        element("label", {}, boxes[index], element("span", {}, name), element("small", {}, grouped(values.get(name)))),
        element("button", { type: "button", title: `Only ${name}`, "aria-label": `Only ${name}`, onclick: () => {
          state.setHidden(field, names, true);
          state.setHidden(field, [name], false);
        } }, "only"),
      ),
    ),
  );
  state.view(() => {
    const hidden = state.hidden[field];
    boxes.forEach((box, index) => (box.checked = !hidden.has(names[index])));
    menu.querySelector("summary").textContent = hidden.size ? `${title} ${names.length - hidden.size}/${names.length}` : title;
    menu.classList.toggle("active", hidden.size > 0);
  });
}

/** The search field, its count and its buttons. */
function makeSearch(state) {
  const field = byId("search");
  field.addEventListener("input", () => state.search(field.value.trim()));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") state.stepHit(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") field.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  byId("next-hit").addEventListener("click", () => state.stepHit(1));
  byId("previous-hit").addEventListener("click", () => state.stepHit(-1));
  state.view(() => {
    const place = state.hits.indexOf(state.chosen) + 1;
    const count = grouped(state.hits.length);
    byId("hits").textContent = !state.query ? "" : place ? `${grouped(place)} of ${count}` : state.hits.length === 1 ? "1 hit" : `${count} hits`;
    byId("hits").classList.toggle("none", state.query !== "" && !state.hits.length);
    for (const id of ["next-hit", "previous-hit"]) byId(id).disabled = !state.hits.length;
  });
}

/** The zoom buttons, the line that says what is shown, and the keys that work everywhere. */
function makeKeys(state) {
  const help = byId("help");
  byId("zoom-in").addEventListener("click", () => state.zoom(1 / ZOOM_STEP));
  byId("zoom-out").addEventListener("click", () => state.zoom(ZOOM_STEP));
  byId("zoom-all").addEventListener("click", () => state.showAll());
  byId("help-button").addEventListener("click", () => help.showModal());
  state.view(() => {
    const { events, listed, window } = state;
    const from = Math.max(window.from, events.first);
    const to = Math.min(window.to, events.last);
    byId("status").textContent = `${grouped(listed.length)} of ${counted(events.all.length, "event")}, ${moment(from)} to ${moment(to)} s`;
  });
  const keys = {
    "/": () => byId("search").select(),
    n: () => state.stepHit(1),
    N: () => state.stepHit(-1),
    f: () => state.events.failures.length && state.choose(state.events.failures[0]),
    "[": () => state.stepRelated(-1),
    "]": () => state.stepRelated(1),
    z: () => state.showRelated(),
    "+": () => state.zoom(1 / ZOOM_STEP),
    "=": () => state.zoom(1 / ZOOM_STEP),
    "-": () => state.zoom(ZOOM_STEP),
    0: () => state.showAll(),
    "?": () => help.showModal(),
    Escape: () => state.choose(-1),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=search]") || help.open;
    if (typing || !(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const menus = [...document.querySelectorAll(".menu[open]")];
    if (event.key === "Escape" && menus.length) menus.forEach((menu) => (menu.open = false));
    else keys[event.key]();
  });
  document.addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}

/** The line between the drawing and the list, which can be moved. */
function makeDivider() {
  const [divider, picture] = [byId("divider"), byId("picture")];
  const resize = (height) => {
    picture.dataset.chosen = "true";
    picture.style.height = `${Math.max(120, Math.min(height, innerHeight - 260))}px`;
  };
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) resize(event.clientY - picture.getBoundingClientRect().top);
  });
  divider.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -20, ArrowDown: 20 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    resize(picture.offsetHeight + by);
  });
}
