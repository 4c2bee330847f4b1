// Moving over the map: dragging, the wheel, two fingers, keys.

const STEP = 1.6;
const PAN = 120;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Lets a canvas be moved over. `does` has pan(right, down), zoom(factor, left, top), fit(), point(left, top), leave(),
 * choose(left, top, touched), step(right, down), open() and drop(); lefts and tops are CSS pixels of the canvas.
 */
export function setUpMoving(canvas, does) {
  const fingers = new Map();
  let moved = false;
  let start = null;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 1) [moved, start] = [false, at(event)];
    else moved = true;
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = fingers.get(event.pointerId);
    if (!before) return event.pointerType !== "touch" && does.point(...now);
    if (!moved && Math.hypot(now[0] - start[0], now[1] - start[1]) < (event.pointerType === "mouse" ? 4 : 9)) return;
    moved = true;
    canvas.classList.add("dragging");
    const old = spanOf([...fingers.values()]);
    fingers.set(event.pointerId, now);
    const span = spanOf([...fingers.values()]);
    does.pan(span.left - old.left, span.top - old.top);
    if (old.wide && span.wide) does.zoom(span.wide / old.wide, span.left, span.top);
  });

  const end = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    canvas.classList.toggle("dragging", moved && fingers.size > 0);
    if (event.type === "pointerup" && !moved) does.choose(...at(event), event.pointerType === "touch");
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && does.leave());

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 400 : 1;
    // Two fingers on a trackpad come as a wheel with Ctrl, in small steps.
    does.zoom(Math.exp(-Math.max(-400, Math.min(400, event.deltaY * lines)) * (event.ctrlKey ? 0.01 : 0.0022)), ...at(event));
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow && event.shiftKey) does.pan(-arrow[0] * PAN, -arrow[1] * PAN);
    else if (arrow) does.step(...arrow);
    else if (event.key === "+" || event.key === "=") does.zoom(STEP);
    else if (event.key === "-" || event.key === "−") does.zoom(1 / STEP);
    else if (event.key === "0" || event.key === "Home") does.fit();
    else if (event.key === "Enter") does.open();
    else if (event.key === "Escape") does.drop();
    else return;
    event.preventDefault();
  });
}

/** The buttons that do what keys do. */
export function setUpZoomButtons({ closer, farther, whole }, does) {
  closer.addEventListener("click", () => does.zoom(STEP));
  farther.addEventListener("click", () => does.zoom(1 / STEP));
  whole.addEventListener("click", () => does.fit());
}

/** The middle of fingers, and how far apart two of them are. */
function spanOf(points) {
  const left = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const top = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  return { left, top, wide: points.length === 2 ? Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) : 0 };
}
