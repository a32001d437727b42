// Numbers as people read them: times, durations, counts.

/** A moment on the session's axis: 0:04.306, or 1:02:04.306 from an hour on. */
function clockText(ms) {
  const sign = ms < 0 ? '-' : '';
  const all = Math.round(Math.abs(ms));
  const hours = Math.floor(all / 3600000);
  const minutes = Math.floor(all / 60000) % 60;
  const seconds = ((all % 60000) / 1000).toFixed(3).padStart(6, '0');
  return hours ? `${sign}${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${sign}${minutes}:${seconds}`;
}

/** A moment at the precision that a ruler with such steps needs. */
function rulerText(ms, stepMs) {
  const digits = stepMs >= 1000 ? 0 : stepMs >= 100 ? 1 : stepMs >= 10 ? 2 : 3;
  const text = clockText(ms);
  return digits ? text.slice(0, text.length - 3 + digits) : text.slice(0, -4);
}

/** How long something took: 48 ms, 1.45 s, 2 min 5 s. */
function durationText(ms) {
  if (ms === null || ms === undefined) return 'unknown';
  if (Math.abs(ms) < 1) return `${ms.toFixed(2)} ms`;
  if (Math.abs(ms) < 1000) return `${Math.round(ms)} ms`;
  if (Math.abs(ms) < 60000) return `${(ms / 1000).toFixed(Math.abs(ms) < 10000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** How much was heard or lost, as the sentences on the page say it: 0.89 s. */
function lengthText(ms) {
  return Math.abs(ms) < 10000 ? `${(ms / 1000).toFixed(2)} s` : durationText(ms);
}

/** A moment for a screen reader, which reads 0:04.306 as a time of day. */
function spokenMoment(ms) {
  const seconds = ms / 1000;
  const minutes = Math.floor(seconds / 60);
  const rest = `${(seconds - minutes * 60).toFixed(1)} seconds`;
  return minutes ? `${minutes} minutes ${rest}` : rest;
}

function countText(count, one, many) {
  return `${count} ${count === 1 ? one : many || one + 's'}`;
}

function shortened(text, longest) {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}
