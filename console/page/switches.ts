import { byId, html, set } from './dom.ts';
import type { Store } from './store.ts';

/** A switch with positions, or a button that does something once. */
const switches: ReadonlyArray<{
  readonly name: string;
  readonly label: string;
  readonly positions: ReadonlyArray<readonly [string, string]>;
}> = [
  { name: 'push', label: 'Images', positions: [['', 'Push an image']] },
  { name: 'expire', label: 'Tokens', positions: [['', 'Expire them']] },
  { name: 'refresh', label: 'Runs', positions: [['', 'Start one']] },
  {
    name: 'runpod',
    label: 'Runpod',
    positions: [
      ['well', 'is well'],
      ['405', '405'],
      ['429', '429'],
      ['503', '503'],
      ['hangs', 'hangs'],
    ],
  },
  {
    name: 'ecr',
    label: 'ECR',
    positions: [
      ['well', 'is well'],
      ['refuses', 'refuses'],
      ['503', '503'],
    ],
  },
  {
    name: 'guide',
    label: 'The guide’s call',
    positions: [
      ['missing', 'does not exist'],
      ['there', 'exists'],
    ],
  },
  {
    name: 'speed',
    label: 'Time',
    positions: [
      ['0', 'stands'],
      ['1', '1×'],
      ['60', '60×'],
      ['600', '600×'],
      ['3600', '3,600×'],
    ],
  },
];

const turn = async (name: string, value: string): Promise<void> => {
  await fetch('/api/switch', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, value }),
  });
};

/** Shows the switches of an embedded world. */
export const createSwitches = (): ((store: Store) => void) => {
  const buttons: Array<{ readonly name: string; readonly value: string; readonly button: HTMLButtonElement }> = [];
  const groups = switches.map(({ name, label, positions }) => {
    const choices = positions.map(([value, text]) => {
      const button = html('button', { type: 'button', 'data-switch': `${name} ${value}`.trim() }, text);
      button.addEventListener('click', () => void turn(name, value));
      if (value !== '') buttons.push({ name, value, button });
      return button;
    });
    return html('fieldset', {}, html('legend', {}, label), html('div', { class: 'choices' }, ...choices));
  });
  byId('switch-list').append(...groups);
  return ({ scalars }) => {
    byId('switches').hidden = scalars.mode !== 'embedded';
    for (const { name, value, button } of buttons)
      set(button, { 'aria-pressed': String(scalars.switches[name] === value) });
  };
};
