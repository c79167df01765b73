import * as z from 'zod/mini';
import { nameOfImage } from '../ecr/image-reference.ts';
import { verdicts, waysBack } from '../rollout/record.ts';
import type { Alert } from './alerts.ts';
import { failureSchema, messageOfFailure } from './cause.ts';
import type { Outcome } from './outcome.ts';

/** How an execution of a rollout ended. */
export const rolloutNoticeSchema = z.object({
  kind: z.literal('rollout'),
  execution: z.string(),
  target: z.string(),
  endpoint: z.string(),
  ending: z.object({
    verdict: z.enum(verdicts),
    why: z.string(),
    image: z.string(),
    earlier: z.string(),
    back: z.optional(z.enum(waysBack)),
    isTold: z.boolean(),
  }),
});
export type RolloutNotice = z.output<typeof rolloutNoticeSchema>;

/** An error that stopped an execution. */
export const rolloutStoppedSchema = z.object({
  kind: z.literal('rollout-stopped'),
  execution: z.string(),
  target: z.string(),
  endpoint: z.string(),
  attempt: z.number(),
  failure: failureSchema,
});

const alert = (target: string, severity: Alert['severity'], section: string, text: string): Alert => ({
  kind: 'rollout',
  severity,
  target,
  section,
  text,
});

/** What became of the way back, after "it was refused". */
const backTexts = {
  works: (earlier: string) => `${earlier} is back, and works.`,
  unproved: (earlier: string) => `${earlier} is back; no worker has had to start with it yet.`,
  'not ours': () => 'Meanwhile it was given another image by hand, which stays.',
  broken: (earlier: string) =>
    `${earlier}, which is back, does not start either, and nothing more is tried: look at the endpoint's logs.`,
} as const;

/** Says how a rollout ended, in a sentence; nothing where that is no news. */
export const composeRollout = ({ target, endpoint, ending }: RolloutNotice): Alert[] => {
  const { verdict, why, back = 'not ours', isTold } = ending;
  if (!isTold) return [];
  const [image, earlier] = [nameOfImage(ending.image), nameOfImage(ending.earlier)];
  const where = `${target}: endpoint ${endpoint}`;
  switch (verdict) {
    case 'broken':
      return [
        back === 'broken'
          ? alert(
              target,
              'critical',
              'RolloutStuck',
              `${where} cannot run ${image}: ${why}. ${backTexts.broken(earlier)}`,
            )
          : alert(target, 'warning', 'RolloutBroken', `${where} refused ${image}: ${why}. ${backTexts[back](earlier)}`),
      ];
    case 'proven':
      return [alert(target, 'info', 'recovered', `${where} runs ${image} and all is well again: ${why}.`)];
    case 'unproved':
      return [
        alert(
          target,
          'warning',
          'RolloutWaiting',
          `${where} has had ${image} for a day, and nothing has shown yet that it works: ${why}.`,
        ),
      ];
    default:
      return [
        alert(
          target,
          'warning',
          'RolloutByHand',
          `${where}: ${image} is not rolled out, for ${why}. That choice stays.`,
        ),
      ];
  }
};

/** Says that an error stopped a rollout, which the next refresh goes on with. */
export const composeStopped = ({ target, endpoint, failure }: z.output<typeof rolloutStoppedSchema>): Alert =>
  alert(
    target,
    'critical',
    'RolloutStopped',
    `${target}: the rollout of endpoint ${endpoint} was stopped by an error, and the next refresh goes on with it: ${messageOfFailure(failure)}`,
  );

/** What a run has found out about endpoints that follow something, or did, where that is news. */
export const composeRolloutNews = ({ target, rollouts = [] }: Outcome): Alert[] =>
  rollouts
    .filter(({ isTold }) => isTold === true)
    .map(({ endpoint, state, why }) => {
      switch (state) {
        case 'current':
          return alert(target, 'info', 'recovered', `${target}: endpoint ${endpoint} has what it wants again: ${why}.`);
        case 'unwatched':
          return alert(
            target,
            'warning',
            'RolloutUnwatched',
            `${target}: no run watches endpoint ${endpoint}, for targets.yml has no rollout for it: ${why}.`,
          );
        default:
          return alert(target, 'warning', 'RolloutWaiting', `${target}: endpoint ${endpoint} waits: ${why}.`);
      }
    });
