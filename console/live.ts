import { setTimeout as sleep } from 'node:timers/promises';
import { CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { SFNClient } from '@aws-sdk/client-sfn';
import type { TargetMemories } from '../functions/lib/memory/target-memory.ts';
import type { Caller } from '../stack/caller.ts';
import { awsFailure, describeFailure } from '../stack/failure.ts';
import type { DeployedStack } from '../stack/stack.ts';
import { requireStack } from '../stack/stack-state.ts';
import { type Runs, readAlarms, readRuns, targetsOf } from '../stack/status.ts';
import { EventLog, shownMs } from './event-log.ts';
import { readRunHistory } from './run-history.ts';
import { podId, shownPod } from './shown-pod.ts';
import type { Source, StateDetail } from './source.ts';

/** Milliseconds between two checks: a check is about thirty calls to AWS. */
const usualCheckMs = 10_000;
const clockMs = 1_000;
/** More rows than this are no glance. */
const targetsShown = 40;
const metricNames = ['TokenSecondsLeft', 'RefreshSeconds'] as const;
const serviceOf = { TokenSecondsLeft: 'notify', RefreshSeconds: 'report' } as const;

/** The deployed stack, as the caller's own credentials see it. It only reads. */
export class LiveSource implements Source {
  readonly eventLog: EventLog;
  readonly #caller: Caller;
  readonly #stack: DeployedStack;
  readonly #checkMs: number;
  #details: ReadonlyMap<string, StateDetail> = new Map();
  #isEnded = false;
  #checking: Promise<void> = Promise.resolve();

  private constructor(caller: Caller, stack: DeployedStack, checkMs: number) {
    this.#checkMs = checkMs;
    this.#caller = caller;
    this.#stack = stack;
    this.eventLog = new EventLog({
      mode: 'live',
      title: '',
      now: Date.now(),
      speed: 1,
      shownRun: '',
      switches: {},
      trouble: '',
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
      this.eventLog.set({ now: Date.now() });
      this.eventLog.flush();
      await sleep(clockMs, undefined, { ref: false });
    }
  }

  async #check(): Promise<void> {
    const [runs, alarms] = await Promise.all([
      readRuns(this.#caller, this.#stack),
      readAlarms(this.#caller),
      this.#showMetrics(),
    ]);
    for (const { name, isOpen, description } of alarms) this.eventLog.put('alarms', { id: name, isOpen, description });
    this.#showTargets(runs.memories);
    this.#showRuns(runs);
    await this.#showNewestRun(runs);
    this.eventLog.forget(Date.now() - shownMs);
  }

  /** Each target is a row of its own, and its tokens are those that runs on record stored. */
  #showTargets(memories: TargetMemories): void {
    const soonestFirst = targetsOf(memories).toSorted((a, b) => (a.expiresAt ?? '').localeCompare(b.expiresAt ?? ''));
    const shown = soonestFirst.slice(0, targetsShown);
    const names = new Set(shown.map(({ name }) => name));
    for (const { id } of this.eventLog.all('refreshers')) if (!names.has(id)) this.eventLog.remove('refreshers', id);
    const watched = new Set(
      shown.flatMap(({ name, endpoints, canaryPod }) => [
        ...endpoints.map(({ endpoint }) => endpoint),
        ...(canaryPod === undefined ? [] : [podId(name)]),
      ]),
    );
    for (const { id } of this.eventLog.all('endpoints')) if (!watched.has(id)) this.eventLog.remove('endpoints', id);
    const which =
      shown.length < soonestFirst.length
        ? `: the ${shown.length} of ${soonestFirst.length} targets whose tokens end first`
        : '';
    this.eventLog.set({ title: `${this.#caller.stackName} in ${this.#caller.region}, as it is${which}` });
    for (const { name, endpoints, canaryPod, lookedAt } of shown) {
      this.eventLog.put('refreshers', { id: name, title: name });
      for (const { endpoint, proof, evidence = '' } of endpoints) {
        const at = Date.parse(lookedAt ?? '') || 0;
        this.eventLog.put('endpoints', { id: endpoint, refresher: name, name: '', proof, evidence, at });
      }
      if (canaryPod !== undefined)
        this.eventLog.put('endpoints', shownPod(name, canaryPod, Date.parse(lookedAt ?? '') || 0));
    }
    for (const name of names) {
      for (const { storedAt, expiresAt } of memories.get(name)?.runs ?? []) {
        if (storedAt === undefined || expiresAt === undefined) continue;
        this.eventLog.put('tokens', {
          id: `${name}-${storedAt}`,
          refresher: name,
          storedAt: Date.parse(storedAt),
          expiresAt: Date.parse(expiresAt),
        });
      }
    }
  }

  #showRuns({ executions, memories }: Runs): void {
    for (const { name = '', status = '', startDate, stopDate } of executions) {
      const isRemembered = [...memories.values()].some(({ runs }) => runs.some((run) => run.name === name));
      for (const { id } of this.eventLog.all('refreshers')) {
        const run = memories.get(id)?.runs.find((each) => each.name === name);
        if (run === undefined && isRemembered) continue;
        this.eventLog.put('runs', {
          id: `${id} ${name}`,
          refresher: id,
          trigger: run?.trigger ?? '',
          status,
          startedAt: startDate?.getTime() ?? 0,
          ...(stopDate === undefined ? {} : { endedAt: stopDate.getTime() }),
          ...(run?.error === undefined ? {} : { error: run.error }),
        });
      }
    }
  }

  /** Lights up the states of the run that began last. */
  async #showNewestRun({ executions }: Runs): Promise<void> {
    const [newest] = executions.toSorted((a, b) => (b.startDate?.getTime() ?? 0) - (a.startDate?.getTime() ?? 0));
    if (newest?.executionArn === undefined) return;
    const history = await readRunHistory(new SFNClient(this.#caller.aws), newest.executionArn).catch(
      (error: unknown) => {
        throw awsFailure(
          'show what a run did',
          'states:GetExecutionHistory, states:ListMapRuns and kms:Decrypt',
          error,
        );
      },
    );
    this.#details = history.details;
    for (const { id } of this.eventLog.all('states')) {
      if (!history.states.has(id)) this.eventLog.put('states', { id, phase: 'idle', visits: 0 });
    }
    for (const state of history.states.values()) this.eventLog.put('states', state);
    this.eventLog.set({ shownRun: newest.name ?? '' });
  }

  async #showMetrics(): Promise<void> {
    const now = Date.now();
    const command = new GetMetricDataCommand({
      StartTime: new Date(now - 12 * 3_600_000),
      EndTime: new Date(now),
      ScanBy: 'TimestampDescending',
      MetricDataQueries: metricNames.map((name) => ({
        Id: name.charAt(0).toLowerCase() + name.slice(1),
        Label: name,
        MetricStat: {
          Metric: {
            Namespace: 'RunpodEcrRefresh',
            MetricName: name,
            Dimensions: [
              { Name: 'service', Value: serviceOf[name] },
              { Name: 'Stack', Value: this.#caller.stackName },
            ],
          },
          Period: 300,
          Stat: name === 'TokenSecondsLeft' ? 'Minimum' : 'Maximum',
        },
      })),
    });
    const { MetricDataResults = [] } = await new CloudWatchClient(this.#caller.aws)
      .send(command)
      .catch((error: unknown) => {
        throw awsFailure('show the metrics', 'cloudwatch:GetMetricData', error);
      });
    for (const { Label: id = '', Values: [value] = [], Timestamps: [at] = [] } of MetricDataResults) {
      if (value !== undefined && at !== undefined) this.eventLog.put('metrics', { id, value, at: at.getTime() });
    }
  }

  detail(state: string): StateDetail | undefined {
    return this.#details.get(state);
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
