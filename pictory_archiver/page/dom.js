// Elements. Texts of others go in as text, never as markup.

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** An element with properties, listeners (`onclick`) and children. `data` and `aria` hold further attributes.
 * @param {string} name @param {Record<string, any>} [properties] @param {...(Node|string|null|false|undefined)} children */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key in element && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/** Tells those who cannot see the page. @param {string} words */
function tell(words) {
  byId("told").textContent = "";
  requestAnimationFrame(() => (byId("told").textContent = words));
}

/** Says what is wrong, and what to do. @param {string} words */
function complain(words) {
  byId("trouble").hidden = false;
  byId("trouble").replaceChildren(
    make("p", {}, words),
    make("button", { type: "button", onclick: () => (byId("trouble").hidden = true) }, "Close"),
  );
}

const wantsCalm = matchMedia("(prefers-reduced-motion: reduce)");
