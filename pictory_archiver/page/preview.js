// The clip plays in its tile, muted, while the mouse or the keyboard's focus is on it: one at a time, loaded on demand.

const HOVER_DELAY = 160;

class Preview {
  /** @param {Wall} wall */
  constructor(wall) {
    this.wall = wall;
    this.timer = 0;
    /** @type {HTMLElement|null} */
    this.tile = null;
    this.video = make("video", { muted: true, loop: true, playsInline: true, preload: "auto", "aria-hidden": "true", tabIndex: -1 });
    const wall_ = wall.element;
    wall_.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.want(event.target));
    wall_.addEventListener("pointerleave", () => this.stop());
    wall_.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && this.want(event.target));
    wall_.addEventListener("focusout", () => this.stop());
    this.video.addEventListener("playing", () => this.video.classList.add("plays"));
  }

  /** @param {EventTarget} target */
  want(target) {
    const tile = /** @type {Element} */ (target).closest(".tile");
    if (tile === this.tile || wantsCalm.matches) return;
    this.stop();
    this.tile = /** @type {HTMLElement} */ (tile);
    if (tile) this.timer = window.setTimeout(() => this.start(), HOVER_DELAY);
  }

  start() {
    const card = this.tile && this.wall.library.card(this.wall.places[Number(this.tile.dataset.position)]);
    const frame = this.tile?.querySelector(".frame");
    if (!card?.video || !frame) return;
    this.video.src = urlOf(card.video);
    frame.append(this.video);
    this.video.play().catch(() => this.stop());
  }

  stop() {
    clearTimeout(this.timer);
    this.tile = null;
    if (!this.video.isConnected) return;
    this.video.pause();
    this.video.classList.remove("plays");
    this.video.removeAttribute("src");
    this.video.load();
    this.video.remove();
  }
}
