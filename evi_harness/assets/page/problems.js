// What is wrong, the gravest first: what happened, where in the app, what differs, and a way to hear it.

/** The cards of the problems. `page` plays, and opens messages. */
function problemCards(data, page) {
  return data.problems.map((problem, index) => problemCard(problem, data, page, index < 2));
}

// What an exception says may be a page long; that is then told in full below.
const LONGEST_TITLE = 160;
const LONGEST_SENTENCE = 300;

/** Its paths as short as they are shown below, and its first word as a sentence begins, unless that is a name. */
function titleText(problem) {
  return sentenceText(problem.title, problem);
}

function sentenceText(words, problem) {
  const text = withShownPaths(words, problem);
  return /^[a-z]+(\s|$)/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

function withShownPaths(text, problem) {
  return problem.places.reduce((shorter, place) => shorter.split(place.file).join(place.shown), text);
}

/**
 * The number of a problem, or of one of the times that it came again: 1, 1b, 1c; what follows from 1 is 1.1. Marks on the time axis have the
 * same.
 */
function momentNumber(problem, index) {
  return index ? `${problem.number}${lettersOf(index)}` : problem.number;
}

/** b, c, … z, aa, ab, … */
function lettersOf(index) {
  const letter = String.fromCharCode(97 + (index % 26));
  return index < 26 ? letter : lettersOf(Math.floor(index / 26) - 1) + letter;
}

function numberOfRank(data, rank) {
  const problem = data.problems.find((one) => one.rank === rank);
  return problem ? problem.number : String(rank);
}

function problemCard(problem, data, page, isOpen) {
  const follows = problem.because_of === null ? '' : ' follows';
  const title = said(shortened(titleText(problem), LONGEST_TITLE), 'span', { class: 'title' });
  const card = element('li', { class: `problem ${problem.severity}${follows}`, id: `problem-${problem.rank}`, tabindex: '-1' }, [
    element('h3', {}, [
      element('span', { class: 'rank' }, [momentNumber(problem, 0)]),
      problem.noticed ? said(problem.noticed, 'span', { class: 'noticed' }) : title,
    ]),
    problem.because_of === null ? null : element('p', { class: 'because' }, [`Only a consequence of ${numberOfRank(data, problem.because_of)}`]),
    problem.noticed ? element('p', {}, [title]) : null,
    problem.sentence ? said(shortened(sentenceText(problem.sentence, problem), LONGEST_SENTENCE), 'p', { class: 'sentence' }) : null,
    problem.waited ? said(problem.waited, 'p', { class: 'waited' }) : null,
    element('p', { class: 'facts' }, [
      element('code', {}, [problem.kind]),
      ` · ${problem.severity === 'error' ? '' : 'warning, '}${problem.what}${sideWords(problem, data)}`,
    ]),
    playLine(problem, page),
  ]);
  const parts = problemParts(problem, data, page);
  if (parts.length)
    card.append(element('details', { open: isOpen, class: 'more' }, [element('summary', {}, ['Details']), ...parts]));
  return card;
}

function sideWords(problem, data) {
  const side = data.sides.length > 1 && data.sides.find((one) => one.id === problem.side);
  return side ? ` · ${side.label.toLowerCase()}` : '';
}

function playLine(problem, page) {
  if (problem.seek_ms === null) return null;
  const side = page.data.sides.find((one) => one.id === problem.side);
  if (side && problem.at_ms > saidEnd(side))
    return element('p', { class: 'play-line dim' }, [`at ${clockText(problem.at_ms)}, after all that was said`]);
  const from = `Play from ${clockText(problem.seek_ms)}`;
  return element('p', { class: 'play-line' }, [
    playButton(problem, problem.side, page, from),
    element('span', { class: 'dim' }, [momentText(problem)]),
  ]);
}

/** Until when somebody spoke on a side; where no turn says so, it is not known. */
function saidEnd(side) {
  return side.turns.length ? Math.max(...side.turns.map((turn) => turn.end_ms)) : Infinity;
}

/** When it was, and how long it lasted, where it lasted. */
function momentText({ at_ms: atMs, until_ms: untilMs }) {
  if (untilMs === null) return `at ${clockText(atMs)}`;
  return `from ${clockText(atMs)} to ${clockText(untilMs)}, ${lengthText(untilMs - atMs)}`;
}

/** Plays from where the data says, two seconds before the moment. */
function playButton(moment, sideId, page, words) {
  return element(
    'button',
    {
      type: 'button',
      class: 'play-at',
      'data-seek-ms': moment.seek_ms,
      click: () => page.playOn(sideId, moment.seek_ms),
      title: `Plays from ${clockText(moment.seek_ms)}; it happens at ${clockText(moment.at_ms)}`,
    },
    [element('span', { class: 'triangle', 'aria-hidden': 'true' }, []), words],
  );
}

function problemParts(problem, data, page) {
  return [
    titleText(problem).length > LONGEST_TITLE ? said(titleText(problem), 'p', { class: 'detail' }) : null,
    problem.sentence && problem.sentence.length > LONGEST_SENTENCE ? said(problem.sentence, 'p', { class: 'detail' }) : null,
    problem.detail.length
      ? element(
          'ul',
          { class: 'detail' },
          problem.detail.map((line) => said(withShownPaths(line, problem), 'li')),
        )
      : null,
    ...placeFigures(problem),
    handledPart(problem.handled),
    problem.differences.length ? differencesTable(problem, data) : null,
    messageLinks(problem, data, page),
    lostList(problem.lost),
    problem.more.length ? againList(problem, data, page) : null,
    adviceList(problem),
  ].filter((part) => part !== null);
}

// The innermost places are where to look; who called them is folded.
const PLACES_SHOWN = 2;

function placeFigures({ places, is_silent_return: isSilentReturn }) {
  const isPath = places.length > 0 && places.every((place) => place.whole === 'ran');
  // Of what ran for a message that was never answered, the last function is where to look.
  const last = !isPath ? null : isSilentReturn ? ', the last that ran; the callback returned and sent nothing' : ', the last that ran';
  const n = isPath ? 1 : PLACES_SHOWN;
  const shown = places.slice(0, n).map((place) => placeFigure(place, places.length > 1 || isSilentReturn ? last : null));
  const others = places.slice(n).map((place) => placeFigure(place, null));
  if (!others.length) return shown;
  const words = isPath
    ? `${countText(others.length, 'other function')} that ran for the message, the latest first`
    : `${countText(others.length, 'more place')} in the app`;
  return [...shown, element('details', { class: 'callers' }, [element('summary', {}, [words]), ...others])];
}

/** What ran for the message that a problem is about, where that is another place than where it went wrong. */
function handledPart(handled) {
  if (!handled || !handled.places.length) return null;
  const [first, ...others] = handled.places.map((place) => placeFigure(place, ', which ran for the interruption', true));
  const folded = others.length
    ? element('details', { class: 'callers' }, [element('summary', {}, [countText(others.length, 'other function')]), ...others])
    : null;
  return element('div', { class: 'handled' }, [said(handled.words, 'p', { class: 'detail' }), first, folded]);
}

// A place that is a whole function is told by its first line, which is not to look at fault.
const WHOLE_WORDS = { ran: ', which ran for the message', defined: ', which may have run for the message' };

/**
 * A place in the app with the lines around it; `words` say what it has to do with the problem, null for what its data say. One
 * that is shown beside the place of the problem is not where to look for its line.
 */
function placeFigure(place, words, isBeside) {
  const at = place.line === null ? place.shown : `${place.shown}:${place.line}`;
  const hereLine = place.whole ? null : place.line;
  const caption = element('figcaption', { title: visibleText(place.file) }, [
    said(at, 'strong'),
    place.function ? ' in ' : null,
    place.function ? said(place.function, 'code') : null,
    words || WHOLE_WORDS[place.whole] || null,
    place.whole && place.source.length && !isBeside ? '. The line is not known: the function is shown from its beginning.' : null,
  ]);
  const margin = commonMargin(place.source);
  const lines = place.source.map((line) =>
    element('span', { class: line.line === hereLine ? 'line here' : 'line' }, [
      element('span', { class: 'number' }, [`${line.line === hereLine ? '› ' : ''}${line.line}`]),
      said(line.text.slice(margin), 'span', { class: 'code' }),
    ]),
  );
  return element('figure', { class: 'place' }, [
    caption,
    lines.length ? element('pre', { tabindex: '0', 'aria-label': `Source around ${visibleText(at)}` }, lines) : null,
  ]);
}

/** How many spaces all the lines begin with. */
function commonMargin(source) {
  const margins = source.filter((line) => line.text.trim()).map((line) => line.text.search(/[^ ]/));
  return margins.length ? Math.min(...margins) : 0;
}

/** What differs, side by side. */
function differencesTable({ differences }, data) {
  const labels = data.sides.length > 1 ? data.sides.map((side) => side.label) : ['Recorded', 'Replayed'];
  const cell = (value) => (value === null ? element('td', { class: 'dim' }, ['absent']) : element('td', {}, [said(value, 'code')]));
  const rows = differences.map((one) =>
    element('tr', {}, [element('th', { scope: 'row' }, [said(one.path, 'code')]), cell(one.recorded), cell(one.replayed)]),
  );
  return scrollable(
    'What differs',
    element('table', { class: 'differences' }, [
      element('thead', {}, [
        element('tr', {}, [element('th', { scope: 'col' }, ['Where']), ...labels.map((label) => element('th', { scope: 'col' }, [label]))]),
      ]),
      element('tbody', {}, rows),
    ]),
  );
}

/** A table that is wider than its column scrolls by itself, with the keyboard too. */
function scrollable(label, child) {
  return element('div', { class: 'scrollable', tabindex: '0', role: 'region', 'aria-label': label }, [child]);
}

function messageLinks(problem, data, page) {
  const named = [
    [data.sides[0], problem.recorded_seq],
    [data.sides[1], problem.replayed_seq],
  ];
  const links = named
    .map(([side, seq]) => [side, side && seq !== null && side.messages.find((one) => one.seq === seq)])
    .filter(([, message]) => message)
    .map(([side, message]) =>
      button(messageWords(message, data.sides.length > 1 ? side : null), () => page.showMessage(side.id, message.seq), { class: 'quiet' }),
    );
  return links.length ? element('p', { class: 'links' }, links) : null;
}

function messageWords(message, side) {
  return ['Message', `#${message.seq}`, message.type || '', side ? side.label.toLowerCase() : '']
    .filter((word) => word)
    .join(' ');
}

function lostList(lost) {
  if (!lost.length) return null;
  const summary = `${countText(lost.length, 'recorded event')} did not happen because of it`;
  return element('details', {}, [
    element('summary', {}, [summary]),
    element(
      'ul',
      { class: 'detail' },
      lost.map((line) => said(line, 'li')),
    ),
  ]);
}

const AGAIN_SHOWN = 20;

/** When it came again, and how long that lasted. */
function againWords({ at_ms: atMs, until_ms: untilMs }) {
  return `at ${clockText(atMs)}${untilMs === null || untilMs === undefined ? '' : `, ${lengthText(untilMs - atMs)}`}`;
}

function againList(problem, data, page) {
  const again = problem.more.map((moment, index) => ({ moment, number: momentNumber(problem, index + 1) }));
  const heard = again.filter(({ moment }) => moment.seek_ms !== null);
  const buttons = (some) => [
    element(
      'p',
      { class: 'links' },
      some.map(({ moment, number }) => playButton(moment, problem.side, page, `${number} ${againWords(moment)}`)),
    ),
  ];
  const rest = heard.slice(AGAIN_SHOWN);
  return element('div', { class: 'again' }, [
    element('p', {}, [`The same again, ${countText(problem.more.length, 'time')}${heard.length ? ':' : '.'}`]),
    ...buttons(heard.slice(0, AGAIN_SHOWN)),
    rest.length ? openedOnce(`${rest.length} more`, () => buttons(rest)) : null,
    ...again
      .filter(({ moment }) => moment.differences.length)
      .slice(0, AGAIN_SHOWN)
      .map(({ moment, number }) => element('div', {}, [element('p', {}, [`${number}:`]), differencesTable(moment, data)])),
  ]);
}

/**
 * What the problems make of the messages of a side, by seq: a message that is a problem's own (the cause, or what follows from it), and one
 * that the other side does not have. Each with the number of the problem.
 */
function problemMarks(data, side) {
  const marks = new Map();
  const isRecorded = side === data.sides[0] && data.sides.length > 1;
  for (const problem of data.problems) {
    const own = side === data.sides[0] ? problem.recorded_seq : problem.replayed_seq;
    const isAbsent = isRecorded && problem.replayed_seq === null && problem.what === 'deviation';
    const role = isAbsent ? 'absent' : problem.because_of === null ? 'cause' : 'symptom';
    if (own !== null && !marks.has(own)) marks.set(own, { role, number: problem.number });
    if (!isRecorded) continue;
    for (const seq of problem.consequences) if (!marks.has(seq)) marks.set(seq, { role: 'absent', number: problem.number });
  }
  return marks;
}

/** What was said in the recording and is missing on this side, by problem: lines of the transcript, each with its mark. */
function absentLines(data, side) {
  if (side !== data.sides[1]) return [];
  const marks = problemMarks(data, data.sides[0]);
  return data.sides[0].transcript
    .filter((line) => !line.is_interim && marks.has(line.seq) && marks.get(line.seq).role === 'absent')
    .map((line) => ({ line, mark: marks.get(line.seq) }));
}

/** The same in words, for a row of a list. */
function markNode(mark, data) {
  if (!mark) return null;
  const other = data.sides.length > 1 && data.sides[1].id === 'b' ? 'the second session' : 'the replay';
  const words = {
    cause: `problem ${mark.number}`,
    symptom: `${mark.number}, a consequence`,
    absent: `missing in ${other}: ${mark.number}`,
  };
  return element('span', { class: `mark ${mark.role}` }, [words[mark.role]]);
}

/** What was expected instead, and what to try. */
function adviceList(problem) {
  const rows = [
    ['Expected', problem.expected],
    ['To try', problem.to_try],
  ].filter(([, text]) => text);
  if (!rows.length) return null;
  return element(
    'dl',
    { class: 'advice' },
    rows.map(([term, text]) => element('div', {}, [element('dt', {}, [term]), said(withShownPaths(text, problem), 'dd')])),
  );
}
