// Small helpers over the DOM. Nothing here, nor in any module that uses it, ever parses
// HTML: text goes in as text nodes, so both pages run under `trusted-types 'none'`.

const SVG = "http://www.w3.org/2000/svg";

/**
 * The document's own property of that name; a method comes bound to it. An element's name hides
 * a property of the document (`<img name="title">`), but none of the document's prototype.
 * @template {keyof Document} K
 * @param {K} name
 * @returns {Document[K]}
 */
export function ofDocument(name) {
  const value = Reflect.get(Document.prototype, name, document);
  return typeof value === "function" ? value.bind(document) : value;
}

/**
 * Makes an element. Attributes that are null, undefined or false are left out, true means
 * an empty attribute; children are nodes or strings, null ones are skipped.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {(Node | string | null | undefined)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = ofDocument("createElement")(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
}

/**
 * Makes an icon from the page's sprite (`<symbol id="i-NAME">`), hidden from screen readers.
 * @param {string} name
 */
export function icon(name) {
  const svg = ofDocument("createElementNS")(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = ofDocument("createElementNS")(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * The element of that id; a page without it, or with another element there, is a mistake of
 * ours, said at once.
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 * @param {new () => E} [type] what the element has to be
 * @returns {E}
 */
export function byId(id, type) {
  const element = ofDocument("getElementById")(id);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`this page has no element with the id "${id}" that is as it should be`);
  return /** @type {E} */ (element);
}

/**
 * Sets the text only where it differs, so that screen readers hear no repeats.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A countdown by the wall clock: calls tick(secondsLeft) now and then every second until 0.
 * A sleeping laptop or a throttled tab shows the right number on waking. Returns its stop.
 * @param {number} seconds
 * @param {(secondsLeft: number) => void} tick
 */
export function countdown(seconds, tick) {
  const deadline = Date.now() + seconds * 1000;
  let timer = 0;
  const step = () => {
    const left = Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
    tick(left);
    if (left === 0) stop();
  };
  const stop = () => clearInterval(timer);
  timer = setInterval(step, 1000);
  step();
  return stop;
}
