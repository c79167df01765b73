import assert from 'node:assert/strict';
import { errorNames } from '../../functions/lib/errors.ts';
import type { Message } from '../../simulator/aws/sns.ts';
import { endpointSecret } from '../../simulator/runpod/views.ts';
import { keyMark, passwordMark, type Real } from './commands.ts';

const minuteMs = 60_000;
const tokenLifeMs = 12 * 60 * minuteMs;
/** 15 minutes between minting and storing, and what the functions' clock may be wrong by meanwhile. */
const maxAgeMs = 25 * minuteMs;

const knownErrors = new Set([...errorNames, 'EndpointNotPullingError', 'TargetLostError', 'Lambda.Unknown']);

interface Notified {
  readonly at: number;
  readonly kind: string;
  /** What is equal where the same is said. */
  readonly what: string;
  readonly execution: string;
}

const readNotified = ({ at, forms, subject }: Message): Notified => {
  if (forms.https === undefined) return { at, kind: 'plain', what: subject, execution: '' };
  const { kind, execution, alerts } = JSON.parse(forms.https) as {
    kind: string;
    execution: string;
    alerts: Array<{ severity: string; section: string; text: string }>;
  };
  const what = alerts.map(({ severity, section, text }) => `${severity} ${section} ${text}`).join();
  return {
    at,
    kind,
    what: kind === 'failed' && alerts[0] !== undefined ? `${alerts[0].severity} ${alerts[0].section}` : what,
    execution,
  };
};

const everyStoredTokenPulls = ({ world }: Real): void => {
  for (const { token: stored, at } of world.runpod.stored) {
    const token = world.ecr.find(stored.password);
    assert(token !== undefined, 'something else than a token was stored');
    assert(world.registry.letIn.has(stored.password), 'a token was stored that had not pulled');
    const age = at - (token.expiresAt - tokenLifeMs);
    assert(age <= maxAgeMs, `a token was stored ${age / minuteMs} minutes after its minting`);
  }
};

const everyRunEnded = ({ world }: Real): void => {
  for (const { name, status, error = '' } of world.stepFunctions.executions.values()) {
    assert(status === 'SUCCEEDED' || status === 'FAILED', `${name} is ${status}`);
    if (status === 'FAILED') assert(knownErrors.has(error), `${name} ended with the nameless error ${error}`);
  }
};

const peopleKnow = ({ world, saidAndCrashed, losses }: Real): void => {
  const notified = world.sns.inbox.map(readNotified);
  const logged = (text: string): number => world.logs.filter(({ message }) => message.startsWith(text)).length;
  const forgotten = logged('What people were told');
  const executions = [...world.stepFunctions.executions.values()];

  for (const execution of executions) {
    if (execution.status !== 'FAILED') continue;
    const { endedAt = 0, name } = execution;
    // Its own word may be followed by another run's that all is well, before notify has ended.
    if (notified.some((each) => each.kind === 'failed' && each.execution.endsWith(`:${name}`))) continue;
    // What recovers at the very moment may be the next run's word.
    const last = notified.findLast(
      ({ at, kind }) => kind !== 'delayed' && (kind === 'recovered' ? at < endedAt : at <= endedAt),
    );
    assert(last !== undefined && last.kind !== 'recovered', `nobody was told that ${name} failed`);
  }
  // What neither the table nor the parameter kept, nobody is told the end of. Where notify cannot publish, Step Functions says
  // it in plain words.
  if (losses.length === 0 || forgotten === 0) {
    assert(['recovered', 'plain', undefined].includes(notified.at(-1)?.kind), 'nobody was told that all is well again');
  }
  const repeated: string[] = [];
  for (const [index, { at, kind, what, execution }] of notified.entries()) {
    const same = notified.slice(0, index).findLast((each) => each.kind !== 'delayed' && each.kind !== 'plain');
    // Runs that end in the same minute cannot know of each other.
    if (kind === 'failed' && same?.kind === kind && same.what === what && at - same.at > minuteMs) repeated.push(what);
    if (
      kind === 'delayed' &&
      notified.slice(0, index).some((each) => each.kind === kind && each.execution === execution)
    )
      repeated.push(`a delay of ${execution}`);
  }
  // Each time that Parameter Store did not say or take what people know, whatever became of the table, the same is told once more.
  // So it is each time that SNS took a message, and did not say so.
  const unanswered = world.faults.unanswered.filter((each) => each.includes('Publish')).length;
  const excused = saidAndCrashed + forgotten + unanswered;
  assert(repeated.length <= excused, `told again though forgotten ${excused} times: ${repeated.join(', ')}`);
};

const noSecretShows = ({ world }: Real): void => {
  const text = JSON.stringify([
    [...world.stepFunctions.executions.values()].map((each) => ({ ...each, ended: undefined })),
    world.logs,
    world.sns.inbox,
    world.measurements,
  ]);
  for (const secret of [passwordMark, keyMark, endpointSecret]) {
    for (const writing of [secret, Buffer.from(`AWS:${secret}`).toString('base64').slice(0, 40)])
      assert(!text.includes(writing), 'a secret shows');
  }
};

/** Every pod is deleted in the end, none is created beside another, and no more are than targets.yml says. */
const noPodIsLeft = ({ world, losses }: Real): void => {
  const left = world.runpod.pods.map(({ name }) => name);
  assert(left.length === 0, `pods are left: ${left.join(', ')}`);
  for (const [index, { pod }] of world.runpod.createdPods.entries()) {
    const before = world.runpod.createdPods[index - 1];
    const isAlone = before?.deletedAt === undefined || before.deletedAt <= pod.createdAt;
    assert(isAlone, `${pod.name} was created while ${before?.pod.name} was there`);
  }
  const began = world.runpod.createdPods.map(({ pod }) => pod.createdAt);
  for (const [index, at] of began.entries()) {
    const before = began[index - 1];
    const isKnown = before !== undefined && !losses.some((lostAt) => lostAt >= before && lostAt <= at);
    assert(!isKnown || at - before >= 6 * 60 * minuteMs - maxAgeMs, 'pods were created too often');
  }
};

/** Throws where something does not hold that must, whatever has happened. */
export const expectInvariants = (real: Real): void => {
  everyRunEnded(real);
  everyStoredTokenPulls(real);
  peopleKnow(real);
  noSecretShows(real);
  noPodIsLeft(real);
};
