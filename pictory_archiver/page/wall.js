// The wall: tiles of one size, in groups by day; by month where the days have few, in one where the months have few. Only
// what can be seen, and a little around it, is in the document: where everything lies follows from the numbers alone.

const GAP = 10;
const MARGIN = 700;
const HEADING = 56;
const CAPTION = 26;
const DENSE = 4;
/** How the date is written under a picture, by how much of it is in the heading. */
const DATES = { 7: { day: "numeric", month: "short" }, 0: { day: "numeric", month: "short", year: "numeric" } };

/** Videos under one heading: `from` is the position of the first one in the list, `top` where the heading lies.
 * @typedef {{label: string, from: number, count: number, top: number, rows: number}} Group */

class Wall {
  /** @param {Library} library @param {(place: number) => string} addressOf of an opened video */
  constructor(library, addressOf) {
    this.library = library;
    this.addressOf = addressOf;
    this.element = byId("wall");
    /** @type {number[]} */
    this.places = [];
    /** @type {Group[]} */
    this.groups = [];
    /** tiles in the document, by their position in the list @type {Map<number, HTMLAnchorElement>} */
    this.tiles = new Map();
    /** @type {Map<number, HTMLElement>} */
    this.headings = new Map();
    this.cursor = 0;
    this.columns = 1;
    this.side = 200;
    this.drawing = 0;
    this.needed = (/** @type {Chunk} */ _chunk) => {};
    for (const event of ["scroll", "resize"]) addEventListener(event, () => this.drawSoon(), { passive: true });
    new ResizeObserver(() => this.arrange()).observe(this.element);
  }

  /** Shows the videos at these places. @param {number[]} places @param {boolean} byDate */
  show(places, byDate) {
    const before = this.places[this.cursor];
    this.places = places;
    this.byDate = byDate;
    this.cursor = Math.max(places.indexOf(before), 0);
    this.group();
    this.empty();
    this.arrange();
  }

  group() {
    const days = this.byDate ? this.days() : [];
    const months = joined(days, 7);
    const isDense = (/** @type {Group[]} */ groups) => groups.length > 0 && this.places.length >= DENSE * groups.length;
    /** how much of a date is in the headings: all of it, the month, nothing */
    this.heads = isDense(days) ? 10 : isDense(months) ? 7 : 0;
    this.heading = this.heads ? HEADING : 0;
    const whole = { label: "", from: 0, count: this.places.length, top: 0, rows: 0 };
    this.groups = { 10: days, 7: months, 0: this.places.length ? [whole] : [] }[this.heads];
  }

  /** The stretches of videos of one day. @returns {Group[]} */
  days() {
    const { places, library } = this;
    const found = [];
    for (let at = 0, from = 0; from < places.length; from = at) {
      const day = library.dayAt[places[from]];
      while (at < places.length && library.dayAt[places[at]] === day) at += 1;
      found.push({ label: library.days[day], from, count: at - from, top: 0, rows: 0 });
    }
    return found;
  }

  /** Where everything lies, in the width that there is. */
  arrange() {
    const width = this.element.clientWidth;
    if (!width) return;
    const least = width < 560 ? 104 : width < 1000 ? 168 : 208;
    const anchor = this.anchor();
    this.columns = Math.max(2, Math.floor((width + GAP) / (least + GAP)));
    this.side = (width - GAP * (this.columns - 1)) / this.columns;
    this.row = this.side + CAPTION + GAP;
    let top = 0;
    for (const group of this.groups) {
      group.top = top;
      group.rows = Math.ceil(group.count / this.columns);
      top += this.heading + group.rows * this.row;
    }
    this.element.style.height = `${top}px`;
    this.element.style.setProperty("--side", `${this.side}px`);
    if (anchor !== null) this.scrollTo(anchor.position, anchor.offset);
    for (const [position, tile] of this.tiles) this.put(tile, position);
    for (const [number, heading] of this.headings) heading.style.transform = `translateY(${this.groups[number]?.top ?? 0}px)`;
    this.draw();
  }

  /** What is at the upper edge, so that another width does not lose it. */
  anchor() {
    if (!this.row || !this.groups.length || scrollY < this.offset()) return null;
    const position = this.rangeAt(scrollY - this.offset(), 1)[0]?.from;
    return position === undefined ? null : { position, offset: this.topOf(position) - (scrollY - this.offset()) };
  }

  /** The distance of the wall from the top of the page. */
  offset() {
    return this.element.getBoundingClientRect().top + scrollY;
  }

  /** The group of a position. @param {number} position */
  groupOf(position) {
    let low = 0;
    let high = this.groups.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.groups[middle].from <= position) low = middle;
      else high = middle - 1;
    }
    return this.groups[low];
  }

  /** @param {number} position */
  topOf(position) {
    const group = this.groupOf(position);
    const row = Math.floor((position - group.from) / this.columns);
    return group.top + this.heading + row * this.row;
  }

  /** The rows between two heights, as stretches of positions. @param {number} top @param {number} height */
  rangeAt(top, height) {
    const found = [];
    let low = 0;
    let high = this.groups.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.groups[middle].top <= top) low = middle;
      else high = middle - 1;
    }
    for (let number = low; number < this.groups.length && this.groups[number].top < top + height; number += 1) {
      const group = this.groups[number];
      const start = group.top + this.heading;
      const first = Math.max(0, Math.floor((top - start) / this.row));
      const last = Math.min(group.rows - 1, Math.floor((top + height - start) / this.row));
      if (last < first) continue;
      const from = group.from + first * this.columns;
      found.push({ number, from, to: Math.min(group.from + (last + 1) * this.columns, group.from + group.count) });
    }
    return found;
  }

  drawSoon() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  /** Brings the document to what can be seen now. */
  draw() {
    if (!this.row) return;
    const ranges = this.rangeAt(scrollY - this.offset() - MARGIN, innerHeight + 2 * MARGIN);
    const wanted = new Set(this.places.length ? [this.cursor] : []);
    const numbers = new Set();
    for (const { number, from, to } of ranges) {
      numbers.add(number);
      for (let position = from; position < to; position += 1) wanted.add(position);
    }
    for (const [position, tile] of this.tiles) {
      if (!wanted.has(position) && tile !== document.activeElement) this.tiles.delete(position), tile.remove();
    }
    for (const [number, heading] of this.headings) {
      if (!numbers.has(number)) this.headings.delete(number), heading.remove();
    }
    if (this.heading) for (const number of numbers) this.head(number);
    for (const position of [...wanted].sort((one, other) => one - other)) this.tile(position);
    this.order();
  }

  /** Headings and tiles stand in the document in the order in which they are read. */
  order() {
    const positions = [...this.tiles.keys()].sort((one, other) => one - other);
    const elements = [];
    let last = null;
    for (const position of positions) {
      const number = this.groups.indexOf(this.groupOf(position));
      if (number !== last && this.headings.has(number)) elements.push(this.headings.get(number));
      last = number;
      elements.push(this.tiles.get(position));
    }
    let at = this.element.firstChild;
    for (const element of elements) {
      if (element === at) at = at.nextSibling;
      else this.element.insertBefore(element, at);
    }
  }

  empty() {
    for (const element of [...this.tiles.values(), ...this.headings.values()]) element.remove();
    this.tiles.clear();
    this.headings.clear();
  }

  /** @param {number} number of a group */
  head(number) {
    if (this.headings.has(number)) return;
    const { label, count, top } = this.groups[number];
    const words = this.heads === 10 ? fullDayInWords(label) : monthInWords(label);
    const heading = make("h2", {}, words, " ", make("span", {}, counted(count, "video")));
    heading.style.transform = `translateY(${top}px)`;
    this.headings.set(number, heading);
    this.element.append(heading);
  }

  /** @param {number} position */
  tile(position) {
    let tile = this.tiles.get(position);
    const place = this.places[position];
    if (!tile) {
      tile = /** @type {HTMLAnchorElement} */ (make("a", { class: "tile", tabIndex: -1 }));
      tile.dataset.position = String(position);
      this.put(tile, position);
      this.tiles.set(position, tile);
      this.element.append(tile);
    }
    tile.tabIndex = position === this.cursor ? 0 : -1;
    if (tile.dataset.filled) return;
    const card = this.library.card(place);
    if (card) this.fill(tile, card);
    else this.needed(this.library.chunkOf(place));
  }

  /** Puts a tile where it belongs. @param {HTMLElement} tile @param {number} position */
  put(tile, position) {
    const column = (position - this.groupOf(position).from) % this.columns;
    tile.style.transform = `translate(${column * (this.side + GAP)}px, ${this.topOf(position)}px)`;
  }

  /** @param {HTMLAnchorElement} tile @param {any} card */
  fill(tile, card) {
    tile.dataset.filled = "1";
    tile.href = this.addressOf(card.place);
    tile.setAttribute("aria-label", wordsOn(card));
    const still = card.thumbnail && make("img", { alt: "", decoding: "async", draggable: false });
    if (still) {
      still.addEventListener("error", () => still.remove());
      still.src = urlOf(card.thumbnail);
    }
    const part = card.chain ? `${card.chain.indexOf(card.id) + 1}/${card.chain.length}` : "";
    const marks = [card.isGone && "gone upstream", card.status && STATUS_WORDS[card.status]].filter(Boolean);
    tile.replaceChildren(
      make(
        "span",
        { class: "frame" },
        make("span", { class: "words", dir: "auto" }, card.prompt.slice(0, 160)),
        still || null,
        part && make("span", { class: "badge part" }, `Part ${part}`),
        marks.length > 0 && make("span", { class: "badge mark" }, marks.join(", ")),
        card.seconds !== null && make("span", { class: "badge length" }, secondsInWords(card.seconds)),
      ),
      make(
        "span",
        { class: "caption" },
        this.heads < 10 && card.day && make("b", {}, dayInWords(card.day, DATES[this.heads]), " "),
        make("bdi", {}, card.prompt.slice(0, 80)),
      ),
    );
  }

  /** Fills the tiles of a chunk that has come. @param {Chunk} chunk */
  came(chunk) {
    for (const position of this.tiles.keys()) {
      if (this.library.chunkOf(this.places[position]) === chunk) this.tile(position);
    }
  }

  /** Goes to a video of the list. @param {number} position @param {{focus?: boolean}} [how] */
  goTo(position, { focus = true } = {}) {
    if (!this.places.length) return;
    this.cursor = Math.min(Math.max(position, 0), this.places.length - 1);
    const top = this.topOf(this.cursor) + this.offset();
    const covered = byId("top").offsetHeight + 8;
    const lift = this.groupOf(this.cursor).from + this.columns > this.cursor ? this.heading : 0;
    if (top - lift < scrollY + covered) scrollTo({ top: top - lift - covered });
    else if (top + this.row > scrollY + innerHeight) scrollTo({ top: top + this.row - innerHeight });
    this.draw();
    if (focus) this.tiles.get(this.cursor)?.focus({ preventScroll: true });
  }

  /** Has a position at a distance from the upper edge. @param {number} position @param {number} offset */
  scrollTo(position, offset) {
    scrollTo({ top: this.topOf(position) + this.offset() - offset });
  }

  /** The position in the row above or below, in the same column where there is one. @param {number} rows */
  beside(rows) {
    let position = this.cursor;
    for (let left = Math.abs(rows); left > 0; left -= 1) position = rows < 0 ? this.above(position) : this.below(position);
    return position;
  }

  /** @param {number} position */
  below(position) {
    const group = this.groupOf(position);
    const at = position - group.from;
    const last = group.from + group.count - 1;
    if (Math.floor(at / this.columns) < group.rows - 1) return Math.min(position + this.columns, last);
    const next = this.groups[this.groups.indexOf(group) + 1];
    return next ? next.from + Math.min(at % this.columns, next.count - 1) : position;
  }

  /** @param {number} position */
  above(position) {
    const group = this.groupOf(position);
    const at = position - group.from;
    if (at >= this.columns) return position - this.columns;
    const before = this.groups[this.groups.indexOf(group) - 1];
    if (!before) return position;
    const row = (before.rows - 1) * this.columns;
    return before.from + Math.min(row + (at % this.columns), before.count - 1);
  }
}

/** Groups whose labels begin with the same characters, as one. @param {Group[]} groups @param {number} length */
function joined(groups, length) {
  /** @type {Group[]} */
  const found = [];
  for (const group of groups) {
    const label = group.label.slice(0, length);
    const last = found.at(-1);
    if (last?.label === label) last.count += group.count;
    else found.push({ ...group, label });
  }
  return found;
}

/** What a tile is called. @param {any} card */
function wordsOn(card) {
  const part = card.chain && `part ${card.chain.indexOf(card.id) + 1} of ${card.chain.length}`;
  const length = card.seconds !== null && secondsInWords(card.seconds);
  const status = card.status > 0 && STATUS_WORDS[card.status];
  const facts = [card.day && fullDayInWords(card.day), card.model, length, part, status, card.isGone && "gone upstream"];
  return [card.prompt.slice(0, 200) || "Without a prompt", ...facts.filter(Boolean)].join(", ");
}
