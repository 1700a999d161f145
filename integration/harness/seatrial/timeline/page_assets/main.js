// Main: reads the events, makes the views, and opens where the address says, else at the failure.

const data = JSON.parse(byId("data").textContent);
const events = new Events(data.events);
const state = new State(events);
const drawing = new Drawing(state, new Picture(events));
new Pointer(state, drawing);
new List(state);
new Details(state);
showHead(data, events);
showFailure(state);
showProblems(data.problems);
makeSearch(state);
makeMenu(state, byId("lanes-menu"), "source", new Map(events.sources.map((source) => [source.name, source.count])));
makeMenu(state, byId("kinds-menu"), "event", events.kinds);
makeMenu(state, byId("levels-menu"), "level", events.levels);
makeKeys(state);
makeDivider();

/** Choose the event that the address names: `#e12`. */
function followAddress() {
  const number = Number(/^#e(\d+)$/.exec(location.hash)?.[1] ?? -1);
  if (number < 0 || number >= events.all.length) return false;
  if (number !== state.chosen) state.choose(number);
  return true;
}

addEventListener("hashchange", followAddress);
state.showStart();
if (!followAddress() && events.failures.length) state.choose(events.failures[0]);
