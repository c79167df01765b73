import { describe, expect, it } from 'vitest';
import { followersOf } from '../../../../functions/lib/rollout/followers.ts';
import { createProcessMemory, type RolloutMemory } from '../../../../functions/lib/rollout/memory.ts';
import { type CurrentRollout, claim, firstRecord } from '../../../../functions/lib/rollout/record.ts';
import { endUnfollowed, findUnfollowed } from '../../../../functions/lib/rollout/unfollowed.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const threeHoursMs = 3 * 3_600_000;
const repository = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker';
const pinned = (letter: string): string => `${repository}:production@sha256:${letter.repeat(64)}`;
const name = 'team/worker:production@sha256:bbbbbbbbbbbb';
const execution = 'arn:aws:states:us-east-1:123456789012:execution:refresh:1';

const log = { info: () => {}, error: () => {} };

/** A memory of an endpoint whose rollout of `b` began three hours ago. */
const underWay = async (phase: CurrentRollout['phase'] = 'watching', startedAt = now - threeHoursMs) => {
  const memory = createProcessMemory();
  const before = firstRecord({ image: pinned('a'), digest: `sha256:${'a'.repeat(64)}` });
  const { current, ...claimed } = claim(
    before,
    { image: pinned('b'), digest: `sha256:${'b'.repeat(64)}`, pushedAt: now },
    startedAt,
  );
  await memory.change('ep', () => ({ ...claimed, ...(current && { current: { ...current, phase } }) }));
  return memory;
};
/** Finds what follows nothing, and ends it. */
const endBy = async (memory: RolloutMemory, followers: ReturnType<typeof following>, by = execution) =>
  endUnfollowed({ memory, log }, await findUnfollowed({ memory, log }, followers, by), by, now);
const following = (id: string) =>
  followersOf([
    {
      name: 'production',
      ecr: { region: 'us-east-1' },
      runpod: { apiKey: 'ssm:/k', registry: 'cred' },
      endpoints: [{ id, rollout: { tag: 'production', proveWithinMinutes: 20 } }],
    },
  ]);

describe('a rollout of an endpoint that follows nothing any more', () => {
  it.each([
    ['planned', 'unproved', `it was not given ${name}`, pinned('a')],
    ['applying', 'unproved', `it may have been given ${name}`, pinned('a')],
    ['watching', 'unproved', `it has ${name}, and nothing has shown that it works`, pinned('b')],
    ['returning', 'broken', `it refused ${name}, and may have it still`, pinned('a')],
  ] as const)('that is %s ends as %s, and people hear what the endpoint has', async (phase, verdict, why, image) => {
    const memory = await underWay(phase);
    expect(await endBy(memory, following('other'))).toEqual([
      { endpoint: 'ep', state: 'unwatched', why, isTold: true },
    ]);
    const record = await memory.read('ep');
    expect(record).toMatchObject({ ended: { verdict, why, at: now }, earlier: { image } });
    expect(record?.current).toBeUndefined();
  });

  it('is told of again where the same run asks once more after a crash, and by no other run', async () => {
    const memory = await underWay();
    const tell = (by: string) => endBy(memory, following('other'), by);
    const [first, again, later] = [await tell(execution), await tell(execution), await tell('another')];
    expect(first).toHaveLength(1);
    expect([again, later]).toEqual([first, []]);
  });

  it('is not changed by being found, so that a run that fails then leaves it to the next', async () => {
    const memory = await underWay();
    expect(await findUnfollowed({ memory, log }, following('other'), execution)).toEqual(['ep']);
    expect(await endBy(memory, following('other'), 'another')).toHaveLength(1);
  });

  it('is found whoever else follows something', async () => {
    const memory = await underWay();
    const followers = [...following('other'), ...following('ep')];
    expect(await findUnfollowed({ memory, log }, followers, execution)).toEqual([]);
    expect(await findUnfollowed({ memory, log }, following('other'), 'another')).toEqual(['ep']);
  });

  it('is told of although another cannot be ended', async () => {
    const memory = await underWay();
    const errors: string[] = [];
    const change: RolloutMemory['change'] = (id, by) =>
      id === 'gone' ? Promise.reject(new Error('gone')) : memory.change(id, by);
    const deps = {
      memory: { ...memory, change },
      log: { ...log, error: (message: string) => void errors.push(message) },
    };
    expect(await endUnfollowed(deps, ['ep', 'gone'], execution, now)).toMatchObject([{ endpoint: 'ep' }]);
    expect(errors).toEqual(['Rollouts of endpoints that follow nothing could not be ended']);
  });

  it('is left alone while an execution of it may be under way, or where the endpoint follows something', async () => {
    const young = await underWay('watching', now - threeHoursMs + 1);
    expect(await endBy(young, following('other'))).toEqual([]);
    const followed = await underWay();
    expect(await endBy(followed, following('ep'))).toEqual([]);
    for (const memory of [young, followed]) expect((await memory.read('ep'))?.current).toBeDefined();
  });
});
