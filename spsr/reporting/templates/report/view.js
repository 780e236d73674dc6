// The shown part of the image: zoom, and its centre in fractions of the image. Every picture follows it.
const view = { zoom: 1, x: 0.5, y: 0.5 };
let current = null;

function place() {
  const half = 0.5 / view.zoom;
  view.x = Math.min(1 - half, Math.max(half, view.x));
  view.y = Math.min(1 - half, Math.max(half, view.y));
  const offset = (shown, side, centre) => (shown <= side ? (side - shown) / 2 : Math.min(0, Math.max(side - shown, side / 2 - centre * shown)));
  const pictures = [...document.querySelectorAll("#browser .picture")];
  const sides = pictures.map((picture) => picture.closest(".frame").clientWidth || 1);
  pictures.forEach((picture, i) => {
    const scale = (sides[i] / Math.max(...current.size)) * view.zoom;
    const [width, height] = current.size.map((length) => length * scale);
    picture.style.width = `${width}px`;
    picture.style.height = `${height}px`;
    picture.style.left = `${offset(width, sides[i], view.x)}px`;
    picture.style.top = `${offset(height, sides[i], view.y)}px`;
  });
  byId("zoom").value = view.zoom;
}

function zoomTo(zoom) {
  view.zoom = Math.min(16, Math.max(1, zoom));
  place();
}

function moveBy(x, y, side) {
  view.x -= x / side / view.zoom;
  view.y -= y / side / view.zoom;
  place();
}

// A wheel scrolls the page, and zooms with Ctrl; a mouse drags; one finger scrolls the page, two move and zoom.
function followPointer(browser, done) {
  const frameOf = (event) => event.target.id !== "slider" && event.target.closest(".frame");
  browser.addEventListener("wheel", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !frameOf(event)) return;
    event.preventDefault();
    zoomTo(view.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
    done();
  }, { passive: false });
  let from = null;
  browser.addEventListener("pointerdown", (event) => {
    const frame = frameOf(event);
    if (frame && event.pointerType !== "touch" && event.button === 0) from = { x: event.clientX, y: event.clientY, side: frame.clientWidth };
  });
  window.addEventListener("pointermove", (event) => {
    if (!from) return;
    moveBy(event.clientX - from.x, event.clientY - from.y, from.side);
    Object.assign(from, { x: event.clientX, y: event.clientY });
  });
  window.addEventListener("pointerup", () => {
    if (from) done();
    from = null;
  });
  browser.addEventListener("dragstart", (event) => event.preventDefault());
  let fingers = null;
  const between = ([a, b]) => ({ x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) });
  browser.addEventListener("touchmove", (event) => {
    const frame = frameOf(event);
    if (!frame || event.touches.length !== 2 || !event.cancelable) return; // a scroll that has begun goes on
    event.preventDefault();
    const now = between(event.touches);
    if (fingers) {
      zoomTo((view.zoom * now.apart) / fingers.apart);
      moveBy(now.x - fingers.x, now.y - fingers.y, frame.clientWidth);
    }
    fingers = now;
  }, { passive: false });
  browser.addEventListener("touchend", () => {
    if (fingers) done();
    fingers = null;
  });
}
