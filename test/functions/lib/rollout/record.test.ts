import { describe, expect, it } from 'vitest';
import { executionNameOf } from '../../../../functions/lib/rollout/order.ts';
import {
  type CurrentRollout,
  claim,
  endRollout,
  firstRecord,
  give,
  isOfRollout,
  keepEarlier,
  leaveOn,
  pin,
  type RolloutRecord,
  remember,
  rolloutRecordSchema,
  takeHandMadeChoice,
  tellStopped,
} from '../../../../functions/lib/rollout/record.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const repository = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker';
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
const pinned = (letter: string) => ({ image: `${repository}:v1@${digestOf(letter)}`, digest: digestOf(letter) });
const [a, b, c] = [pinned('a'), pinned('b'), pinned('c')];

const first = firstRecord(a);
/** An endpoint that has `a`, and is to have `b`. */
const claimed = claim(first, { ...b, pushedAt: now }, now);
const currentOf = ({ current }: RolloutRecord): CurrentRollout => {
  if (current === undefined) throw new Error('A rollout is under way.');
  return current;
};

describe('a record that is damaged', () => {
  const refusal = { ...b, at: now, by: 'workers', why: 'it ends at once' } as const;
  const whole: RolloutRecord = { ...claimed, refused: [refusal], proven: [{ ...c, at: now }], heldSince: now };

  it('is read as it is where it is whole', () => {
    expect(rolloutRecordSchema.parse(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
  });

  it.each<readonly [string, object, Partial<RolloutRecord>]>([
    ['a refusal', { refused: [{ digest: 7 }, refusal] }, {}],
    ['all refusals', { refused: 'none' }, { refused: [] }],
    ['what was proven', { proven: null }, { proven: [] }],
    ['what was given', { given: { at: now } }, { given: [] }],
    ['the rollout under way', { current: { attempt: 'first' } }, { current: undefined }],
    ['how the last one ended', { ended: { verdict: 'odd' } }, {}],
    ['what people were told', { told: 7, toldIn: 7 }, {}],
    ['what is wanted', { wanted: [] }, {}],
    ['the hold', { heldSince: 'now' }, { heldSince: undefined }],
  ])('loses no more than %s', (_what, damage, read) => {
    expect(rolloutRecordSchema.parse({ ...whole, ...damage })).toEqual({ ...whole, ...read });
  });

  it.each([['earlier'], ['attempts']])('is none without %s', (key) => {
    expect(rolloutRecordSchema.safeParse({ ...whole, [key]: undefined }).success).toBe(false);
  });
});

describe('what is remembered of an endpoint’s images', () => {
  it('are two hundred, each once, the latest word last', () => {
    const many = Array.from({ length: 200 }, (_, index) => ({ image: 'i', digest: String(index), at: index }));
    const again = remember(many, { image: 'i', digest: '7', at: 300 });
    expect(again).toEqual([...many.slice(0, 7), ...many.slice(8), { image: 'i', digest: '7', at: 300 }]);
    expect(remember(many, { image: 'i', digest: 'new', at: 300 })).toHaveLength(200);
    expect(give({ ...first, given: many }, b, now).given).toEqual([...many.slice(1), { ...b, at: now }]);
  });

  it('are pinned, with the tag that there is', () => {
    expect(pin(`${repository}:v1`, digestOf('a'))).toBe(a.image);
    expect(pin(`${repository}:old`, digestOf('a'), 'v1')).toBe(a.image);
    expect(pin(a.image.replace(':v1', ''), digestOf('b'))).toBe(`${repository}@${digestOf('b')}`);
    expect(pin('::', digestOf('a'))).toBe('::');
  });
});

describe('a rollout that begins', () => {
  it('comes back to what the endpoint had, pinned', () => {
    const moved = firstRecord({ image: `${repository}:v1`, digest: digestOf('a') });
    expect(currentOf(claim(moved, { ...b, pushedAt: now }, now))).toMatchObject({
      earlier: a,
      from: [`${repository}:v1`],
    });
    expect(currentOf(claimed)).not.toHaveProperty('isAsked');
    expect(currentOf(claim(first, { ...b, pushedAt: now }, now, true)).isAsked).toBe(true);
  });

  it('supersedes the one that is under way, and comes back to the same', () => {
    const next = claim(claimed, { ...c, pushedAt: now }, now);
    expect(next.ended).toMatchObject({
      ...b,
      attempt: 1,
      verdict: 'superseded',
      why: `${c.digest} was wanted instead`,
    });
    expect(currentOf(next)).toMatchObject({ ...c, attempt: 2, earlier: a, from: [a.image, b.image] });
  });

  it.each([
    ['planned', [true, true, false]],
    ['watching', [false, true, false]],
    ['returning', [true, true, false]],
  ] as const)('and is %s knows which images are its own: the earlier, the new, another', (phase, are) => {
    const current = { ...currentOf(claimed), phase };
    expect([a, b, c].map(({ image }) => isOfRollout(current, image))).toEqual(are);
  });

  it('and comes back knows its earlier image as it pins it', () => {
    const current: CurrentRollout = { ...currentOf(claimed), phase: 'returning', from: [`${repository}:v1`, a.image] };
    expect(isOfRollout(current, `${repository}:v1`)).toBe(false);
  });

  it('ends where there is one', () => {
    expect(endRollout(first, 'proven', 'it works', now)).toEqual(first);
    expect(endRollout(claimed, 'proven', 'it works', now)).not.toHaveProperty('current');
  });
});

describe('what an endpoint is left with', () => {
  it('is what the next rollout comes back to, after what it had', () => {
    expect(leaveOn(claimed, b.image)).toMatchObject({ earlier: b, previous: a });
    const back = { ...claimed, earlier: { image: `${repository}:v1` }, previous: c };
    expect(leaveOn(back, a.image)).toMatchObject({ earlier: a, previous: c });
    expect(leaveOn({ ...back, previous: undefined }, a.image).previous).toBeUndefined();
  });

  it('stays as it was where no rollout is under way, no digest is named, or nothing has changed', () => {
    expect(leaveOn(first, b.image)).toBe(first);
    for (const image of [`${repository}:v2`, '::', a.image]) expect(leaveOn(claimed, image)).toBe(claimed);
  });
});

describe('a choice that was made by hand', () => {
  const why = 'it was replaced by hand at Runpod';
  const refusal = ({ image, digest }: typeof a) => ({ image, digest, at: now, by: 'person', why });

  it('refuses what it replaced, and what was wanted then', () => {
    const wanted = { ...c, since: now };
    const taken = takeHandMadeChoice({ ...first, wanted }, b, now);
    expect(taken).toMatchObject({ refused: [refusal(c), refusal(a)], earlier: { ...b, byHand: true }, previous: a });
    const during = takeHandMadeChoice(claimed, c, now);
    expect(during).toMatchObject({
      refused: [refusal(b)],
      previous: a,
      ended: { verdict: 'superseded', isTold: true, why },
    });
  });

  it('refuses neither itself, nor again what workers have refused', () => {
    const known = { ...b, at: now - 1, by: 'workers' as const, why: 'exec format error' };
    const taken = takeHandMadeChoice({ ...claimed, refused: [known], wanted: { ...c, since: now } }, c, now);
    expect(taken.refused).toEqual([known]);
  });

  it('has nothing before it where that is the same, or has no digest', () => {
    expect(takeHandMadeChoice(first, { image: `${repository}:v1`, digest: a.digest }, now)).not.toHaveProperty(
      'previous',
    );
    const unknown = takeHandMadeChoice(firstRecord({ image: `${repository}:gone` }), b, now);
    expect(unknown).not.toHaveProperty('previous');
    expect(unknown.refused).toEqual([]);
  });
});

describe('what an endpoint comes back to while no rollout is under way', () => {
  const tag = `${repository}:v1`;
  const record = firstRecord({ image: tag, digest: a.digest });
  const refused = [{ ...c, at: now, by: 'workers' as const, why: 'no' }];

  it('follows its tag, but not to what it wants or has refused', () => {
    const seen = { image: tag, digest: b.digest };
    expect(keepEarlier(record, seen, [c.digest], now)).toEqual({ ...record, earlier: seen });
    expect(keepEarlier(record, seen, [c.digest, b.digest], now)).toBe(record);
    expect(keepEarlier({ ...record, refused }, { image: tag, digest: c.digest }, [], now).earlier.digest).toBe(
      a.digest,
    );
    expect(keepEarlier({ ...record, refused }, seen, [], now).earlier.digest).toBe(b.digest);
    // Where it had no digest, any is a way back.
    expect(keepEarlier(firstRecord({ image: tag }), seen, [b.digest], now).earlier).toEqual(seen);
  });

  it('stays where ECR has no digest for it, or the same; another reference is a choice by hand', () => {
    expect(keepEarlier(record, { image: tag }, [], now)).toBe(record);
    expect(keepEarlier(record, { image: tag, digest: a.digest }, [], now)).toBe(record);
    expect(keepEarlier(record, b, [], now).earlier).toEqual({ ...b, byHand: true });
  });
});

describe('an error that stopped a rollout', () => {
  it('is told once, again by the execution whose message failed, and where it is another', () => {
    const told = tellStopped(claimed, 'RunpodUnavailableError', 'x');
    expect(told).toEqual({ ...claimed, told: `stopped ${b.digest} RunpodUnavailableError`, toldIn: 'x' });
    expect(tellStopped(told, 'RunpodUnavailableError', 'y')).toBe(told);
    expect(tellStopped(told, 'RunpodUnavailableError', 'x')).not.toBe(told);
    expect(tellStopped(told, 'States.Timeout', 'y')?.toldIn).toBe('y');
    expect(tellStopped(undefined, 'States.Timeout', 'y')).toBeUndefined();
    expect(tellStopped(first, 'States.Timeout', 'y')).toMatchObject({ told: 'stopped undefined States.Timeout' });
  });
});

describe('the name of an execution', () => {
  it('is one for each endpoint, digest and attempt, and one that Step Functions takes', () => {
    const order = { endpoint: 'ep', digest: a.digest, attempt: 1 };
    const names = [
      order,
      { ...order, endpoint: 'other' },
      { ...order, digest: b.digest },
      { ...order, attempt: 2 },
    ].map(executionNameOf);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}-\d$/);
    expect(executionNameOf({ ...order })).toBe(names[0]);
  });
});
