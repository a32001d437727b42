// The legend: what the lanes, the hatching and the colours mean, of those that are on the page.

/** The terms of the list of problems, each with whether a page uses it. */
const TERMS = [
  ['Finding', 'something that the app did wrong while it ran', (data) => data.problems.some((one) => one.what === 'finding')],
  ['Deviation', 'the app sent something other than in the recording, or at another time', (data) => data.problems.some((one) => one.what === 'deviation')],
  [
    'Virtual time',
    'the replay skips the time in which nothing happens: the times on this page are those of the conversation, not of the machine',
    (data) => data.sides.some((one) => one.session.clock === 'virtual'),
  ],
];

/** The terms that a page uses, explained; null where there are none. */
function termList(data) {
  const used = TERMS.filter(([, , isUsed]) => isUsed(data));
  if (!data.problems.length || !used.length) return null;
  return element(
    'dl',
    { class: 'legend-list' },
    used.map(([term, words]) => element('div', {}, [element('dt', {}, [term]), element('dd', {}, [words])])),
  );
}

/** The rows of the legend, each a lane and the samples of what is drawn on it: how that looks, and what it means. */
const LEGEND = {
  problems: ['Problems', [['solid error', 'fails, with its number in the list'], ['solid warning', 'warns'], ['thin error', 'how long it lasted']]],
  user: ['User', [['solid user', 'the user\'s audio, as the app sent it']]],
  heard: [
    'Heard',
    [
      ['solid heard', 'what was heard'],
      ['hatched error', 'came and was not heard'],
      ['hatched warning', 'was heard too late'],
      ['hatched muted', 'not heard, as the user interrupted or the session was over'],
    ],
  ],
  arrived: ['Arrived', [['solid arrived', 'each reply whole, from when it came']]],
  turns: ['Turns', [['solid user', 'the user, with the number of the turn'], ['solid heard', 'the assistant']]],
  interruptions: ['Interruptions', [['solid interruption', 'the user interrupts; the line lasts until the speaker is silent']]],
  tools: ['Tool calls', [['solid tool', 'from the call to the app\'s answer, framed until the reply goes on'], ['hatched error', 'never answered']]],
  handler: [
    'Handler at work',
    [
      ['solid handling', 'handles a message'],
      ['hatched waiting', 'a message waits for it'],
      ['solid error', 'blocks the event loop'],
    ],
  ],
  late: ['Late events', [['solid warning', 'from when it was due until it came']]],
  messages: ['Messages', [['solid heard', 'received'], ['solid user', 'sent'], ['solid muted', 'opened, closed'], ['upright error', 'missing on the other side']]],
  density: ['Sent audio', [['solid user', 'frames of the user\'s audio in each tenth of a second']]],
};

function legendList(rows) {
  const shown = new Set(rows.filter((row) => row.lane).map((row) => row.lane.id));
  const lanes = Object.keys(LEGEND).filter((id) => shown.has(id));
  return element(
    'dl',
    { class: 'legend-list' },
    lanes.map((id) => {
      const [label, samples] = LEGEND[id];
      return element('div', {}, [
        element('dt', {}, [label]),
        ...samples.map(([looks, words]) =>
          element('dd', {}, [element('span', { class: `sample ${looks}`, 'aria-hidden': 'true' }), words]),
        ),
      ]);
    }),
  );
}
