// The messages of a side: searched, a page at a time, each with its JSON when opened.

const MESSAGES_AT_ONCE = 150;

class Messages {
  constructor(root, page) {
    this.page = page;
    this.search = element('input', {
      type: 'search',
      id: 'message-search',
      placeholder: 'user_message, "Bath", #297 …',
      input: () => this.list(),
      autocomplete: 'off',
      spellcheck: 'false',
    });
    this.kinds = element('select', { id: 'message-type', change: () => this.list() });
    this.count = element('span', { class: 'dim', role: 'status' });
    this.items = element('ol', { class: 'messages' });
    this.rest = element('p', {});
    fill(root, [
      element('div', { class: 'filters' }, [
        element('label', { for: 'message-search' }, ['Search']),
        this.search,
        element('label', { for: 'message-type' }, ['Type']),
        this.kinds,
        this.count,
      ]),
      this.items,
      this.rest,
    ]);
  }

  show(side) {
    this.side = side;
    const types = [...new Set(side.messages.map((message) => message.type || message.direction))].sort();
    fill(this.kinds, [
      element('option', { value: '' }, ['all']),
      ...types.map((type) => element('option', { value: type }, [visibleText(type)])),
    ]);
    this.list();
  }

  list(from) {
    const wanted = this.search.value.trim().toLowerCase();
    const type = this.kinds.value;
    this.found = this.side.messages.filter(
      (message) => (!type || (message.type || message.direction) === type) && matches(message, wanted),
    );
    this.count.textContent = `${this.found.length} of ${countText(this.side.messages.length, 'message')}`;
    fill(this.items, []);
    this.append(from || 0);
  }

  /** Shows the next page of what was found. */
  append(from) {
    const until = from + MESSAGES_AT_ONCE;
    this.items.append(...this.found.slice(from, until).map((message) => messageNode(message, this.page)));
    const left = this.found.length - until;
    fill(
      this.rest,
      left > 0 ? [button(`Show ${Math.min(left, MESSAGES_AT_ONCE)} more of ${left}`, () => this.append(until), { class: 'quiet' })] : [],
    );
  }

  /** Opens a message, whatever was searched for. */
  open(seq) {
    this.search.value = '';
    this.kinds.value = '';
    const index = this.side.messages.findIndex((message) => message.seq === seq);
    if (index < 0) return;
    this.list(Math.max(0, index - 5));
    const node = this.items.querySelector(`[data-seq="${seq}"]`);
    node.open = true;
    node.querySelector('summary').focus({ preventScroll: true });
    node.scrollIntoView({ block: 'center' });
  }
}

function matches(message, wanted) {
  if (!wanted) return true;
  return [`#${message.seq}`, message.type, message.direction, message.what, message.text].some(
    (text) => text && text.toLowerCase().includes(wanted),
  );
}

const ARROWS = { sent: '→', received: '←', opened: '◇', closed: '◆', note: '·' };

function messageNode(message, page) {
  const summary = [
    element('span', { class: 'time' }, [clockText(message.at_ms)]),
    element('span', { class: `direction ${message.direction}` }, [
      element('span', { 'aria-hidden': 'true' }, [ARROWS[message.direction]]),
      ` ${message.direction}`,
    ]),
    element('span', { class: 'what', dir: 'auto' }, [markNode(page.marks.get(page.shown.id).get(message.seq), page.data), said(message.what)]),
    element('span', { class: 'dim seq' }, [`#${message.seq}`]),
  ];
  return element('li', {}, [openedOnce(summary, () => messageBody(message, page), { class: 'message', 'data-seq': message.seq })]);
}

function messageBody(message, page) {
  const facts = [message.type ? `type ${message.type}` : null, countText(message.n_bytes, 'byte')];
  if (message.audio_ms !== null) facts.push(`${durationText(message.audio_ms)} of audio, left out below`);
  if (message.handled) {
    const { begin_ms: begin, end_ms: end } = message.handled;
    facts.push(`handled from ${clockText(begin)}${end === null ? ', and never finished' : ` for ${durationText(end - begin)}`}`);
  }
  if (message.is_cut) facts.push('cut: longer than what is shown');
  return [
    element('p', { class: 'facts' }, [
      said(facts.filter(Boolean).join(' · ')),
      ' ',
      button('Go there', () => page.seek(message.at_ms), { class: 'quiet' }),
    ]),
    message.text === null
      ? null
      : element(
          'pre',
          { class: 'json', tabindex: '0', 'aria-label': `Message ${message.seq}` },
          message.is_json ? foldedJson(message.text.split('\n')) : visibleNodes(message.text),
        ),
  ].filter(Boolean);
}

/**
 * Indented JSON in which every object and list can be folded. The text stays as it is: parsed and written again, numbers could change. A
 * string of JSON has no line breaks, so indentation alone tells what belongs together.
 */
function foldedJson(lines) {
  const nodes = [];
  for (let at = 0; at < lines.length; at += 1) {
    const end = /[[{]$/.test(lines[at]) ? closingLine(lines, at) : -1;
    if (end > at + 1) {
      nodes.push(
        element('details', { open: true }, [
          element('summary', {}, visibleNodes(lines[at])),
          ...foldedJson(lines.slice(at + 1, end)),
          element('span', { class: 'line' }, visibleNodes(lines[end])),
        ]),
      );
      at = end;
    } else nodes.push(element('span', { class: 'line' }, visibleNodes(lines[at])));
  }
  return nodes;
}

function closingLine(lines, at) {
  const indentation = lines[at].search(/\S/);
  return lines.findIndex((line, index) => index > at && line.search(/\S/) === indentation && /^\s*[\]}]/.test(line));
}
