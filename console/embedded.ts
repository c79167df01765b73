import { setTimeout as sleep } from 'node:timers/promises';
import { createMintAndStore } from '../bench/guide/lambda.ts';
import { reportSchema } from '../functions/lib/report/report.ts';
import type { EngineEvent } from '../runner/engine.ts';
import type { Execution } from '../simulator/aws/step-functions.ts';
import type { FaultEffect } from '../simulator/loopback.ts';
import type { SimulatedEndpoint } from '../simulator/runpod/server.ts';
import { region, World } from '../simulator/world.ts';
import { EventLog, shownMs } from './event-log.ts';
import type { Source, StateDetail } from './source.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const ours = 'ours';
const guide = 'guide';
const credentials = { [ours]: '6n2k8v4d', [guide]: '9q4m7x2k' } as const;
type RefresherId = keyof typeof credentials;

/** Wall milliseconds between two steps of the world's clock. */
const paceMs = 40;
/** A clock that stands still while a call hangs would stand still for long: calls are given up sooner. */
const upstreamTimeoutSeconds = 0.3;
const linesShown = 6;
const mailsShown = 40;

/** The speeds that can be chosen, in simulated seconds a second. */
const speeds = ['0', '1', '60', '600', '3600'];

const refusal = (status: number, headers: Record<string, string> = {}): FaultEffect => ({
  answer: {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ title: 'switched', status, detail: `switched to ${status} in the console` }),
  },
});

/** What Runpod and ECR can be switched to. */
const switchFaults: Readonly<
  Record<string, Readonly<Record<string, { readonly on: RegExp; readonly does: FaultEffect } | undefined>>>
> = {
  runpod: {
    well: undefined,
    '405': { on: /^PATCH \/v2\/registries/, does: refusal(405) },
    '429': {
      on: /^\w+ \/(?:v1|v2\/(?:registries|serverless|templates|pods)|graphql)\b/,
      does: refusal(429, { 'retry-after': '12' }),
    },
    '503': { on: /^\w+ \/(?:v1|v2\/(?:registries|serverless|templates|pods)|graphql)\b/, does: refusal(503) },
    hangs: { on: /^\w+ \/(?:v1|v2\/(?:registries|serverless|templates|pods)|graphql)\b/, does: { hang: true } },
  },
  ecr: {
    well: undefined,
    refuses: {
      on: /GetAuthorizationToken/,
      does: {
        answer: {
          status: 400,
          headers: { 'content-type': 'application/x-amz-json-1.1' },
          body: '{"__type":"AccessDeniedException","message":"switched off in the console"}',
        },
      },
    },
    '503': { on: /GetAuthorizationToken|\/(?:manifests|blobs)\//, does: refusal(503) },
  },
  guide: {
    // Whether Runpod's API v1 has the call that the guide's Lambda makes.
    missing: undefined,
    there: undefined,
  },
};

const outageText: Readonly<Record<string, string>> = {
  'runpod 405': 'Runpod has no update in v2 (405)',
  'runpod 429': 'Runpod asks to slow down (429)',
  'runpod 503': 'Runpod is down (503)',
  'runpod hangs': 'Runpod hangs',
  'ecr refuses': 'ECR refuses to mint',
  'ecr 503': 'ECR is down (503)',
};

/** A world of its own with its switches, shown as it goes. */
export class EmbeddedSource implements Source {
  readonly eventLog: EventLog;
  readonly #world: World;
  readonly #details = new Map<string, StateDetail>();
  readonly #repairs = new Map<string, () => void>();
  readonly #endpoints: Record<RefresherId, SimulatedEndpoint>;
  #images = 0;
  #marks = 0;
  #mails = 0;
  #shownRun = '';
  #isEnded = false;
  #pacing: Promise<void> = Promise.resolve();

  private constructor(world: World) {
    this.#world = world;
    this.eventLog = new EventLog({
      mode: 'embedded',
      title: 'An embedded AWS and Runpod, on this machine',
      now: world.clock.now(),
      speed: 60,
      shownRun: '',
      switches: { runpod: 'well', ecr: 'well', guide: 'missing', speed: '60' },
      trouble: '',
    });
    const image = this.#newImage();
    world.runpod.addCredential(credentials.guide, 'guide', { username: 'AWS', password: 'never-filled' });
    const add = (id: string, name: string, refresher: RefresherId) =>
      world.runpod.addEndpoint({ id, name, image, registry: credentials[refresher] });
    this.#endpoints = {
      [ours]: add('4m7x2k9q', 'image-generator', ours),
      [guide]: add('7k2m9x4q', 'image-generator-2', guide),
    };
  }

  /** Begins a world in which both refreshers have just started. The guide's endpoint is none of ours. */
  static async begin(): Promise<EmbeddedSource> {
    const world = await World.begin({
      targets: `
targets:
  - name: production
    ecr: { region: ${region} }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: ${credentials[ours]} }
    ignore: [7k2m9x4q]
`,
      environment: { UPSTREAM_TIMEOUT_SECONDS: String(upstreamTimeoutSeconds), LOG_LISTEN_SECONDS: '0.05' },
    });
    const source = new EmbeddedSource(world);
    source.#listen();
    source.#begin();
    return source;
  }

  #begin(): void {
    const { eventLog } = this;
    const { clock } = this.#world;
    eventLog.put('refreshers', { id: ours, title: 'runpod-ecr-refresh' });
    eventLog.put('refreshers', { id: guide, title: 'the guide’s Lambda' });
    this.#fillTokens(clock.now() + 12 * hourMs);
    for (const refresher of [ours, guide] as const) this.#showEndpoint(refresher);
    const mintAndStore = createMintAndStore(
      this.#world,
      `${this.#world.environment.RUNPOD_REST_URL}/containerregistryauth`,
      credentials.guide,
      upstreamTimeoutSeconds * 1000,
    );
    this.#every(5 * hourMs, async () => void this.#world.start({ trigger: 'schedule' }));
    // It catches every failure and answers 500 to nobody.
    this.#every(6 * hourMs, async () => {
      const at = clock.now();
      const status = await clock.work(() =>
        mintAndStore().then(
          () => 'SUCCEEDED',
          () => 'FAILED',
        ),
      );
      this.eventLog.put('runs', {
        id: `guide-${at}`,
        refresher: guide,
        trigger: 'schedule',
        status,
        startedAt: at,
        endedAt: clock.now(),
      });
    });
    this.#every(90 * minuteMs, async () => this.#replaceWorkers());
    this.#every(hourMs, async () => this.#forget());
    this.#pacing = this.#pace();
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
      this.#showWorkers();
      this.eventLog.set({ now: clock.now() });
      this.eventLog.flush();
    }
  }

  #listen(): void {
    const { eventLog } = this;
    this.#world.stepFunctions.onEvent = (execution, event) => this.#followRun(execution, event);
    this.#world.sns.onMessage = ({ subject, text, at }) => {
      this.#mails += 1;
      eventLog.put('mails', { id: `mail-${this.#mails}`, at, subject, text });
      for (const { id } of eventLog.all('mails').slice(0, -mailsShown)) eventLog.remove('mails', id);
    };
    this.#world.runpod.onStored = ({ credential, token, at }) => {
      const refresher = credential === credentials.guide ? guide : ours;
      const expiresAt = this.#world.ecr.find(token.password)?.expiresAt ?? at;
      eventLog.put('tokens', { id: `${refresher}-${at}`, refresher, storedAt: at, expiresAt });
    };
  }

  #followRun(execution: Execution, event: EngineEvent): void {
    const { eventLog } = this;
    const { name: id, startedAt } = execution;
    if (event.type === 'ExecutionStarted') {
      this.#shownRun = id;
      this.#details.clear();
      eventLog.set({ shownRun: id });
      for (const state of eventLog.all('states')) eventLog.put('states', { ...state, phase: 'idle', visits: 0 });
      const { trigger = 'manual' } = JSON.parse(execution.input) as { trigger?: string };
      eventLog.put('runs', { id, refresher: ours, trigger, status: 'RUNNING', startedAt });
    }
    if (event.type === 'ExecutionSucceeded' || event.type === 'ExecutionFailed') this.#endRun(execution, event);
    if (id === this.#shownRun && 'state' in event) this.#followState(event);
  }

  #endRun(
    { name: id }: Execution,
    event: Extract<EngineEvent, { type: 'ExecutionSucceeded' | 'ExecutionFailed' }>,
  ): void {
    const run = this.eventLog.get('runs', id);
    if (run === undefined) return;
    const status = event.type === 'ExecutionSucceeded' ? 'SUCCEEDED' : 'FAILED';
    const error = event.type === 'ExecutionFailed' ? { error: event.Error } : {};
    this.eventLog.put('runs', { ...run, status, endedAt: this.#world.clock.now(), ...error });
  }

  #followState(event: Extract<EngineEvent, { state: unknown }>): void {
    const { name, ...state } = event.state as { name: string; input?: unknown; output?: unknown };
    const before = this.eventLog.get('states', name);
    const visits = before?.visits ?? 0;
    const phases = {
      StateEntered: 'active',
      StateExited: 'done',
      StateRetried: 'retried',
      StateCaught: 'caught',
    } as const;
    const phase = phases[event.type as keyof typeof phases];
    if (phase === undefined) return;
    const isEntered = phase === 'active';
    // That a state was left after it was caught does not make it done.
    const shown = phase === 'done' && before?.phase === 'caught' ? 'caught' : phase;
    this.eventLog.put('states', { id: name, phase: shown, visits: isEntered ? visits + 1 : visits });
    this.#details.set(name, { ...this.#details.get(name), ...state });
    if (name === 'Report' && phase === 'done') this.#showProofs(state.output);
  }

  #showProofs(output: unknown): void {
    const report = reportSchema.safeParse((output as { report?: unknown } | undefined)?.report).data;
    const at = this.#world.clock.now();
    for (const { endpoints } of report?.targets ?? []) {
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
    this.#images += 1;
    return this.#world.push('team/worker', `v${this.#images}`);
  }

  /** Fills both credentials with a token that ends at a time. */
  #fillTokens(expiresAt: number): void {
    const { eventLog } = this;
    const world = this.#world;
    const now = world.clock.now();
    for (const refresher of [ours, guide] as const) {
      const credential = world.runpod.credentials.get(credentials[refresher]);
      if (credential === undefined) continue;
      const { password } = world.ecr.mint(world.principal, region, expiresAt);
      credential.token = { username: 'AWS', password };
      // What was stored before is worth nothing any more, and neither are its remaining hours.
      for (const token of eventLog.all('tokens')) {
        if (token.refresher === refresher && token.expiresAt > now)
          eventLog.put('tokens', { ...token, expiresAt: now });
      }
      eventLog.put('tokens', {
        id: `${refresher}-${now}`,
        refresher,
        storedAt: now,
        expiresAt: Math.max(now, expiresAt),
      });
    }
  }

  /** Requests come and go: each endpoint gets a worker that must pull, and an older one ends. */
  #replaceWorkers(): void {
    for (const endpoint of Object.values(this.#endpoints)) {
      for (const old of endpoint.workers.splice(0, endpoint.workers.length - 1)) old.terminate();
      this.#world.runpod.startWorker(endpoint);
    }
  }

  /** Shows workers whose status or log has changed, and of those that are gone. */
  #showWorkers(): void {
    const { eventLog } = this;
    const gone = new Set(eventLog.all('workers').map(({ id }) => id));
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
    this.eventLog.forget(this.#world.clock.now() - shownMs);
    this.#world.forget(2 * dayMs);
    this.#world.runpod.stored.length = 0;
  }

  detail(state: string): StateDetail | undefined {
    return this.#details.get(state);
  }

  /** @returns whether there is such a switch, and it has such a position */
  turn(name: string, value: string): boolean {
    const { eventLog } = this;
    if (name === 'push') return this.#push();
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
      eventLog.set({ speed: Number(value) });
    } else {
      const positions = Object.hasOwn(switchFaults, name) ? switchFaults[name] : undefined;
      if (positions === undefined || !Object.hasOwn(positions, value)) return false;
      this.#switchFault(name, value);
    }
    eventLog.set({ switches: { ...eventLog.scalars.switches, [name]: value } });
    return true;
  }

  #push(): boolean {
    const image = this.#newImage();
    this.#marks += 1;
    this.eventLog.put('marks', { id: `push-${this.#marks}`, at: this.#world.clock.now(), text: image });
    for (const refresher of [ours, guide] as const) {
      this.#world.runpod.release(this.#endpoints[refresher], image);
      this.#showEndpoint(refresher);
    }
    const [, tag = ''] = /:([^:]+)$/.exec(image) ?? [];
    void this.#world.deliverPush('team/worker', tag);
    return true;
  }

  #switchFault(name: string, value: string): void {
    const { eventLog } = this;
    const now = this.#world.clock.now();
    this.#repairs.get(name)?.();
    this.#repairs.delete(name);
    for (const outage of eventLog.all('outages')) {
      if (outage.id.startsWith(`${name}-`) && outage.to === undefined) eventLog.put('outages', { ...outage, to: now });
    }
    if (name === 'guide') this.#world.runpod.offers.v1 = value === 'there';
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
