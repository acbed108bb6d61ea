"use strict";
const rows = JSON.parse(document.getElementById("rows").textContent);
const body = document.getElementById("body");
const verdict = document.getElementById("verdict");
const search = document.getElementById("search");
const more = document.getElementById("more");
const every = document.getElementById("every");
const accepted = new Set(["verified", "good", "exempt", "forge-merge", "forge-squash", "forge-rebase"]);
const page = 200;
const cells = [[0], [1], [2], [3, 4], [5, 6], [8, 7]];  // what stands in a cell, and small below it
let column = -1, descending = false, limit = page, found = rows, cause = "";

function rowElement(row) {
  const element = document.createElement("tr");
  if (!accepted.has(row[1])) element.className = row[1] === "unchecked" ? "unchecked" : "refused";
  for (const [main, below] of cells) {
    const cell = document.createElement("td");
    if (row[main] !== "") cell.append(isolated("bdi", main === 0 ? row[0].slice(0, 12) : row[main]));
    if (main === 0) cell.title = row[0];
    if (below !== undefined && row[below] !== null && row[below] !== "") cell.append(isolated("small", row[below]));
    element.append(cell);
  }
  return element;
}

function isolated(name, value) {  // text that runs from right to left turns nothing around it
  const element = document.createElement(name);
  element.dir = "auto";
  element.textContent = String(value);
  return element;
}

function compare(left, right) {
  const one = left[column], two = right[column];
  const order = typeof one === "number" || typeof two === "number"
    ? (one ?? -1) - (two ?? -1)
    : String(one ?? "").localeCompare(String(two ?? ""));
  return descending ? -order : order;
}

function choose() {
  const words = search.value.toLowerCase();
  found = rows.filter((row) => (!verdict.value || row[1] === verdict.value)
    && (!cause || `${row[1]} ${row[9]}` === cause)
    && (!words || row.some((value) => String(value ?? "").toLowerCase().includes(words))));
  if (column >= 0) found = [...found].sort(compare);
  show();
}

function show() {
  body.replaceChildren(...found.slice(0, limit).map(rowElement));
  document.getElementById("shown").textContent = `${Math.min(limit, found.length)} of ${found.length} shown`;
  more.hidden = found.length <= limit;
  every.hidden = !cause;
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const chosen = Number(button.dataset.column);
    descending = chosen === column && !descending;
    column = chosen;
    for (const other of document.querySelectorAll("th button")) {
      other.removeAttribute("data-order");
      other.closest("th").removeAttribute("aria-sort");
    }
    button.dataset.order = descending ? "descending" : "ascending";
    button.closest("th").setAttribute("aria-sort", button.dataset.order);
    choose();
  });
}
for (const link of document.querySelectorAll("a[data-cause]")) {
  link.addEventListener("click", () => { cause = link.dataset.cause; limit = page; verdict.value = ""; choose(); });
}
every.addEventListener("click", () => { cause = ""; limit = page; choose(); verdict.focus(); });
verdict.addEventListener("change", () => { limit = page; choose(); });
search.addEventListener("input", () => { limit = page; choose(); });
more.addEventListener("click", () => { limit += 10 * page; show(); });
document.querySelector("form.filter").addEventListener("submit", (event) => event.preventDefault());
addEventListener("beforeprint", () => { limit = Infinity; show(); });
choose();
