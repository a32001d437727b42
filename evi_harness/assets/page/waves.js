// Waveforms: the greatest sample of each bin, at several bin lengths, drawn for as many pixels as there are.

/** Bytes from base64, where there is no need to hold them as text any longer. */
function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** A track's peaks, finest first; `loudest` is what fills the height. */
class Wave {
  constructor(peaks) {
    this.levels = peaks.map((level) => ({ binMs: level.bin_ms, bins: bytesOf(level.data) }));
    const coarsest = this.levels[this.levels.length - 1];
    // A floor, so that the noise of a silent track does not look like speech.
    this.loudest = Math.max(24, coarsest ? coarsest.bins.reduce((most, one) => Math.max(most, one), 0) : 0);
  }

  /** The level with the longest bins that are no longer than a pixel; the finest where each is. */
  levelFor(msAPixel) {
    return this.levels.filter((level) => level.binMs <= msAPixel).pop() || this.levels[0];
  }

  draw(brush, top, height, colour) {
    if (!this.levels.length) return;
    const { axis, context, colours } = brush;
    const msAPixel = axis.spanMs / axis.width;
    const { binMs, bins } = this.levelFor(msAPixel);
    const middle = top + height / 2;
    const scale = (height / 2 - 2) / this.loudest;
    context.fillStyle = colours[colour];
    context.beginPath();
    for (let x = 0; x < axis.width; x += 1) {
      const half = greatest(bins, axis.fromMs + x * msAPixel, msAPixel, binMs) * scale;
      if (half > 0.5) context.rect(x, middle - half, 1, half * 2);
    }
    context.fill();
    // What is silent is seen too, as far as there is a track.
    const extent = brush.extent(0, bins.length * binMs);
    if (extent) context.fillRect(extent.left, middle - 0.5, extent.width, 1);
  }
}

/** The greatest of the bins from there on. */
function greatest(bins, fromMs, spanMs, binMs) {
  const first = Math.floor(fromMs / binMs);
  const last = Math.min(Math.max(first + 1, Math.ceil((fromMs + spanMs) / binMs)), bins.length);
  let most = 0;
  for (let at = first; at < last; at += 1) most = Math.max(most, bins[at]);
  return most;
}
