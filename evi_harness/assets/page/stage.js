// The stage: the canvas with the time axis. Two layers: what was drawn of the part in view, which stays until the view changes, and above it
// the play head, which moves at every frame. Only what is in view is drawn.

const NARROW = 640;
// A pointer that has moved so little has clicked.
const CLICK_PIXELS = 4;
const NEAR_PIXELS = 6;
const ZOOM_STEP = 1.6;
const OVERVIEW_HEIGHT = 34;

class Stage {
  constructor(data, player, open) {
    this.data = data;
    this.player = player;
    // What is done with an item that is clicked: see page.js.
    this.open = open;
    this.axis = new Axis(data.length_ms);
    this.rows = rowsOf(data);
    this.pointed = null;
    this.pointers = new Map();
    this.isDue = false;
    this.build();
  }

  build() {
    this.base = element('canvas', { 'aria-hidden': 'true', class: 'layer' });
    this.top = element('canvas', { 'aria-hidden': 'true', class: 'layer' });
    this.hint = element('div', { class: 'hint', hidden: true, 'aria-hidden': 'true' });
    this.plot = element(
      'div',
      {
        class: 'plot',
        role: 'slider',
        tabindex: '0',
        'aria-label': 'Play head',
        'aria-describedby': 'keys-short',
        'aria-valuemin': '0',
        'aria-valuemax': String(Math.round(this.axis.durationMs)),
      },
      [this.base, this.top, this.hint],
    );
    this.gutter = element('div', { class: 'gutter' });
    this.overview = element('canvas', { class: 'overview', 'aria-hidden': 'true' });
    this.root = element('div', { class: 'stage' }, [
      element('div', { class: 'overview-line' }, [this.overview]),
      element('div', { class: 'stage-body' }, [this.gutter, this.plot]),
    ]);
    this.listen();
  }

  listen() {
    const { plot, player } = this;
    plot.addEventListener('pointerdown', (event) => this.press(event));
    plot.addEventListener('pointermove', (event) => this.move(event));
    plot.addEventListener('pointerup', (event) => this.release(event));
    plot.addEventListener('pointercancel', (event) => this.pointers.delete(event.pointerId));
    plot.addEventListener('pointerleave', () => this.point(null));
    plot.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    this.overview.addEventListener('pointerdown', (event) => this.pressOverview(event));
    this.overview.addEventListener('pointermove', (event) => event.buttons && this.pressOverview(event));
    player.addEventListener('position', () => this.moveHead());
    player.addEventListener('voices', () => this.label());
    new ResizeObserver(() => this.layOut()).observe(this.root);
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.recolour());
    this.recolour();
  }

  recolour() {
    this.colours = readPalette();
    this.redraw();
  }

  // Layout.

  layOut() {
    const isNarrow = this.root.clientWidth < NARROW;
    this.root.classList.toggle('narrow', isNarrow);
    const height = placeRows(this.rows, isNarrow);
    this.plot.style.height = `${height}px`;
    this.axis.width = Math.max(this.plot.clientWidth, 1);
    sizeCanvas(this.base, this.axis.width, height);
    sizeCanvas(this.top, this.axis.width, height);
    sizeCanvas(this.overview, this.overview.parentElement.clientWidth, OVERVIEW_HEIGHT);
    this.label();
    this.drawBase();
  }

  label() {
    const focused = document.activeElement && document.activeElement.closest('.row-label') ? document.activeElement : null;
    const place = focused && [...this.gutter.querySelectorAll('button')].indexOf(focused);
    fill(
      this.gutter,
      this.rows.map((row) => {
        const label = rowLabel(row, this.voiceOf(row), this);
        label.style.top = `${row.top}px`;
        label.style.height = `${row.labelHeight || row.height}px`;
        return label;
      }),
    );
    // The button that was pressed has been made anew.
    if (focused) this.gutter.querySelectorAll('button')[place].focus();
  }

  voiceOf(row) {
    return row.lane && row.side ? this.player.voices.find((voice) => voice.id === `${row.side.id}-${row.lane.id}`) : undefined;
  }

  fold(row) {
    row.isFolded = !row.isFolded;
    this.layOut();
  }

  // Drawing.

  /** Draws again at the next frame, however often that is asked for until then. */
  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.drawBase();
    });
  }

  drawBase() {
    const context = clearedContext(this.base);
    const brush = new Brush(context, this.axis, this.colours);
    this.drawRuler(brush);
    for (const row of this.rows) this.drawRow(brush, row);
    this.drawProblemLines(brush);
    this.drawOverview();
    this.drawTop();
  }

  drawRuler(brush) {
    const { axis } = this;
    const step = axis.rulerStepMs(72);
    const bottom = this.plot.clientHeight;
    for (let ms = Math.ceil(axis.fromMs / step) * step; ms <= axis.untilMs; ms += step) {
      const x = Math.round(axis.x(ms));
      brush.context.fillStyle = this.colours.line;
      brush.context.fillRect(x, RULER_HEIGHT - 6, 1, bottom);
      brush.words(rulerText(ms, step), x + 4, RULER_HEIGHT / 2, 'muted');
    }
  }

  drawRow(brush, row) {
    if (row.isHead) return;
    brush.context.fillStyle = this.colours.band;
    brush.context.globalAlpha = 0.6;
    brush.context.fillRect(0, row.drawnTop, this.axis.width, row.drawnHeight);
    brush.context.globalAlpha = 1;
    if (row.isFolded) return;
    row.lane.draw(brush, row.drawnTop, row.drawnHeight);
    if (row.lane.why && !this.voiceOf(row)) {
      brush.label(row.lane.why, { left: 0, width: this.axis.width }, row.drawnTop + row.drawnHeight - 16, 14, 'muted');
    }
  }

  /** A line down from each mark, through the side on which the problem is. */
  drawProblemLines(brush) {
    const { context, axis } = brush;
    for (const problem of this.data.problems) {
      if (problem.at_ms === null || !axis.isInView(problem.at_ms)) continue;
      const its = this.rows.filter((row) => row.side && row.side.id === problem.side);
      if (!its.length) continue;
      const last = its[its.length - 1];
      context.fillStyle = this.colours[problem.severity === 'error' ? 'error' : 'warning'];
      context.globalAlpha = 0.55;
      for (let y = its[0].top; y < last.top + last.height; y += 6) context.fillRect(Math.round(axis.x(problem.at_ms)), y, 1, 3);
      context.globalAlpha = 1;
    }
  }

  /** The whole session, small, with what is in view framed. */
  drawOverview() {
    const context = clearedContext(this.overview);
    const whole = new Axis(this.axis.durationMs);
    whole.width = this.overview.clientWidth || 1;
    const brush = new Brush(context, whole, this.colours);
    const tracks = this.rows.filter(
      (row) => row.side === this.data.sides[this.data.sides.length - 1] && ['user', 'heard'].includes(row.lane && row.lane.id),
    );
    for (const row of tracks) row.lane.draw(brush, 0, OVERVIEW_HEIGHT - 4);
    context.fillStyle = this.colours.band;
    context.globalAlpha = 0.75;
    const left = whole.x(this.axis.fromMs);
    const right = whole.x(this.axis.untilMs);
    context.fillRect(0, 0, left, OVERVIEW_HEIGHT);
    context.fillRect(right, 0, whole.width - right, OVERVIEW_HEIGHT);
    context.globalAlpha = 1;
    brush.outline({ left, width: right - left }, 0, OVERVIEW_HEIGHT, 'muted');
    for (const problem of this.data.problems) {
      if (problem.at_ms !== null) brush.diamond(problem.at_ms, OVERVIEW_HEIGHT - 6, 4, problem.severity === 'error' ? 'error' : 'warning');
    }
  }

  /** The layer above: what is pointed at, and the play head. */
  drawTop() {
    const context = clearedContext(this.top);
    const { axis, colours } = this;
    if (this.pointed) {
      const brush = new Brush(context, axis, colours);
      const extent = brush.extent(this.pointed.item.fromMs, this.pointed.item.untilMs);
      if (extent)
        brush.outline({ left: extent.left - 1, width: extent.width + 2 }, this.pointed.row.drawnTop, this.pointed.row.drawnHeight, 'head');
    }
    const x = axis.x(this.player.positionMs);
    if (x < -6 || x > axis.width + 6) return;
    context.fillStyle = colours.head;
    context.fillRect(Math.round(x) - 1, RULER_HEIGHT - 8, 2, this.plot.clientHeight);
    context.beginPath();
    context.moveTo(x - 6, RULER_HEIGHT - 14);
    context.lineTo(x + 6, RULER_HEIGHT - 14);
    context.lineTo(x, RULER_HEIGHT - 4);
    context.fill();
  }

  moveHead() {
    const ms = this.player.positionMs;
    // Turning the page: the part in view is drawn anew only when the head has left it.
    if (!this.pointers.size && this.axis.reveal(ms)) this.drawBase();
    else this.drawTop();
    this.plot.setAttribute('aria-valuenow', String(Math.round(ms)));
    this.plot.setAttribute('aria-valuetext', spokenMoment(ms));
  }

  // Zoom.

  zoom(factor) {
    const here = this.player.positionMs;
    this.axis.zoom(factor, this.axis.isInView(here) ? here : this.axis.fromMs + this.axis.spanMs / 2);
    this.redraw();
  }

  zoomIn() {
    this.zoom(ZOOM_STEP);
  }

  zoomOut() {
    this.zoom(1 / ZOOM_STEP);
  }

  zoomToWhole() {
    this.axis.show(0, this.axis.durationMs);
    this.redraw();
  }

  // Pointing.

  /** The item at a place, with its row; null where there is none. */
  itemAt(x, y) {
    const row = this.rows.find((one) => !one.isHead && !one.isFolded && y >= one.drawnTop && y < one.drawnTop + one.drawnHeight);
    if (!row) return null;
    const item = row.lane.itemAt ? row.lane.itemAt(x, this.axis) : nearestItem(row.lane.items, x, this.axis);
    return item && { row, item };
  }

  placeOf(event) {
    const box = this.plot.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  press(event) {
    if (event.button !== 0) return;
    const place = this.placeOf(event);
    this.pointers.set(event.pointerId, Object.assign({ startX: place.x, hasMoved: false }, place));
    this.plot.setPointerCapture(event.pointerId);
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
      this.player.seek(this.axis.ms(place.x));
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
    this.axis.zoom(after / before, this.axis.ms((place.x + other.x) / 2));
    this.redraw();
  }

  release(event) {
    const pressed = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!pressed || pressed.hasMoved) return;
    const found = this.itemAt(pressed.x, pressed.y);
    if (found && found.row.lane.id !== 'density') this.open(found.item, found.row);
    else this.player.seek(this.axis.ms(pressed.x));
  }

  point(found, place) {
    const item = found && found.item;
    if (!item && !this.pointed) return;
    this.pointed = found;
    this.hint.hidden = !item;
    this.plot.classList.toggle('on-item', Boolean(item));
    if (item) {
      fill(this.hint, [element('span', { class: 'time' }, [clockText(item.fromMs)]), ' ', said(item.text.slice(0, 200))]);
      this.hint.style.left = `${Math.min(place.x + 12, Math.max(this.axis.width - this.hint.offsetWidth - 4, 0))}px`;
      this.hint.style.top = `${found.row.drawnTop + found.row.drawnHeight + 4}px`;
    }
    this.drawTop();
  }

  /** With Ctrl (as a touchpad's pinch says) it zooms, sideways it moves along; else the page scrolls. */
  wheel(event) {
    const isAlong = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!event.ctrlKey && !event.metaKey && !isAlong) return;
    event.preventDefault();
    if (isAlong) this.axis.pan(((event.deltaX || event.deltaY) / this.axis.width) * this.axis.spanMs);
    else this.axis.zoom(Math.exp(-event.deltaY / 200), this.axis.ms(this.placeOf(event).x));
    this.redraw();
  }

  pressOverview(event) {
    const box = this.overview.getBoundingClientRect();
    const ms = ((event.clientX - box.left) / box.width) * this.axis.durationMs;
    if (this.axis.isWhole) this.player.seek(ms);
    else this.axis.show(ms - this.axis.spanMs / 2, this.axis.spanMs);
    this.redraw();
  }
}

/** The item that lies there, or nearest to there; null where the nearest is far. */
function nearestItem(items, x, axis) {
  const ms = axis.fromMs + (x / axis.width) * axis.spanMs;
  const distance = (item) => Math.max(item.fromMs - ms, ms - (item.untilMs === null ? item.fromMs : item.untilMs), 0);
  const nearest = items.reduce((best, item) => (best === null || distance(item) < distance(best) ? item : best), null);
  return nearest && distance(nearest) <= (NEAR_PIXELS * axis.spanMs) / axis.width ? nearest : null;
}

/** Gives a canvas its size in CSS pixels, at the resolution of the screen. */
function sizeCanvas(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

function clearedContext(canvas) {
  const context = canvas.getContext('2d');
  const scale = window.devicePixelRatio || 1;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  return context;
}
