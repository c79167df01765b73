import { comfortableMs } from '../functions/lib/report/comfortable.ts';
import type { ShownRefresher } from './view.ts';

/** How a row stands, the worst first. */
export const standings = ['failed', 'expired', 'late', 'degraded', 'unknown', 'well'] as const;
export type Standing = (typeof standings)[number];

type Row = Pick<ShownRefresher, 'endsAt' | 'error' | 'proofs'>;

/** `late`: a token that is not expired, but should have been replaced. */
export const standingOf = ({ endsAt, error, proofs = {} }: Row, now: number): Standing => {
  if ((proofs.failed ?? 0) > 0 || error !== undefined) return 'failed';
  if (endsAt === undefined) return 'unknown';
  if (endsAt <= now) return 'expired';
  if (endsAt - now < comfortableMs) return 'late';
  return (proofs.degraded ?? 0) > 0 ? 'degraded' : 'well';
};

const soonest = ({ endsAt = 0 }: Row): number => endsAt;

/** Rows with the worst first, and of those that stand alike the one whose token ends first. */
export const worstFirst = <Item extends Row>(rows: readonly Item[], now: number): Item[] => {
  const rank = new Map(rows.map((row) => [row, standings.indexOf(standingOf(row, now))]));
  return rows.toSorted((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || soonest(a) - soonest(b));
};

/** The three colours of what is left of a token. */
export const colourOfLeft = (leftMs: number): 'good' | 'warn' | 'bad' =>
  leftMs <= 0 ? 'bad' : leftMs < comfortableMs ? 'warn' : 'good';
