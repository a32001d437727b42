// The transcript, which follows the play head.

/** When a line was begun to be said or heard, as far as that is known; else when its message came. */
function lineBegin(line) {
  return line.begin_ms === null ? line.at_ms : line.begin_ms;
}

class Transcript {
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.lines = [];
    this.current = -1;
  }

  show(side) {
    this.marks = this.page.marks.get(side.id);
    const absent = absentLines(this.page.data, side).map(({ line, mark }) => ({ line, mark, isAbsent: true }));
    const heardWords = heardOtherwise(side);
    const inOrder = [...side.transcript.map((line) => ({ line, mark: this.marks.get(line.seq), isAbsent: false })), ...absent];
    inOrder.sort((one, other) => lineBegin(one.line) - lineBegin(other.line));
    this.lines = inOrder.map((one) => ({ ...one, node: one.isAbsent ? absentNode(one) : this.lineNode(one, heardWords.get(one.line.seq) || []) }));
    this.current = -1;
    fill(this.root, this.lines.length ? this.lines.map(({ node }) => node) : [element('li', { class: 'dim' }, ['Nothing was said.'])]);
  }

  lineNode({ line, mark }, heardWords) {
    const ms = lineBegin(line);
    const state = line.is_interim ? ' (interim)' : line.is_unheard ? ' (never heard)' : '';
    return element('li', { class: `said ${line.who}${state ? ' interim' : ''}` }, [
      timeButton(clockText(ms).slice(0, -2), `play from ${spokenMoment(ms)}`, () => this.page.playFrom(ms)),
      element('span', { class: 'who' }, [line.who + state, markNode(mark, this.page.data)]),
      heardWords.length ? element('span', { class: 'who dim' }, [heardWords.join('; ')]) : null,
      said(line.text, 'p', { dir: 'auto' }),
      line.emotions.length ? emotionsNode(line.emotions) : null,
    ]);
  }

  /** Marks the line that is being said, the last one that has begun of those that were heard, and brings it into view. */
  follow(ms) {
    let current = -1;
    this.lines.forEach(({ line, isAbsent }, index) => {
      if (lineBegin(line) <= ms && !line.is_unheard && !isAbsent) current = index;
    });
    if (current === this.current) return;
    if (this.current >= 0) this.lines[this.current].node.removeAttribute('aria-current');
    this.current = current;
    if (current < 0) return;
    const { node } = this.lines[current];
    node.setAttribute('aria-current', 'true');
    scrollWithin(this.root, node);
  }
}

/** What of the assistant's lines was not heard, or was still heard after the user had interrupted, in words, by seq. */
function heardOtherwise(side) {
  const found = new Map();
  const add = (line, words) => found.set(line.seq, [...(found.get(line.seq) || []), words]);
  const lines = side.transcript.filter((line) => line.who === 'assistant' && line.begin_ms !== null && line.end_ms !== null && !line.is_interim);
  for (const piece of side.lost_audio.filter(({ kind }) => kind === 'skipped' || kind === 'cut')) {
    const before = lines.filter((line) => line.turn === piece.turn && line.begin_ms <= piece.begin_ms);
    if (before.length) add(before[before.length - 1], `${lengthText(piece.length_ms)} not heard, at ${clockText(piece.begin_ms)}`);
  }
  for (const { at_ms: atMs, turn } of side.interruptions)
    for (const line of lines.filter((one) => one.turn === turn && one.end_ms - atMs > STILL_HEARD_MS))
      add(line, `heard until ${lengthText(line.end_ms - atMs)} after the user interrupted`);
  return found;
}

// What is heard no longer than that after an interruption, nobody minds.
const STILL_HEARD_MS = 100;

/** A line of the recording that was not said here: it has no sound, and no time but that in the recording. */
function absentNode({ line, mark }) {
  return element('li', { class: 'said absent' }, [
    element('span', { class: 'who' }, [`${line.who}, at ${clockText(lineBegin(line)).slice(0, -2)} in the recording`]),
    element('span', { class: 'mark absent' }, [`missing here: ${mark.number}`]),
    said(line.text, 'p', { dir: 'auto' }),
  ]);
}

/** Scrolls a list, and nothing around it: the page stays where its reader is. */
function scrollWithin(list, node) {
  const above = node.offsetTop - list.offsetTop - list.scrollTop;
  if (above < 0 || above + node.offsetHeight > list.clientHeight) list.scrollTop += above - list.clientHeight / 3;
}

const EMOTIONS_SHOWN = 3;

/** The strongest ones, and all the others when opened: made only then, for a long session has tens of thousands. */
function emotionsNode(emotions) {
  const others = emotions.slice(EMOTIONS_SHOWN);
  return element('div', { class: 'emotions' }, [
    element('ul', {}, emotions.slice(0, EMOTIONS_SHOWN).map(emotionBar)),
    others.length ? openedOnce(`${others.length} more`, () => [element('ul', {}, others.map(emotionBar))]) : null,
  ]);
}

function emotionBar(one) {
  const bar = element('span', { class: 'score', 'aria-hidden': 'true' }, [element('span', {}, [])]);
  bar.firstChild.style.width = `${Math.round(Math.min(Math.max(one.score, 0), 1) * 100)}%`;
  return element('li', {}, [said(one.name, 'span'), bar, element('span', { class: 'number' }, [one.score.toFixed(2)])]);
}
