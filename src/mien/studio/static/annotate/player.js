// A video with its own clock: the media time of the frame that is shown.

export const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];

export class Player {
  /**
   * @param {HTMLVideoElement} video
   * @param {number} step  seconds from frame to frame
   * @param {{frame: Function, pause: Function, seek: Function, rate: Function, blur: Function,
   *   problem: Function, ready: Function}} hooks
   */
  constructor(video, step, hooks) {
    this.video = video;
    this.step = step;
    this.hooks = hooks;
    this.time = 0;
    this.middle = null;  // of the frame that was stepped to
    this.gone = new AbortController();
    const on = (target, name, work) => target.addEventListener(name, work, { signal: this.gone.signal });
    on(video, "pause", () => this.hooks.pause(this.video.ended));
    on(video, "seeking", () => this.hooks.seek(video.currentTime));
    on(video, "ratechange", () => this.hooks.rate(video.playbackRate));
    on(video, "error", () => this.hooks.problem(video.error?.message ?? ""));
    on(video, "loadedmetadata", () => this.hooks.ready());
    on(window, "blur", () => this.away());
    on(document, "visibilitychange", () => document.hidden && this.away());
    if ("requestVideoFrameCallback" in video) this.byFrames();
    else this.byScreen();
  }

  byFrames() {
    const shown = (_, about) => {
      this.show(about.mediaTime);
      if (!this.gone.signal.aborted) this.video.requestVideoFrameCallback(shown);
    };
    this.video.requestVideoFrameCallback(shown);
  }

  byScreen() {
    const look = () => {
      if (this.video.currentTime !== this.time) this.show(this.video.currentTime);
      if (!this.gone.signal.aborted) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  /** A frame is shown. After a seek Firefox tells the second that was asked for, not the frame's own. */
  show(seconds) {
    const asked = this.middle !== null && Math.abs(seconds - this.middle) < 1e-3;
    this.time = asked ? Math.max(0, this.middle - this.step / 2) : seconds;
    this.hooks.frame(this.time);
  }

  get playing() {
    return !this.video.paused && !this.video.ended && !this.video.seeking;
  }

  /** Seconds of the video; 0 where they are not known, as of what a browser recorded. */
  get length() {
    return Number.isFinite(this.video.duration) ? this.video.duration : 0;
  }

  /** The last second that can be gone to. */
  get limit() {
    return this.length || Infinity;
  }

  toggle() {
    if (this.video.paused) this.play();
    else this.video.pause();
  }

  play() {
    if (this.video.ended) this.video.currentTime = 0;
    return this.video.play().catch(() => {});
  }

  pause() {
    this.video.pause();
  }

  /** Go to a second. */
  seek(seconds) {
    this.middle = null;
    this.video.currentTime = Math.min(Math.max(0, seconds), this.limit);
  }

  /** Go on or back by frames, stopped. */
  stepBy(frames) {
    this.pause();
    const here = this.video.seeking ? this.video.currentTime : this.time + this.step / 2;
    const middle = Math.max(this.step / 2, here + frames * this.step);
    this.seek(middle);
    this.middle = middle;
  }

  /** Play quicker or slower. */
  pace(up) {
    const at = RATES.findIndex((rate) => rate >= this.video.playbackRate);
    this.video.playbackRate = RATES[Math.min(RATES.length - 1, Math.max(0, (at < 0 ? 3 : at) + up))];
  }

  away() {
    if (this.video.paused) return;
    this.hooks.blur();
    this.pause();
  }

  close() {
    this.gone.abort();
    this.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
