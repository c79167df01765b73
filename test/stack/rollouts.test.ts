import { describe, expect, it } from 'vitest';
import type { RolloutRecord } from '../../functions/lib/rollout/record.ts';
import { rolloutsNow } from '../../stack/rollouts.ts';

const lookedAt = Date.parse('2026-11-23T12:00:00Z');
const [before, since] = [lookedAt - 60_000, lookedAt + 60_000];
const pinned = (letter: string) => {
  const digest = `sha256:${letter.repeat(64)}`;
  return { image: `123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker:v1@${digest}`, digest };
};
const nameOf = (letter: string): string => `team/worker:v1@sha256:${letter.repeat(12)}`;

const wanted = { ...pinned('b'), since: before };
const record: RolloutRecord = {
  earlier: pinned('a'),
  given: [],
  proven: [],
  refused: [],
  attempts: 1,
  wanted,
};
const current: RolloutRecord['current'] = {
  ...pinned('b'),
  attempt: 1,
  phase: 'watching',
  earlier: pinned('a'),
  from: [pinned('a').image],
  pushedAt: before,
  startedAt: before,
};
const ended = (at: number, more: Partial<RolloutRecord['ended']> = {}): RolloutRecord['ended'] => ({
  ...pinned('b'),
  attempt: 1,
  verdict: 'broken',
  why: 'it does not start',
  at,
  ...more,
});
const refused = [{ ...pinned('b'), at: since, by: 'workers' as const, why: 'it does not start' }];
const wasRefused = `${nameOf('b')} was refused: it does not start`;

/** How an endpoint fares of which the last run said `state`. */
const now = (state: string, more: Partial<RolloutRecord>): string => {
  const [found] = rolloutsNow(
    [{ endpoint: 'ep', state, why: 'so it was' }],
    new Map([['ep', { ...record, ...more }]]),
    lookedAt,
  );
  return `${found?.state}: ${found?.why}`;
};

describe('how an endpoint fares', () => {
  it.each<readonly [string, string, Partial<RolloutRecord>, string]>([
    ['is what the run said, where nothing has happened since', 'waiting', {}, 'waiting: so it was'],
    ['as long as its rollout is under way', 'rolling', { current }, 'rolling: so it was'],
    [
      'whatever was rolled out before the run',
      'waiting',
      { ended: ended(before, { back: 'works' }) },
      'waiting: so it was',
    ],
    ['while it is held as it was', 'held', { heldSince: before }, 'held: so it was'],
    [
      'is what a rollout begun since is at',
      'rolling',
      { current: { ...current, startedAt: since } },
      `rolling: ${nameOf('b')} is under way`,
    ],
    ['is a rollout that a person asked for', 'refused', { current }, `rolling: ${nameOf('b')} is under way`],
    [
      'is an image that is being taken back',
      'rolling',
      { current: { ...current, phase: 'returning', brokenWhy: 'it does not start' } },
      `refused: ${nameOf('b')} was refused, and is being taken back: it does not start`,
    ],
    ['is an image that was proven since', 'rolling', { earlier: pinned('b') }, `current: it has ${nameOf('b')}`],
    [
      'is an image that came back since',
      'rolling',
      { refused, ended: ended(since, { back: 'works' }) },
      `refused: ${wasRefused}; the earlier image was put back, and worked`,
    ],
    [
      'is an endpoint that cannot start with either',
      'refused',
      { refused, ended: ended(before, { back: 'broken' }) },
      `refused: ${wasRefused}; the earlier image was put back, and did not start either`,
    ],
    [
      'is a refused image, whatever came of another one since',
      'waiting',
      { refused, ended: ended(since, { ...pinned('c'), back: 'works' }) },
      `refused: ${wasRefused}`,
    ],
    ['is a hold since', 'waiting', { heldSince: since }, 'held: it is held since 2026-11-23T12:01:00.000Z'],
    [
      'is what the run said of an endpoint without an image, held or not',
      'no image',
      { earlier: pinned('b'), heldSince: since },
      'no image: so it was',
    ],
    ['is not known of a hold that is over', 'held', {}, 'unknown: no run has said; the next run looks'],
    [
      'is not known of a rollout that came to nothing',
      'rolling',
      { ended: ended(since, { verdict: 'superseded', why: 'it has gone' }) },
      'unknown: it has gone; the next run looks',
    ],
  ])('%s (%s)', (_what, state, more, text) => {
    expect(now(state, more)).toBe(text);
  });

  it('is what the run said where nothing is remembered of it', () => {
    const said = [{ endpoint: 'ep', state: 'rolling', why: 'so it was' }];
    expect(rolloutsNow(said, new Map(), lookedAt)).toEqual(said);
  });
});
