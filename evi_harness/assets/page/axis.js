// The time axis: which part of the session is in view, and where a moment lies in it. Pure arithmetic: milliseconds and CSS pixels.

// Nothing is seen below a hundredth of a second in view, and audio is summed up in bins of about that.
const NARROWEST_MS = 100;
// A step of the ruler is one of these, the first that leaves its labels room.
const RULER_STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000,
];

class Axis {
  constructor(durationMs) {
    this.durationMs = Math.max(durationMs, NARROWEST_MS);
    this.fromMs = 0;
    this.untilMs = this.durationMs;
    this.width = 1;
  }

  get spanMs() {
    return this.untilMs - this.fromMs;
  }

  get isWhole() {
    return this.spanMs >= this.durationMs;
  }

  /** The pixel at which a moment lies; beyond the edges for moments that are not in view. */
  x(ms) {
    return ((ms - this.fromMs) / this.spanMs) * this.width;
  }

  /** The moment at a pixel, within the session. */
  ms(x) {
    return this.within(this.fromMs + (x / this.width) * this.spanMs);
  }

  within(ms) {
    return Math.min(Math.max(ms, 0), this.durationMs);
  }

  isInView(ms) {
    return ms >= this.fromMs && ms <= this.untilMs;
  }

  /** Shows so much of the session from there on, moved where it would leave the session. */
  show(fromMs, spanMs) {
    const span = Math.min(Math.max(spanMs, NARROWEST_MS), this.durationMs);
    this.fromMs = Math.min(Math.max(fromMs, 0), this.durationMs - span);
    this.untilMs = this.fromMs + span;
  }

  /** Zooms by a factor (2 shows half as much); the moment stays where it is on the screen. */
  zoom(factor, ms) {
    const share = (ms - this.fromMs) / this.spanMs;
    const span = Math.min(Math.max(this.spanMs / factor, NARROWEST_MS), this.durationMs);
    this.show(ms - share * span, span);
  }

  pan(deltaMs) {
    this.show(this.fromMs + deltaMs, this.spanMs);
  }

  /** Brings a moment into view, at a tenth from the left as when a page is turned; tells whether the view has changed. */
  reveal(ms) {
    if (this.isInView(ms)) return false;
    this.show(ms - this.spanMs / 10, this.spanMs);
    return true;
  }

  /** The step of the ruler whose labels are at least this many pixels apart. */
  rulerStepMs(apart) {
    const least = (apart / this.width) * this.spanMs;
    return RULER_STEPS_MS.find((step) => step >= least) || RULER_STEPS_MS[RULER_STEPS_MS.length - 1];
  }
}
