// How long each turn took: a bar whose parts add up to the total, each with its owner. What is assumed, not measured, is hatched.

function ownerClass(owner) {
  return `owner-${owner.replace(/ /g, '-')}`;
}

/** The bars of all sides, turn by turn, on one scale. Which turn of one side is which of the other, the data says. */
function latencyNodes(data) {
  const { sides } = data;
  const turns = sides.flatMap((side) => side.latency.turns);
  const longest = Math.max(1, ...turns.map((turn) => turn.total_ms || 0));
  const named = (side, text) => element('p', {}, [sides.length > 1 ? `${side.label}: ` : '', said(text)]);
  return [
    element('div', { class: 'legend' }, [
      ...sides.map((side) => named(side, side.latency.why === null ? side.latency.what : side.latency.why)),
      ownerKeys(turns.flatMap((turn) => turn.parts).filter((part) => part.ms >= 0.5)),
    ]),
    turnList(data, longest),
  ];
}

/** What the colours and the hatching mean, of those that are there. */
function ownerKeys(parts) {
  const key = (looks, words) =>
    element('span', { class: 'key' }, [element('span', { class: `swatch ${looks}`, 'aria-hidden': 'true' }), words]);
  const keys = [...new Set(parts.map((part) => part.owner))].map((owner) => key(ownerClass(owner), owner));
  if (parts.some((part) => part.is_assumed)) keys.push(key('assumed', 'assumed, not measured'));
  return element('p', { class: 'keys' }, keys);
}

function turnList({ sides, paired_turns: rows }, longest) {
  const measured = rows
    .map((numbers) =>
      sides
        .map((side, index) => ({ side, turn: side.latency.turns.find((turn) => turn.number === numbers[index]) }))
        .filter(({ turn }) => turn),
    )
    .filter((its) => its.length);
  return element(
    'ol',
    { class: 'turns' },
    measured.map((its) =>
      element('li', {}, [
        element('p', { class: 'turn-head' }, [
          element('strong', {}, [turnWords(its)]),
          ' ',
          said(its[0].turn.said || '', 'span', { class: 'dim' }),
        ]),
        ...its.map(({ side, turn }) => turnBar(turn, longest, sides.length > 1 ? side.label : '')),
      ]),
    ),
  );
}

/** "Turn 2", or "Turn 2, Replayed: 3" where the same turn has another number on the other side. */
function turnWords(its) {
  const [first, second] = its;
  const number = `Turn ${first.turn.number}`;
  return second && second.turn.number !== first.turn.number ? `${number}, ${second.side.label}: ${second.turn.number}` : number;
}

function turnBar(turn, longest, label) {
  if (turn.total_ms === null) return element('p', { class: 'sum' }, [label ? `${label}: ` : '', said(turn.why || 'not measured')]);
  const total = turn.total_ms < 0.5 ? 'at once' : `${Math.round(turn.total_ms)} ms`;
  const beside = turn.beside.map((one) => `${one.label} ${Math.round(one.ms)} ms`).join(', ');
  return element('div', { class: 'turn-bar' }, [
    label ? element('span', { class: 'bar-side' }, [label]) : null,
    element('div', { class: 'bar-line' }, [stackedBar(turn, longest), element('strong', { class: 'number' }, [total])]),
    turn.total_ms < 0.5 ? null : element('p', { class: 'sum' }, [turn.parts.length > 1 ? `${partsText(turn)} = ${total}` : partsText(turn)]),
    beside ? element('p', { class: 'sum' }, [`Not included: ${beside}`]) : null,
  ]);
}

function stackedBar(turn, longest) {
  const pieces = turn.parts
    .filter((part) => part.ms > 0)
    .map((part) => {
      const attributes = {
        class: `piece ${ownerClass(part.owner)}${part.is_assumed ? ' assumed' : ''}`,
        title: `${part.label}: ${durationText(part.ms)}`,
      };
      const piece = element('span', attributes);
      piece.style.flexGrow = String(part.ms);
      return piece;
    });
  const bar = element('div', { class: 'bar', 'aria-hidden': 'true' }, pieces);
  bar.style.width = `${(turn.total_ms / longest) * 100}%`;
  return bar;
}

function partsText(turn) {
  const whole = wholeParts(
    turn.parts.map((part) => part.ms),
    Math.round(turn.total_ms),
  );
  const words = turn.parts
    .map((part, index) => ({ part, ms: whole[index] }))
    // What takes no time has no owner to look for.
    .filter(({ ms }) => ms > 0)
    .map(({ part, ms }) => `${part.label} ${ms} ms (${part.owner}${part.is_assumed ? ', assumed' : ''})`);
  return words.join(' + ');
}

/**
 * The parts in whole milliseconds that add up to the total in whole milliseconds: each is rounded down, and what is then missing goes to
 * those that lost most.
 */
function wholeParts(parts, total) {
  const whole = parts.map(Math.floor);
  const missing = total - whole.reduce((sum, one) => sum + one, 0);
  const byLoss = parts.map((part, index) => index).sort((one, other) => parts[other] - whole[other] - (parts[one] - whole[one]));
  for (const index of byLoss.slice(0, Math.max(missing, 0))) whole[index] += 1;
  return whole;
}
