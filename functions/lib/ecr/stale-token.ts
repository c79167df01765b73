import { TokenStaleError } from '../errors.ts';
import { isoSeconds } from '../platform.ts';
import { minLifeMs } from './mint-token.ts';

/** A redriven execution brings back the token of its first try: what was minted longer ago is minted anew. */
const maxAgeMs = 15 * 60_000;
/** So many times it is minted anew: a token that is too old a third time will be so a fourth. */
const maxStaleTimes = 2;

/**
 * Whether a token is too old to be stored, or ends too soon.
 *
 * @param staleTimes how many times in this run one was already
 * @throws {TokenStaleError} as those before it were
 */
export const isStale = (
  { mintedAt, expiresAt }: { readonly mintedAt: number; readonly expiresAt: number },
  staleTimes: number,
  now: number,
): boolean => {
  if (now - mintedAt <= maxAgeMs && expiresAt - now >= minLifeMs - maxAgeMs) return false;
  if (staleTimes < maxStaleTimes) return true;
  throw new TokenStaleError(
    `Three tokens in a row were minted more than ${maxAgeMs / 60_000} min before they could be stored, or end too soon; the last at ${isoSeconds(mintedAt)}. The old token stays in Runpod. Look in the execution for what takes so long, and start a run by hand.`,
  );
};
