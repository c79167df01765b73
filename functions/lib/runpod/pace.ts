/** Waits until the next request to Runpod may be made. */
export type Pace = () => Promise<void>;

/** Of the quota, this is ours; the rest is kept for the key's owner. */
const share = 0.9;

/**
 * Makes a pace that keeps requests to nine tenths of a quota, counted from its beginning. The first few may be made at
 * once, and those after them wait until that is made up for.
 *
 * @param atOnce how many may be made at once
 * @param made how many were made a moment before
 */
export const createPace = (
  { now, sleep }: { readonly now: () => number; readonly sleep: (milliseconds: number) => Promise<void> },
  requestsPerMinute: number,
  atOnce: number,
  made = 0,
): Pace => {
  const spacingMs = 60_000 / (share * requestsPerMinute);
  const beganAt = now();
  let count = made;
  return async () => {
    count += 1;
    const waitMs = count <= atOnce ? 0 : beganAt + count * spacingMs - now();
    if (waitMs > 0) await sleep(waitMs);
  };
};
