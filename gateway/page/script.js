"use strict";
const form = document.querySelector("form");
const find = document.getElementById("find");
const boxes = [...document.querySelectorAll("#verdicts input")];
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());
function show() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
  let shown = 0;
  rows.forEach((row, number) => {
    const verdicts = row.dataset.verdict.split(" ");
    const fits = verdicts.some((one) => wanted.includes(one)) && words.every((word) => texts[number].includes(word));
    row.hidden = !fits;
    shown += fits;
  });
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
  document.getElementById("none").hidden = shown > 0 || rows.length === 0;
}
find.addEventListener("input", show);
boxes.forEach((box) => box.addEventListener("change", show));
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show();
