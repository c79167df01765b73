import { expect, it } from 'vitest';
import { finalProofs, podProofs } from '../../functions/lib/report/outcome.ts';
import { colourOfProof } from '../../stack/proof-colour.ts';

it('every proof of a report has its colour, and an unknown word is shown as trouble', () => {
  expect(
    Object.fromEntries(
      [...finalProofs, ...podProofs, 'of-a-later-version', 'toString'].map((proof) => [proof, colourOfProof(proof)]),
    ),
  ).toEqual({
    observed: 'green',
    tested: 'green',
    degraded: 'yellow',
    'not-tried': 'yellow',
    failed: 'red',
    'of-a-later-version': 'red',
    toString: 'red',
  });
});
