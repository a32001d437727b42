// The page: reads the data, builds the parts, and brings them together. The other files declare the parts; nothing runs before the document
// is there, so their order does not matter.

const SPEEDS = [0.5, 1, 1.5, 2];

class Page {
  constructor(data) {
    this.data = data;
    this.shown = data.sides[data.sides.length - 1];
    this.problemAt = -1;
    this.marks = new Map(data.sides.map((side) => [side.id, problemMarks(data, side)]));
    this.player = new Player(data.length_ms, voicesOf(data, this.shown));
    this.stage = new Stage(data, this.player, (item, row) => this.openItem(item, row));
    this.transcript = new Transcript(byId('transcript-lines'), this);
    this.messages = new Messages(byId('message-list'), this);
  }

  build() {
    const { data } = this;
    document.title = visibleText(data.title);
    fill(byId('head'), headNodes(data));
    fill(byId('command-line'), commandNodes(data.command));
    fill(byId('problem-list'), problemCards(data, this));
    const terms = termList(data);
    byId('terms').hidden = terms === null;
    if (terms) byId('terms').append(terms);
    byId('problems').hidden = !data.problems.length;
    // Two sessions that are compared differ; neither is wrong.
    if (data.sides[0].id === 'a') byId('problems-title').textContent = 'What differs';
    byId('keys-problems').hidden = !data.problems.length;
    byId('content').classList.toggle('no-problems', !data.problems.length);
    fill(byId('toolbar'), this.toolbar());
    byId('stage').append(this.stage.root, ...this.player.voices.map((voice) => voice.audio));
    this.stage.layOut();
    fill(byId('latency-turns'), latencyNodes(data));
    fill(byId('lanes'), laneLists(this.stage.rows, this, data.sides.length > 1));
    fill(byId('remark-list'), remarkNodes(data));
    fill(byId('about-session'), sessionTable(data));
    byId('keys').append(keysList());
    byId('legend').append(legendList(this.stage.rows));
    this.showSide(this.shown);
    this.listen();
    this.tellTrouble();
  }

  listen() {
    const { player } = this;
    byId('player').addEventListener('keydown', (event) => {
      if (pressKey(event, this)) event.preventDefault();
    });
    player.addEventListener('position', () => this.moved());
    player.addEventListener('state', () => this.tellState());
    player.addEventListener('voices', () => this.tellTrouble());
    byId('emotions').addEventListener('change', (event) => byId('transcript').classList.toggle('with-emotions', event.target.checked));
    // What is printed is light, the canvas too.
    window.addEventListener('beforeprint', () => this.setPrinted(true));
    window.addEventListener('afterprint', () => this.setPrinted(false));
    this.tellState();
    this.moved();
  }

  setPrinted(isPrinted) {
    document.documentElement.classList.toggle('printed', isPrinted);
    this.stage.setPrinted(isPrinted);
  }

  // The tools.

  toolbar() {
    const { stage, player, data } = this;
    this.playButton = button('Play', () => player.toggle(), { class: 'play' });
    this.clock = element('span', { class: 'clock' }, []);
    const speed = element(
      'select',
      { id: 'speed', change: () => player.setRate(Number(speed.value)) },
      SPEEDS.map((one) => element('option', { value: one, selected: one === 1 }, [`${one}×`])),
    );
    const skip = (label, ms) => button(label, () => this.step(ms));
    const group = (label, children) => element('div', { class: 'group', role: 'group', 'aria-label': label }, children);
    return [
      group('Playback', [this.playButton, skip('−2 s', -SKIP_MS), skip('+2 s', SKIP_MS), this.clock]),
      data.problems.some((problem) => problem.seek_ms !== null)
        ? group('Problems', [
            button('Previous problem', () => this.playNextProblem(-1)),
            button('Next problem', () => this.playNextProblem(1)),
          ])
        : null,
      data.sides.length > 1 ? this.sideChoice() : null,
      group('Speed', [element('label', { for: 'speed' }, ['Speed']), speed]),
      group('Zoom', [
        button('−', () => stage.zoomOut(), { 'aria-label': 'Zoom out' }),
        button('+', () => stage.zoomIn(), { 'aria-label': 'Zoom in' }),
        button('All', () => stage.zoomToWhole(), { 'aria-label': 'Show all of it' }),
      ]),
    ];
  }

  /** Which side is heard and read. */
  sideChoice() {
    this.sideButtons = this.data.sides.map((side) =>
      button(side.label, () => this.hear(side.id), { 'aria-pressed': String(side === this.shown) }),
    );
    return element('div', { class: 'group choice', role: 'group', 'aria-label': 'Side that is heard and read' }, this.sideButtons);
  }

  // What the parts ask for.

  step(ms) {
    this.seek(this.player.positionMs + ms);
  }

  seek(ms) {
    this.player.seek(ms);
  }

  playFrom(ms) {
    this.player.playFrom(ms);
  }

  playOn(sideId, ms) {
    this.hear(sideId);
    this.player.playFrom(ms);
  }

  /** Lets one side be heard, and shows what it says. */
  hear(sideId) {
    const side = this.data.sides.find((one) => one.id === sideId);
    if (!side || side === this.shown) return;
    for (const voice of this.player.voices) this.player.setMuted(voice, voice.sideId !== side.id);
    this.showSide(side);
  }

  showSide(side) {
    this.shown = side;
    this.transcript.show(side);
    this.messages.show(side);
    for (const place of document.querySelectorAll('.shown-side')) place.textContent = this.data.sides.length > 1 ? side.label : '';
    (this.sideButtons || []).forEach((one, index) => one.setAttribute('aria-pressed', String(this.data.sides[index] === side)));
    this.moved();
  }

  showMessage(sideId, seq) {
    this.hear(sideId);
    this.messages.open(seq);
  }

  /** A problem plays and shows its card, a message opens; anything else is gone to. */
  openItem(item, row) {
    if (item.problem) {
      this.playProblem(this.data.problems.indexOf(item.problem), item.seekMs);
      return;
    }
    if (row.lane.id === 'messages') this.showMessage(row.side.id, item.seq);
    this.seek(item.fromMs);
  }

  playProblem(index, seekMs) {
    const problem = this.data.problems[index];
    this.problemAt = index;
    if (seekMs !== null) this.playOn(problem.side, seekMs);
    for (const card of document.querySelectorAll('.problem')) card.classList.toggle('chosen', card.id === `problem-${problem.rank}`);
    scrollWithin(byId('problem-list'), byId(`problem-${problem.rank}`));
  }

  playNextProblem(direction) {
    const { problems } = this.data;
    const next = direction > 0 ? this.problemAt + 1 : Math.max(this.problemAt, 0) - 1;
    if (!problems.length) return;
    const index = (next + problems.length) % problems.length;
    this.playProblem(index, problems[index].seek_ms);
  }

  // What is told.

  moved() {
    const ms = this.player.positionMs;
    this.clock.textContent = `${clockText(ms)} of ${clockText(this.data.length_ms)}`;
    this.transcript.follow(ms);
  }

  tellState() {
    this.playButton.textContent = this.player.isPlaying ? 'Pause' : 'Play';
  }

  tellTrouble() {
    const silent = this.player.voices.filter((voice) => !voice.canPlay);
    const notice = byId('trouble');
    notice.hidden = !silent.length;
    if (!silent.length) return;
    const other = silent[0].mime.includes('flac') ? 'ogg' : 'flac';
    notice.textContent =
      `This browser cannot play the audio (${silent[0].mime}). Everything else works. To hear it, open the page in another browser, ` +
      `or make it again with --audio-format ${other}.`;
  }
}

/** A voice for each track that can be heard. The side that is shown is heard, the other one is muted. */
function voicesOf(data, shown) {
  return data.sides.flatMap((side) =>
    side.tracks
      .filter((track) => track.sound !== null)
      .map((track) => {
        const voice = new Voice(
          `${side.id}-${track.role}`,
          track.label,
          data.sounds[track.sound],
          track.mime,
          side !== shown || track.role === 'arrived',
        );
        return Object.assign(voice, { sideId: side.id, mime: track.mime });
      }),
  );
}

// Named here so that what is on the page can be looked at from the browser's console.
let page = null;

document.addEventListener('DOMContentLoaded', () => {
  page = new Page(JSON.parse(byId('evi-data').textContent));
  page.build();
});
