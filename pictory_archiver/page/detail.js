// One video, opened: the clip, what it was made from, what the archive holds of it, and what can be copied.

const KIND_WORDS = {
  video: "Video", thumbnail: "Thumbnail", preview: "Preview", last_frame: "Last frame",
  first_frame: "First frame", reference: "Reference", extend_source: "Extended video",
};
const INPUT_KINDS = ["first_frame", "reference", "extend_source"];

class Detail {
  /** @param {Library} library @param {{open: (id: string) => void, close: () => void, step: (by: number) => void}} asked */
  constructor(library, asked) {
    this.library = library;
    this.asked = asked;
    /** @type {HTMLDialogElement} */
    this.dialog = byId("detail");
    this.dialog.addEventListener("cancel", (event) => (event.preventDefault(), asked.close()));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && asked.close());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.where = make("span", { class: "where" });
    this.bar = make(
      "div",
      { class: "bar" },
      make("button", { type: "button", class: "previous", onclick: () => asked.step(-1), "aria-keyshortcuts": "ArrowLeft" }, "← ", make("span", { class: "word" }, "Previous")),
      this.where,
      make("button", { type: "button", class: "next", onclick: () => asked.step(1), "aria-keyshortcuts": "ArrowRight" }, make("span", { class: "word" }, "Next"), " →"),
      make("button", { type: "button", class: "close", onclick: () => asked.close(), "aria-keyshortcuts": "Escape" }, "Close"),
    );
    this.sheet = make("div", { class: "sheet" });
    this.dialog.replaceChildren(this.bar, this.sheet);
    /** @type {any} */
    this.card = null;
    /** @type {Film|null} */
    this.film = null;
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** @param {any} card @param {string} where "3 of 12" in the list */
  async open(card, where) {
    const isNew = this.card?.id !== card.id;
    this.where.textContent = where;
    if (isNew) this.draw(card);
    if (!this.dialog.open) this.dialog.showModal(), this.dialog.focus();
    else if (!this.dialog.contains(document.activeElement)) this.dialog.focus();
    if (!isNew) return;
    this.dialog.scrollTop = 0;
    try {
      const details = await this.library.details(card.place);
      if (this.card === card) this.drawDetails(card, details);
    } catch (error) {
      if (this.card === card) this.body.append(make("p", { class: "message" }, String(error.message)));
    }
  }

  close() {
    this.stop();
    this.card = null;
    this.dialog.close();
    this.sheet.replaceChildren();
  }

  stop() {
    this.film?.close();
    this.film = null;
    const clip = this.dialog.querySelector("video.clip");
    if (clip) clip.removeAttribute("src"), clip.load();
  }

  draw(card) {
    this.stop();
    this.card = card;
    this.stage = make("div", { class: "stage" }, this.clip(card));
    this.strip = make("div", { class: "strip" });
    this.body = make("div", { class: "body" });
    const size = card.width && card.height ? `${card.width} × ${card.height}` : null;
    const facts = [
      ["Model", card.model], ["Size", size], ["Aspect ratio", card.ratio],
      ["Duration", card.seconds === null ? null : secondsInWords(card.seconds)],
      ["Made", card.at ? momentInWords(card.at, this.library.timeZone) : "at an unknown time"],
      ["Status", this.statusWords(card)],
    ];
    this.sheet.replaceChildren(
      make("div", { class: "look" }, this.stage, this.strip),
      make(
        "div",
        { class: "tellings" },
        make("h2", { id: "detail-title", dir: "auto", class: card.prompt.length > 300 ? "long" : "" }, card.prompt || "Without a prompt"),
        make("p", { class: "copies" }, this.copy("Copy prompt", () => card.prompt), card.video && this.copy("Copy path", () => localPathOf(card.video))),
        make("dl", {}, ...facts.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))),
        this.body,
      ),
    );
    this.drawChain(card);
  }

  clip(card) {
    if (!card.video) return make("p", { class: "message" }, card.status === 2 ? "This video is still in the making." : "The archive does not hold this video.");
    const clip = make("video", { class: "clip", controls: true, playsInline: true, loop: true, preload: "auto" });
    if (card.thumbnail) clip.poster = urlOf(card.thumbnail);
    clip.addEventListener("error", () => clip.src && clip.replaceWith(make("p", { class: "message" }, `${card.video} cannot be played. Is it still there? \`pictory-archiver verify\` checks it.`)), { once: true });
    clip.src = urlOf(card.video);
    if (!wantsCalm.matches) clip.play().catch(() => {});
    return clip;
  }

  statusWords(card) {
    const gone = card.isGone ? ", gone upstream: what is here stays here" : "";
    return `${STATUS_WORDS[card.status]}${gone}`;
  }

  /** Where the video stands in its chain. @param {any} card */
  async drawChain(card) {
    const ids = card.chain;
    if (!ids && !card.continuedBy) return;
    const parts = ids ? await Promise.all(ids.map((/** @type {string} */ id) => this.find(id))) : [];
    const others = (card.continuedBy ?? []).filter((/** @type {string} */ id) => !ids?.includes(id));
    const branches = await Promise.all(others.map((/** @type {string} */ id) => this.find(id)));
    if (this.card !== card) return;
    const position = ids ? ids.indexOf(card.id) : -1;
    this.dialog.querySelector(".look").classList.add("chained");
    this.strip.replaceChildren(
      ...[ids && make("p", {}, `Part ${position + 1} of ${ids.length}`, " ", parts.some((part) => part?.video) && make("button", { type: "button", class: "play-film", onclick: () => this.playFilm(parts) }, "Play the whole film")),
      ids && make("ol", {}, ...parts.map((part, number) => make("li", {}, this.link(part, ids[number], `Part ${number + 1}`, part?.id === card.id)))),
      branches.length > 0 && make("p", {}, "Also continued by"),
      branches.length > 0 && make("ul", {}, ...branches.map((each, number) => make("li", {}, this.link(each, others[number], "Continuation", false)))),
      ].filter(Boolean),
    );
  }

  /** The card of another video; null where it is not here, or in a part of the library that is lost. @param {string} id */
  find(id) {
    return this.library.find(id).catch(() => null);
  }

  /** A small picture that leads to another video. */
  link(card, id, words, isCurrent) {
    if (!card) return make("span", { class: "lost" }, `${words}: not in the archive`);
    const picture = card.thumbnail ? make("img", { alt: "", src: urlOf(card.thumbnail), decoding: "async" }) : make("span", { class: "words", dir: "auto" }, card.prompt.slice(0, 60));
    return make(
      "button",
      { type: "button", class: "mini", "aria-label": `${words}: ${card.prompt.slice(0, 100)}`, "aria-current": isCurrent ? "true" : null, onclick: () => this.asked.open(id) },
      picture,
    );
  }

  playFilm(parts) {
    this.stop();
    this.film = new Film(parts, (part) => this.mark(parts.indexOf(part), parts.length));
    this.stage.replaceChildren(this.film.element);
    this.film.go(0);
    this.film.toggle.focus();
  }

  /** Shows which part of a film plays. @param {number} part @param {number} count */
  mark(part, count) {
    tell(`Part ${part + 1} of ${count}`);
    this.strip.querySelectorAll("ol .mini, ol .lost").forEach((each, number) => {
      if (number === part) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    });
  }

  async drawDetails(card, details) {
    const inputs = details.files.filter((file) => INPUT_KINDS.includes(file.kind));
    const pictures = await Promise.all(inputs.map((file) => this.input(file)));
    if (this.card !== card) return;
    const request = details.request && JSON.stringify(details.request, null, 2);
    this.body.replaceChildren(
      ...[
        inputs.length > 0 && make("h3", {}, "Made from"),
        inputs.length > 0 && make("div", { class: "inputs" }, ...pictures),
        make("h3", {}, "Files"),
        make("ul", { class: "files" }, ...details.files.filter((file) => !INPUT_KINDS.includes(file.kind) || file.status === "stored").map((file) => this.file(file, details))),
        details.sidecar && make("p", { class: "note" }, "All that is known of it: ", make("a", { href: urlOf(details.sidecar), target: "_blank", rel: "noopener" }, details.sidecar)),
        request && make("details", { class: "request" }, make("summary", {}, "The API request that would generate it again"), make("p", { class: "note" }, "POST …/v1/aistudio/videos"), make("pre", { dir: "auto", tabIndex: 0 }, request), this.copy("Copy request", () => request)),
        make("p", { class: "note" }, `Id ${card.id}, account ${details.account}`, details.archived_at ? `, archived ${momentInWords(new Date(details.archived_at), this.library.timeZone)}` : "", details.gone_upstream ? `, gone upstream since ${momentInWords(new Date(details.gone_upstream), this.library.timeZone)}` : ""),
      ].filter(Boolean),
    );
  }

  async input(file) {
    const words = KIND_WORDS[file.kind] + (file.index ? ` ${file.index}` : "");
    const other = file.video_id ? await this.find(file.video_id) : null;
    const why = file.path ? "" : `${file.status}${file.error ? `: ${file.error}` : ""}`;
    const isVideo = /\.(mp4|mov|m4v|webm|3gp)$/i.test(file.path ?? "");
    const picture = !file.path ? make("span", { class: "lost" }, why) : isVideo
      ? make("video", { src: urlOf(file.path), muted: true, preload: "metadata", tabIndex: -1, "aria-hidden": "true" })
      : make("img", { src: urlOf(file.path), alt: "", decoding: "async", loading: "lazy" });
    const shown = other
      ? make("button", { type: "button", class: "mini", "aria-label": `${words}: open the video that it is from`, onclick: () => this.asked.open(file.video_id) }, picture)
      : file.path ? make("a", { href: urlOf(file.path), target: "_blank", rel: "noopener", class: "mini", "aria-label": words }, picture) : picture;
    return make("figure", {}, shown, make("figcaption", {}, words + (other ? ", from another video" : "")));
  }

  file(file, details) {
    const words = KIND_WORDS[file.kind] + (file.index ? ` ${file.index}` : "");
    const slot = file.kind + (file.index ? `-${file.index}` : "");
    if (!file.path) {
      const known = details.accepted.includes(slot) ? "; its loss is accepted" : "";
      return make("li", {}, make("b", {}, words), " ", make("span", { class: "lost" }, `${file.status}${file.error ? `: ${file.error}` : ""}${known}`));
    }
    return make(
      "li",
      {},
      make("b", {}, words),
      " ",
      make("a", { href: urlOf(file.path), target: "_blank", rel: "noopener" }, file.path),
      make("span", {}, ` ${sizeInWords(file.bytes ?? 0)} `),
      file.sha256 && make("code", { title: "SHA-256" }, file.sha256),
      this.copy("Copy path", () => localPathOf(file.path)),
    );
  }

  /** A button that copies a text. @param {string} words @param {() => string} text */
  copy(words, text) {
    const button = make("button", { type: "button", class: "copy", onclick: async () => {
      const done = await copied(text());
      button.textContent = done ? "Copied" : "Could not be copied";
      tell(button.textContent);
      setTimeout(() => (button.textContent = words), 1600);
    } }, words);
    return button;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("video, pre, input, select")) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      if (this.film) this.film.skip(step);
      else this.asked.step(step);
    } else if (event.key === " " && !event.target.matches("button, a, summary")) {
      event.preventDefault();
      this.playOrPause();
    }
  }

  playOrPause() {
    if (this.film) this.film.playOrPause();
    const clip = this.dialog.querySelector("video.clip");
    if (clip) clip.paused ? clip.play().catch(() => {}) : clip.pause();
  }
}

/** Copies a text. → whether that worked @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { value: text, readOnly: true, class: "hidden" });
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
