// How it all hangs together. `state.js` begins it; each chunk reports here.

const KEYS = [
  ["/", "search"], ["← → ↑ ↓", "move over the wall"], ["Home, End, Page Up, Page Down", "move far"],
  ["Enter", "open the video"], ["← →", "previous, next; in a film: part"], ["Space", "play, pause"],
  ["Escape", "close; in the search: clear it"], ["?", "these keys"],
];

class Page {
  /** @param {Library} library */
  constructor(library) {
    this.library = library;
    this.view = View.parse(location.hash);
    this.facets = new Facets();
    this.wall = new Wall(library, (place) => this.view.with({ video: library.card(place)?.id ?? "" }).hash);
    this.preview = new Preview(this.wall);
    this.detail = new Detail(library, {
      open: (id) => this.go({ video: id }, { push: false }),
      close: () => this.close(),
      step: (by) => this.step(by),
    });
    this.standing = new Standing(library, (id) => this.go({ video: id }, { push: true }));
    this.isPushed = false;
    this.refreshing = 0;
    /** what was complained of, so that each loss is told once @type {Set<string>} */
    this.told = new Set();
    this.wall.needed = (chunk) => library.load(chunk, "cards").catch((error) => this.lament(error));
    library.onCards = (chunk) => this.came(chunk);
    this.listen();
  }

  start() {
    this.standing.draw();
    this.fillSorts();
    this.fillFilters();
    this.showView();
    this.list();
    byId("foot").textContent = `Built ${momentInWords(this.library.builtAt, this.library.timeZone)} by ${this.library.builtBy}. ${this.library.state.scope}`;
    this.library.loadAll().catch((error) => this.lament(error)).then(() => this.refresh());
    this.openAsked();
  }

  /** @param {Error} error */
  lament(error) {
    if (this.told.has(error.message)) return;
    this.told.add(error.message);
    complain(error.message);
  }

  // What has come

  /** @param {Chunk} chunk */
  came(chunk) {
    this.facets.count(this.library, chunk);
    this.wall.came(chunk);
    this.refreshing ||= window.setTimeout(() => this.refresh(), this.library.loaded < 3 ? 0 : 150);
  }

  /** Brings filters and list to what is loaded by now. */
  refresh() {
    clearTimeout(this.refreshing);
    this.refreshing = 0;
    this.fillFilters();
    const followsFromNumbers = !this.view.isFiltered && ["new", "old"].includes(this.view.sort);
    if (followsFromNumbers) this.count();
    else this.list();
  }

  // The view

  /** Another view. @param {Partial<View>} changes @param {{push?: boolean}} [how] */
  go(changes, { push = false } = {}) {
    const next = this.view.with(changes);
    if (push) history.pushState(null, "", next.hash);
    else history.replaceState(null, "", next.hash);
    if (push && next.video) this.isPushed = true;
    this.apply(next);
  }

  /** @param {View} next */
  apply(next) {
    const isSameList = next.listsAs(this.view);
    this.view = next;
    this.showView();
    if (!isSameList) this.list();
    this.openAsked();
  }

  /** Puts the view into search and filters. */
  showView() {
    const { view } = this;
    if (byId("query").value !== view.q && document.activeElement !== byId("query")) byId("query").value = view.q;
    for (const name of ["month", "model", "ratio", "seconds", "status", "sort"]) byId(name).value = view[name];
    byId("chain").checked = view.chain;
    byId("clear").hidden = !view.isFiltered;
  }

  list() {
    const places = placesOf(this.library, this.view);
    this.wall.show(places, ["new", "old"].includes(this.view.sort));
    this.count();
  }

  count() {
    const { library, view } = this;
    const shown = this.wall.places.length;
    const more = library.isWhole ? "" : " so far …";
    const all = counted(library.size, "video");
    byId("count").textContent = view.isFiltered ? `${shown.toLocaleString()} of ${all}${more}` : all;
    const nothing = byId("nothing");
    nothing.hidden = shown > 0 || (view.isFiltered && !library.isWhole);
    if (nothing.hidden) return;
    nothing.replaceChildren(
      ...(library.size
        ? [make("p", {}, "Nothing fits."), make("button", { type: "button", onclick: () => this.clear() }, "Clear search and filters")]
        : [make("p", {}, "There is no video in this archive yet."), make("p", { class: "note" }, "pictory-archiver sync fetches them.")]),
    );
  }

  clear() {
    byId("query").value = "";
    this.go({ ...new View(), sort: this.view.sort, video: this.view.video });
    byId("query").focus();
  }

  // The opened video

  async openAsked() {
    const id = this.view.video;
    if (!id) {
      if (this.detail.isOpen) this.leave();
      return;
    }
    try {
      const card = await this.library.find(id);
      if (this.view.video !== id) return;
      if (!card) {
        complain("This video is not in the archive.");
        this.go({ video: "" });
        return;
      }
      this.preview.stop();
      const position = this.wall.places.indexOf(card.place);
      const where = position < 0 ? "" : `${(position + 1).toLocaleString()} of ${this.wall.places.length.toLocaleString()}`;
      await this.detail.open(card, where);
    } catch (error) {
      complain(error.message);
    }
  }

  close() {
    if (this.isPushed) history.back();
    else this.go({ video: "" });
    this.isPushed = false;
  }

  /** Closes the dialog, and goes to the tile of what was open. */
  leave() {
    const { card } = this.detail;
    this.detail.close();
    const position = card ? this.wall.places.indexOf(card.place) : -1;
    if (position >= 0) this.wall.goTo(position);
    this.preview.stop();
  }

  /** The previous or the next video of the list. @param {number} by */
  step(by) {
    const { card } = this.detail;
    const position = this.wall.places.indexOf(card.place);
    const place = this.wall.places[position + by];
    if (position < 0 || place === undefined) return;
    this.library.load(this.library.chunkOf(place), "cards").then(
      () => this.go({ video: this.library.card(place).id }),
      (error) => this.lament(error),
    );
  }

  // Filters

  fillSorts() {
    byId("sort").replaceChildren(...SORTS.map(([value, words]) => make("option", { value }, words)));
  }

  fillFilters() {
    const { facets, view } = this;
    const byNumber = (/** @type {string} */ one, /** @type {string} */ other) => Number(one) - Number(other);
    const late = (/** @type {string} */ one, /** @type {string} */ other) => (one < other ? 1 : -1);
    const words = Object.fromEntries(STATUSES);
    this.fill("month", "Any", facets.month, (month) => monthInWords(month === "undated" ? "" : month), late);
    this.fill("model", "Any", facets.model, (model) => model || "not named");
    this.fill("ratio", "Any", facets.ratio, (ratio) => ratio || "not named");
    this.fill("seconds", "Any", facets.seconds, (seconds) => (seconds === "unknown" ? seconds : secondsInWords(Number(seconds))), byNumber);
    this.fill("status", "Any", facets.status, (status) => words[status]);
    byId("clear").hidden = !view.isFiltered;
  }

  /** Offers the values of a filter. The chosen one is always there, also where nothing has it.
   * @param {"month"|"model"|"ratio"|"seconds"|"status"} name @param {string} none @param {Map<string, number>} counts
   * @param {(value: string) => string} words @param {(one: string, other: string) => number} [order] */
  fill(name, none, counts, words, order) {
    const select = byId(name);
    const chosen = this.view[name];
    const values = [...counts.keys()].filter(Boolean).sort(order);
    if (chosen && !counts.has(chosen)) values.push(chosen);
    const options = [["", none], ...values.map((value) => [value, `${words(value) ?? value} (${(counts.get(value) ?? 0).toLocaleString()})`])];
    const same = options.length === select.options.length && options.every(([value, text], at) => select.options[at].value === value && select.options[at].text === text);
    if (!same) select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    select.value = chosen;
  }

  // What the reader does

  listen() {
    addEventListener("hashchange", () => this.apply(View.parse(location.hash)));
    addEventListener("popstate", () => this.apply(View.parse(location.hash)));
    byId("query").addEventListener("input", () => this.go({ q: byId("query").value }));
    for (const name of ["month", "model", "ratio", "seconds", "status", "sort"]) {
      byId(name).addEventListener("change", () => this.go({ [name]: byId(name).value }));
    }
    byId("chain").addEventListener("change", () => this.go({ chain: byId("chain").checked }));
    byId("clear").addEventListener("click", () => this.clear());
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("show-filters").addEventListener("click", () => this.toggleFilters());
    byId("show-keys").addEventListener("click", () => showKeys());
    byId("skip").addEventListener("click", (event) => (event.preventDefault(), this.wall.goTo(this.wall.cursor)));
    byId("wall").addEventListener("click", (event) => this.click(event));
    byId("wall").addEventListener("focusin", (event) => this.focus(event));
    addEventListener("keydown", (event) => this.key(event));
  }

  toggleFilters() {
    const isOpen = document.body.classList.toggle("filtering");
    byId("show-filters").setAttribute("aria-expanded", String(isOpen));
  }

  /** @param {MouseEvent} event */
  click(event) {
    const tile = /** @type {Element} */ (event.target).closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const position = Number(/** @type {HTMLElement} */ (tile).dataset.position);
    this.wall.cursor = position;
    const card = this.library.card(this.wall.places[position]);
    if (card) this.go({ video: card.id }, { push: true });
  }

  /** The tile with the focus is the one that the keys go on from. @param {FocusEvent} event */
  focus(event) {
    const tile = /** @type {Element} */ (event.target).closest(".tile");
    if (!tile) return;
    this.wall.tiles.get(this.wall.cursor)?.setAttribute("tabindex", "-1");
    this.wall.cursor = Number(/** @type {HTMLElement} */ (tile).dataset.position);
    /** @type {HTMLElement} */ (tile).tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const target = /** @type {Element} */ (event.target);
    if (target === byId("query")) {
      if (event.key === "Escape") (byId("query").value = ""), this.go({ q: "" });
      else if (event.key === "ArrowDown" || event.key === "Enter") event.preventDefault(), this.wall.goTo(0);
      return;
    }
    if (target.matches("input, select")) return;
    if (event.key === "/") event.preventDefault(), byId("query").focus(), byId("query").select();
    else if (event.key === "?") event.preventDefault(), showKeys();
    else if (target.closest(".tile") || target === document.body) this.move(event);
  }

  /** @param {KeyboardEvent} event */
  move(event) {
    const { wall } = this;
    const rows = Math.max(1, Math.floor((innerHeight - byId("top").offsetHeight) / wall.row) - 1);
    const to = {
      ArrowLeft: () => wall.cursor - 1, ArrowRight: () => wall.cursor + 1,
      ArrowUp: () => wall.beside(-1), ArrowDown: () => wall.beside(1),
      PageUp: () => wall.beside(-rows), PageDown: () => wall.beside(rows),
      Home: () => 0, End: () => wall.places.length - 1,
    }[event.key];
    if (!to || !wall.places.length) return;
    event.preventDefault();
    wall.goTo(document.activeElement?.closest(".tile") ? to() : wall.cursor);
  }
}

function showKeys() {
  const dialog = byId("keys");
  dialog.replaceChildren(
    make("h2", { id: "keys-title" }, "Keys"),
    make("dl", {}, ...KEYS.map(([keys, words]) => make("div", {}, make("dt", {}, make("kbd", {}, keys)), make("dd", {}, words)))),
    make("button", { type: "button", onclick: () => dialog.close() }, "Close"),
  );
  dialog.showModal();
}

// The one name that the scripts of the library know. They come in any order, each once.

/** @type {Page|null} */
let page = null;
let isOther = false;

const pictoryLibrary = {
  /** @param {string} json */
  open(json) {
    const told = JSON.parse(json);
    isOther = told.version !== 1;
    if (isOther) return complain("This library was written by another release. Run: pictory-archiver library");
    page = new Page(new Library(told));
    page.start();
  },
  /** @param {string} name @param {string} json */
  cards: (name, json) => page?.library.take("cards", name, json),
  /** @param {string} name @param {string} json */
  details: (name, json) => page?.library.take("details", name, json),
};

Object.defineProperty(window, "pictoryLibrary", { value: Object.freeze(pictoryLibrary) });

addEventListener("DOMContentLoaded", () => {
  if (!page && !isOther) complain("The folder “library” is missing beside this page, or incomplete. Run: pictory-archiver library");
});
