// The state of the archive: complete as of when, and what is missing and why.

class Standing {
  /** @param {Library} library @param {(id: string) => void} open */
  constructor(library, open) {
    this.library = library;
    this.open = open;
  }

  draw() {
    const { state } = this.library;
    const isComplete = state.exit_status === 0;
    const lists = this.lists(state);
    const words = this.words(state);
    const head = [
      make("span", { class: "sign", "aria-hidden": "true" }, isComplete ? "✓" : "!"),
      make("strong", {}, words.verdict),
      make("span", { class: "when" }, words.when),
    ];
    byId("state").className = isComplete ? "good" : "bad";
    byId("state").replaceChildren(
      make("details", {}, make("summary", {}, ...head), ...this.facts(state), ...lists, make("p", { class: "note" }, state.scope)),
    );
  }

  words(state) {
    const asOf = state.as_of && new Date(state.as_of);
    return { verdict: state.verdict, when: asOf ? `Last listed ${agoInWords(asOf)}` : "" };
  }

  /** @returns {Node[]} */
  facts(state) {
    const facts = [
      ["Listed in the account", state.listed], ["Of these held", state.held],
      ["In this archive", state.in_archive], ["Complete", state.complete],
      ["In the making", state.pending, "pending"], ["Overdue", state.overdue, "pending"],
      ["Not listed any more", state.not_listed_any_more], ["Gone upstream, kept here", state.gone_upstream, "gone"],
      ["Odd items of the listing", state.odd_items],
    ];
    const shown = facts.filter(([, value], number) => value > 0 || number < 4);
    const rows = shown.map(([name, value, status]) => {
      const number = value.toLocaleString();
      const link = status && make("a", { href: new View({ status }).hash }, number);
      return make("div", {}, make("dt", {}, name), make("dd", {}, link || number));
    });
    rows.push(make("div", {}, make("dt", {}, "Size"), make("dd", {}, sizeInWords(state.bytes))));
    return [make("dl", {}, ...rows)];
  }

  /** What is missing, and why. @returns {Node[]} */
  lists(state) {
    return [
      ...this.list("Missing", state.problem_count, state.problems),
      ...this.list("Losses that were accepted", state.accepted_count, state.accepted),
      ...this.list("Lost files that videos were made from", state.lost_input_count, state.lost_inputs),
    ];
  }

  list(title, count, problems) {
    if (!count) return [];
    const more = count - problems.length;
    return [
      make("h2", {}, `${title}: ${counted(count, "file")}`),
      make(
        "ul",
        {},
        ...problems.map((each) => make("li", {}, make("button", { type: "button", class: "link", onclick: () => this.open(each.video_id) }, this.nameOf(each)), ` ${this.reason(each)}`)),
        more > 0 && make("li", {}, `… and ${more.toLocaleString()} more: pictory-archiver status --json names them`),
      ),
    ];
  }

  nameOf(problem) {
    return `${KIND_WORDS[problem.kind] ?? problem.kind}${problem.index ? ` ${problem.index}` : ""} of ${problem.video}`;
  }

  reason(problem) {
    const again = problem.due ? `; tried again from ${dayInWords(problem.due.slice(0, 10), { dateStyle: "medium" })}` : "";
    return `${problem.status}: ${problem.error ?? "no reason known"}${again}`;
  }
}
