import { messageOf } from '../../functions/lib/message-of.ts';
import { byId, html, set, setText } from './dom.ts';
import { send } from './session.ts';
import type { Store } from './store.ts';

/** A switch with positions, or a button that does something once. */
interface Switch {
  readonly name: string;
  readonly label: string;
  readonly positions: ReadonlyArray<readonly [value: string, text: string]>;
}

const stories: Switch = {
  name: 'story',
  label: '',
  positions: [
    ['week', 'Live a normal week'],
    ['outage', 'Break Runpod for eight hours'],
    ['rollout', 'Push an image that is broken'],
  ],
};

const switches: readonly Switch[] = [
  {
    name: 'runpod',
    label: 'Runpod',
    positions: [
      ['well', 'answers'],
      ['405', 'has no such update (405)'],
      ['429', 'asks to slow down (429)'],
      ['503', 'down (503)'],
      ['hangs', 'hangs'],
    ],
  },
  {
    name: 'ecr',
    label: 'ECR',
    positions: [
      ['well', 'answers'],
      ['refuses', 'refuses to mint (AccessDenied)'],
      ['503', 'down (503)'],
    ],
  },
  { name: 'push', label: 'Images', positions: [['', 'Push one that works']] },
  { name: 'push-broken', label: '', positions: [['', 'Push one that cannot start']] },
  { name: 'expire', label: 'Tokens', positions: [['', 'Expire them all now']] },
  { name: 'refresh', label: 'Runs', positions: [['', 'Start one now']] },
  {
    name: 'speed',
    label: 'Time',
    positions: [
      ['0', 'stands still'],
      ['1', 'as it is'],
      ['60', 'a minute a second'],
      ['600', '10 minutes a second'],
      ['3600', 'an hour a second'],
      ['21600', '6 hours a second'],
    ],
  },
];

/** Turns a switch, and says where that failed. */
const turn = async (name: string, value: string, text: string): Promise<void> => {
  const trouble = byId('switch-trouble');
  const why = await send('switch', { name, value }).then(
    async (answer) => (answer.ok ? '' : await answer.text()),
    messageOf,
  );
  setText(trouble, why === '' ? '' : `“${text}” did nothing: ${why}`);
};

/** Shows what can be done to an embedded world. */
export const createSwitches = (): ((store: Store) => void) => {
  const buttons: Array<{ readonly name: string; readonly value: string; readonly button: HTMLButtonElement }> = [];
  const make = ({ name, positions }: Switch): HTMLButtonElement[] =>
    positions.map(([value, text]) => {
      const button = html('button', { type: 'button', 'data-switch': `${name} ${value}`.trim() }, text);
      button.addEventListener('click', () => void turn(name, value, text));
      if (value !== '' && name !== 'story') buttons.push({ name, value, button });
      return button;
    });
  byId('story-list').append(...make(stories));
  byId('switch-list').append(
    ...switches.map((each) =>
      html('fieldset', {}, html('legend', {}, each.label), html('div', { class: 'choices' }, ...make(each))),
    ),
  );
  return ({ scalars }) => {
    set(byId('stories'), { hidden: scalars.mode !== 'embedded' });
    setText(byId('caption'), scalars.caption);
    for (const { name, value, button } of buttons)
      set(button, { 'aria-pressed': String(scalars.switches[name] === value) });
  };
};
