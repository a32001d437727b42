// The keyboard. Keys work while the focus is in the player, so that no letter does anything elsewhere; Space leaves buttons alone.

const KEYS = [
  [['Space'], 'play, pause', (page) => page.player.toggle()],
  [['ArrowLeft', 'ArrowRight'], 'one second back, forward', (page, isSecond) => page.step(isSecond ? 1000 : -1000)],
  [['Shift+ArrowLeft', 'Shift+ArrowRight'], 'a tenth of a second', (page, isSecond) => page.step(isSecond ? 100 : -100)],
  [['PageUp', 'PageDown'], 'ten seconds back, forward', (page, isSecond) => page.step(isSecond ? 10000 : -10000)],
  [['Home', 'End'], 'the beginning, the end', (page, isSecond) => page.seek(isSecond ? page.data.length_ms : 0)],
  [['-', '+'], 'zoom', (page, isSecond) => (isSecond ? page.stage.zoomIn() : page.stage.zoomOut())],
  [['0'], 'show it all', (page) => page.stage.zoomToWhole()],
  [['p', 'n'], 'play the previous, the next problem', (page, isSecond) => page.playNextProblem(isSecond ? 1 : -1)],
];

function keyName(event) {
  const key = event.key === ' ' ? 'Space' : event.key === '=' ? '+' : event.key;
  return event.shiftKey && key.startsWith('Arrow') ? `Shift+${key}` : key;
}

/** Does what a key is for; tells whether it was for anything. */
function pressKey(event, page) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const isOnControl = event.target.closest('button, select, input, a, summary') !== null;
  const name = keyName(event);
  const found = KEYS.find(([names]) => names.includes(name));
  if (!found || (isOnControl && event.target.closest('select, input') !== null) || (isOnControl && name === 'Space')) return false;
  found[2](page, found[0].indexOf(name) === 1);
  return true;
}

const KEY_WORDS = {
  ArrowLeft: '←',
  ArrowRight: '→',
  'Shift+ArrowLeft': 'Shift ←',
  'Shift+ArrowRight': 'Shift →',
  PageUp: 'Page Up',
  PageDown: 'Page Down',
};

function keysList() {
  return element(
    'dl',
    { class: 'keys-list' },
    KEYS.flatMap(([names, what]) => [
      element(
        'dt',
        {},
        names.flatMap((name, index) => [index ? ' ' : null, element('kbd', {}, [KEY_WORDS[name] || name])]).filter(Boolean),
      ),
      element('dd', {}, [what]),
    ]),
  );
}
