import { expect, it } from 'vitest';
import { defined } from '../../../functions/lib/defined.ts';

it('only fields that are undefined are left out', () => {
  const fields = defined({ none: undefined, nothing: null, no: false, empty: '', zero: 0, list: [undefined] });
  expect(Object.entries(fields)).toEqual([
    ['nothing', null],
    ['no', false],
    ['empty', ''],
    ['zero', 0],
    ['list', [undefined]],
  ]);
});
