import { expect, it } from 'vitest';
import { findLeft } from '../../../../functions/lib/runpod/left.ts';
import { createMemoryOf } from '../../../support/memories.ts';

const target = {
  name: 'production',
  ecr: { region: 'us-east-1' },
  runpod: { apiKey: 'ssm:/key', registry: '6n2k8v4d' },
};
const endpoint = (id: string, registry: string | null) => ({ id, name: id, image: '', registry, workers: { max: 3 } });
const before = [
  endpoint('a', '6n2k8v4d'),
  endpoint('b', '6n2k8v4d'),
  endpoint('c', '6n2k8v4d'),
  endpoint('d', '6n2k8v4d'),
];
const after = [endpoint('a', '6n2k8v4d'), endpoint('b', null), endpoint('c', 'other'), endpoint('d', null)];

const quiet = { info: () => {}, error: () => {} };

/** The ids of what has left a target between two runs. */
const leftOf = async (of: object = {}, toldOtherwise: readonly string[] = []): Promise<string[]> => {
  const deps = { memory: createMemoryOf(), log: quiet };
  const all = { ...target, ...of };
  expect(await findLeft(deps, all, [all], before, [])).toEqual([]);
  return (await findLeft(deps, all, [all], after, toldOtherwise)).map((each) => each.endpoint);
};

it('finds what used the credential at the run before and does no more', async () => {
  expect(await leftOf()).toEqual(['b', 'c', 'd']);
});

it('finds nothing that is ignored, named or told otherwise', async () => {
  expect(await leftOf({ ignore: ['b'] })).toEqual(['c', 'd']);
  expect(await leftOf({ endpoints: [{ id: 'c' }] })).toEqual(['b', 'd']);
  expect(await leftOf({}, ['d'])).toEqual(['b', 'c']);
});

it('finds nothing where the memory does not answer, which the log says', async () => {
  const logged: string[] = [];
  const gone = () => Promise.reject(new Error('gone'));
  const log = { info: () => {}, error: (message: string) => void logged.push(message) };
  expect(await findLeft({ memory: { read: gone, change: gone }, log }, target, [target], after, [])).toEqual([]);
  expect(logged).toEqual(['Which endpoints used the credential cannot be remembered']);
});
