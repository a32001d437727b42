// The stage: the canvas with the time axis. Two layers: what was drawn of the part in view, which stays until the view changes, and above
// it the play head, which moves at every frame. Only what is in view is drawn.

const NARROW = 640;
// What fits between the margins of A4 and Letter.
const PRINTED_WIDTH = 680;
const ZOOM_STEP = 1.6;
const OVERVIEW_HEIGHT = 34;
// A label that would be cut at the right edge is left out.
const RULER_LABEL_WIDTH = 40;

class Stage {
  constructor(data, player, open) {
    this.data = data;
    this.player = player;
    // What is done with an item that is clicked: see page.js.
    this.open = open;
    this.axis = new Axis(data.length_ms);
    this.rows = rowsOf(data);
    this.isDue = false;
    this.build();
    this.pointing = new Pointing(this);
  }

  build() {
    this.base = element('canvas', { 'aria-hidden': 'true', class: 'layer' });
    this.top = element('canvas', { 'aria-hidden': 'true', class: 'layer head-layer' });
    this.plot = element(
      'div',
      {
        class: 'plot',
        role: 'slider',
        tabindex: '0',
        'aria-label': 'Play head',
        'aria-describedby': 'keys-short',
        'aria-valuemin': '0',
        'aria-valuemax': Math.round(this.axis.durationMs),
        'aria-valuenow': 0,
        'aria-valuetext': spokenMoment(0),
      },
      [this.base, this.top],
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
    const { player } = this;
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

  /** On paper it has another width, of which no observer is told in time. */
  setPrinted(isPrinted) {
    this.colours = readPalette();
    this.root.style.width = isPrinted ? `${PRINTED_WIDTH}px` : '';
    this.layOut();
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
      if (x < axis.width - RULER_LABEL_WIDTH) brush.words(rulerText(ms, step), x + 4, RULER_HEIGHT / 2, 'muted');
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
    context.globalAlpha = 0.55;
    for (const { problem, fromMs } of this.data.problems.flatMap(problemItems)) {
      const its = this.rows.filter((row) => row.side && row.side.id === problem.side);
      if (!its.length || !axis.isInView(fromMs)) continue;
      const last = its[its.length - 1];
      context.fillStyle = this.colours[problem.severity];
      for (let y = its[0].top; y < last.top + last.height; y += 6) context.fillRect(Math.round(axis.x(fromMs)), y, 1, 3);
    }
    context.globalAlpha = 1;
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
    for (const row of tracks) row.lane.drawSmall(brush, 0, OVERVIEW_HEIGHT - 4);
    context.fillStyle = this.colours.band;
    context.globalAlpha = 0.75;
    const left = whole.x(this.axis.fromMs);
    const right = whole.x(this.axis.untilMs);
    context.fillRect(0, 0, left, OVERVIEW_HEIGHT);
    context.fillRect(right, 0, whole.width - right, OVERVIEW_HEIGHT);
    context.globalAlpha = 1;
    brush.outline({ left, width: right - left }, 0, OVERVIEW_HEIGHT, 'muted');
    for (const { problem, fromMs } of this.data.problems.flatMap(problemItems))
      brush.diamond(fromMs, OVERVIEW_HEIGHT - 6, 4, problem.severity);
  }

  /** The layer above: what is pointed at, and the play head. */
  drawTop() {
    const context = clearedContext(this.top);
    const { axis, colours } = this;
    const { found } = this.pointing;
    if (found) {
      const brush = new Brush(context, axis, colours);
      const extent = brush.extent(found.item.fromMs, found.item.untilMs);
      if (extent) brush.outline({ left: extent.left - 1, width: extent.width + 2 }, found.row.drawnTop, found.row.drawnHeight, 'head');
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
    if (!this.pointing.isPressed && this.axis.reveal(ms)) this.drawBase();
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
