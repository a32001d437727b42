// The lanes as plain lists: what the canvas shows, for a screen reader and for whoever would rather read.

const ITEMS_AT_ONCE = 300;

function laneLists(rows, page, hasTwo) {
  return rows
    .filter((row) => row.lane && row.lane.items.length)
    .map((row) => laneList(row, page, hasTwo && row.side ? `${row.side.label}: ` : ''));
}

function laneList(row, page, prefix) {
  const { lane } = row;
  const makeList = () => {
    const list = element('ol', {});
    appendItems(list, row, page, 0);
    return [list];
  };
  return openedOnce(`${prefix}${lane.label} (${lane.items.length})`, makeList, { class: 'lane-list', 'data-lane': lane.id });
}

function appendItems(list, row, page, from) {
  const { items } = row.lane;
  const until = from + ITEMS_AT_ONCE;
  list.append(...items.slice(from, until).map((item) => itemNode(item, row, page)));
  if (until >= items.length) return;
  const more = element('li', {}, [
    button(
      `Show ${Math.min(ITEMS_AT_ONCE, items.length - until)} more`,
      () => {
        more.remove();
        appendItems(list, row, page, until);
      },
      { class: 'quiet' },
    ),
  ]);
  list.append(more);
}

function itemNode(item, row, page) {
  return element('li', {}, [
    timeButton(clockText(item.fromMs), `go to ${spokenMoment(item.fromMs)}`, () => page.openItem(item, row)),
    ' ',
    said(item.text),
    item.seq === null || !row.side || row.lane.id === 'handler' ? null : markNode(page.marks.get(row.side.id).get(item.seq), page.data),
  ]);
}
