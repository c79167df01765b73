import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../../functions/lib/json.ts';
import type { EndpointOutcome } from '../../../../functions/lib/report/outcome.ts';
import { addSettled, boundPending, maxPendingBytes } from '../../../../functions/lib/runpod/watch.ts';

const outcome = (
  endpoint: string,
  proof: EndpointOutcome['proof'],
  more: Partial<EndpointOutcome> = {},
): EndpointOutcome => ({
  endpoint,
  proof,
  reason: 'pulled',
  ...more,
});
const namesOf = ({ endpoints }: { readonly endpoints: readonly EndpointOutcome[] }) =>
  endpoints.map(({ endpoint }) => endpoint);

describe('endpoints that have settled', () => {
  it('are counted by proof, and the worst come first', () => {
    const before = { endpoints: [outcome('a', 'observed')], proofs: { observed: 3, failed: 1 } };
    const after = addSettled(before, [outcome('b', 'failed'), outcome('c', 'degraded'), outcome('d', 'observed')]);
    expect(after.proofs).toEqual({ observed: 4, failed: 2, degraded: 1 });
    expect(namesOf(after)).toEqual(['b', 'c', 'a', 'd']);
    expect(before.proofs).toEqual({ observed: 3, failed: 1 });
  });

  it('have a bounded sentence and a bounded line, and none where there is none', () => {
    const [long, plain] = addSettled({ endpoints: [], proofs: {} }, [
      outcome('a', 'failed', { evidence: 'e'.repeat(601), line: 'l'.repeat(301) }),
      outcome('b', 'observed'),
    ]).endpoints;
    expect(Buffer.byteLength(long?.evidence ?? '')).toBeLessThanOrEqual(600);
    expect(Buffer.byteLength(long?.line ?? '')).toBeLessThanOrEqual(300);
    expect(plain).toEqual(outcome('b', 'observed'));
    const whole = outcome('c', 'failed', { evidence: 'e'.repeat(600), line: 'l'.repeat(300) });
    expect(addSettled({ endpoints: [], proofs: {} }, [whole]).endpoints).toEqual([whole]);
  });

  it('are kept up to a hundred, and all are counted', () => {
    const many = Array.from({ length: 101 }, (_, at) => outcome(`e${at}`, at === 100 ? 'failed' : 'observed'));
    const { endpoints, proofs } = addSettled({ endpoints: [], proofs: {} }, many);
    expect(endpoints).toHaveLength(100);
    expect(endpoints[0]?.endpoint).toBe('e100');
    expect(proofs).toEqual({ observed: 100, failed: 1 });
  });

  it('are kept up to 48 KiB', () => {
    const big = Array.from({ length: 90 }, (_, at) => outcome(`e${at}`, 'failed', { evidence: 'e'.repeat(600) }));
    const { endpoints } = addSettled({ endpoints: [], proofs: {} }, big);
    const bytes = endpoints.reduce((sum, each) => sum + bytesOf(each), 0);
    expect(bytes).toBeLessThanOrEqual(48 * 1024);
    expect(bytes).toBeGreaterThan(48 * 1024 - 700);
  });
});

describe('endpoints that are pending', () => {
  const pending = (watching: string) => [{ id: 'a', since: 1, due: 2, watching: [watching] }];

  it('keep the workers they wait for while there is room, and no longer', () => {
    const frame = bytesOf(pending(''));
    const fits = pending('w'.repeat(maxPendingBytes - frame));
    expect(bytesOf(fits)).toBe(maxPendingBytes);
    expect(boundPending(fits)).toEqual(fits);
    expect(boundPending(pending('w'.repeat(maxPendingBytes - frame + 1)))).toEqual([{ id: 'a', since: 1, due: 2 }]);
  });
});
