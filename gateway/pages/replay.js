
"use strict";
const find = document.getElementById("find");
const boxes = [...document.querySelectorAll("#verdicts input")];
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());
function show() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  rows.forEach((row, number) => {
    const fits = wanted.has(row.dataset.verdict) && words.every((word) => texts[number].includes(word));
    row.hidden = !fits;
    shown += fits;
  });
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
}
find.addEventListener("input", show);
boxes.forEach((box) => box.addEventListener("change", show));
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
show();
