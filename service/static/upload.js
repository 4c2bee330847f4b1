// A picture to search by that need not be indexed: chosen, dropped or pasted.

import { byId } from "./dom.js";

const files = new Map();

/** Keeps a file for as long as the page lives; the name is what the address calls it. */
export function keepFile(file) {
  const name = Math.random().toString(36).slice(2, 10);
  files.set(name, file);
  return name;
}

/** A file that was kept, or undefined: addresses outlive pages. */
export function keptFile(name) {
  return files.get(name);
}

/** Lets people choose, drop or paste a picture; `take(file)` gets it, `refuse(file)` what is none. */
export function setUpUploads(take, refuse) {
  const input = byId("file");
  const veil = byId("drop");
  const offer = (list) => {
    const file = [...list].find(({ type }) => type.startsWith("image/")) ?? list[0];
    if (file) (file.type.startsWith("image/") ? take : refuse)(file);
  };
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const uncover = () => {
    depth = 0;
    veil.hidden = true;
  };
  byId("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    offer(input.files);
    input.value = "";
  });
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth++;
    veil.hidden = false;
  });
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("dragleave", (event) => holdsFiles(event) && --depth <= 0 && uncover());
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    uncover();
    offer(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => event.clipboardData?.files.length && offer(event.clipboardData.files));
}

/** A small drawing of a picture file, or nothing where the browser cannot read it. */
export async function drawingOf(file, size = 56) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  try {
    const bitmap = await createImageBitmap(file);
    const side = Math.min(bitmap.width, bitmap.height);
    const [x, y] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    canvas.getContext("2d").drawImage(bitmap, x, y, side, side, 0, 0, size, size);
    bitmap.close();
  } catch {
    return null;
  }
  return canvas;
}
