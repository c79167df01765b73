import type { AnswerHeaders } from '../http.ts';

/** One window of a key's quota, as the last answers told of it. */
interface QuotaWindow {
  readonly name: string;
  left: number;
  /** Epoch milliseconds. */
  readonly resetsAt: number;
  /** Requests that are left to the key's owner; none where the quota is not known. */
  readonly reserve: number;
  readonly quota: number | undefined;
}

/** What of each window is left to the key's owner. */
export const ownersShare = 0.1;
/**
 * A window that ends later than this is used up to its end: 50,000 requests a day that the owner makes must not keep a
 * token of 12 hours from being renewed.
 */
const maxReserveMs = 3_600_000;
const maxWindows = 16;

/** Reads a header's list (RFC 9651), `"minute";r=176;t=12, "hour";r=2800;t=1812`, as far as Runpod's description uses it. */
const readList = (header: string | undefined): Map<string, Map<string, number>> => {
  const members = [...(header ?? '').matchAll(/"([^"\\]{1,64})"((?:\s*;\s*[a-z]\w*=\d{1,15})+)/g)].slice(0, maxWindows);
  return new Map(
    members.map(([, name = '', parameters = '']) => [
      name,
      new Map([...parameters.matchAll(/([a-z]\w*)=(\d+)/g)].map(([, key = '', value]) => [key, Number(value)])),
    ]),
  );
};

/** What Runpod has said of how often one key may ask. */
export class KeyQuota {
  /** Epoch milliseconds until which Runpod does not want to be asked at all. */
  quietUntil = 0;
  readonly #windows = new Map<string, QuotaWindow>();

  /**
   * Notes what an answer says of the quota: `RateLimit` of what is left, `RateLimit-Policy` of what there was. Both are absent
   * for callers without a quota.
   */
  note(headers: AnswerHeaders, now: number): void {
    const policies = readList(headers.get('ratelimit-policy'));
    for (const [name, parameters] of readList(headers.get('ratelimit'))) {
      const [left, seconds] = [parameters.get('r'), parameters.get('t')];
      if (left === undefined || seconds === undefined) continue;
      const known = this.#windows.get(name);
      const isSame = known !== undefined && now < known.resetsAt;
      const quota = policies.get(name)?.get('q') ?? known?.quota;
      this.#windows.set(name, {
        name,
        // Answers to requests that were under way together come in any order.
        left: isSame ? Math.min(known.left, left) : left,
        resetsAt: isSame ? known.resetsAt : now + seconds * 1000,
        reserve: Math.floor((quota ?? 0) * ownersShare),
        quota,
      });
    }
  }

  /** The window that leaves nothing for another request now; of several, the last to end. */
  exhausted(now: number): QuotaWindow | undefined {
    return [...this.#windows.values()]
      .filter(({ left, resetsAt, reserve }) => {
        const waitMs = resetsAt - now;
        return waitMs > 0 && left <= (waitMs > maxReserveMs ? 0 : reserve);
      })
      .sort((one, other) => other.resetsAt - one.resetsAt)[0];
  }

  /** Counts a request that is being made. */
  take(): void {
    for (const each of this.#windows.values()) each.left -= 1;
  }
}
