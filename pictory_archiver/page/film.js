// A chain as one film: two players in one frame. While one plays a part, the other has the next one ready at its first
// frame; it starts when the first ends, and is shown once it moves: until then the last frame stays.

class Film {
  /** @param {any[]} parts cards, in their order @param {(card: any) => void} onPart is told which part plays */
  constructor(parts, onPart) {
    this.parts = parts;
    this.held = parts.filter((card) => card?.video);
    this.onPart = onPart;
    this.at = -1;
    this.players = [this.player(), this.player()];
    this.front = 0;
    this.ready = -1;
    this.steps = this.held.map((card, number) =>
      make("button", { type: "button", class: "step", onclick: () => this.go(number), "aria-label": `Part ${parts.indexOf(card) + 1}` }, make("i")),
    );
    this.toggle = make("button", { type: "button", class: "toggle", onclick: () => this.playOrPause() }, "Pause");
    this.sound = make("button", { type: "button", onclick: () => this.mute(!this.players[0].muted) }, "Sound off");
    this.wide = make("button", { type: "button", onclick: () => this.fullscreen() }, "Full screen");
    this.time = make("span", { class: "time" });
    /** numbers of parts that could not be played @type {Set<number>} */
    this.lost = new Set();
    this.trouble = make("p", { class: "note", hidden: true });
    const lost = parts.length - this.held.length;
    this.element = make(
      "div",
      { class: "film" },
      make("div", { class: "screens" }, ...this.players),
      make("div", { class: "steps" }, ...this.steps),
      make("div", { class: "controls" }, this.toggle, this.sound, this.wide, this.time),
      lost > 0 && make("p", { class: "note" }, `${counted(lost, "part is", "parts are")} not in the archive and left out.`),
      this.trouble,
    );
  }

  player() {
    const video = make("video", { playsInline: true, preload: "auto", disablePictureInPicture: true });
    video.addEventListener("ended", () => video === this.players[this.front] && this.next());
    video.addEventListener("timeupdate", () => video === this.players[this.front] && this.progress());
    video.addEventListener("playing", () => this.shown(video));
    video.addEventListener("error", () => video.hasAttribute("src") && this.broken(video));
    for (const name of ["play", "pause"]) video.addEventListener(name, () => this.labels());
    return video;
  }

  /** Plays from a part on. @param {number} number among those that are held */
  async go(number) {
    const isReady = this.ready === number;
    const former = this.players[this.front];
    this.front = isReady ? 1 - this.front : this.front;
    const player = this.players[this.front];
    if (!isReady) player.src = urlOf(this.held[number].video);
    if (former !== player) former.pause();
    this.at = number;
    this.ready = -1;
    this.onPart(this.held[number]);
    this.labels();
    await player.play().catch(() => (player.error ? this.broken(player) : this.labels()));
  }

  /** The part that moves is the one that is seen; the other player gets the next one. @param {HTMLVideoElement} video */
  shown(video) {
    if (video !== this.players[this.front]) return;
    for (const each of this.players) each.classList.toggle("front", each === video);
    const next = this.at + 1;
    if (this.ready === next || next >= this.held.length) return;
    const other = this.players[1 - this.front];
    other.src = urlOf(this.held[next].video);
    other.load();
    this.ready = next;
  }

  next() {
    if (this.at + 1 < this.held.length) this.go(this.at + 1);
    else this.labels();
  }

  /** @param {number} step */
  skip(step) {
    const number = this.at + step;
    if (number >= 0 && number < this.held.length) this.go(number);
  }

  /** Goes on behind a part that cannot be played, if it is the one to be seen: of one that is only being made ready is
   * told when it is its turn. @param {HTMLVideoElement} video */
  broken(video) {
    if (video !== this.players[this.front]) return;
    this.lost.add(this.parts.indexOf(this.held[this.at]) + 1);
    const numbers = [...this.lost].sort((one, other) => one - other);
    this.trouble.textContent = `${numbers.length === 1 ? "Part" : "Parts"} ${numbers.join(", ")} cannot be played.`;
    this.trouble.hidden = false;
    tell(this.trouble.textContent);
    this.next();
  }

  playOrPause() {
    const player = this.players[this.front];
    if (player.ended && this.at === this.held.length - 1) this.go(0);
    else if (player.paused) player.play().catch(() => this.labels());
    else player.pause();
  }

  /** @param {boolean} muted */
  mute(muted) {
    for (const player of this.players) player.muted = muted;
    this.labels();
  }

  fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen?.().catch(() => tell("This browser does not go full screen."));
  }

  labels() {
    const player = this.players[this.front];
    this.toggle.textContent = player.ended && this.at === this.held.length - 1 ? "Again" : player.paused ? "Play" : "Pause";
    this.sound.textContent = player.muted ? "Sound on" : "Sound off";
    this.steps.forEach((step, number) => {
      step.toggleAttribute("aria-current", number === this.at);
      step.firstChild.style.transform = `scaleX(${number < this.at ? 1 : 0})`;
    });
    this.progress();
  }

  progress() {
    const player = this.players[this.front];
    const step = this.steps[this.at];
    if (step && player.duration) step.firstChild.style.transform = `scaleX(${player.currentTime / player.duration})`;
    this.time.textContent = `Part ${this.parts.indexOf(this.held[this.at]) + 1} of ${this.parts.length}`;
  }

  close() {
    for (const player of this.players) {
      player.pause();
      player.removeAttribute("src");
      player.load();
    }
  }
}
