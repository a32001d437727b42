// What lanes are drawn with: spans, ticks, hatching, words. All take CSS pixels; the brush holds the canvas, the axis and the colours.

const LABEL_FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
// A span that is shorter than this is drawn so wide all the same, else it would not be seen.
const NARROWEST_SPAN = 3;
// Below this there is no room for a word.
const NARROWEST_LABEL = 26;

class Brush {
  constructor(context, axis, colours) {
    this.context = context;
    this.axis = axis;
    this.colours = colours;
  }

  /** Left edge and width of a span, cut where the view ends; null where none of it is in view. */
  extent(fromMs, untilMs) {
    const { axis } = this;
    const left = Math.max(axis.x(fromMs), -2);
    const right = Math.min(axis.x(untilMs === null ? fromMs : untilMs), axis.width + 2);
    if (right < 0 || left > axis.width) return null;
    return { left, width: Math.max(right - left, NARROWEST_SPAN) };
  }

  rectangle(extent, top, height, colour) {
    this.context.fillStyle = this.colours[colour];
    this.context.beginPath();
    if (this.context.roundRect) this.context.roundRect(extent.left, top, extent.width, height, 3);
    else this.context.rect(extent.left, top, extent.width, height);
    this.context.fill();
  }

  outline(extent, top, height, colour) {
    this.context.strokeStyle = this.colours[colour];
    this.context.lineWidth = 1;
    this.context.strokeRect(extent.left + 0.5, top + 0.5, Math.max(extent.width - 1, 1), height - 1);
  }

  hatching(extent, top, height, colour) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(extent.left, top, extent.width, height);
    context.clip();
    context.strokeStyle = this.colours[colour];
    context.lineWidth = 1.5;
    context.beginPath();
    // From a multiple of the distance, so that the lines stay where they are when the view moves within them.
    for (let x = Math.floor(extent.left / 6) * 6 - height; x < extent.left + extent.width; x += 6) {
      context.moveTo(x, top + height);
      context.lineTo(x + height, top);
    }
    context.stroke();
    context.restore();
    this.outline(extent, top, height, colour);
  }

  label(text, extent, top, height, colour) {
    if (extent.width < NARROWEST_LABEL) return;
    const { context } = this;
    const left = Math.max(extent.left, 0);
    context.save();
    context.beginPath();
    context.rect(left, top, extent.left + extent.width - left - 3, height);
    context.clip();
    this.words(visibleText(text).slice(0, 300), left + 5, top + height / 2, colour);
    context.restore();
  }

  /** The same on ground of its own, for where what lies below would make it hard to read. */
  labelOnGround(text, extent, top, height, colour) {
    if (extent.width < NARROWEST_LABEL) return;
    this.context.font = LABEL_FONT;
    const width = Math.min(this.context.measureText(visibleText(text)).width + 10, extent.width - 4);
    this.rectangle({ left: Math.max(extent.left, 0) + 2, width }, top + 1, height - 2, 'surface');
    this.label(text, extent, top, height, colour);
  }

  words(text, x, middle, colour) {
    const { context } = this;
    context.font = LABEL_FONT;
    context.textBaseline = 'middle';
    context.direction = 'ltr';
    context.fillStyle = this.colours[colour];
    context.fillText(text, x, middle + 0.5);
  }

  /** Upright lines at many moments, one for each pixel at most. */
  ticks(moments, top, height, colour) {
    const { axis, context } = this;
    context.fillStyle = this.colours[colour];
    let last = -2;
    for (const ms of moments) {
      const x = Math.round(axis.x(ms));
      if (x > axis.width) break;
      if (x < 0 || x - last < 2) continue;
      context.fillRect(x - 0.75, top, 1.5, height);
      last = x;
    }
  }

  diamond(ms, middle, radius, colour) {
    const { context } = this;
    const x = this.axis.x(ms);
    if (x < -radius || x > this.axis.width + radius) return;
    context.fillStyle = this.colours[colour];
    context.beginPath();
    context.moveTo(x, middle - radius);
    context.lineTo(x + radius, middle);
    context.lineTo(x, middle + radius);
    context.lineTo(x - radius, middle);
    context.fill();
  }
}
