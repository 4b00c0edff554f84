// What the reader looks at: search, filters, order, and the opened video. The address keeps it, behind the #.

const SORTS = [["new", "Newest first"], ["old", "Oldest first"], ["long", "Longest first"], ["short", "Shortest first"]];
const NAMES = ["q", "month", "model", "ratio", "seconds", "status"];

class View {
  /** @param {Partial<View>} [values] */
  constructor(values = {}) {
    this.q = "";
    this.month = "";
    this.model = "";
    this.ratio = "";
    this.seconds = "";
    this.status = "";
    this.chain = false;
    this.sort = "new";
    /** the id of the opened video */
    this.video = "";
    Object.assign(this, values);
  }

  /** @param {string} hash of the address */
  static parse(hash) {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    const view = new View();
    for (const name of [...NAMES, "video"]) view[name] = given.get(name) ?? "";
    view.chain = given.get("chain") === "1";
    view.sort = SORTS.some(([name]) => name === given.get("sort")) ? /** @type {string} */ (given.get("sort")) : "new";
    return view;
  }

  /** @param {Partial<View>} changes */
  with(changes) {
    return new View({ ...this, ...changes });
  }

  get hash() {
    const told = new URLSearchParams();
    for (const name of NAMES) if (this[name]) told.set(name, this[name]);
    if (this.chain) told.set("chain", "1");
    if (this.sort !== "new") told.set("sort", this.sort);
    if (this.video) told.set("video", this.video);
    return `#${told}`;
  }

  /** Whether anything is left out. */
  get isFiltered() {
    return this.chain || NAMES.some((name) => this[name].trim());
  }

  /** Whether two views show the same list. @param {View} other */
  listsAs(other) {
    return this.with({ video: "" }).hash === other.with({ video: "" }).hash;
  }
}
