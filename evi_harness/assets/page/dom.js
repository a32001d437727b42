// Elements, and text that is shown as what it is.
//
// Whatever a session says is data: it becomes text nodes, never markup. So nothing in these files uses innerHTML and its kin (a test looks
// for them), and characters that would change how their neighbours are shown are written out.

// What reorders or hides text: control characters but tab and newline, marks and overrides of direction, separators of lines. Joiners are
// left alone, for emoji and Persian need them.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** How an unseen character is written out: U+202E. */
function codePointName(character) {
  return 'U+' + character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}

/** The text with each unseen character written out, for where there is only text: canvas, labels, titles. */
function visibleText(text) {
  return String(text).replace(UNSEEN, (character) => `[${codePointName(character)}]`);
}

/** Nodes for the text, in which each unseen character stands out from what was really said. */
function visibleNodes(text) {
  const nodes = [];
  let done = 0;
  for (const found of String(text).matchAll(UNSEEN)) {
    nodes.push(document.createTextNode(text.slice(done, found.index)));
    nodes.push(element('span', { class: 'unseen', title: 'a character that is not shown' }, [codePointName(found[0])]));
    done = found.index + 1;
  }
  nodes.push(document.createTextNode(String(text).slice(done)));
  return nodes;
}

// Attributes that are addresses, or are compared: they are never shown as they are.
const UNSHOWN_ATTRIBUTES = new Set(['href', 'value']);

/**
 * Makes an element. Attributes that are false, null or undefined are left out; a function is a listener of the event it is named after.
 * What of a string is unseen is written out, in children and attributes; said() does it better, where the string comes from a session.
 */
function element(name, attributes, children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === 'function') made.addEventListener(key, value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, attributeText(key, value));
  }
  const present = (children || []).filter((child) => child !== null && child !== undefined);
  made.append(...present.map((child) => (typeof child === 'string' ? visibleText(child) : child)));
  return made;
}

function attributeText(key, value) {
  if (value === true) return '';
  return UNSHOWN_ATTRIBUTES.has(key) ? String(value) : visibleText(value);
}

/** Text from a session, isolated: the direction of its writing touches nothing around it. */
function said(text, name, attributes) {
  return element(name || 'bdi', attributes, visibleNodes(text));
}

/** A button with words. */
function button(label, onClick, attributes) {
  return element('button', Object.assign({ type: 'button', click: onClick }, attributes), [label]);
}

/** Details whose content is made when they are first opened. */
function openedOnce(summary, makeContent, attributes) {
  const node = element('details', attributes, [element('summary', {}, [].concat(summary))]);
  node.addEventListener('toggle', () => {
    if (node.open && node.childElementCount === 1) node.append(...makeContent());
  });
  return node;
}

/** A moment that is a button, and what it does for those who only hear it. Its name begins with what is seen, for those who speak it. */
function timeButton(shown, does, onClick) {
  return button(shown, onClick, { class: 'time', 'aria-label': `${shown}: ${does}` });
}

/** A speaker, with waves or crossed out: what a side sounds like just now. */
function speakerIcon(sounds) {
  const drawn = (name, attributes, ...children) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const waves = sounds ? 'M11 5.5 Q13 8 11 10.5 M13 3.5 Q16.5 8 13 12.5' : 'M11 6 L15 10 M15 6 L11 10';
  return drawn(
    'svg',
    { viewBox: '0 0 17 16', width: '17', height: '16', 'aria-hidden': 'true' },
    drawn('path', { d: 'M2 6 H5 L9 3 V13 L5 10 H2 Z', fill: 'currentColor' }),
    drawn('path', { d: waves, fill: 'none', stroke: 'currentColor', 'stroke-width': '1.5', 'stroke-linecap': 'round' }),
  );
}

/** Puts these children in place of all that were there. */
function fill(parent, children) {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

function byId(id) {
  return document.getElementById(id);
}
