// The data: chunks of cards and details, loaded as classic scripts when they are needed. A video is known by its place in
// the whole list, newest first; what it is follows from its chunk once that is loaded.

const STATUS_WORDS = ["complete", "incomplete", "in the making"];

const SCRIPT = /^library\/[A-Za-z0-9._-]+\.js$/;

/** Only scripts of the library may be loaded, whatever the data says: also where a browser knows no Trusted Types. */
const scriptRule = {
  createScriptURL: (/** @type {string} */ url) => {
    if (SCRIPT.test(url)) return url;
    throw new TypeError("no script of the library");
  },
};
const scriptPolicy = window.trustedTypes?.createPolicy("pictory-library", scriptRule) ?? scriptRule;

class Chunk {
  /** @param {any} told of `state.js` @param {number} first the place of its first video */
  constructor(told, first) {
    this.first = first;
    this.days = told.days;
    this.count = told.days.reduce((/** @type {number} */ sum, /** @type {any} */ day) => sum + day[1], 0);
    this.files = { cards: told.cards, details: told.details };
    /** what its files hold, once they are loaded @type {{cards: any, details: any}} */
    this.data = { cards: null, details: null };
    /** @type {{cards: Promise<void>|null, details: Promise<void>|null}} */
    this.loading = { cards: null, details: null };
    /** its texts, ready for the search @type {string[]|null} */
    this.folded = null;
  }
}

class Library {
  /** @param {any} told what `state.js` holds */
  constructor(told) {
    this.state = told.state;
    this.builtAt = new Date(told.built_at);
    this.builtBy = told.built_by;
    this.timeZone = told.time_zone;
    this.size = 0;
    /** @type {Chunk[]} */
    this.chunks = [];
    for (const each of told.chunks) {
      const chunk = new Chunk(each, this.size);
      this.chunks.push(chunk);
      this.size += chunk.count;
    }
    this.chunkAt = new Uint32Array(this.size);
    /** each day once, newest first @type {string[]} */
    this.days = [...new Set(this.chunks.flatMap((chunk) => chunk.days.map((/** @type {any} */ day) => day[0])))];
    /** by place the number of its day */
    this.dayAt = new Uint32Array(this.size);
    const numbers = new Map(this.days.map((day, number) => [day, number]));
    this.chunks.forEach((chunk, number) => this.place(chunk, number, numbers));
    /** places by id, of what is loaded @type {Map<string, number>} */
    this.placeOf = new Map();
    this.loaded = 0;
    this.lost = 0;
    /** called with each chunk whose cards have come */
    this.onCards = (/** @type {Chunk} */ _chunk) => {};
  }

  /** Whether all cards are here that will ever be. */
  get isWhole() {
    return this.loaded + this.lost === this.chunks.length;
  }

  /** @param {Chunk} chunk @param {number} number @param {Map<string, number>} days their numbers */
  place(chunk, number, days) {
    this.chunkAt.fill(number, chunk.first, chunk.first + chunk.count);
    let at = chunk.first;
    for (const [day, count] of chunk.days) {
      this.dayAt.fill(days.get(day) ?? 0, at, at + count);
      at += count;
    }
  }

  /** @param {number} place */
  chunkOf(place) {
    return this.chunks[this.chunkAt[place]];
  }

  /** The day of a place, `2026-04-09`; empty without a date. @param {number} place */
  dayOf(place) {
    return this.days[this.dayAt[place]];
  }

  /** What is known of the video at a place; null until its chunk is loaded. @param {number} place */
  card(place) {
    const chunk = this.chunkOf(place);
    const columns = chunk?.data.cards;
    if (!columns) return null;
    const at = place - chunk.first;
    const stem = columns.stem[at];
    const folder = columns.folders[columns.folder[at]];
    const path = (/** @type {any} */ name, /** @type {string} */ usual) =>
      name ? [folder, name === 1 ? stem + usual : name].filter(Boolean).join("/") : null;
    return {
      place,
      id: columns.id[at],
      prompt: columns.prompt[at],
      model: columns.models[columns.model[at]],
      ratio: columns.ratios[columns.ratio[at]],
      width: columns.width[at],
      height: columns.height[at],
      seconds: columns.seconds[at],
      status: columns.status[at],
      isGone: columns.gone[at] === 1,
      at: columns.at[at] === null ? null : new Date(columns.at[at]),
      day: this.dayOf(place),
      video: path(columns.video[at], ".mp4"),
      thumbnail: path(columns.thumbnail[at], ".thumbnail.jpg"),
      chain: Object.hasOwn(columns.chain, at) ? columns.chain[at] : null,
      continuedBy: Object.hasOwn(columns.continued_by, at) ? columns.continued_by[at] : null,
    };
  }

  /** The card of a video by its id, once the chunk that has it is loaded; null where none has. Throws where
   * it may be in a chunk that is lost. @param {string} id */
  async find(id) {
    let loss = null;
    for (const chunk of this.chunks) {
      if (this.placeOf.has(id)) break;
      await this.load(chunk, "cards").catch((error) => (loss = error));
    }
    const place = this.placeOf.get(id);
    if (place === undefined && loss) throw loss;
    return place === undefined ? null : this.card(place);
  }

  /** What is shown of a video that is opened. @param {number} place */
  async details(place) {
    const chunk = this.chunkOf(place);
    await this.load(chunk, "details");
    return chunk.data.details[place - chunk.first];
  }

  /** Loads all cards, newest first, a chunk at a time, so that the reader is never kept waiting. A chunk that is lost
   * does not keep the others from coming: the first such loss is thrown at the end. */
  async loadAll() {
    let loss = null;
    for (const chunk of this.chunks) {
      await this.load(chunk, "cards").then(() => foldedOf(chunk), (error) => (loss ??= error));
      await new Promise((go) => setTimeout(go));
    }
    if (loss) throw loss;
  }

  /** Loads a file of a chunk, once. One that is lost stays lost: its name follows from what is in it, so another edition
   * has another one. @param {Chunk} chunk @param {"cards"|"details"} kind @returns {Promise<void>} */
  load(chunk, kind) {
    return (chunk.loading[kind] ??= new Promise((done, fail) => {
      const lost = () => {
        if (kind === "cards") this.lost += 1;
        fail(new LostChunk(chunk.files[kind]));
      };
      const script = document.createElement("script");
      script.onload = () => (script.remove(), chunk.data[kind] ? done() : lost());
      script.onerror = () => (script.remove(), lost());
      script.src = /** @type {string} */ (scriptPolicy.createScriptURL(`library/${chunk.files[kind]}`));
      document.head.append(script);
    }));
  }

  /** Takes what a chunk's file says. @param {"cards"|"details"} kind @param {string} name @param {string} json */
  take(kind, name, json) {
    const chunk = this.chunks.find((each) => each.files[kind] === name);
    if (!chunk || chunk.data[kind]) return;
    chunk.data[kind] = JSON.parse(json);
    if (kind !== "cards") return;
    chunk.data.cards.id.forEach((/** @type {string} */ id, /** @type {number} */ at) => this.placeOf.set(id, chunk.first + at));
    this.loaded += 1;
    this.onCards(chunk);
  }
}

/** A file of the library that is not there (any more). */
class LostChunk extends Error {
  /** @param {string} name */
  constructor(name) {
    super(
      `A part of the library is missing (library/${name}). If the archive was just brought up to date, load this page ` +
        "again; otherwise run: pictory-archiver library",
    );
  }
}
