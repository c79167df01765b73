type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

const apply = (element: Element, attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
  }
};

/** Makes an HTML element. Text is text whatever it holds: nothing here reads markup. */
export const html = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[Name] => {
  const element = document.createElement(name);
  apply(element, attributes);
  element.append(...children);
  return element;
};

/** Makes an SVG element. */
export const svg = <Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Node | string>
): SVGElementTagNameMap[Name] => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  apply(element, attributes);
  element.append(...children);
  return element;
};

export const set = apply;

/** Sets text, and leaves the document alone where it is the same. */
export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) element.textContent = text;
};

/** The element that the page was written with. */
export const byId = (id: string): HTMLElement => {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no #${id}.`);
  return element;
};

const minuteMs = 60_000;

/** `5 h 12 min` */
export const span = (milliseconds: number): string => {
  const minutes = Math.max(0, Math.round(milliseconds / minuteMs));
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return hours === 0 ? `${rest} min` : `${hours} h ${rest} min`;
};

/** `Tue 18:02` in UTC. */
export const time = (at: number): string => {
  const date = new Date(at);
  return `${['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][date.getUTCDay()]} ${date.toISOString().slice(11, 16)}`;
};

/** `18:02 UTC (19:02 here)`; with the day where it is another than that of `now`. */
export const zoned = (at: number, now: number): string => {
  const isToday = new Date(at).toISOString().slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  const utc = `${isToday ? time(at).slice(4) : time(at)} UTC`;
  return new Date(at).getTimezoneOffset() === 0 ? utc : `${utc} (${here(at)} here)`;
};

/** `19:02` in the reader's zone. */
export const here = (at: number): string =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

const kept = new WeakMap<Element, Map<string, { readonly signature: string; readonly element: HTMLElement }>>();

/**
 * Shows a list, and makes only what has changed anew: text can stay selected, and focus stays where it is.
 *
 * @param signature equal as long as the element may stay
 */
export const showList = <Item>(
  parent: HTMLElement,
  items: readonly Item[],
  keyOf: (item: Item) => string,
  signature: (item: Item) => string,
  make: (item: Item) => HTMLElement,
): void => {
  const before = kept.get(parent) ?? new Map();
  const after: typeof before = new Map();
  for (const item of items) {
    const [key, wanted] = [keyOf(item), signature(item)];
    const known = before.get(key);
    after.set(key, known?.signature === wanted ? known : { signature: wanted, element: make(item) });
  }
  for (const [key, { element }] of before) if (after.get(key)?.element !== element) element.remove();
  let place = parent.firstElementChild;
  for (const { element } of after.values()) {
    if (element === place) place = place?.nextElementSibling ?? null;
    else parent.insertBefore(element, place);
  }
  kept.set(parent, after);
};
