"use strict";

const cells = JSON.parse(document.getElementById("data").textContent);
const details = document.getElementById("details");
const search = document.getElementById("search");
const contract = document.getElementById("contract");

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function list(title, lines, name) {
  if (!lines.length) return [];
  return [element("h4", title), element("ul", "", ...lines.map((line) => element("li", "", element(name, line))))];
}

function show(number) {
  const cell = cells[number];
  const more = cell.all_tests - cell.tests.length;
  const tests = cell.tests.map(([test, times]) => (times > 1 ? test + "  (" + times + " times)" : test));
  details.querySelector("div").replaceChildren(
    element("h3", cell.operation + ": " + cell.outcome),
    element("span", cell.contract + ", " + cell.word + (cell.times ? ", seen " + cell.times + " times in " + cell.tiers.join(", ") : "")),
    ...list("What is wrong", cell.faults, "span"),
    ...list("Why it need not be seen", cell.reasons, "span"),
    ...list("Seen by " + cell.all_tests + (cell.all_tests === 1 ? " test" : " tests"), tests, "code"),
    ...(more > 0 ? [element("span", "and " + more + " more")] : []),
    ...list("Promised by", cell.promised_by, "span"),
  );
  details.hidden = false;
}

function matches(cell, states, word) {
  if (!states.has(cell.state)) return false;
  if (contract.value && cell.contract !== contract.value) return false;
  if (!word) return true;
  const words = [cell.operation, cell.outcome, ...cell.reasons, ...cell.faults, ...cell.tests.map(([test]) => test)];
  return words.some((text) => text.toLowerCase().includes(word));
}

function filter() {
  const states = new Set([...document.querySelectorAll("[name=state]:checked")].map((box) => box.value));
  const word = search.value.trim().toLowerCase();
  let any = false;
  for (const section of document.querySelectorAll("details[data-contract]")) {
    for (const row of section.querySelectorAll("tbody tr")) {
      let left = false;
      for (const button of row.querySelectorAll("button")) {
        const matched = matches(cells[button.dataset.cell], states, word);
        button.classList.toggle("out", !matched);
        left ||= matched;
      }
      row.hidden = !left;
    }
    // A column stays while one of its cells does.
    const rows = [...section.querySelectorAll("tr")];
    for (let column = 1; column < rows[0].children.length; column += 1) {
      const left = rows.slice(1).some((row) => row.children[column].querySelector("button:not(.out)"));
      for (const row of rows) row.children[column].hidden = !left;
    }
    section.hidden = !section.querySelector("tbody tr:not([hidden])");
    any ||= !section.hidden;
  }
  for (const item of document.querySelectorAll("#holes li")) {
    item.hidden = !matches(cells[item.querySelector("button").dataset.cell], states, word);
  }
  document.getElementById("nothing").hidden = any;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-cell]");
  if (button) show(Number(button.dataset.cell));
});
document.getElementById("close").addEventListener("click", () => { details.hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") details.hidden = true; });
document.getElementById("filter").addEventListener("input", filter);
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
