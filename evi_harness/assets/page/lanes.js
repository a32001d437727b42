// Lanes: what a side of the data becomes on the time axis. A lane is a label, a height, its items as words and times (for the list beside
// the canvas, for what is pointed at), and how it is drawn.

const LANE_HEIGHT = 22;
const WAVE_HEIGHT = 52;
const FOLDED_HEIGHT = 20;
const DENSITY_HEIGHT = 30;
const SCALE_HEIGHT = 14;

/** One thing on a lane. `untilMs` is null for a moment. */
function laneItem(fromMs, untilMs, text, seq) {
  return { fromMs, untilMs, text, seq: seq === undefined ? null : seq };
}

function span(fromMs, untilMs) {
  return untilMs === null || untilMs === undefined ? '' : ` for ${durationText(untilMs - fromMs)}`;
}

/** The lanes of a side, those with nothing on them left out. */
function lanesOf(side, marks, absent) {
  const lanes = [
    turnsLane(side, absent),
    interruptionsLane(side),
    toolsLane(side),
    handlerLane(side),
    lateLane(side),
    messagesLane(side, marks),
    densityLane(side),
  ];
  return lanes.filter((lane) => lane.items.length > 0);
}

function turnsLane(side, absent) {
  const said = absent.map(absentItem);
  for (const turn of side.turns) {
    const { number, user, reply } = turn;
    if (user) said.push(saidItem('user', number, user, user.message_ms));
    if (reply) said.push(saidItem('heard', number, reply, turn.end_ms));
  }
  return {
    id: 'turns',
    label: 'Turns',
    height: LANE_HEIGHT,
    items: said,
    draw: (brush, top, height) => said.forEach((item) => drawSaid(brush, item, top, height)),
  };
}

function saidItem(who, number, part, otherMs) {
  const fromMs = part.begin_ms === null ? otherMs : part.begin_ms;
  const untilMs = part.end_ms === null ? otherMs : part.end_ms;
  const item = laneItem(fromMs, untilMs, `Turn ${number}, ${who === 'user' ? 'user' : 'assistant'}: ${part.text}`, part.seq);
  return Object.assign(item, { who, number, said: part.text });
}

/** What was said in the recording and is missing here, where it was there. */
function absentItem({ line, mark }) {
  const words = `Missing here, by problem ${mark.number}: ${line.text}`;
  return Object.assign(laneItem(lineBegin(line), line.end_ms, words), { isAbsent: true });
}

function drawSaid(brush, item, top, height) {
  const extent = brush.extent(item.fromMs, item.untilMs);
  if (!extent) return;
  if (item.isAbsent) {
    brush.hatching(extent, top + 2, height - 4, 'error');
    brush.labelOnGround('missing here', extent, top + 3, height - 6, 'error');
    return;
  }
  brush.rectangle(extent, top + 2, height - 4, `${item.who}-tint`);
  brush.rectangle({ left: extent.left, width: 3 }, top + 2, height - 4, item.who);
  brush.label(item.who === 'user' ? `${item.number}  ${item.said}` : item.said, extent, top, height, 'ink');
}

function interruptionsLane(side) {
  const items = side.interruptions.map((one) =>
    laneItem(one.at_ms, one.silent_ms, `The user interrupts in turn ${one.turn}${silence(one)}`, one.seq),
  );
  return {
    id: 'interruptions',
    label: 'Interruptions',
    height: LANE_HEIGHT,
    items,
    draw(brush, top, height) {
      for (const item of items) {
        const extent = item.untilMs === null ? null : brush.extent(item.fromMs, item.untilMs);
        if (extent) brush.rectangle(extent, top + height / 2 - 2, 4, 'interruption');
        brush.diamond(item.fromMs, top + height / 2, 6, 'interruption');
      }
    },
  };
}

function silence(interruption) {
  if (interruption.silent_ms === null) return '';
  return `; the speaker is silent ${lengthText(interruption.silent_ms - interruption.at_ms)} later`;
}

function toolsLane(side) {
  const items = side.tools.map((tool) => Object.assign(laneItem(tool.begin_ms, toolEnd(tool, side), toolText(tool), tool.seq), { tool }));
  return {
    id: 'tools',
    label: 'Tool calls',
    height: LANE_HEIGHT,
    items,
    draw: (brush, top, height) => items.forEach((item) => drawTool(brush, item, top, height)),
  };
}

/** Where the span of a call ends: with what follows the answer; one without an answer lasts to the end of its turn. */
function toolEnd(tool, side) {
  if (tool.next_ms !== null) return tool.next_ms;
  if (tool.answer_ms !== null) return tool.answer_ms;
  const turn = side.turns.find((one) => one.number === tool.turn);
  return turn ? turn.end_ms : side.length_ms;
}

function toolText(tool) {
  if (tool.answer_ms === null) return `${tool.what}, never answered`;
  return `${tool.what}, answered ${tool.answer || ''} after ${durationText(tool.answer_ms - tool.begin_ms)}`;
}

function drawTool(brush, item, top, height) {
  const { tool } = item;
  const extent = brush.extent(item.fromMs, item.untilMs);
  if (!extent) return;
  if (tool.answer_ms === null) {
    brush.hatching(extent, top + 3, height - 6, 'error');
    brush.labelOnGround(`${tool.name || tool.what}: no answer`, extent, top + 4, height - 8, 'error');
  } else {
    brush.rectangle(extent, top + 3, height - 6, 'tool-tint');
    const byApp = brush.extent(tool.begin_ms, tool.answer_ms);
    if (byApp) brush.rectangle(byApp, top + height - 7, 4, 'tool');
    brush.outline(extent, top + 3, height - 6, 'tool');
    brush.label(tool.name || tool.what, extent, top, height - 2, 'ink');
  }
}

const HANDLER_WORDS = { handling: 'handles', blocked: 'blocks the event loop in', waiting: 'waits in' };

function handlerLane(side) {
  const items = side.handler.spans.map((one) =>
    Object.assign(
      laneItem(one.begin_ms, one.end_ms, `The handler ${HANDLER_WORDS[one.kind]} ${one.what}${span(one.begin_ms, one.end_ms)}`, one.seq),
      { kind: one.kind },
    ),
  );
  const ofKind = (kind) => items.filter((item) => item.kind === kind);
  return {
    id: 'handler',
    label: 'Handler at work',
    height: LANE_HEIGHT,
    items,
    // What matters most is drawn last.
    draw(brush, top, height) {
      for (const item of ofKind('handling')) drawWork(brush, item, top + 7, height - 14, 'handling');
      for (const item of ofKind('waiting')) drawWork(brush, item, top + 5, height - 10, 'waiting');
      for (const item of ofKind('blocked')) drawWork(brush, item, top + 3, height - 6, 'error');
    },
  };
}

function drawWork(brush, item, top, height, colour) {
  const extent = brush.extent(item.fromMs, item.untilMs);
  if (!extent) return;
  if (item.kind === 'waiting') brush.hatching(extent, top, height, colour);
  else brush.rectangle(extent, top, height, colour);
}

function lateLane(side) {
  const items = side.late.map((one) => laneItem(one.due_ms, one.at_ms, `${one.what}, ${durationText(one.late_ms)} late`, one.seq));
  return {
    id: 'late',
    label: 'Late events',
    height: LANE_HEIGHT,
    items,
    draw(brush, top, height) {
      for (const item of items) {
        const extent = brush.extent(item.fromMs, item.untilMs);
        if (extent) brush.rectangle(extent, top + 6, height - 12, 'warning');
      }
    },
  };
}

function messagesLane(side, marks) {
  const items = side.messages
    .filter((one) => one.direction !== 'note')
    .map((one) => Object.assign(laneItem(one.at_ms, null, `${one.direction}: ${one.what}`, one.seq), { direction: one.direction }));
  const moments = (wanted) => items.filter((item) => wanted.includes(item.direction)).map((item) => item.fromMs);
  const received = moments(['received']);
  const sent = moments(['sent']);
  const ends = moments(['opened', 'closed']);
  const absent = items.filter((item) => marks.has(item.seq) && marks.get(item.seq).role === 'absent').map((item) => item.fromMs);
  return {
    id: 'messages',
    label: 'Messages',
    how: 'received above, sent below',
    height: LANE_HEIGHT + 4,
    items,
    draw(brush, top, height) {
      const half = height / 2 - 3;
      brush.ticks(received, top + 2, half, 'heard');
      brush.ticks(sent, top + height / 2 + 1, half, 'user');
      brush.ticks(ends, top + 2, height - 4, 'muted');
      // What the other side does not have, from top to bottom.
      brush.ticks(absent, top, height, 'error');
    },
  };
}

function densityLane(side) {
  const { density } = side;
  const bins = density ? bytesOf(density.data) : new Uint8Array(0);
  const most = bins.reduce((greatestYet, one) => Math.max(greatestYet, one), 1);
  const words = density && `${countText(density.n_frames, 'frame')}, ${density.n_bytes} bytes`;
  return {
    id: 'density',
    label: 'Sent audio',
    how: `frames in ${density ? density.bin_ms : 100} ms, ${most} at most`,
    height: DENSITY_HEIGHT,
    items: density && density.n_frames ? [laneItem(density.begin_ms, density.end_ms, words)] : [],
    draw: (brush, top, height) => drawDensity(brush, bins, density.bin_ms, most, top, height),
  };
}

function drawDensity(brush, bins, binMs, most, top, height) {
  const { axis, context, colours } = brush;
  const msAPixel = axis.spanMs / axis.width;
  context.fillStyle = colours.user;
  context.beginPath();
  for (let x = 0; x < axis.width; x += 1) {
    const tall = (greatest(bins, axis.fromMs + x * msAPixel, msAPixel, binMs) / most) * (height - 4);
    if (tall > 0) context.rect(x, top + height - 2 - tall, 1, tall);
  }
  context.fill();
  // The scale: how many the tallest stand for.
  brush.labelOnGround(`${most} in ${binMs} ms`, { left: 0, width: axis.width }, top, SCALE_HEIGHT, 'muted');
}

/** The waveform of a track as a row like the lanes. What of it was lost, or late, is marked below the waveform of what was heard. */
function trackRow(side, track) {
  const wave = new Wave(track.peaks);
  const items = track.role === 'heard' ? side.lost_audio.map(lostItem) : [];
  return {
    id: track.role,
    label: track.label,
    // How nothing came about is not told.
    how: track.peaks.length ? track.how : null,
    why: track.why,
    height: WAVE_HEIGHT,
    isFolded: track.is_collapsed,
    items,
    drawSmall: (brush, top, height) => wave.draw(brush, top, height, track.role),
    draw(brush, top, height) {
      wave.draw(brush, top, height, track.role);
      for (const item of items) drawLost(brush, item, top, height);
    },
  };
}

// What each means, and the colour that it is marked with: what is as it should be has a quiet one.
const LOST = {
  skipped: { words: 'of audio came and was never heard', colour: 'error' },
  cut: { words: 'was cut off a piece of audio', colour: 'error' },
  late: { words: 'late: until then the audio was there but not heard', colour: 'warning' },
  dropped: { words: 'of audio was not heard, as the user interrupted', colour: 'muted' },
  ended: { words: 'of audio was not heard, as the session was over', colour: 'muted' },
};

function lostItem(piece) {
  const { words, colour } = LOST[piece.kind];
  const text = `${durationText(piece.length_ms)} ${words}, in turn ${piece.turn} (message #${piece.seq})`;
  return Object.assign(laneItem(piece.begin_ms, piece.end_ms, text, piece.seq), { colour });
}

const LOST_HEIGHT = 10;

function drawLost(brush, item, top, height) {
  const extent = brush.extent(item.fromMs, item.untilMs);
  if (!extent) return;
  const place = top + height - LOST_HEIGHT;
  brush.rectangle(extent, place, LOST_HEIGHT, 'surface');
  brush.hatching(extent, place, LOST_HEIGHT, item.colour);
}

/** The problems of the whole page, as numbered marks. */
function problemsLane(problems) {
  const items = problems.flatMap(problemItems).sort((one, other) => one.fromMs - other.fromMs);
  return {
    id: 'problems',
    label: 'Problems',
    height: LANE_HEIGHT + 2,
    items,
    draw(brush, top, height) {
      const inView = items.filter((item) => brush.axis.isInView(item.fromMs));
      placeMarks(inView, brush.axis);
      for (const item of items) drawLength(brush, item, top, height);
      // Numbers above ticks.
      for (const item of inView) if (item.isTick) drawMark(brush, item, top, height);
      for (const item of inView) if (!item.isTick) drawMark(brush, item, top, height);
    },
    itemAt(x, axis) {
      const distance = (item) => Math.abs(item.markX - x);
      const near = items.filter((item) => axis.isInView(item.fromMs) && distance(item) <= item.markWidth / 2 + 1);
      return near.sort((one, other) => distance(one) - distance(other))[0] || null;
    },
  };
}

const MARK_WIDTH = 18;
const MARK_CHARACTER_WIDTH = 6;
const TICK_WIDTH = 5;
const MARK_GAP = 2;

/** Where a problem is, and where the same happened again: each moment with the number that the list has for it. */
function problemItems(problem) {
  return [problem, ...problem.more]
    .map((moment, index) => ({ moment, number: momentNumber(problem, index) }))
    .filter(({ moment }) => moment.at_ms !== null)
    .map(({ moment, number }) =>
      Object.assign(laneItem(moment.at_ms, moment.until_ms, `${number}. ${titleText(problem)}${span(moment.at_ms, moment.until_ms)}`), {
        problem,
        number,
        seekMs: moment.seek_ms,
        markX: 0,
        markWidth: 0,
        // Whether it is the first time.
        isFirst: moment === problem,
        isTick: false,
      }),
    );
}

/**
 * Gives each mark its place. Those of the problems are put beside one another where they would lie upon one another, and all of them within
 * the view. What came again keeps its moment: where there is no room for its number it is a tick, until the view is closer.
 */
function placeMarks(items, axis) {
  for (const item of items) {
    item.isTick = false;
    item.markX = axis.x(item.fromMs);
    item.markWidth = MARK_WIDTH + MARK_CHARACTER_WIDTH * (item.number.length - 1);
  }
  const placed = items.filter((item) => item.isFirst);
  placeBeside(placed, axis);
  const ofSeverity = (isError) => items.filter((one) => !one.isFirst && (one.problem.severity === 'error') === isError);
  // What fails has its number before what only warns.
  for (const item of [...ofSeverity(true), ...ofSeverity(false)]) {
    const half = item.markWidth / 2;
    const isFree = placed.every((other) => Math.abs(other.markX - item.markX) >= half + other.markWidth / 2 + MARK_GAP);
    item.isTick = !isFree || item.markX < half || item.markX > axis.width - half;
    if (item.isTick) item.markWidth = TICK_WIDTH;
    else placed.push(item);
  }
}

function placeBeside(items, axis) {
  let least = 0;
  for (const item of items) {
    item.markX = Math.max(item.markX, least + item.markWidth / 2);
    least = item.markX + item.markWidth / 2 + MARK_GAP;
  }
  let most = axis.width;
  for (const item of [...items].reverse()) {
    item.markX = Math.min(item.markX, most - item.markWidth / 2);
    most = item.markX - item.markWidth / 2 - MARK_GAP;
  }
}

const LENGTH_HEIGHT = 4;

/** From when until when a problem lasted, below its number. */
function drawLength(brush, item, top, height) {
  const extent = item.untilMs === null ? null : brush.extent(item.fromMs, item.untilMs);
  if (extent) brush.rectangle(extent, top + height - LENGTH_HEIGHT, LENGTH_HEIGHT, item.problem.severity);
}

function drawMark(brush, item, top, height) {
  const { context } = brush;
  brush.rectangle({ left: item.markX - item.markWidth / 2, width: item.markWidth }, top + 2, height - 8, item.problem.severity);
  if (item.isTick) return;
  context.textAlign = 'center';
  brush.words(item.number, item.markX, top + height / 2 - 2, 'surface');
  context.textAlign = 'start';
}
