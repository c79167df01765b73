import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import * as z from 'zod/mini';
import { defined } from '../functions/lib/defined.ts';
import { lastSeen, type TargetMemories, type TargetMemory } from '../functions/lib/memory/target-memory.ts';
import { consoleLink } from '../functions/lib/report/messages.ts';
import { executionNameOf } from '../functions/lib/rollout/order.ts';
import type { RolloutRecord } from '../functions/lib/rollout/record.ts';
import type { Caller } from '../stack/caller.ts';
import { awsFailure, describeFailure } from '../stack/failure.ts';
import { readRollouts } from '../stack/rollouts.ts';
import type { DeployedStack } from '../stack/stack.ts';
import { requireStack } from '../stack/stack-state.ts';
import { periodOf, type Runs, readRuns, readSurroundings, troublesOfStack } from '../stack/status.ts';
import { EventLog } from './event-log.ts';
import { shownMs } from './gaps.ts';
import { type RunHistory, readRunHistory } from './run-history.ts';
import { composeSentence, type Outage, upstreamOf } from './sentence.ts';
import { podId, shownPod } from './shown-pod.ts';
import type { RunRecord, Source } from './source.ts';
import type { OpenedRun } from './view.ts';

/** Milliseconds between two checks: a check is about thirty calls to AWS. */
const usualCheckMs = 10_000;
const clockMs = 1_000;

const waitSchema = z.object({
  failure: z.optional(z.object({ Error: z.string() })),
  delay: z.object({ failingSince: z.string(), retryAt: z.string() }),
});

const timeOf = (text: string | undefined): number | undefined => {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? undefined : at;
};

/** What a run waits for, where it waits. */
const outageOf = ({ states, details }: RunHistory): Outage | undefined => {
  if (states.get('WaitForUpstream')?.phase !== 'active') return undefined;
  const wait = z.safeParse(waitSchema, details.get('WaitForUpstream')?.input);
  const [since, retryAt] = [timeOf(wait.data?.delay.failingSince), timeOf(wait.data?.delay.retryAt)];
  if (since === undefined || retryAt === undefined) return undefined;
  return { upstream: upstreamOf(wait.data?.failure?.Error ?? ''), since, retryAt };
};

/** The deployed stack, as the caller's own credentials see it. It only reads. */
export class LiveSource implements Source {
  readonly eventLog: EventLog;
  readonly #caller: Caller;
  readonly #stack: DeployedStack;
  readonly #checkMs: number;
  #outage: Outage | undefined;
  #nextRunAt: number | undefined;
  #troubles: readonly string[] = [];
  #isEnded = false;
  #checking: Promise<void> = Promise.resolve();

  private constructor(caller: Caller, stack: DeployedStack, checkMs: number) {
    this.#checkMs = checkMs;
    this.#caller = caller;
    this.#stack = stack;
    this.eventLog = new EventLog({
      mode: 'live',
      title: `${caller.stackName} in ${caller.region}, as it is deployed`,
      now: Date.now(),
      speed: 1,
      servedAt: Date.now(),
      newestRun: '',
      switches: {},
      trouble: '',
      sentence: { severity: 'warning', pieces: [] },
      caption: '',
    });
  }

  /**
   * @param checkMs milliseconds between two checks
   * @throws {CommandError} there is no such stack, or AWS refused or did not answer
   */
  static async begin(caller: Caller, checkMs = usualCheckMs): Promise<LiveSource> {
    const source = new LiveSource(caller, await requireStack(caller), checkMs);
    await source.#check();
    source.#checking = Promise.all([source.#keepChecking(), source.#keepTime()]).then(() => undefined);
    return source;
  }

  async #keepChecking(): Promise<void> {
    while (!this.#isEnded) {
      await sleep(this.#checkMs, undefined, { ref: false });
      // What cannot be read is said on the page, and read again.
      await this.#check().then(
        () => this.eventLog.set({ trouble: '' }),
        (error: unknown) => this.eventLog.set({ trouble: describeFailure(error) }),
      );
    }
  }

  async #keepTime(): Promise<void> {
    while (!this.#isEnded) {
      this.#showNow();
      await sleep(clockMs, undefined, { ref: false });
    }
  }

  #showNow(): void {
    const now = Date.now();
    const rows = this.eventLog.all('refreshers');
    const [outage, nextRunAt, troubles] = [this.#outage, this.#nextRunAt, this.#troubles];
    const sentence = composeSentence({ rows, now, outage, nextRunAt, troubles });
    this.eventLog.set({ now, servedAt: now, sentence });
    this.eventLog.flush();
  }

  async #check(): Promise<void> {
    const [runs, surroundings, rollouts] = await Promise.all([
      readRuns(this.#caller, this.#stack),
      readSurroundings(this.#caller),
      readRollouts(this.#caller, this.#stack),
    ]);
    const { alarms, schedule } = surroundings;
    for (const { name, isOpen, description } of alarms)
      this.eventLog.put('alarms', { id: name, isOpen, description, link: this.#alarmLink(name) });
    for (const [name, memory] of runs.memories) this.#showTarget(name, memory);
    for (const { id } of this.eventLog.all('refreshers'))
      if (!runs.memories.has(id)) this.eventLog.remove('refreshers', id);
    for (const [endpoint, record] of rollouts) this.#showRollout(endpoint, record);
    this.#showRuns(runs);
    await this.#lookAtNewest(runs);
    this.#nextRunAt = this.#nextRun(runs.memories, periodOf(schedule?.expression ?? ''));
    this.#troubles = troublesOfStack(surroundings, this.#caller).map(({ text }) => text);
    this.eventLog.forget(Date.now() - shownMs);
    this.#showNow();
  }

  #nextRun(memories: TargetMemories, periodMs: number | undefined): number | undefined {
    const begun = [...memories.values()]
      .flatMap(({ runs }) => runs.filter(({ trigger }) => trigger === 'schedule'))
      .map(({ startedAt }) => Date.parse(startedAt));
    const newest = begun.reduce((last, each) => Math.max(last, each), 0);
    return periodMs === undefined || newest === 0 ? undefined : newest + periodMs;
  }

  /** A target is a row of its own, with what the runs on record came to for it, and the tokens that they stored. */
  #showTarget(name: string, memory: TargetMemory): void {
    const { expiresAt, heldSince, last, runs } = memory;
    const { eventLog } = this;
    const { error, canaryPod } = last?.outcome ?? {};
    // A run that stored nothing has proven nothing either: what was seen before stays, with its age.
    const { at: seenAt, proofs, endpoints } = { endpoints: [], ...lastSeen(memory) };
    eventLog.put(
      'refreshers',
      defined({ id: name, title: name, isOurs: true, endsAt: timeOf(expiresAt), error, proofs }),
    );
    const pod = canaryPod === undefined ? [] : [podId(name)];
    const named = new Set([...endpoints.map(({ endpoint }) => endpoint), ...pod]);
    for (const { id, refresher } of eventLog.all('endpoints'))
      if (refresher === name && !named.has(id)) eventLog.remove('endpoints', id);
    for (const { endpoint, proof, evidence = '' } of endpoints)
      eventLog.put('endpoints', { id: endpoint, refresher: name, name: '', proof, evidence, at: timeOf(seenAt) ?? 0 });
    if (canaryPod !== undefined) eventLog.put('endpoints', shownPod(name, canaryPod, timeOf(last?.at) ?? 0));
    const stored = runs.flatMap((run) => {
      const [storedAt, end] = [timeOf(run.storedAt), timeOf(run.expiresAt)];
      return storedAt === undefined || end === undefined ? [] : [{ storedAt, expiresAt: end }];
    });
    // The runs on record may have stored none, while the token of an earlier one is still held.
    const [held, end] = [timeOf(heldSince), timeOf(expiresAt)];
    if (stored.length === 0 && held !== undefined && end !== undefined) stored.push({ storedAt: held, expiresAt: end });
    for (const token of stored) eventLog.put('tokens', { id: `${name}-${token.storedAt}`, refresher: name, ...token });
    for (const run of runs) {
      eventLog.put(
        'runs',
        defined({
          id: `${name} ${run.name}`,
          refresher: name,
          run: run.name,
          trigger: run.trigger,
          // What it came to for this target; the run as a whole may have ended otherwise.
          status: run.error === undefined ? 'SUCCEEDED' : 'FAILED',
          startedAt: Date.parse(run.startedAt),
          endedAt: Date.parse(run.endedAt),
          error: run.error,
        }),
      );
    }
  }

  /**
   * Runs that have not come to their report concern every target, for all that is known, that there was when they began.
   * Those of a target that is gone are remembered by none: they concern no other.
   */
  #showRuns({ executions, memories }: Runs): void {
    const remembered = new Set([...memories.values()].flatMap(({ runs }) => runs.map(({ name }) => name)));
    const known = new Set([...memories].flatMap(([target, { runs }]) => runs.map(({ name }) => `${target} ${name}`)));
    const shown = new Set<string>();
    for (const { name = '', status = '', startDate, stopDate } of executions) {
      if (remembered.has(name) || status === 'SUCCEEDED') continue;
      for (const [refresher, { runs }] of memories) {
        const first = Date.parse(runs.at(-1)?.startedAt ?? '');
        if (status !== 'RUNNING' && !((startDate?.getTime() ?? 0) > first)) continue;
        shown.add(`${refresher} ${name}`);
        this.eventLog.put(
          'runs',
          defined({
            id: `${refresher} ${name}`,
            refresher,
            run: name,
            trigger: '',
            status,
            startedAt: startDate?.getTime() ?? 0,
            endedAt: stopDate?.getTime(),
          }),
        );
      }
    }
    // One that has come to its report without a target does not concern it, whatever a check between the two has seen.
    for (const { id, run, trigger, status } of this.eventLog.all('runs')) {
      const isGuess = status === 'RUNNING' || (trigger === '' && remembered.has(run));
      if (isGuess && !known.has(id) && !shown.has(id)) this.eventLog.remove('runs', id);
    }
  }

  /** What the run that began last waits for, and which it is. */
  async #lookAtNewest({ executions }: Runs): Promise<void> {
    const [newest] = executions.toSorted((a, b) => (b.startDate?.getTime() ?? 0) - (a.startDate?.getTime() ?? 0));
    if (newest?.executionArn === undefined) return;
    this.#outage = newest.status === 'RUNNING' ? outageOf(await this.#readHistory(newest.executionArn)) : undefined;
    this.eventLog.set({ newestRun: newest.name ?? '' });
  }

  #readHistory(executionArn: string): Promise<RunHistory> {
    return readRunHistory(new SFNClient(this.#caller.aws), executionArn).catch((error: unknown) => {
      const permissions = 'states:GetExecutionHistory, states:ListMapRuns and kms:Decrypt';
      throw awsFailure('show what a run did', permissions, error);
    });
  }

  #showRollout(endpoint: string, { current, ended, given, earlier, previous }: RolloutRecord): void {
    const refresher = this.eventLog.get('endpoints', endpoint)?.refresher;
    if (refresher === undefined) return;
    const put = (
      attempt: number,
      digest: string,
      more: Omit<Parameters<typeof this.eventLog.put<'rollouts'>>[1], 'id' | 'refresher' | 'endpoint' | 'run'>,
    ) =>
      this.eventLog.put('rollouts', {
        id: `${endpoint} ${attempt}`,
        refresher,
        endpoint,
        run: executionNameOf({ endpoint, digest, attempt }),
        ...more,
      });
    // Another execution has gone on with what one had begun, or its end was overtaken between two checks.
    for (const { id, endpoint: of, endedAt } of this.eventLog.all('rollouts'))
      if (of === endpoint && endedAt === undefined && id !== `${endpoint} ${current?.attempt}`)
        this.eventLog.remove('rollouts', id);
    if (ended !== undefined) {
      const givenAt = given.findLast(({ digest, at }) => digest === ended.digest && at <= ended.at)?.at ?? ended.at;
      const { verdict, why, back } = ended;
      put(
        ended.attempt,
        ended.digest,
        defined({
          image: ended.image,
          // What works is what the next rollout comes back to.
          earlier: (earlier.image === ended.image ? previous : earlier)?.image,
          startedAt: givenAt,
          endedAt: ended.at,
          verdict,
          why,
          back,
        }),
      );
    }
    if (current !== undefined) {
      const back = current.phase === 'returning' ? 'under way' : undefined;
      put(
        current.attempt,
        current.digest,
        defined({ image: current.image, earlier: current.earlier.image, startedAt: current.startedAt, back }),
      );
    }
  }

  #alarmLink(name: string): string {
    const page = new URL(consoleLink(this.#stack.stateMachine));
    page.pathname = '/cloudwatch/home';
    page.hash = `alarmsV2:alarm/${encodeURIComponent(name)}`;
    return page.href;
  }

  /** @throws {CommandError} AWS refused, or did not answer */
  async run(name: string): Promise<RunRecord | undefined> {
    if (!/^[\w-]{1,80}$/.test(name)) return undefined;
    const isRollout = this.eventLog.all('rollouts').some(({ run }) => run === name);
    const machine = isRollout ? this.#stack.rolloutMachine : this.#stack.stateMachine;
    if (machine === undefined) return undefined;
    // An alias' ARN ends in its name, and an execution's ARN has that of the machine alone.
    const executionArn = `${machine.replace(':stateMachine:', ':execution:').split(':').slice(0, 7).join(':')}:${name}`;
    const described = await new SFNClient(this.#caller.aws)
      .send(new DescribeExecutionCommand({ executionArn }))
      .catch((error: unknown) => {
        if (error instanceof Error && error.name === 'ExecutionDoesNotExist') return undefined;
        throw awsFailure('show a run', 'states:DescribeExecution', error);
      });
    if (described === undefined) return undefined;
    const { states, details } = await this.#readHistory(executionArn);
    const { status = '', startDate, stopDate, error, cause } = described;
    const trigger = this.eventLog.all('runs').find(({ run }) => run === name)?.trigger ?? '';
    const opened: OpenedRun = defined({
      run: name,
      machine: isRollout ? ('rollout' as const) : ('refresh' as const),
      trigger,
      status,
      startedAt: startDate?.getTime() ?? 0,
      endedAt: stopDate?.getTime(),
      error,
      cause,
      link: consoleLink(executionArn),
      states: [...states.values()],
    });
    return { opened, details };
  }

  /** An account has no switches here: nothing can be changed from the page. */
  turn(): boolean {
    return false;
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await Promise.race([this.#checking, sleep(100)]);
  }
}
