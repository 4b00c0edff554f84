// Which videos a view shows, and in which order: a walk over the columns of what is loaded. Folding is done once a chunk.

const STATUSES = [["complete", "Complete"], ["incomplete", "Incomplete"], ["pending", "In the making"], ["gone", "Gone upstream"]];

/** The places of the videos that a view shows, in its order. @param {Library} library @param {View} view */
function placesOf(library, view) {
  const places = view.isFiltered ? filtered(library, view) : everything(library, view);
  if (view.sort === "old") places.reverse();
  if (view.sort === "long" || view.sort === "short") sortByLength(library, places, view.sort === "long" ? -1 : 1);
  return places;
}

/** @param {Library} library @param {View} view @returns {number[]} */
function everything(library, view) {
  const places = Array.from({ length: library.size }, (_, place) => place);
  return view.sort === "long" || view.sort === "short" ? places.filter((place) => library.chunkOf(place).data.cards) : places;
}

/** @param {Library} library @param {View} view @returns {number[]} */
function filtered(library, view) {
  const words = wordsOf(view.q);
  const places = [];
  for (const chunk of library.chunks) {
    const columns = chunk.data.cards;
    if (!columns) continue;
    const admits = tests(library, chunk, view);
    const folded = words.length ? foldedOf(chunk) : [];
    for (let at = 0; at < chunk.count; at += 1) {
      if (admits.every((test) => test(at)) && words.every((word) => folded[at].includes(word))) places.push(chunk.first + at);
    }
  }
  return places;
}

/** What a video of a chunk has to pass. @param {Library} library @param {Chunk} chunk @param {View} view */
function tests(library, chunk, view) {
  const columns = chunk.data.cards;
  /** @type {((at: number) => boolean)[]} */
  const found = [];
  if (view.month) found.push((at) => monthOf(library.dayOf(chunk.first + at)) === view.month);
  if (view.model) found.push((at) => columns.models[columns.model[at]] === view.model);
  if (view.ratio) found.push((at) => columns.ratios[columns.ratio[at]] === view.ratio);
  if (view.seconds) found.push((at) => lengthOf(columns.seconds[at]) === view.seconds);
  if (view.status === "gone") found.push((at) => columns.gone[at] === 1);
  else if (view.status) found.push((at) => STATUSES[columns.status[at]][0] === view.status);
  if (view.chain) found.push((at) => Object.hasOwn(columns.chain, at));
  return found;
}

/** The month of a day as the filter names it. @param {string} day */
const monthOf = (day) => (day ? day.slice(0, 7) : "undated");

/** A duration as the filter names it. @param {number|null} seconds */
const lengthOf = (seconds) => (seconds === null ? "unknown" : String(Math.round(seconds)));

/** @param {Chunk} chunk @returns {string[]} */
function foldedOf(chunk) {
  const { prompt, id } = chunk.data.cards;
  return (chunk.folded ??= prompt.map((/** @type {string} */ text, /** @type {number} */ at) => fold(`${text}\n${id[at]}`)));
}

/** @param {Library} library @param {number[]} places @param {number} direction */
function sortByLength(library, places, direction) {
  const seconds = (/** @type {number} */ place) => {
    const chunk = library.chunkOf(place);
    return chunk.data.cards.seconds[place - chunk.first] ?? (direction < 0 ? -1 : Infinity);
  };
  places.sort((one, other) => direction * (seconds(one) - seconds(other)) || one - other);
}

/** What there is to filter by, of what is loaded: by filter the values, each with how many videos have it.
 * @param {Library} library */
class Facets {
  constructor() {
    this.month = new Map();
    this.model = new Map();
    this.ratio = new Map();
    this.seconds = new Map();
    this.status = new Map();
  }

  /** @param {Library} library @param {Chunk} chunk */
  count(library, chunk) {
    const columns = chunk.data.cards;
    for (let at = 0; at < chunk.count; at += 1) {
      more(this.month, monthOf(library.dayOf(chunk.first + at)));
      more(this.model, columns.models[columns.model[at]]);
      more(this.ratio, columns.ratios[columns.ratio[at]]);
      more(this.seconds, lengthOf(columns.seconds[at]));
      more(this.status, STATUSES[columns.status[at]][0]);
      if (columns.gone[at]) more(this.status, "gone");
    }
  }
}

/** @param {Map<string, number>} counts @param {string} value */
function more(counts, value) {
  counts.set(value, (counts.get(value) ?? 0) + 1);
}
