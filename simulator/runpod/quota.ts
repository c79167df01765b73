import type { Reply } from '../loopback.ts';
import { problem } from './api.ts';

/** Windows of a quota, by name: requests, and seconds. */
type QuotaPolicy = Readonly<Record<string, { readonly requests: number; readonly seconds: number }>>;

/** The example of Runpod's description of October 2026. */
export const examplePolicy: QuotaPolicy = {
  minute: { requests: 60, seconds: 60 },
  hour: { requests: 3000, seconds: 3600 },
  day: { requests: 50_000, seconds: 86_400 },
};

/** Counts the requests of each key, and refuses those beyond its quota. */
export class RequestQuota {
  readonly #policy: QuotaPolicy;
  readonly #counts = new Map<string, { count: number; endsAt: number }>();
  /** The most requests that a window has had, by its name. */
  readonly peaks = new Map<string, number>();

  constructor(policy: QuotaPolicy) {
    this.#policy = policy;
  }

  /** Answers a request where the quota lets it, and says what is left. */
  answer(key: string, now: number, handle: () => Reply): Reply {
    const windows = Object.entries(this.#policy).map(([name, { requests, seconds }]) => {
      const known = this.#counts.get(`${name} ${key}`);
      const window = known === undefined || known.endsAt <= now ? { count: 0, endsAt: now + seconds * 1000 } : known;
      this.#counts.set(`${name} ${key}`, window);
      return { name, requests, seconds, window };
    });
    const exceeded = windows.findLast(({ requests, window }) => window.count >= requests);
    if (exceeded === undefined) for (const { window } of windows) window.count += 1;
    for (const { name, window } of windows) this.peaks.set(name, Math.max(this.peaks.get(name) ?? 0, window.count));
    const secondsLeft = ({ endsAt }: { readonly endsAt: number }): number => Math.ceil((endsAt - now) / 1000);
    const headers = {
      ratelimit: windows
        .map(({ name, requests, window }) => `"${name}";r=${requests - window.count};t=${secondsLeft(window)}`)
        .join(', '),
      'ratelimit-policy': windows
        .map(({ name, requests, seconds }) => `"${name}";q=${requests};w=${seconds}`)
        .join(', '),
    };
    if (exceeded === undefined) {
      const reply = handle();
      return { ...reply, headers: { ...reply.headers, ...headers } };
    }
    const reply = problem(429, 'Too Many Requests', `The quota of this ${exceeded.name} is used up.`);
    return { ...reply, headers: { ...reply.headers, ...headers, 'retry-after': String(secondsLeft(exceeded.window)) } };
  }
}
