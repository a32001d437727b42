// How long each turn took: a bar whose parts add up to the total, each with its owner. What is assumed, not measured, is hatched.

function ownerClass(owner) {
  return `owner-${owner.replace(/ /g, '-')}`;
}

/** The bars of all sides, turn by turn, on one scale. */
function latencyNodes(sides) {
  const measured = sides.filter((side) => side.latency.why === null);
  const longest = Math.max(1, ...measured.map((side) => Math.max(0, ...side.latency.turns.map((turn) => turn.total_ms || 0))));
  const owners = new Set();
  let hasAssumed = false;
  for (const side of measured) {
    for (const turn of side.latency.turns) {
      for (const part of turn.parts) {
        owners.add(part.owner);
        hasAssumed = hasAssumed || part.is_assumed;
      }
    }
  }
  const unmeasured = sides
    .filter((side) => side.latency.why !== null)
    .map((side) => element('p', { class: 'dim' }, [sides.length > 1 ? `${side.label}: ` : '', said(side.latency.why)]));
  return [
    measured.length ? legend(measured[0].latency.what, owners, hasAssumed) : null,
    ...unmeasured,
    turnList(measured, longest, sides.length > 1),
  ];
}

function legend(what, owners, hasAssumed) {
  const keys = [...owners].map((owner) =>
    element('span', { class: 'key' }, [element('span', { class: `swatch ${ownerClass(owner)}`, 'aria-hidden': 'true' }), owner]),
  );
  if (hasAssumed)
    keys.push(
      element('span', { class: 'key' }, [element('span', { class: 'swatch assumed', 'aria-hidden': 'true' }), 'assumed, not measured']),
    );
  return element('div', { class: 'legend' }, [
    element('p', {}, [what ? what[0].toUpperCase() + what.slice(1) + '.' : '']),
    element('p', { class: 'keys' }, keys),
  ]);
}

function turnList(sides, longest, hasTwo) {
  const numbers = [...new Set(sides.flatMap((side) => side.latency.turns.map((turn) => turn.number)))].sort((a, b) => a - b);
  return element(
    'ol',
    { class: 'turns' },
    numbers.map((number) => {
      const its = sides
        .map((side) => ({ side, turn: side.latency.turns.find((turn) => turn.number === number) }))
        .filter(({ turn }) => turn);
      return element('li', {}, [
        element('p', { class: 'turn-head' }, [
          element('strong', {}, [`Turn ${number}`]),
          ' ',
          said(its[0].turn.said || '', 'span', { class: 'dim' }),
        ]),
        ...its.map(({ side, turn }) => turnBar(turn, longest, hasTwo ? side.label : '')),
      ]);
    }),
  );
}

function turnBar(turn, longest, label) {
  if (turn.total_ms === null) return element('p', { class: 'sum' }, [label ? `${label}: ` : '', said(turn.why || 'not measured')]);
  const parts = turn.parts.filter((part) => part.ms > 0);
  const bar = element(
    'div',
    { class: 'bar', 'aria-hidden': 'true' },
    parts.map((part) => {
      const piece = element('span', {
        class: `piece ${ownerClass(part.owner)}${part.is_assumed ? ' assumed' : ''}`,
        title: `${part.label}: ${durationText(part.ms)}`,
      });
      piece.style.flexGrow = String(part.ms);
      return piece;
    }),
  );
  bar.style.width = `${(turn.total_ms / longest) * 100}%`;
  const words = turn.parts
    .map((part) => `${part.label} ${exactText(part.ms)} (${part.owner}${part.is_assumed ? ', assumed' : ''})`)
    .join(' + ');
  const beside = turn.beside.map((one) => `${one.label} ${exactText(one.ms)}`).join(', ');
  return element('div', { class: 'turn-bar' }, [
    label ? element('span', { class: 'bar-side' }, [label]) : null,
    element('div', { class: 'bar-line' }, [bar, element('strong', { class: 'number' }, [exactText(turn.total_ms)])]),
    turn.parts.length > 1
      ? element('p', { class: 'sum' }, [`${words} = ${exactText(turn.total_ms)}`])
      : element('p', { class: 'sum' }, [words]),
    beside ? element('p', { class: 'sum dim' }, [`Beside it: ${beside}`]) : null,
  ]);
}

/** To the millisecond, so that a reader can add the parts up. */
function exactText(ms) {
  return `${Math.round(ms)} ms`;
}
