"use strict";
const rows = JSON.parse(document.getElementById("rows").textContent);
const body = document.getElementById("body");
const verdict = document.getElementById("verdict");
const search = document.getElementById("search");
const more = document.getElementById("more");
const accepted = new Set(["verified", "exempt", "forge-merge"]);
const page = 200;
let column = -1, descending = false, limit = page, found = rows;

function rowElement(row) {
  const element = document.createElement("tr");
  if (!accepted.has(row[1])) element.className = row[1] === "unchecked" ? "unchecked" : "refused";
  row.forEach((value, at) => {
    const cell = document.createElement("td");
    cell.textContent = at === 0 ? value.slice(0, 12) : value === null ? "" : String(value);
    if (at === 0) cell.title = value;
    element.append(cell);
  });
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
    && (!words || row.some((value) => String(value ?? "").toLowerCase().includes(words))));
  if (column >= 0) found = [...found].sort(compare);
  show();
}

function show() {
  body.replaceChildren(...found.slice(0, limit).map(rowElement));
  document.getElementById("shown").textContent = `${Math.min(limit, found.length)} of ${found.length} shown`;
  more.hidden = found.length <= limit;
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const chosen = Number(button.dataset.column);
    descending = chosen === column && !descending;
    column = chosen;
    document.querySelectorAll("th button").forEach((other) => other.removeAttribute("aria-sort"));
    button.setAttribute("aria-sort", descending ? "descending" : "ascending");
    choose();
  });
}
verdict.addEventListener("change", () => { limit = page; choose(); });
search.addEventListener("input", () => { limit = page; choose(); });
more.addEventListener("click", () => { limit += 10 * page; show(); });
document.querySelector("form.filter").addEventListener("submit", (event) => event.preventDefault());
addEventListener("beforeprint", () => { limit = Infinity; show(); });
choose();
