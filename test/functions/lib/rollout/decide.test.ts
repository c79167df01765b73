import { describe, expect, it } from 'vitest';
import { decideRollout, digestOf as digestIn, type RolloutView } from '../../../../functions/lib/rollout/decide.ts';
import {
  claim,
  endRollout,
  firstRecord,
  give,
  isOfRollout,
  type RolloutRecord,
} from '../../../../functions/lib/rollout/record.ts';

const repository = '123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker';
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
const pinned = (letter: string, tag = 'production'): string => `${repository}:${tag}@${digestOf(letter)}`;
const now = Date.parse('2026-11-23T12:00:00Z');
const hourMs = 3_600_000;

const image = (letter: string, hoursAgo: number, ...tags: string[]) => ({
  digest: digestOf(letter),
  tags,
  pushedAt: now - hoursAgo * hourMs,
});

/** `a` runs, and `b` has been pushed since. */
const images = [image('a', 48, 'v1'), image('b', 1, 'production')];
const view = (more: Partial<RolloutView> = {}): RolloutView => ({
  settings: { tag: 'production', proveWithinMinutes: 20 },
  image: pinned('a'),
  seenAt: now + 1,
  images,
  after: undefined,
  now,
  ...more,
});
/** What is remembered of an endpoint that has `a`. */
const record: RolloutRecord = { ...firstRecord({ image: pinned('a'), digest: digestOf('a') }), attempts: 3 };
const pushed = { digest: digestOf('b'), image: pinned('b'), pushedAt: now - hourMs };
const underWay = (phase: 'planned' | 'applying' | 'watching' | 'returning', more: object = {}): RolloutRecord => {
  const claimed = claim(record, pushed, now);
  if (claimed.current === undefined) throw new Error('Nothing was claimed.');
  return { ...claimed, current: { ...claimed.current, phase, ...more } };
};
const refused = { image: pinned('b'), digest: digestOf('b'), at: now, by: 'workers' as const, why: 'its program ends' };

describe('what a run does about an endpoint', () => {
  it('is to record what it has, where it is seen for the first time', () => {
    expect(decideRollout(undefined, view())).toEqual({
      state: 'recorded',
      why: 'it has team/worker:production@sha256:aaaaaaaaaaaa',
      record: {
        ...firstRecord({ image: pinned('a'), digest: digestOf('a') }),
        wanted: { digest: digestOf('b'), image: pinned('b'), since: now },
      },
      wanted: pushed,
    });
  });

  it('is to begin with what was pushed', () => {
    expect(decideRollout(record, view())).toMatchObject({ state: 'rolling', next: 'begin', wanted: pushed });
  });

  it('is nothing where it has what is wanted', () => {
    const decision = decideRollout(record, view({ images: [image('a', 1, 'production')] }));
    expect(decision).toMatchObject({ state: 'current', wanted: { digest: digestOf('a') } });
    expect(decision.next).toBeUndefined();
  });

  it('is to go on where a rollout is under way', () => {
    const decision = decideRollout(underWay('watching'), view({ image: pinned('b') }));
    expect(decision).toMatchObject({ state: 'rolling', next: 'continue', record: { current: { attempt: 4 } } });
  });

  it('is to begin with a newer image, of which the one under way is superseded', () => {
    const newer = [...images, image('c', 0, 'production')].map((each) =>
      each.digest === digestOf('b') ? { ...each, tags: [] } : each,
    );
    const decision = decideRollout(underWay('watching'), view({ image: pinned('b'), images: newer }));
    expect(decision).toMatchObject({ next: 'begin', wanted: { digest: digestOf('c') } });
    // Not where it is on its way back, nor where a person has asked for it.
    for (const before of [underWay('returning'), underWay('watching', { isAsked: true })]) {
      expect(decideRollout(before, view({ image: pinned('b'), images: newer }))).toMatchObject({ next: 'continue' });
    }
  });

  it('is never to give again what was refused', () => {
    const decision = decideRollout({ ...record, refused: [refused] }, view());
    expect(decision).toMatchObject({ state: 'refused', why: expect.stringContaining('its program ends') });
    expect(decision.next).toBeUndefined();
  });

  it('is nothing while it is held, and ends what is under way', () => {
    const held = decideRollout({ ...record, heldSince: now }, view());
    expect(held).toMatchObject({ state: 'held', why: 'it is held since 2026-11-23T12:00:00.000Z' });
    const ended = decideRollout({ ...underWay('watching'), heldSince: now }, view({ image: pinned('b') }));
    expect(ended.record).toMatchObject({ ended: { verdict: 'held', attempt: 4 } });
    expect(ended.record.current).toBeUndefined();
    // What it is left with is no choice by hand, and comes before what it had.
    expect(ended.record).toMatchObject({
      earlier: { image: pinned('b'), digest: digestOf('b') },
      previous: { digest: digestOf('a') },
    });
    const later = decideRollout(ended.record, view({ image: pinned('b'), seenAt: now + 2 }));
    expect([later.state, later.record.refused, later.record.earlier.byHand]).toEqual(['current', [], undefined]);
    // What was seen before the endpoint was given its image does not say what it is left with.
    const early = decideRollout(give({ ...underWay('watching'), heldSince: now }, pushed, now), view({ seenAt: now }));
    expect(early).toMatchObject({ next: 'continue' });
    // What is on its way back goes on, for the endpoint has an image that does not work.
    expect(decideRollout({ ...underWay('returning'), heldSince: now }, view({ image: pinned('b') }))).toMatchObject({
      next: 'continue',
    });
  });

  it.each([
    ['has gone from ECR', [image('b', 1, 'production')], record, /no longer the image to come back to/],
    ['was never known', images, { ...record, earlier: { image: `${repository}:old` } }, /no image to come back to/],
  ])('is to tell of the image to come back to that %s, and to change nothing', (_what, found, before, why) => {
    const decision = decideRollout(before, view({ image: before.earlier.image, images: found }));
    expect(decision).toMatchObject({ state: 'no way back', trouble: `no way back ${digestOf('b')}` });
    expect(decision.why).toMatch(why);
    expect(decision.next).toBeUndefined();
  });

  it('is to wait where it was given six images within the hour', () => {
    const given = (times: number, minutesAgo: number): RolloutRecord =>
      Array.from({ length: times }).reduce<RolloutRecord>(
        (before) => give(before, { image: pinned('c'), digest: digestOf('c') }, now - minutesAgo * 60_000),
        record,
      );
    expect(decideRollout(given(6, 59), view())).toMatchObject({ state: 'limited' });
    expect(decideRollout(given(5, 59), view())).toMatchObject({ next: 'begin' });
    expect(decideRollout(given(6, 60), view())).toMatchObject({ next: 'begin' });
  });

  it('is to say what it lacks, where nothing is wanted', () => {
    const settings = { tag: 'staging', proveWithinMinutes: 20 };
    expect(decideRollout(record, view({ settings }))).toMatchObject({
      state: 'no image',
      why: 'there is no tag staging',
    });
  });

  it('is never to go to a lower version than what it ran before its rollout', () => {
    const settings = { semver: '^1.0', proveWithinMinutes: 20 };
    const versions = [image('a', 48, '1.4.0'), image('b', 1, '1.3.9')];
    expect(decideRollout(record, view({ settings, images: versions }))).toMatchObject({ state: 'current' });
    const [, lower] = versions;
    expect(
      decideRollout(
        { ...record, earlier: { image: pinned('a', '1.4.0'), digest: digestOf('a') } },
        view({ settings, image: pinned('a', '1.4.0'), images: lower === undefined ? [] : [lower] }),
      ),
    ).toMatchObject({ state: 'no image', why: expect.stringContaining('lower than 1.4.0') });
  });
});

describe('what a run saw before a rollout changed it', () => {
  it.each([
    ['is under way', give(underWay('watching'), pushed, now), pinned('a')],
    ['has come back', { ...underWay('returning', { backAt: now }) }, `${repository}:v1`],
    ['has ended', endRollout(underWay('watching'), 'proven', 'it works', now), pinned('c')],
  ])('is no choice that was made by hand, where it %s', (_, before, image) => {
    const seenBefore = decideRollout(before, view({ image, seenAt: now }));
    expect(seenBefore.record.current).toEqual(before.current);
    expect(seenBefore.record.refused).toEqual([]);
    expect(seenBefore.record.earlier).toEqual(before.earlier);
    const seenAfter = decideRollout(before, view({ image }));
    expect(seenAfter.record.earlier).toMatchObject({ image, byHand: true });
  });
});

describe('a choice that was made by hand', () => {
  const chosen = `${repository}:debug`;
  const withDebug = [...images, image('d', 2, 'debug')];

  it('stays, and what it replaced and what was wanted then are not given again', () => {
    const before = { ...record, wanted: { digest: digestOf('b'), image: pinned('b'), since: now } };
    const decision = decideRollout(before, view({ image: chosen, images: withDebug }));
    expect(decision.state).toBe('refused');
    expect(decision.record).toMatchObject({
      earlier: { image: chosen, digest: digestOf('d'), byHand: true },
      previous: { digest: digestOf('a') },
      refused: [
        { digest: digestOf('b'), by: 'person' },
        { digest: digestOf('a'), by: 'person' },
      ],
    });
  });

  it('ends a rollout that Runpod has taken', () => {
    const decision = decideRollout(underWay('watching'), view({ image: chosen, images: withDebug }));
    expect(decision.record).toMatchObject({
      ended: { verdict: 'superseded' },
      refused: [{ digest: digestOf('b'), by: 'person' }],
      earlier: { image: chosen },
    });
  });

  it('is still one when its tag moves', () => {
    const before = { ...record, earlier: { image: chosen, digest: digestOf('d'), byHand: true as const } };
    const moved = [...images, image('e', 0, 'debug')];
    expect(decideRollout(before, view({ image: chosen, images: moved })).record.earlier).toEqual({
      image: chosen,
      digest: digestOf('e'),
      byHand: true,
    });
  });
});

describe('an endpoint whose reference is a tag', () => {
  const byTag = `${repository}:production`;
  const before: RolloutRecord = { ...firstRecord({ image: byTag, digest: digestOf('a') }) };

  it('comes back to what the tag was, though it has moved to what is wanted', () => {
    const decision = decideRollout(before, view({ image: byTag }));
    expect(decision).toMatchObject({ next: 'begin', record: { earlier: { digest: digestOf('a') } } });
    expect(claim(decision.record, pushed, now).current?.earlier).toEqual({ image: pinned('a'), digest: digestOf('a') });
  });

  it('is kept current where the tag has moved to what nobody asked for', () => {
    const settings = { tag: 'stable', proveWithinMinutes: 20 };
    const decision = decideRollout(before, view({ image: byTag, settings }));
    expect(decision.record.earlier).toEqual({ image: byTag, digest: digestOf('b') });
  });
});

describe('an endpoint that waits for another', () => {
  const other = (proven: string[], settings: RolloutView['settings'] | undefined = view().settings) => ({
    id: '4m7x2k9q',
    settings,
    record: {
      ...record,
      proven: proven.map((letter) => ({ image: pinned(letter), digest: digestOf(letter), at: now })),
    },
  });

  it('takes the newest that the other has proven and ECR still holds', () => {
    expect(decideRollout(record, view({ after: other(['b', 'z']) }))).toMatchObject({
      next: 'begin',
      wanted: { digest: digestOf('b'), image: pinned('b') },
    });
  });

  it('takes nothing that a person gave the other, unless the other wants it by now', () => {
    const after = other(['b']);
    const proven = [
      ...after.record.proven,
      { image: pinned('a', 'try'), digest: digestOf('a'), at: now, byHand: true as const },
    ];
    const wanted = (digest: string) => ({ digest, image: pinned('a'), since: now });
    const take = (of: string) =>
      decideRollout(record, view({ after: { ...after, record: { ...after.record, proven, wanted: wanted(of) } } }));
    expect(take(digestOf('b')).wanted).toMatchObject({ digest: digestOf('b') });
    expect(take(digestOf('a')).wanted).toMatchObject({ digest: digestOf('a') });
  });

  it('waits where the other has refused since what it had proven', () => {
    const after = other(['b']);
    const refuse = (at: number) =>
      decideRollout(record, view({ after: { ...after, record: { ...after.record, refused: [{ ...refused, at }] } } }));
    expect(refuse(now)).toMatchObject({ next: 'begin' });
    expect(refuse(now + 1)).toMatchObject({
      state: 'waiting',
      why: '4m7x2k9q has proven production, and refused it since',
    });
  });

  it('takes the highest version of those that the other has proven, and none lower than what it runs', () => {
    const settings = { semver: '^1.4', proveWithinMinutes: 20 };
    const versions = [
      image('a', 48, 'v1.4.0'),
      image('b', 2, 'v1.5.0'),
      image('c', 1, 'v1.4.9'),
      image('d', 0, 'v2.0.0'),
    ];
    const take = (letter: string, tag: string, proven: string[]) => {
      const before = { ...firstRecord({ image: pinned(letter, tag), digest: digestOf(letter) }) };
      const after = other(proven, settings);
      return decideRollout(before, view({ settings, image: pinned(letter, tag), images: versions, after }));
    };
    expect(take('a', 'v1.4.0', ['b', 'c', 'd']).wanted).toMatchObject({ digest: digestOf('b') });
    expect(take('b', 'v1.5.0', ['c']).wanted).toBeUndefined();
  });

  it('waits while there is none, and says so after a day', () => {
    const after = other([]);
    const first = decideRollout(record, view({ after }));
    expect(first).toMatchObject({ state: 'waiting', why: '4m7x2k9q has proven none yet' });
    expect(first.trouble).toBeUndefined();
    const later = (ms: number) => decideRollout(first.record, view({ after, now: now + ms })).trouble;
    expect([later(24 * hourMs - 1), later(24 * hourMs)]).toEqual([undefined, `waiting ${digestOf('b')}`]);
  });

  it('takes its own where the two follow different things, once the other has proven it', () => {
    const settings = { tag: 'staging', proveWithinMinutes: 20 };
    expect(decideRollout(record, view({ after: other(['b'], settings) }))).toMatchObject({ next: 'begin' });
    expect(decideRollout(record, view({ after: other(['c'], settings) }))).toMatchObject({
      state: 'waiting',
      why: '4m7x2k9q has not proven it yet',
    });
  });
});

describe('what an endpoint has is of its rollout', () => {
  it.each([
    ['planned', pinned('a'), true],
    ['applying', pinned('a'), true],
    ['watching', pinned('a'), false],
    ['returning', pinned('a'), true],
    ['planned', pinned('b'), true],
    ['watching', pinned('b'), true],
    ['returning', pinned('b'), true],
    ['planned', `${repository}:debug`, false],
    ['returning', `${repository}:debug`, false],
  ] as const)('or not: %s, with %s: %s', (phase, seen, expected) => {
    const { current } = underWay(phase);
    expect(current !== undefined && isOfRollout(current, seen)).toBe(expected);
  });
});

describe('a rollout that is claimed', () => {
  it('has a number of its own, and goes back to what the one before it went back to', () => {
    const second = claim(underWay('watching'), { ...pushed, digest: digestOf('c'), image: pinned('c') }, now, true);
    expect(second).toMatchObject({
      attempts: 5,
      ended: { verdict: 'superseded', attempt: 4, digest: digestOf('b') },
      current: {
        attempt: 5,
        phase: 'planned',
        isAsked: true,
        earlier: { digest: digestOf('a') },
        from: [pinned('a'), pinned('b')],
      },
    });
  });

  it('ends with a verdict, and what became of the way back', () => {
    expect(endRollout(underWay('returning'), 'broken', 'it ends', now, { back: 'works' })).toMatchObject({
      ended: { verdict: 'broken', why: 'it ends', at: now, back: 'works' },
    });
    expect(endRollout(record, 'broken', 'it ends', now)).toEqual(record);
  });
});

describe('what a reference stands for', () => {
  const held = [...images, image('d', 2, 'debug', 'latest')];

  it.each([
    ['its digest', pinned('f'), digestOf('f')],
    ['its tag’s', `${repository}:debug`, digestOf('d')],
    ['that of latest, without a tag', repository, digestOf('d')],
    ['nothing, where there is no such tag', `${repository}:gone`, undefined],
    ['nothing, where it is no reference', 'no reference', undefined],
  ])('is %s', (_what, reference, digest) => {
    expect(digestIn(reference, held)).toBe(digest);
  });

  it('is not remembered where it is not known', () => {
    const seen = decideRollout(undefined, view({ image: `${repository}:gone` }));
    expect(seen.record.earlier).toEqual({ image: `${repository}:gone` });
    expect(decideRollout(undefined, view({ image: 'no reference' })).state).toBe('recorded');
  });
});

describe('what people read of an endpoint', () => {
  const name = (letter: string): string => `team/worker:production@sha256:${letter.repeat(12)}`;

  it.each<readonly [string, RolloutRecord, Partial<RolloutView>, string]>([
    ['has what is wanted', record, { images: [image('a', 1, 'production')] }, `it has ${name('a')}`],
    ['is being given it', underWay('watching'), { image: pinned('b') }, `${name('b')} is under way`],
    ['refused it', { ...record, refused: [refused] }, {}, `${name('b')} was refused: its program ends`],
    [
      'has no way back',
      record,
      { images: [image('b', 1, 'production')] },
      `${name('b')} is not rolled out: ECR holds no longer the image to come back to (${name('a')})`,
    ],
    [
      'was given six images',
      Array.from({ length: 6 }).reduce<RolloutRecord>(
        (before) => give(before, { image: pinned('c'), digest: digestOf('c') }, now - 1),
        record,
      ),
      { seenAt: now },
      'it was given six images within the hour',
    ],
  ])('that %s', (_what, before, more, why) => {
    expect(decideRollout(before, view(more)).why).toBe(why);
  });

  it('that begins', () => {
    expect(decideRollout(record, view()).why).toMatch(new RegExp(`^${name('b')} is wanted: .*production`));
  });
});

describe('since when something is wanted', () => {
  const wanted = { digest: digestOf('b'), image: pinned('b'), since: now - hourMs };

  it('is since it was first, and since now where it is another', () => {
    expect(decideRollout({ ...record, wanted }, view()).record.wanted).toEqual(wanted);
    expect(decideRollout({ ...record, wanted: { ...wanted, digest: digestOf('z') } }, view()).record.wanted).toEqual({
      ...wanted,
      since: now,
    });
  });

  it('is forgotten where nothing is wanted any more', () => {
    const settings = { tag: 'gone', proveWithinMinutes: 20 };
    expect(decideRollout({ ...record, wanted }, view({ settings })).record).not.toHaveProperty('wanted');
  });
});

describe('a rollout that is under way', () => {
  const newer = [image('a', 48, 'v1'), image('b', 1), image('c', 0, 'production')];
  const goesOn = (before: RolloutRecord, more: Partial<RolloutView> = {}): boolean =>
    decideRollout(before, view({ image: pinned('b'), images: newer, ...more })).next === 'continue';

  it('gives way to a newer image', () => {
    expect(goesOn(underWay('watching'))).toBe(false);
  });

  it('goes on where that was refused, where there is no way back, and where six were given', () => {
    const before = underWay('watching');
    expect(goesOn({ ...before, refused: [{ ...refused, digest: digestOf('c') }] })).toBe(true);
    expect(goesOn(before, { images: newer.slice(1) })).toBe(true);
    const often = Array.from({ length: 6 }).reduce<RolloutRecord>((each) => give(each, pushed, now), before);
    expect(goesOn(often)).toBe(true);
  });

  it('goes on where nothing is wanted, or the same', () => {
    expect(goesOn(underWay('watching'), { settings: { tag: 'gone', proveWithinMinutes: 20 } })).toBe(true);
    expect(goesOn(underWay('watching'), { images })).toBe(true);
  });
});

describe('an endpoint after another', () => {
  const { settings } = view();
  const proven = (...images: string[]) =>
    images.map((each) => ({ image: each, digest: each.split('@')[1] ?? '', at: now }));
  const decideAfter = (record: RolloutRecord | undefined, of: RolloutView['settings'] | undefined = settings) =>
    decideRollout(
      { ...firstRecord({ image: pinned('a'), digest: digestOf('a') }) },
      view({ after: { id: 'other', settings: of, record } }),
    );

  it('waits where nothing is remembered of the other', () => {
    expect(decideAfter(undefined)).toMatchObject({ state: 'waiting', why: 'other has proven none yet' });
    const different = { tag: 'staging', proveWithinMinutes: 20 };
    expect(decideAfter(undefined, different)).toMatchObject({ state: 'waiting', why: 'other has not proven it yet' });
  });

  it('takes what was proven last, by a tag that it has in the repository where it was proven without one', () => {
    expect(decideAfter({ ...record, proven: proven(pinned('b'), pinned('a')) })).toMatchObject({
      state: 'current',
      wanted: { digest: digestOf('a'), pushedAt: now - 48 * hourMs },
    });
    const untagged = `${repository}@${digestOf('b')}`;
    expect(decideAfter({ ...record, proven: proven(pinned('a'), untagged) })).toMatchObject({
      next: 'begin',
      wanted: { image: pinned('b'), pushedAt: now - hourMs },
    });
  });

  it('takes its own where the other follows something else and has proven it among others', () => {
    const different = { tag: 'staging', proveWithinMinutes: 20 };
    expect(decideAfter({ ...record, proven: proven(pinned('f'), pinned('b')) }, different).next).toBe('begin');
  });

  it('is told what it has where that is what its own tag stands for', () => {
    const decision = decideRollout(
      record,
      view({ images: [image('a', 1, 'production')], after: { id: 'other', settings, record: undefined } }),
    );
    expect(decision).toMatchObject({ state: 'current', why: 'it has team/worker:production@sha256:aaaaaaaaaaaa' });
  });

  it('is told what is missing where its own tag stands for nothing', () => {
    const decision = decideRollout(
      record,
      view({ images: [image('a', 1, 'v1')], after: { id: 'other', settings, record: undefined } }),
    );
    expect(decision).toMatchObject({ state: 'no image', why: 'there is no tag production' });
  });
});
