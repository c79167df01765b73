import { describe, expect, it } from 'vitest';
import { createVerifyEndpointPull } from '../../functions/verify-endpoint-pull.ts';
import { inputs } from '../../simulator/inputs.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const image = `${registry}/team/worker:v1`;
const storedAt = Date.parse('2026-11-23T12:00:00Z');
const pulled = `Status: Downloaded newer image for ${image}`;

interface Watched {
  readonly id: string;
  readonly status: string;
  readonly startedAt?: string;
}
const starting = (id: string): Watched => ({ id, status: 'INITIALIZING' });
const idle = (id: string, startedAt: string): Watched => ({ id, status: 'IDLE', startedAt });

/** Checks an endpoint a minute after the update. `logs` holds one line of those workers that logged anything. */
const check = async (workers: readonly Watched[], logs: Readonly<Record<string, string>> = {}, more: object = {}) => {
  const read: string[] = [];
  const verify = createVerifyEndpointPull({
    runpodFor: () => ({
      management: {
        requireCredential: async () => {},
        isKnownToV2: async () => true,
        listEndpoints: async () => [],
        getEndpoint: async (id) => ({ id, name: '', image, registry: '6n2k8v4d', workers: { max: 20 } }),
        listWorkers: async () => [...workers],
        listOtherUsers: async () => [],
      },
      readWorkerLog: async (_endpointId, workerId) => {
        read.push(workerId);
        const line = logs[workerId];
        return line === undefined ? [] : [{ line, at: storedAt + 30_000 }];
      },
      jobs: { submit: async () => 'job', status: async () => ({ status: 'IN_QUEUE' }), cancel: async () => {} },
    }),
    now: () => storedAt + 60_000,
    propagationMs: 600_000,
  });
  const answer = await verify(inputs.verifyEndpointPull({ id: '4m7x2k9q', image }, more));
  return { ...answer, read: read.sort() };
};

describe('verify-endpoint-pull', () => {
  const dozen = Array.from({ length: 12 }, (_, index) => starting(`w${String(index).padStart(2, '0')}`));

  it('reads the logs of ten workers, and believes each of them', async () => {
    const { read } = await check(dozen);
    expect(read).toEqual(dozen.slice(0, 10).map(({ id }) => id));
    for (const { id } of dozen.slice(0, 10)) {
      expect(await check(dozen, { [id]: pulled })).toMatchObject({ proof: 'observed', worker: id });
    }
    expect(await check(dozen, { w10: pulled })).toMatchObject({ proof: 'pending' });
  });

  it('checks again those that it waits for, whatever has become of them, and nobody else', async () => {
    const before = idle('before', '2026-11-23T11:59:59Z');
    const workers = [
      before,
      idle('since', '2026-11-23T12:00:00Z'),
      { id: 'ill', status: 'UNHEALTHY' },
      starting('new'),
    ];
    expect(await check(workers)).toMatchObject({
      proof: 'pending',
      read: ['ill', 'new', 'since'],
      watching: ['since', 'ill', 'new'],
      recheckAfterSeconds: 60,
    });
    const { read, proof } = await check(
      [before, idle('other', '2026-11-23T11:00:00Z')],
      { before: pulled },
      {
        before: { watching: ['before'] },
      },
    );
    expect([read, proof]).toEqual([['before'], 'observed']);
  });

  it('has nothing to wait for once it is sure', async () => {
    const answer = await check([], {}, { images: [{ image, digest: `sha256:${'ab'.repeat(32)}` }] });
    expect(Object.keys(answer).sort()).toEqual(['endpoint', 'evidence', 'proof', 'read', 'reason']);
    expect(answer).toMatchObject({ endpoint: '4m7x2k9q', proof: 'tested' });
    expect(answer.evidence).toContain('sha256:abababababab');
  });

  it('takes the word only of the image that the endpoint has now', async () => {
    const images = [{ image: `${registry}/team/other:v1`, problem: 'it is gone' }];
    expect(await check([], {}, { images })).toMatchObject({ proof: 'tested' });
    expect(await check([], {}, { images: [{ image, problem: 'it is gone' }] })).toMatchObject({
      proof: 'failed',
      reason: 'image-not-pullable',
    });
  });
});
