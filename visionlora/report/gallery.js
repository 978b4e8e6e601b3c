"use strict";
const grid = document.querySelector(".gallery");
const cards = [...grid.children];
const filter = document.querySelector("#filter"), sort = document.querySelector("#sort");
const compare = document.querySelector("#compare"), count = document.querySelector("#count");
function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const out = !words.every(word => card.dataset.text.includes(word));
    card.classList.toggle("out", out);
    shown += out ? 0 : 1;
  }
  count.textContent = shown + " of " + cards.length;
}
function order() {
  const [key, way] = sort.value.split(":");
  const value = card => card.dataset[key];
  const number = key !== "name" && key !== "network" && key !== "date";
  const sorted = [...cards].sort((one, other) => {
    const a = value(one), b = value(other);
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = number ? a - b : a < b ? -1 : a > b ? 1 : 0;
    return way === "down" ? -order : order;
  });
  grid.append(...sorted);
}
function chosen() {
  let number = 0;
  for (const card of cards) {
    const checked = card.querySelector("input").checked;
    card.classList.toggle("chosen", checked);
    number += checked ? 1 : 0;
  }
  compare.disabled = number < 2 && !document.body.classList.contains("compared");
}
filter.addEventListener("input", show);
sort.addEventListener("change", order);
grid.addEventListener("change", chosen);
compare.addEventListener("click", () => {
  const on = document.body.classList.toggle("compared");
  compare.textContent = on ? "show all" : "compare the ticked ones";
  chosen();
});
show();
chosen();
