// The player: one position on the session's axis, and the <audio> elements that sound there.
//
// Every track has an element, whose file begins at 0 ms of the axis. Those that are not muted play, and one of them leads: the position is
// its. The others follow it, as no two elements run alike for long. With nothing to hear the position runs by the clock.

// Nobody hears a difference of less between two sides of a conversation; correcting one that is smaller would be heard.
const IN_STEP_MS = 20;
// From here on a faster or slower rate would take seconds to catch up, so the element is sent to its place.
const OUT_OF_STEP_MS = 120;
const CATCH_UP = 0.03;
const CHECK_EVERY_MS = 200;
// How far before a problem its playback starts is the data's; so much do the buttons go back and forth.
const SKIP_MS = 2000;

/** One track that can be heard. */
class Voice {
  constructor(id, label, source, mime, isMuted) {
    this.id = id;
    this.label = label;
    this.isMuted = isMuted;
    this.audio = element('audio', { 'data-voice': id, preload: 'auto' });
    this.canPlay = this.audio.canPlayType(mime) !== '';
    if (this.canPlay) this.audio.src = source;
  }

  /** Whether it is to sound at this moment of the axis. */
  soundsAt(ms) {
    const { duration } = this.audio;
    return this.canPlay && !this.isMuted && !(ms / 1000 >= duration);
  }

  get atMs() {
    return this.audio.currentTime * 1000;
  }

  goTo(ms) {
    this.audio.currentTime = ms / 1000;
  }
}

class Player extends EventTarget {
  constructor(lengthMs, voices) {
    super();
    this.lengthMs = lengthMs;
    this.voices = voices;
    this.rate = 1;
    this.isPlaying = false;
    // Where it stood when it was last started, stopped or sent elsewhere, and when that was.
    this.restMs = 0;
    this.restedAt = 0;
    this.checkedAt = 0;
    for (const voice of voices) voice.audio.addEventListener('error', () => this.giveUp(voice));
  }

  /** The position, in milliseconds of the axis. */
  get positionMs() {
    if (!this.isPlaying) return this.restMs;
    const leader = this.leader();
    const byClock = this.restMs + (performance.now() - this.restedAt) * this.rate;
    return Math.min(leader ? leader.atMs : byClock, this.lengthMs);
  }

  leader() {
    return this.voices.find((voice) => voice.canPlay && !voice.isMuted && !voice.audio.paused && !voice.audio.ended) || null;
  }

  play() {
    if (this.restMs >= this.lengthMs) this.restMs = 0;
    this.isPlaying = true;
    this.startVoices(this.restMs);
    this.tell('state');
    this.follow();
  }

  pause() {
    if (!this.isPlaying) return;
    this.rest(this.positionMs);
    this.isPlaying = false;
    for (const voice of this.voices) voice.audio.pause();
    this.tell('state');
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Goes to a moment, and plays on there if it plays. */
  seek(ms) {
    this.rest(this.within(ms));
    if (this.isPlaying) this.startVoices(this.restMs);
    else for (const voice of this.voices) if (voice.soundsAt(this.restMs)) voice.goTo(this.restMs);
    this.tell('position');
  }

  playFrom(ms) {
    if (this.isPlaying) {
      this.seek(ms);
      return;
    }
    this.rest(this.within(ms));
    this.play();
  }

  within(ms) {
    return Math.min(Math.max(ms, 0), this.lengthMs);
  }

  setRate(rate) {
    this.rest(this.positionMs);
    this.rate = rate;
    for (const voice of this.voices) voice.audio.playbackRate = rate;
  }

  setMuted(voice, isMuted) {
    const here = this.positionMs;
    this.rest(here);
    voice.isMuted = isMuted;
    if (this.isPlaying) this.startVoice(voice, here);
    this.tell('voices');
  }

  rest(ms) {
    this.restMs = ms;
    this.restedAt = performance.now();
  }

  startVoices(ms) {
    this.rest(ms);
    for (const voice of this.voices) this.startVoice(voice, ms);
  }

  startVoice(voice, ms) {
    if (!voice.soundsAt(ms)) {
      voice.audio.pause();
      return;
    }
    voice.goTo(ms);
    voice.audio.playbackRate = this.rate;
    const started = voice.audio.play();
    // Interrupted by a pause it was only not needed any more; anything else is told.
    if (started) started.catch((error) => error.name !== 'AbortError' && this.giveUp(voice));
  }

  giveUp(voice) {
    if (!voice.canPlay) return;
    const here = this.positionMs;
    voice.canPlay = false;
    this.rest(here);
    this.tell('voices');
  }

  /** Tells the position at each frame of the screen while it plays, and keeps the voices together. */
  follow() {
    if (!this.isPlaying) return;
    const here = this.positionMs;
    if (here >= this.lengthMs) {
      this.rest(this.lengthMs);
      this.pause();
    } else {
      this.keepInStep(here);
      requestAnimationFrame(() => this.follow());
    }
    this.tell('position');
  }

  keepInStep(here) {
    const leader = this.leader();
    if (!leader) return;
    const now = performance.now();
    // When the one that leads ends, the clock goes on from here.
    this.restMs = here;
    this.restedAt = now;
    if (now - this.checkedAt < CHECK_EVERY_MS) return;
    this.checkedAt = now;
    for (const voice of this.voices) if (voice !== leader && !voice.audio.paused) this.bringIntoStep(voice, leader.atMs);
  }

  bringIntoStep(voice, leaderMs) {
    const ahead = voice.atMs - leaderMs;
    if (Math.abs(ahead) > OUT_OF_STEP_MS) voice.goTo(leaderMs);
    const correction = Math.abs(ahead) <= IN_STEP_MS ? 0 : -Math.sign(ahead) * CATCH_UP;
    voice.audio.playbackRate = this.rate * (1 + correction);
  }

  tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
