"use strict";
const crops = document.querySelector(".crops");
crops.dataset.show = "slide";

for (const pane of document.querySelectorAll(".pane")) {
  const range = pane.querySelector("input");
  const movable = pane.classList.contains("crop");
  const place = () => pane.style.setProperty("--at", range.value + "%");
  const splitTo = (event) => {
    const box = pane.getBoundingClientRect();
    range.value = (100 * (event.clientX - box.left)) / box.width;
    place();
  };
  range.addEventListener("input", place);
  pane.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("a")) return;
    event.preventDefault();
    const box = pane.getBoundingClientRect();
    const line = box.left + (box.width * range.value) / 100;
    const sliding = !movable || (crops.dataset.show === "slide" && Math.abs(event.clientX - line) < 28);
    pane.setPointerCapture(event.pointerId);
    if (sliding) splitTo(event);
    pane.onpointermove = sliding ? splitTo : (move) => pan(pane, move.movementX, move.movementY);
  });
  for (const end of ["pointerup", "pointercancel"])
    pane.addEventListener(end, () => { pane.onpointermove = null; });
}

// Moves a crop within its frame, never further than its own edge.
function pan(pane, right, down) {
  const zoom = Number(crops.dataset.zoom || 1);
  const side = pane.querySelector("img").offsetWidth;
  const limit = Math.max(0, (side - pane.clientWidth / zoom) / 2);
  for (const [name, step] of [["x", right], ["y", down]]) {
    const moved = Number(pane.dataset[name] || 0) + step / zoom;
    pane.dataset[name] = Math.min(limit, Math.max(-limit, moved));
    pane.style.setProperty("--" + name, pane.dataset[name] + "px");
  }
}

// Draws four times the difference around middle grey.
function drawRemoved(pane) {
  const canvas = pane.querySelector("canvas");
  const [before, after] = [".before", ".after"].map((which) => pixels(pane.querySelector(which)));
  canvas.width = before.width;
  canvas.height = before.height;
  for (let i = 0; i < before.data.length; i++)
    if (i % 4 !== 3) before.data[i] = 128 + 4 * (before.data[i] - after.data[i]);
  canvas.getContext("2d").putImageData(before, 0, 0);
}

function pixels(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

for (const choice of document.querySelectorAll("[name=zoom]"))
  choice.addEventListener("change", () => {
    crops.dataset.zoom = choice.value;
    crops.style.setProperty("--zoom", choice.value);
    for (const pane of crops.querySelectorAll(".pane")) pan(pane, 0, 0);
  });

for (const choice of document.querySelectorAll("[name=show]"))
  choice.addEventListener("change", () => {
    crops.dataset.show = choice.value;
    for (const canvas of crops.querySelectorAll("canvas")) {
      canvas.hidden = choice.value !== "removed";
      if (!canvas.hidden && canvas.dataset.drawn !== "yes") {
        drawRemoved(canvas.closest(".pane"));
        canvas.dataset.drawn = "yes";
      }
    }
  });
