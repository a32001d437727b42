// Pointing at the stage: a click goes there or opens what lies there, dragging moves the play head, two fingers and the wheel zoom.

// A pointer that has moved so little has clicked.
const CLICK_PIXELS = 4;
const NEAR_PIXELS = 6;

class Pointing {
  constructor(stage) {
    this.stage = stage;
    // What the mouse is over, with its row.
    this.found = null;
    this.pointers = new Map();
    this.hint = element('div', { class: 'hint', hidden: true, 'aria-hidden': 'true' });
    stage.plot.append(this.hint);
    this.listen(stage);
  }

  listen({ plot, overview }) {
    plot.addEventListener('pointerdown', (event) => this.press(event));
    plot.addEventListener('pointermove', (event) => this.move(event));
    plot.addEventListener('pointerup', (event) => this.release(event));
    plot.addEventListener('pointercancel', (event) => this.pointers.delete(event.pointerId));
    plot.addEventListener('pointerleave', () => this.point(null));
    plot.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    overview.addEventListener('pointerdown', (event) => this.pressOverview(event));
    overview.addEventListener('pointermove', (event) => event.buttons && this.pressOverview(event));
  }

  get isPressed() {
    return this.pointers.size > 0;
  }

  /** The item at a place, with its row; null where there is none. */
  itemAt(x, y) {
    const row = this.stage.rows.find((one) => !one.isHead && !one.isFolded && y >= one.drawnTop && y < one.drawnTop + one.drawnHeight);
    if (!row) return null;
    const item = row.lane.itemAt ? row.lane.itemAt(x, this.stage.axis) : nearestItem(row.lane.items, x, this.stage.axis);
    return item && { row, item };
  }

  placeOf(event) {
    const box = this.stage.plot.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  press(event) {
    if (event.button !== 0) return;
    const place = this.placeOf(event);
    this.pointers.set(event.pointerId, Object.assign({ startX: place.x, hasMoved: false }, place));
    this.stage.plot.setPointerCapture(event.pointerId);
  }

  move(event) {
    const place = this.placeOf(event);
    const pressed = this.pointers.get(event.pointerId);
    if (!pressed) {
      this.point(this.itemAt(place.x, place.y), place);
      return;
    }
    if (this.pointers.size === 2) this.pinch(event.pointerId, place);
    else if (pressed.hasMoved || Math.abs(place.x - pressed.startX) > CLICK_PIXELS) {
      pressed.hasMoved = true;
      this.stage.player.seek(this.stage.axis.ms(place.x));
    }
    Object.assign(pressed, place);
  }

  /** Two fingers: what was between them stays between them. */
  pinch(movedId, place) {
    const other = [...this.pointers].find(([id]) => id !== movedId)[1];
    const moved = this.pointers.get(movedId);
    const before = Math.max(Math.abs(moved.x - other.x), 10);
    const after = Math.max(Math.abs(place.x - other.x), 10);
    moved.hasMoved = true;
    other.hasMoved = true;
    this.stage.axis.zoom(after / before, this.stage.axis.ms((place.x + other.x) / 2));
    this.stage.redraw();
  }

  release(event) {
    const pressed = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!pressed || pressed.hasMoved) return;
    const found = this.itemAt(pressed.x, pressed.y);
    if (found && found.row.lane.id !== 'density') this.stage.open(found.item, found.row);
    else this.stage.player.seek(this.stage.axis.ms(pressed.x));
  }

  /** Shows what lies under the mouse, and in words what it is. */
  point(found, place) {
    if (!found && !this.found) return;
    this.found = found;
    this.hint.hidden = !found;
    this.stage.plot.classList.toggle('on-item', found !== null);
    if (found) this.placeHint(found, place);
    this.stage.drawTop();
  }

  placeHint({ row, item }, place) {
    const { hint, stage } = this;
    fill(hint, [element('span', { class: 'time' }, [clockText(item.fromMs)]), ' ', said(shortened(item.text, 200))]);
    const below = row.drawnTop + row.drawnHeight + 4;
    const fits = below + hint.offsetHeight <= stage.plot.clientHeight;
    hint.style.left = `${Math.min(place.x + 12, Math.max(stage.axis.width - hint.offsetWidth - 4, 0))}px`;
    hint.style.top = `${fits ? below : row.drawnTop - hint.offsetHeight - 4}px`;
  }

  /** With Ctrl (as a touchpad's pinch says) it zooms, sideways it moves along; else the page scrolls. */
  wheel(event) {
    const isAlong = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!event.ctrlKey && !event.metaKey && !isAlong) return;
    event.preventDefault();
    if (isAlong) this.stage.axis.pan(((event.deltaX || event.deltaY) / this.stage.axis.width) * this.stage.axis.spanMs);
    else this.stage.axis.zoom(Math.exp(-event.deltaY / 200), this.stage.axis.ms(this.placeOf(event).x));
    this.stage.redraw();
  }

  pressOverview(event) {
    const box = this.stage.overview.getBoundingClientRect();
    const ms = ((event.clientX - box.left) / box.width) * this.stage.axis.durationMs;
    if (this.stage.axis.isWhole) this.stage.player.seek(ms);
    else this.stage.axis.show(ms - this.stage.axis.spanMs / 2, this.stage.axis.spanMs);
    this.stage.redraw();
  }
}

/** The item that lies there, or nearest to there; null where the nearest is far. */
function nearestItem(items, x, axis) {
  const ms = axis.fromMs + (x / axis.width) * axis.spanMs;
  const distance = (item) => Math.max(item.fromMs - ms, ms - (item.untilMs === null ? item.fromMs : item.untilMs), 0);
  const nearest = items.reduce((best, item) => (best === null || distance(item) < distance(best) ? item : best), null);
  return nearest && distance(nearest) <= (NEAR_PIXELS * axis.spanMs) / axis.width ? nearest : null;
}
