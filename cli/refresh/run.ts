import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import { defined } from '../../functions/lib/defined.ts';
import { RunpodUpdateUnsupportedError } from '../../functions/lib/errors.ts';
import { send, sendUntil } from '../../functions/lib/http.ts';
import { messageOf } from '../../functions/lib/message-of.ts';
import type { BasePlatform, Platform } from '../../functions/lib/platform.ts';
import { type Report, reportSchema } from '../../functions/lib/report/report.ts';
import { connectRunpod } from '../../functions/lib/runpod/connect.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { readDefinition } from '../../runner/definition.ts';
import { createEngine, type EngineClock } from '../../runner/engine.ts';
import { type Builders, createInvokeFunction, type FunctionName, functionNames } from '../../runner/functions.ts';
import type { Caller } from '../../stack/caller.ts';
import { CommandError } from '../../stack/failure.ts';
import { findOpenApi, noApi } from '../update-apis.ts';
import { createMemorySeal } from './memory-seal.ts';
import { noMemory } from './no-memory.ts';

/** A run of the state machine in this process. */
interface RefreshRun {
  readonly region: string;
  readonly account: string;
  readonly targets: readonly Target[];
  /** Whether to stop before storing, and say what would have been stored. */
  readonly isDryRun: boolean;
  /** Minutes to be patient with an upstream that keeps failing. */
  readonly patienceMinutes: number;
  /** Told of each call of a function, before and after. */
  readonly onCall: (call: FunctionCall) => void;
  /** Its requests may end with `signal`. */
  readonly platform: BasePlatform;
  /** What a token is stored with instead: once begun, storing goes on to its end. */
  readonly lasting: Pick<BasePlatform, 'settings' | 'send' | 'sleep'>;
  readonly clock: EngineClock;
  /** Ends the run. What is being stored at Runpod is stored to its end. */
  readonly signal: AbortSignal;
}

/** A function that was called for a target. */
export interface FunctionCall {
  readonly name: FunctionName;
  readonly target: string;
  readonly phase: 'begun' | 'ended' | 'failed';
  /** What it answered, or the message of what it threw. */
  readonly answer?: unknown;
}

/** How a dry run ends, instead of storing. The message says what would have been stored. */
export class DryRunEnd extends Error {
  override readonly name = 'DryRunEnd';
}

const text = z.string();
const payloadSchema = z.object({
  name: z.optional(text),
  target: z.optional(z.union([text, z.object({ name: text })])),
});

const targetNameOf = (payload: unknown): string => {
  const { name, target } = z.safeParse(payloadSchema, payload).data ?? {};
  return name ?? (typeof target === 'string' ? target : target?.name) ?? '';
};

const storedSchema = z.object({
  target: z.object({ name: text, runpod: z.object({ apiKey: text, registry: text }) }),
  token: z.object({ expiresAt: text }),
});

/** Finds out whether it could store, and ends there. */
const describeUpdate = (platform: Platform) => {
  const connect = connectRunpod(platform);
  return async (event: unknown): Promise<never> => {
    const { target, token } = storedSchema.parse(event);
    const { registry, apiKey } = target.runpod;
    const { api } = await findOpenApi(connect(apiKey), platform.settings, registry);
    if (api === undefined) throw new RunpodUpdateUnsupportedError(noApi(registry));
    throw new DryRunEnd(
      `Would store a token that is good until ${token.expiresAt} in credential ${registry}, by ${api}.`,
    );
  };
};

/** What only a stack does, for it remembers what it has done. */
const withoutMemory = ({ endpoints, canaryPod: _, ...target }: Target): Target =>
  defined({ ...target, endpoints: endpoints?.map(({ rollout: __, ...endpoint }) => endpoint) });

/** What is not as in the stack: tokens stay in memory, targets are those chosen here, and patience is what was asked for. */
const platformOf = ({ platform, targets, patienceMinutes }: RefreshRun): Platform => ({
  ...platform,
  ...createMemorySeal(),
  memory: noMemory,
  // A refresh from here never rolls anything out, and creates no pod.
  loadTargets: () => targets.map(withoutMemory),
  // It stops being patient half an hour before the next run would begin.
  settings: { ...platform.settings, SCHEDULE_HOURS: (patienceMinutes + 30) / 60 },
});

/** SNS notifies nobody, and a dry run stores nothing. */
const buildersOf = ({ isDryRun }: RefreshRun): Partial<Builders> => ({
  ...(isDryRun ? { 'update-runpod': describeUpdate } : {}),
  notify: () => async () => ({ published: 0 }),
});

/**
 * What functions get from outside when a person's own process runs them.
 *
 * @param signal ends requests and waits
 */
export const ownPlatform = ({ settings }: Caller, now: () => number, signal?: AbortSignal): BasePlatform => ({
  settings,
  now,
  sleep: (milliseconds) => sleep(milliseconds, undefined, defined({ signal })),
  send: signal === undefined ? send : sendUntil(signal),
  // The report says what there is to say.
  log: { info: () => {}, error: () => {} },
  meter: { add: () => {} },
});

/**
 * Runs the state machine that ships in this process, once, against the real AWS and Runpod.
 *
 * @throws {CommandError} it was interrupted, or ended without a report
 */
export const runRefresh = async (run: RefreshRun): Promise<Report> => {
  const { region, account, lasting, clock, onCall, signal } = run;
  const arnOf = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
  const functionArn = (name: string) => arnOf('lambda', `function:${name}`);
  const [platform, builders] = [platformOf(run), buildersOf(run)];
  const invoke = createInvokeFunction(platform, builders);
  const invokeToItsEnd = createInvokeFunction({ ...platform, ...lasting }, builders);
  const storing = new Set<Promise<unknown>>();

  const call = async (resource: string, payload: unknown): Promise<unknown> => {
    const name = functionNames.find((each) => functionArn(each) === resource);
    if (name === undefined) return {};
    if (signal.aborted) throw new CommandError('Interrupted.');
    const subject = { name, target: targetNameOf(payload) };
    onCall({ ...subject, phase: 'begun' });
    const isStoring = name === 'update-runpod';
    const answering = (isStoring ? invokeToItsEnd : invoke)(name, payload);
    if (isStoring) storing.add(answering);
    try {
      const answer = await answering;
      onCall({ ...subject, phase: 'ended', answer });
      return answer;
    } catch (error) {
      onCall({ ...subject, phase: 'failed', answer: messageOf(error) });
      throw error;
    } finally {
      storing.delete(answering);
    }
  };

  const definition = readDefinition({ functionArn, alertTopicArn: arnOf('sns', 'nobody') });
  const name = `here-${new Date(clock.now()).toISOString().replaceAll(/[^\dT]/g, '')}`;
  const id = arnOf('states', `execution:runpod-ecr-refresh-here:${name}`);
  const execution = createEngine(clock, definition, call)({ trigger: 'manual' }, { id, name });
  const stop = (): void => execution.abort();
  signal.addEventListener('abort', stop);

  // A run that fails ends with its verdict; its report is the output of the Report state.
  let report: Report | undefined;
  const following = (async () => {
    for await (const event of execution.events) {
      if (event.type !== 'StateExited' || event.state.name !== 'Report') continue;
      report = z.safeParse(z.object({ report: reportSchema }), event.state.output).data?.report;
    }
  })();
  const failure = await execution.result.then(
    () => undefined,
    (error: unknown) => error,
  );
  await following;
  signal.removeEventListener('abort', stop);
  // An execution that is stopped does not wait for what it has called.
  await Promise.allSettled(storing);
  if (signal.aborted) throw new CommandError('Interrupted.');
  if (report !== undefined) return report;
  throw new CommandError(`The run ended without a report: ${messageOf(failure)}`, { cause: failure });
};
