import type { ShownToken } from './view.ts';

/** What was over longer ago than this is not shown. */
export const shownMs = 8 * 24 * 3_600_000;

/** A stretch of time without a token that is good. */
interface Gap {
  readonly from: number;
  readonly to: number;
}

/** When a refresher's token had expired, until now. */
export const gapsOf = (tokens: readonly ShownToken[], now: number): Gap[] => {
  const sorted = tokens.toSorted((a, b) => a.storedAt - b.storedAt);
  const gaps: Gap[] = [];
  let goodUntil = sorted[0]?.storedAt ?? now;
  for (const { storedAt, expiresAt } of sorted) {
    if (storedAt > goodUntil) gaps.push({ from: goodUntil, to: storedAt });
    goodUntil = Math.max(goodUntil, expiresAt);
  }
  // One that was made to expire ends whatever was before it.
  const last = sorted.at(-1);
  const end = last === undefined ? now : last.expiresAt;
  if (now > end) gaps.push({ from: Math.max(end, gaps.at(-1)?.to ?? end), to: now });
  return gaps.filter(({ from, to }) => to - from > 1000);
};

/** How long a refresher was without pulls, and over how long that is known. Milliseconds. */
export const lossOf = (tokens: readonly ShownToken[], now: number): { lostMs: number; spanMs: number } => {
  const from = Math.max(now - shownMs, Math.min(now, ...tokens.map(({ storedAt }) => storedAt)));
  const lostMs = gapsOf(tokens, now).reduce((sum, gap) => sum + Math.max(0, gap.to - Math.max(gap.from, from)), 0);
  return { lostMs, spanMs: now - from };
};
