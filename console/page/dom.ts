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
