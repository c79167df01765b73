import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../../functions/lib/report/outcome.ts';
import {
  composeRollout,
  composeRolloutNews,
  composeStopped,
  type RolloutNotice,
} from '../../../../functions/lib/report/rollout-alerts.ts';

const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const pinned = (tag: string, letter: string): string => `${host}/team/worker:${tag}@sha256:${letter.repeat(64)}`;
const [image, earlier] = [pinned('v2', 'b'), pinned('v1', 'a')];
const [newName, oldName] = ['team/worker:v2@sha256:bbbbbbbbbbbb', 'team/worker:v1@sha256:aaaaaaaaaaaa'];

const told = (ending: Partial<RolloutNotice['ending']>) =>
  composeRollout({
    kind: 'rollout',
    execution: 'x',
    target: 'production',
    endpoint: 'ep',
    ending: { verdict: 'broken', why: 'exec format error', image, earlier, isTold: true, ...ending },
  });

describe('how a rollout ended', () => {
  it.each<readonly [Partial<RolloutNotice['ending']>, string, string, string]>([
    [
      { back: 'works' },
      'warning',
      'RolloutBroken',
      `refused ${newName}: exec format error. ${oldName} is back, and works.`,
    ],
    [
      { back: 'unproved' },
      'warning',
      'RolloutBroken',
      `refused ${newName}: exec format error. ${oldName} is back; no worker has had to start with it yet.`,
    ],
    [
      {},
      'warning',
      'RolloutBroken',
      `refused ${newName}: exec format error. Meanwhile it was given another image by hand, which stays.`,
    ],
    [
      { back: 'broken' },
      'critical',
      'RolloutStuck',
      `cannot run ${newName}: exec format error. ${oldName}, which is back, does not start either, and nothing more is tried: look at the endpoint's logs.`,
    ],
    [
      { verdict: 'proven', why: 'worker w pulled it' },
      'info',
      'recovered',
      `runs ${newName} and all is well again: worker w pulled it.`,
    ],
    [
      { verdict: 'unproved', why: 'no worker started' },
      'warning',
      'RolloutWaiting',
      `has had ${newName} for a day, and nothing has shown yet that it works: no worker started.`,
    ],
  ])('is said in a sentence: %j', (ending, severity, section, text) => {
    expect(told(ending)).toEqual([
      { kind: 'rollout', severity, target: 'production', section, text: `production: endpoint ep ${text}` },
    ]);
  });

  it('names the choice of a person, which stays', () => {
    expect(told({ verdict: 'superseded', why: 'it was replaced by hand' })).toEqual([
      {
        kind: 'rollout',
        severity: 'warning',
        target: 'production',
        section: 'RolloutByHand',
        text: `production: endpoint ep: ${newName} is not rolled out, for it was replaced by hand. That choice stays.`,
      },
    ]);
  });

  it('is no news where people need not hear of it', () => {
    expect(told({ isTold: false })).toEqual([]);
  });
});

describe('an error that stopped a rollout', () => {
  it('is told as urgent, in the error’s words', () => {
    const failure = { Error: 'RunpodUnavailableError', Cause: '{"errorMessage":"Runpod is down."}' };
    const text =
      'production: the rollout of endpoint ep was stopped by an error, and the next refresh goes on with it: Runpod is down.';
    expect(
      composeStopped({
        kind: 'rollout-stopped',
        execution: 'x',
        target: 'production',
        endpoint: 'ep',
        attempt: 1,
        failure,
      }),
    ).toEqual({ kind: 'rollout', severity: 'critical', target: 'production', section: 'RolloutStopped', text });
  });
});

describe('what a run found out about rollouts', () => {
  const base: Outcome = { target: 'production', refreshed: true, proofs: {}, endpoints: [] };

  it.each([
    ['current', 'info', 'recovered', 'production: endpoint ep has what it wants again: so it is.'],
    [
      'unwatched',
      'warning',
      'RolloutUnwatched',
      'production: no run watches endpoint ep, for targets.yml has no rollout for it: so it is.',
    ],
    ['waiting', 'warning', 'RolloutWaiting', 'production: endpoint ep waits: so it is.'],
  ])('is told where it is news: %s', (state, severity, section, text) => {
    const found = { endpoint: 'ep', state, why: 'so it is' };
    expect(
      composeRolloutNews({ ...base, rollouts: [{ ...found, isTold: true }, { ...found, isTold: false }, found] }),
    ).toEqual([{ kind: 'rollout', severity, target: 'production', section, text }]);
  });

  it('is nothing where nothing is rolled out', () => {
    expect(composeRolloutNews(base)).toEqual([]);
  });
});
