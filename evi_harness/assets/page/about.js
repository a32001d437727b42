// What the page is about: the verdict above, and below how to do it again, what was not looked at, and with which versions.

function headNodes(data) {
  const { word, why } = verdictWords(data.verdict);
  const last = data.sides[data.sides.length - 1];
  const nCards = data.problems.filter((problem) => problem.what === 'finding' || problem.what === 'deviation').length;
  const folded = data.n_found > nCards ? ` (${countText(nCards, 'problem')} below: problems with the same cause are listed once)` : '';
  const facts = [
    durationText(data.length_ms),
    countText(last.session.n_turns, 'turn'),
    countText(last.session.n_events, 'event'),
    clockWords(last.session),
  ];
  return [
    element('div', { class: 'head-line' }, [
      word ? element('span', { class: `verdict ${data.verdict.state}` }, [word]) : null,
      said(data.title, 'h1'),
    ]),
    element('p', { class: 'facts' }, [why ? said(why, 'strong') : null, folded, why ? ' · ' : null, facts.filter(Boolean).join(' · ')]),
    ...data.sides
      .filter((side) => !side.session.is_complete)
      .map((side) => element('p', { class: 'notice' }, [`${side.label} is incomplete: `, said(side.session.missing.join('; '))])),
  ];
}

/** "failed: 1 finding" is the word failed, and why; a verdict without a colon has its state for a word. */
function verdictWords({ state, text }) {
  if (state === 'none') return { word: '', why: text };
  const [word, ...rest] = text.split(': ');
  return rest.length ? { word, why: rest.join(': ') } : { word: state, why: text === state ? '' : text };
}

function clockWords(session) {
  if (session.clock) return `${session.clock} time`;
  return session.times === 'measured' ? null : `times ${session.times}`;
}

function commandNodes(command) {
  if (!command || !command.again) return [];
  const whole = command.cwd ? `cd ${shellQuoted(command.cwd)} && ${command.again}` : command.again;
  const state = element('span', { class: 'dim', role: 'status' });
  const shown = said(whole, 'code', { id: 'command', tabindex: '0' });
  return [
    element('div', { class: 'command' }, [shown, button('Copy', () => copyText(whole, shown, state), { class: 'copy' }), state]),
    command.is_redacted ? element('p', { class: 'dim' }, ['Secrets are left out of it; put them in again.']) : null,
    command.test ? element('p', { class: 'dim' }, ['The test: ', said(command.test, 'code')]) : null,
  ].filter(Boolean);
}

function shellQuoted(path) {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`;
}

/** Copies; where the browser lets no page copy, as from some files, selects it instead. */
async function copyText(text, shown, state) {
  try {
    await navigator.clipboard.writeText(text);
    state.textContent = 'Copied.';
  } catch (error) {
    window.getSelection().selectAllChildren(shown);
    state.textContent = 'Selected: press Ctrl+C.';
  }
}

function remarkNodes(data) {
  const missing = data.sides.flatMap((side) =>
    side.tracks.flatMap((track) => track.remarks.map((remark) => `${side.label}, ${track.label}: ${remark}`)),
  );
  return [...data.remarks, ...missing].map((remark) => said(remark, 'li'));
}

function sessionTable(data) {
  const rows = [
    ['Session', (session) => session.name],
    ['Made by', (session) => session.made_by],
    ['Created', (session) => session.created],
    ['Service', (session) => session.service],
    ['Dialect', (session) => session.dialect],
    ['Times', (session) => session.times],
    ['Clock', (session) => session.clock],
    ['Folder', (session) => session.folder],
  ];
  const versions = Object.entries(data.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const row = ([label, of]) =>
    element('tr', {}, [
      element('th', { scope: 'row' }, [label]),
      ...data.sides.map((side) => element('td', {}, [said(of(side.session) === null ? '–' : of(side.session))])),
    ]);
  return [
    scrollable(
      'The sessions',
      element('table', {}, [
        element('thead', {}, [
          element('tr', {}, [element('td', {}, []), ...data.sides.map((side) => element('th', { scope: 'col' }, [side.label]))]),
        ]),
        element('tbody', {}, rows.map(row)),
      ]),
    ),
    element('p', { class: 'dim' }, ['Versions: ', said(versions), `. Page made with evi-harness ${data.made_with}.`]),
  ];
}
