// The colours of the canvas. They are those of page.css, by name, so that light, dark and print are decided in one place, and a test can
// hold every colour against what it is drawn on.

const CANVAS_COLOURS = [
  'surface',
  'band',
  'line',
  'ink',
  'muted',
  'user',
  'user-tint',
  'heard',
  'heard-tint',
  'arrived',
  'tool',
  'tool-tint',
  'interruption',
  'handling',
  'waiting',
  'error',
  'warning',
  'head',
];

/** The colours that are in force now, by name. */
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(CANVAS_COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
