// The index of a folder of pages: which sessions failed, and why.

function showIndex(data) {
  document.title = visibleText(data.title);
  fill(byId('head'), headNodes(Object.assign({ sides: [] }, data)));
  fill(byId('command-line'), commandNodes(data.command));
  const table = scrollable(
    'The sessions',
    element('table', { class: 'index' }, [
      element('thead', {}, [
        element(
          'tr',
          {},
          ['Verdict', 'Session', 'What is wrong', 'Turns', 'Length'].map((label) => element('th', { scope: 'col' }, [label])),
        ),
      ]),
      element('tbody', {}, data.rows.map(indexRow)),
    ]),
  );
  fill(byId('content'), [element('section', { 'aria-label': 'Sessions', class: 'wide' }, [table])]);
}

function indexRow(row) {
  return element('tr', {}, [
    element('td', {}, [
      row.verdict.state === 'none' ? '' : element('span', { class: `verdict ${row.verdict.state}` }, [row.verdict.state]),
    ]),
    element('th', { scope: 'row' }, [element('a', { href: row.href }, [said(row.name)])]),
    element('td', {}, [row.cause === null ? '' : said(row.cause)]),
    element('td', { class: 'number' }, [row.n_turns === null ? '' : String(row.n_turns)]),
    element('td', { class: 'number' }, [row.length_ms === null ? '' : durationText(row.length_ms)]),
  ]);
}
