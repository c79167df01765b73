import { describe, expect, it } from 'vitest';
import { concludeOthers, concludeWatch } from '../../../../functions/lib/report/conclude-proofs.ts';

const observed = { endpoint: 'a', proof: 'observed', reason: 'pulled' } as const;
const watch = (pending: readonly string[], unseen: number) => ({
  status: 'pending' as const,
  pending: pending.map((id) => ({ id, since: 1, due: 2 })),
  unseen,
  endpoints: [observed],
  proofs: { observed: 1 },
});

describe('the looks at a target’s endpoints', () => {
  it('are what settled, where all did', () => {
    expect(concludeWatch(watch([], 0), 1, undefined)).toEqual({ endpoints: [observed], proofs: { observed: 1 } });
  });

  it('name those that had not settled, and count those that were never seen', () => {
    const { endpoints, proofs } = concludeWatch(watch(['b'], 3), 5, undefined);
    expect(endpoints.map(({ endpoint, proof, reason }) => [endpoint, proof, reason])).toEqual([
      ['b', 'degraded', 'not-looked'],
      ['others', 'degraded', 'not-looked'],
      ['a', 'observed', 'pulled'],
    ]);
    expect(endpoints[0]?.evidence).toBe(
      'The new token is stored and ECR takes it, but watching the endpoint broke down. Look at the execution.',
    );
    expect(proofs).toEqual({ observed: 1, degraded: 4 });
  });

  it('are one for all endpoints where there was none, and say why', () => {
    const failure = { Error: 'RunpodUnavailableError', Cause: '{"errorMessage":"It did not answer."}' };
    const { endpoints, proofs } = concludeWatch(undefined, 7, failure);
    expect(endpoints).toEqual([
      {
        endpoint: 'all',
        proof: 'degraded',
        reason: 'not-looked',
        evidence:
          'The new token is stored and ECR takes it, but Runpod could not be asked how the workers fare (RunpodUnavailableError: It did not answer.). Look at the execution.',
      },
    ]);
    expect(proofs).toEqual({ degraded: 7 });
    expect(concludeWatch(undefined, 0, failure)).toEqual({ endpoints: [], proofs: {} });
  });
});

describe('templates and pods', () => {
  const users = [
    { name: 'template t', image: 'r/gone:1' },
    { name: 'pod p', image: 'r/slow:1' },
    { name: 'pod q', image: 'r/good:1' },
    { name: 'pod r', image: 'r/unknown:1' },
  ];
  const images = [
    { image: 'r/gone:1', problem: 'it is missing' },
    { image: 'r/slow:1', problem: 'it was not answered', isPassing: true },
    { image: 'r/good:1', digest: 'sha256:1' },
  ];

  it('are told of where their images cannot be pulled, unless that passes', () => {
    expect(concludeOthers({ endpoints: [], proofs: {} }, users, { images })).toEqual({
      endpoints: [
        {
          endpoint: 'template t',
          proof: 'degraded',
          reason: 'image-not-pullable',
          evidence: 'The new token is stored, but its image cannot be pulled with it: it is missing.',
        },
      ],
      proofs: { degraded: 1 },
    });
  });

  it('are not told of where nothing was tried', () => {
    expect(concludeOthers({ endpoints: [observed], proofs: { observed: 1 } }, users)).toEqual({
      endpoints: [observed],
      proofs: { observed: 1 },
    });
  });
});
