import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import { createMintAndStore } from '../bench/guide/lambda.ts';
import { readSettings } from '../functions/lib/env.ts';
import { parseJson } from '../functions/lib/json.ts';
import { messageOf } from '../functions/lib/message-of.ts';
import { reportSchema } from '../functions/lib/report/report.ts';
import { orderSchema } from '../functions/lib/rollout/order.ts';
import type { EngineEvent } from '../runner/engine.ts';
import type { Execution } from '../simulator/aws/step-functions.ts';
import type { SimulatedEndpoint } from '../simulator/runpod/server.ts';
import { region, World } from '../simulator/world.ts';
import { EventLog } from './event-log.ts';
import { outageText, speeds, switchFaults } from './faults.ts';
import { shownMs } from './gaps.ts';
import { composeSentence, type Outage, upstreamOf } from './sentence.ts';
import type { RunRecord, Source, StateDetail } from './source.ts';
import { type Stage, stories, tag } from './stories.ts';
import type { OpenedRun, RunState } from './view.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** The schedule that ships. */
const scheduleMs = readSettings({}).SCHEDULE_HOURS * hourMs;

const ours = 'production';
const guide = 'guide';
const repaired = 'guide-repaired';
const credentials = { [ours]: '6n2k8v4d', [guide]: '9q4m7x2k', [repaired]: '3t8w5z2b' } as const;
type RefresherId = keyof typeof credentials;
const refresherIds = [ours, guide, repaired] as const;
const titles: Record<RefresherId, string> = {
  [ours]: 'production',
  [guide]: 'the guide’s Lambda, as pasted',
  [repaired]: 'the guide’s Lambda, if its call existed',
};

/** Wall milliseconds between two steps of the world's clock. */
const paceMs = 40;
/** A page that hears nothing for three seconds says so. */
const beatMs = 1000;
/** A clock that stands still while a call hangs would stand still for long: calls are given up sooner. */
const upstreamTimeoutSeconds = 0.3;
const linesShown = 6;
const mailsShown = 40;
const repository = 'team/worker';

/** What an image tells of itself in a sentence: the beginning of its digest. */
const shortDigest = (image: string): string =>
  /sha256:([0-9a-f]{8})/.exec(image)?.[1] ?? image.slice(image.lastIndexOf(':') + 1);

const errorOf = (event: object): { error?: string; cause?: string } => {
  const { Error: error, Cause: cause } = event as { Error?: unknown; Cause?: unknown };
  return {
    ...(typeof error === 'string' ? { error } : {}),
    ...(typeof cause === 'string' ? { cause } : {}),
  };
};

const waitSchema = z.object({
  failure: z.optional(z.object({ Error: z.string() })),
  delay: z.object({ failingSince: z.string(), retryAt: z.string() }),
});
const endingSchema = z.object({
  step: z.object({
    ending: z.object({
      verdict: z.string(),
      why: z.string(),
      image: z.string(),
      earlier: z.string(),
      back: z.optional(z.string()),
    }),
  }),
});

/** What is known of a run while it goes. */
interface FollowedRun {
  opened: OpenedRun;
  readonly states: Map<string, RunState>;
  readonly details: Map<string, StateDetail>;
}

/** A world of its own with its switches, shown as it goes. */
export class EmbeddedSource implements Source {
  readonly eventLog: EventLog;
  readonly #world: World;
  readonly #runs = new Map<string, FollowedRun>();
  readonly #repairs = new Map<string, () => void>();
  readonly #endpoints: Record<RefresherId, SimulatedEndpoint>;
  #outage: Outage | undefined;
  #nextRunAt = 0;
  #marks = 0;
  #mails = 0;
  #story = 0;
  #isEnded = false;
  #beatAt = 0;
  #pacing: Promise<void> = Promise.resolve();

  private constructor(world: World) {
    this.#world = world;
    this.eventLog = new EventLog({
      mode: 'embedded',
      title:
        'A simulated AWS and Runpod on this machine: one endpoint that this product keeps, beside two that the Lambda of Runpod’s guide keeps.',
      now: world.clock.now(),
      speed: 60,
      servedAt: Date.now(),
      newestRun: '',
      switches: { runpod: 'well', ecr: 'well', speed: '60' },
      trouble: '',
      sentence: { severity: 'well', pieces: [] },
      caption: '',
    });
    const image = this.#newImage();
    for (const refresher of [guide, repaired] as const)
      world.runpod.addCredential(credentials[refresher], refresher, { username: 'AWS', password: 'never-filled' });
    const add = (id: string, name: string, refresher: RefresherId) =>
      world.runpod.addEndpoint({ id, name, image, registry: credentials[refresher] });
    this.#endpoints = {
      [ours]: add('4m7x2k9q', 'image-generator', ours),
      [guide]: add('7k2m9x4q', 'image-generator-2', guide),
      [repaired]: add('8p3n6y1w', 'image-generator-3', repaired),
    };
  }

  /** Begins a world, and lets it live a day. The guide's endpoints are none of ours. */
  static async begin({ livedHours = 24 }: { livedHours?: number } = {}): Promise<EmbeddedSource> {
    const world = await World.begin({
      startAt: Date.now() - livedHours * hourMs,
      targets: `
targets:
  - name: ${ours}
    ecr: { region: ${region} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${credentials[ours]} }
    endpoints: [{ id: 4m7x2k9q, rollout: { tag: ${tag} } }]
    ignore: [7k2m9x4q, 8p3n6y1w]
`,
      environment: { UPSTREAM_TIMEOUT_SECONDS: String(upstreamTimeoutSeconds), LOG_LISTEN_SECONDS: '0.05' },
    });
    const source = new EmbeddedSource(world);
    source.#listen();
    await source.#begin(livedHours);
    return source;
  }

  async #begin(livedHours: number): Promise<void> {
    const { eventLog } = this;
    const { clock, environment } = this.#world;
    for (const id of refresherIds) {
      eventLog.put('refreshers', { id, title: titles[id], isOurs: id === ours });
      this.#showEndpoint(id);
    }
    this.#fillTokens(clock.now() + 12 * hourMs);
    this.#every(scheduleMs, async () => {
      this.#nextRunAt = clock.now() + scheduleMs;
      this.#world.start({ trigger: 'schedule' });
    });
    this.#everyGuide(guide, `${environment.RUNPOD_REST_URL}/containerregistryauth`);
    this.#everyGuide(repaired, `${environment.RUNPOD_API_URL}/registries`);
    this.#every(90 * minuteMs, async () => this.#replaceWorkers());
    this.#every(3 * minuteMs, async () => this.#giveUpPulling());
    this.#every(hourMs, async () => this.#forget());
    if (livedHours > 0) await clock.advance(livedHours * hourMs);
    this.#showNow();
    this.#pacing = this.#pace();
  }

  /** The guide's Lambda catches every failure and answers 500 to nobody: the failure is seen here alone. */
  #everyGuide(refresher: RefresherId, url: string): void {
    const { clock } = this.#world;
    const mintAndStore = createMintAndStore(this.#world, url, credentials[refresher], upstreamTimeoutSeconds * 1000);
    this.#every(6 * hourMs, async () => {
      const startedAt = clock.now();
      const failure = await clock.work(() => mintAndStore().then(() => undefined, messageOf));
      const run = `${refresher}-${startedAt}`;
      const status = failure === undefined ? 'SUCCEEDED' : 'FAILED';
      const ended = { run, trigger: 'schedule', status, startedAt, endedAt: clock.now() };
      const why = failure === undefined ? {} : { error: failure };
      this.eventLog.put('runs', { id: run, refresher, ...ended, ...why });
      this.#runs.set(run, {
        opened: { ...ended, ...why, machine: 'guide', states: [] },
        states: new Map(),
        details: new Map(),
      });
      const row = this.eventLog.get('refreshers', refresher);
      if (row === undefined) return;
      const { error: _, ...well } = row;
      this.eventLog.put('refreshers', {
        ...well,
        ...(failure === undefined ? {} : { error: { name: 'its Lambda failed', message: failure } }),
      });
    });
  }

  #every(periodMs: number, happen: () => Promise<void>): void {
    const { clock } = this.#world;
    const again = (): void => {
      if (this.#isEnded) return;
      void happen();
      clock.setTimeout(again, periodMs);
    };
    clock.setTimeout(again, 0);
  }

  /** Lets the world's time pass, as much faster than the wall clock as was chosen. */
  async #pace(): Promise<void> {
    const { clock } = this.#world;
    while (!this.#isEnded) {
      await sleep(paceMs);
      const { speed } = this.eventLog.scalars;
      if (speed > 0) await clock.advance(paceMs * speed);
      this.#showNow();
    }
  }

  #showNow(): void {
    const { eventLog } = this;
    const now = this.#world.clock.now();
    this.#showWorkers();
    const wall = Date.now();
    if (wall - this.#beatAt >= beatMs) {
      this.#beatAt = wall;
      eventLog.set({ servedAt: wall });
    }
    const rows = eventLog.all('refreshers').filter(({ isOurs }) => isOurs);
    const { pieces, severity } = composeSentence({
      rows,
      now,
      outage: this.#outage,
      nextRunAt: this.#nextRunAt,
    });
    eventLog.set({ now, sentence: { severity, pieces } });
    eventLog.flush();
  }

  #listen(): void {
    const { eventLog } = this;
    const { stepFunctions, rollouts, sns, runpod, ecr } = this.#world;
    stepFunctions.onEvent = (execution, event) => this.#followRun('refresh', execution, event);
    rollouts.onEvent = (execution, event) => this.#followRun('rollout', execution, event);
    sns.onMessage = ({ subject, text, at }) => {
      this.#mails += 1;
      eventLog.put('mails', { id: `mail-${this.#mails}`, at, subject, text });
      for (const { id } of eventLog.all('mails').slice(0, -mailsShown)) eventLog.remove('mails', id);
    };
    runpod.onStored = ({ credential, token, at }) => {
      const refresher = refresherIds.find((id) => credentials[id] === credential);
      if (refresher !== undefined) this.#showToken(refresher, at, ecr.find(token.password)?.expiresAt ?? at);
    };
  }

  #showToken(refresher: RefresherId, storedAt: number, expiresAt: number): void {
    this.eventLog.put('tokens', { id: `${refresher}-${storedAt}`, refresher, storedAt, expiresAt });
    const row = this.eventLog.get('refreshers', refresher);
    if (row !== undefined) this.eventLog.put('refreshers', { ...row, endsAt: expiresAt });
  }

  #followRun(machine: 'refresh' | 'rollout', execution: Execution, event: EngineEvent): void {
    const { eventLog } = this;
    const { name: run, startedAt } = execution;
    if (event.type === 'ExecutionStarted') this.#beginRun(machine, execution);
    const followed = this.#runs.get(run);
    if (followed === undefined) return;
    if (event.type === 'ExecutionSucceeded' || event.type === 'ExecutionFailed') {
      const status = event.type === 'ExecutionSucceeded' ? 'SUCCEEDED' : 'FAILED';
      const ended = { status, endedAt: this.#world.clock.now(), ...errorOf(event) };
      followed.opened = { ...followed.opened, ...ended };
      if (machine === 'refresh') this.#outage = undefined;
    }
    if ('state' in event) this.#followState(followed, event);
    const { status, endedAt, error } = followed.opened;
    const step = [...followed.states.values()].findLast(({ phase }) => phase === 'active' || phase === 'retried')?.id;
    if (machine === 'rollout') {
      this.#showRollout(followed);
      return;
    }
    const { trigger } = followed.opened;
    eventLog.put('runs', {
      id: run,
      refresher: ours,
      run,
      trigger,
      status,
      startedAt,
      ...(endedAt === undefined ? {} : { endedAt }),
      ...(error === undefined ? {} : { error }),
      ...(status !== 'RUNNING' || step === undefined ? {} : { step }),
    });
  }

  #beginRun(machine: 'refresh' | 'rollout', { name: run, startedAt, input }: Execution): void {
    const { trigger = machine === 'rollout' ? 'an image' : 'manual' } = JSON.parse(input) as { trigger?: string };
    this.#runs.set(run, {
      opened: { run, machine, trigger, status: 'RUNNING', startedAt, states: [] },
      states: new Map(),
      details: new Map([['', { input: parseJson(input) }]]),
    });
    this.eventLog.set({ newestRun: run });
  }

  #followState(
    { opened: { machine }, states, details }: FollowedRun,
    event: Extract<EngineEvent, { state: unknown }>,
  ): void {
    const { name, ...state } = event.state as { name: string; input?: unknown; output?: unknown };
    const phases = {
      StateEntered: 'active',
      StateExited: 'done',
      StateRetried: 'retried',
      StateCaught: 'caught',
    } as const;
    const now = this.#world.clock.now();
    const before = states.get(name);
    const { error } = errorOf(event);
    // What failed is named here alone; whether it is retried or caught is told by the event that follows.
    if (error !== undefined && before !== undefined) states.set(name, { ...before, error });
    const phase = phases[event.type as keyof typeof phases];
    if (phase === undefined) return;
    const isEntered = phase === 'active';
    // That a state was left after it was caught does not make it done.
    const shown = phase === 'done' && before?.phase === 'caught' ? 'caught' : phase;
    const isFailure = phase === 'retried' || phase === 'caught';
    states.set(name, {
      id: name,
      phase: shown,
      visits: (before?.visits ?? 0) + (isEntered ? 1 : 0),
      failures: (before?.failures ?? 0) + (isFailure ? 1 : 0),
      enteredAt: isEntered ? now : (before?.enteredAt ?? now),
      ...(phase === 'done' ? { leftAt: now } : {}),
      ...(before?.error === undefined ? {} : { error: before.error }),
    });
    details.set(name, { ...(isEntered ? {} : details.get(name)), ...state });
    if (name === 'Report' && phase === 'done') this.#showProofs(state.output);
    if (machine !== 'refresh') return;
    const wait = name === 'WaitForUpstream' && isEntered ? z.safeParse(waitSchema, state.input) : undefined;
    if (wait?.success === true) {
      const { failure, delay } = wait.data;
      const upstream = upstreamOf(failure?.Error ?? '');
      this.#outage = { upstream, since: Date.parse(delay.failingSince), retryAt: Date.parse(delay.retryAt) };
    }
    if (name === 'UpdateRunpod' && phase === 'done' && shown === 'done') this.#outage = undefined;
  }

  #showRollout({ opened: { run, startedAt, endedAt, error }, details, states }: FollowedRun): void {
    const order = z.safeParse(orderSchema, details.get('')?.input);
    if (!order.success) return;
    const { endpoint, digest } = order.data;
    const ending = [...details.values()]
      .map(({ input }) => z.safeParse(endingSchema, input))
      .findLast(({ success }) => success);
    const { verdict, why, earlier, back } = ending?.data?.step.ending ?? {};
    const isBack = states.has('RollBack');
    this.eventLog.put('rollouts', {
      id: run,
      refresher: ours,
      endpoint,
      run,
      image: digest,
      startedAt,
      ...(endedAt === undefined ? {} : { endedAt }),
      ...(earlier === undefined ? {} : { earlier }),
      ...(verdict !== undefined ? { verdict } : error === undefined ? {} : { verdict: error }),
      ...(why === undefined ? {} : { why }),
      ...(back !== undefined ? { back } : isBack ? { back: 'under way' } : {}),
    });
    this.#showEndpoint(ours);
  }

  #showProofs(output: unknown): void {
    const report = reportSchema.safeParse((output as { report?: unknown } | undefined)?.report).data;
    const at = this.#world.clock.now();
    for (const { error, proofs, endpoints } of report?.targets ?? []) {
      const row = this.eventLog.get('refreshers', ours);
      if (row !== undefined) {
        const { error: _, proofs: known, ...kept } = row;
        // A run that stored nothing has proven nothing either: what is known stays, with its age.
        const isNews = endpoints.length > 0;
        this.eventLog.put('refreshers', {
          ...kept,
          ...(isNews ? { proofs } : known === undefined ? {} : { proofs: known }),
          ...(error === undefined ? {} : { error }),
        });
      }
      for (const { endpoint, proof, evidence = '' } of endpoints) {
        const known = this.eventLog.get('endpoints', endpoint);
        if (known !== undefined) this.eventLog.put('endpoints', { ...known, proof, evidence, at });
      }
    }
  }

  #showEndpoint(refresher: RefresherId): void {
    const { id, name, image } = this.#endpoints[refresher];
    this.eventLog.put('endpoints', { ...this.eventLog.get('endpoints', id), id, refresher, name, image });
  }

  #newImage(): string {
    return this.#world.push(repository, tag);
  }

  /** Fills the credentials with a token that ends at a time. */
  #fillTokens(expiresAt: number): void {
    const { eventLog } = this;
    const world = this.#world;
    const now = world.clock.now();
    for (const refresher of refresherIds) {
      const credential = world.runpod.credentials.get(credentials[refresher]);
      if (credential === undefined) continue;
      const { password } = world.ecr.mint(world.principal, region, expiresAt);
      credential.token = { username: 'AWS', password };
      // What was stored before is worth nothing any more, and neither are its remaining hours.
      for (const token of eventLog.all('tokens')) {
        if (token.refresher === refresher && token.expiresAt > now)
          eventLog.put('tokens', { ...token, expiresAt: now });
      }
      this.#showToken(refresher, now, Math.max(now, expiresAt));
    }
  }

  /** Requests come and go: each endpoint gets a worker that must pull, and an older one ends. */
  #replaceWorkers(): void {
    for (const endpoint of Object.values(this.#endpoints)) {
      for (const old of endpoint.workers.splice(0, endpoint.workers.length - 1)) old.terminate();
      this.#world.runpod.startWorker(endpoint);
    }
  }

  /** A worker beside us that cannot pull tries for some minutes and no longer: thousands of tries would keep the clock. */
  #giveUpPulling(): void {
    const now = this.#world.clock.now();
    for (const refresher of [guide, repaired] as const) {
      for (const worker of this.#endpoints[refresher].workers)
        if (worker.status === 'INITIALIZING' && now - worker.startedAt > 5 * minuteMs) worker.terminate();
    }
  }

  /** Shows workers whose status or log has changed, and of those that are gone. */
  #showWorkers(): void {
    const { eventLog } = this;
    const own = new Set(Object.values(this.#endpoints).map(({ id }) => id));
    const gone = new Set(eventLog.all('workers').flatMap(({ id, endpoint }) => (own.has(endpoint) ? [id] : [])));
    for (const endpoint of Object.values(this.#endpoints)) {
      for (const { id, status, startedAt, lines } of endpoint.workers) {
        gone.delete(id);
        const known = eventLog.get('workers', id);
        const last = lines.at(-1);
        const isNews =
          known?.status !== status || known.lines.at(-1)?.at !== (last === undefined ? undefined : Date.parse(last.ts));
        if (!isNews) continue;
        const shown = lines.slice(-linesShown).map(({ ts, line }) => ({ at: Date.parse(ts), line }));
        eventLog.put('workers', { id, endpoint: endpoint.id, status, startedAt, lines: shown });
      }
    }
    for (const id of gone) eventLog.remove('workers', id);
  }

  #forget(): void {
    const before = this.#world.clock.now() - shownMs;
    this.eventLog.forget(before);
    for (const [run, { opened }] of this.#runs) if (opened.startedAt < before) this.#runs.delete(run);
    this.#world.forget(2 * dayMs);
    this.#world.runpod.stored.length = 0;
  }

  async run(name: string): Promise<RunRecord | undefined> {
    const followed = this.#runs.get(name);
    if (followed === undefined) return undefined;
    return { opened: { ...followed.opened, states: [...followed.states.values()] }, details: followed.details };
  }

  /** @returns whether there is such a switch, and it has such a position */
  turn(name: string, value: string): boolean {
    if (name === 'push') return this.#push(true);
    if (name === 'push-broken') return this.#push(false);
    if (name === 'story') return this.#tell(value);
    if (name === 'expire') {
      this.#fillTokens(this.#world.clock.now() - 1);
      return true;
    }
    if (name === 'refresh') {
      this.#world.start({ trigger: 'manual' });
      return true;
    }
    if (name === 'speed') {
      if (!speeds.includes(value)) return false;
      this.#hurry(value);
      return true;
    }
    const positions = Object.hasOwn(switchFaults, name) ? switchFaults[name] : undefined;
    if (positions === undefined || !Object.hasOwn(positions, value)) return false;
    this.#switchFault(name, value);
    return true;
  }

  #hurry(speed: string): void {
    this.eventLog.set({ speed: Number(speed), switches: { ...this.eventLog.scalars.switches, speed } });
  }

  /** Pushes an image to the tag that our endpoint follows; the guide's endpoints have its tag, which changes nothing there. */
  #push(isGood: boolean): boolean {
    const { registry, runpod, clock } = this.#world;
    const image = this.#newImage();
    const digest = registry.digestOf(image) ?? '';
    if (!isGood) runpod.programFaults.set(digest, 'cannot start');
    this.#marks += 1;
    const text = `${repository}:${tag} is now ${shortDigest(digest)}${isGood ? '' : ', which cannot start'}`;
    this.eventLog.put('marks', { id: `push-${this.#marks}`, at: clock.now(), text });
    void this.#world.deliverPush(repository, tag);
    return true;
  }

  /** Tells a story: what happens is captioned as it happens, and another story, or the reader, may break in. */
  #tell(name: string): boolean {
    const story = Object.hasOwn(stories, name) ? stories[name] : undefined;
    if (story === undefined) return false;
    this.#story += 1;
    const own = this.#story;
    for (const fault of ['runpod', 'ecr']) this.#switchFault(fault, 'well');
    const play = async (): Promise<void> => {
      for await (const caption of story(this.#stage())) {
        if (own !== this.#story || this.#isEnded) return;
        this.eventLog.set({ caption });
      }
    };
    void play();
    return true;
  }

  #stage(): Stage {
    const { clock, rollouts } = this.#world;
    return {
      clock,
      rollouts: rollouts.executions,
      hurry: (speed) => this.#hurry(speed),
      switchFault: (name, value) => this.#switchFault(name, value),
      pushBroken: () => void this.#push(false),
      mails: () => this.eventLog.all('mails').map(({ id }) => id),
      isReturned: (run) => this.#runs.get(run)?.states.has('RollBack') === true,
    };
  }

  #switchFault(name: string, value: string): void {
    const { eventLog } = this;
    const now = this.#world.clock.now();
    this.#repairs.get(name)?.();
    this.#repairs.delete(name);
    for (const outage of eventLog.all('outages')) {
      if (outage.id.startsWith(`${name}-`) && outage.to === undefined) eventLog.put('outages', { ...outage, to: now });
    }
    eventLog.set({ switches: { ...eventLog.scalars.switches, [name]: value } });
    const fault = switchFaults[name]?.[value];
    if (fault === undefined) return;
    this.#repairs.set(name, this.#world.faults.add(fault));
    eventLog.put('outages', { id: `${name}-${now}`, text: outageText[`${name} ${value}`] ?? value, from: now });
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#pacing;
    await this.#world.end();
  }
}
