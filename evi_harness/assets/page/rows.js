// Rows: which lanes lie where, from top to bottom, and their labels beside the canvas (above each row where the screen is narrow).

const RULER_HEIGHT = 24;
const SIDE_HEAD_HEIGHT = 30;
const ROW_GAP = 4;
const LABEL_ABOVE_HEIGHT = 20;

/** The rows of a page: problems, then each side's tracks and lanes under its name. */
function rowsOf(data) {
  const rows = [];
  const add = (lane, side) => rows.push({ lane, side, isHead: false, isFolded: Boolean(lane.isFolded), top: 0, height: 0 });
  const problems = problemsLane(data.problems);
  if (problems.items.length) add(problems, null);
  for (const side of data.sides) {
    if (data.sides.length > 1) rows.push({ lane: null, side, isHead: true, isFolded: false, top: 0, height: 0 });
    for (const track of side.tracks) if (track.peaks.length || track.why) add(trackRow(side, track), side);
    for (const lane of lanesOf(side, problemMarks(data, side), absentLines(data, side))) add(lane, side);
  }
  return rows;
}

/** Gives each row its place; returns the height of them all. */
function placeRows(rows, isNarrow) {
  let top = RULER_HEIGHT + ROW_GAP;
  for (const row of rows) {
    row.labelHeight = isNarrow && !row.isHead && !row.isFolded ? LABEL_ABOVE_HEIGHT : 0;
    row.top = top;
    row.height = row.isHead ? SIDE_HEAD_HEIGHT : row.isFolded ? FOLDED_HEIGHT : row.lane.height + row.labelHeight;
    row.drawnTop = row.top + row.labelHeight;
    row.drawnHeight = row.height - row.labelHeight;
    top += row.height + ROW_GAP;
  }
  return top;
}

/** The label of a row: a button that folds it, how it came about, and for a track whether it is heard. */
function rowLabel(row, voice, stage) {
  if (row.isHead)
    return element('div', { class: 'row-label side-head' }, [
      element('strong', {}, [row.side.label]),
      said(row.side.session.name, 'span', { class: 'dim' }),
    ]);
  const { lane } = row;
  const fold = element('button', { type: 'button', class: 'fold', 'aria-expanded': String(!row.isFolded), click: () => stage.fold(row) }, [
    element('span', { class: 'fold-mark', 'aria-hidden': 'true' }, []),
    element('span', {}, [lane.label]),
  ]);
  const how = lane.how && !row.isFolded ? element('span', { class: 'how dim', title: lane.how }, [lane.how]) : null;
  return element('div', { class: `row-label ${lane.height >= WAVE_HEIGHT ? 'tall' : ''}` }, [
    element('div', { class: 'row-line' }, [fold, voice ? muteButton(row, voice, stage.player) : null]),
    how,
  ]);
}

function muteButton(row, voice, player) {
  const sounds = voice.canPlay && !voice.isMuted;
  return element(
    'button',
    {
      type: 'button',
      class: 'mute',
      'data-voice': voice.id,
      'aria-pressed': String(!sounds),
      'aria-label': `Mute ${row.side.label}: ${row.lane.label}`,
      title: !voice.canPlay ? 'This browser cannot play it' : sounds ? 'Mute' : 'Unmute',
      disabled: !voice.canPlay,
      click: () => player.setMuted(voice, !voice.isMuted),
    },
    [speakerIcon(sounds)],
  );
}
