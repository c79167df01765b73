import { describeFailure } from '../../stack/failure.ts';

/** How a thing that was checked is. */
export interface Finding {
  /** ok: as it should be. warning: works, but somebody should know. wrong: it does not work. skipped: could not be looked at. */
  readonly mark: 'ok' | 'warning' | 'wrong' | 'skipped';
  readonly text: string;
  /** What to do about it, where something is to be done. */
  readonly remedy?: string;
}

/** Something that can be wrong. */
export interface Check {
  /** What it concerns: AWS, a target's name, or the deployment. */
  readonly group: string;
  readonly title: string;
  /** @throws what stands in the way of looking; that is then what is wrong */
  readonly look: () => Promise<Finding | readonly Finding[]>;
}

/** Something that another check looks after could not be had: whoever needs it has nothing to look at. */
export class NotLooked extends Error {
  override readonly name = 'NotLooked';
}

export const ok = (text: string): Finding => ({ mark: 'ok', text });
export const warning = (text: string, remedy: string): Finding => ({ mark: 'warning', text, remedy });
export const wrong = (text: string, remedy: string): Finding => ({ mark: 'wrong', text, remedy });
export const skipped = (text: string): Finding => ({ mark: 'skipped', text });

/** Finds a thing out once, however many checks ask. */
export const once = <Result>(find: () => Promise<Result>): (() => Promise<Result>) => {
  let found: Promise<Result> | undefined;
  return () => {
    found ??= find();
    return found;
  };
};

/**
 * Waits for what another check looks after.
 *
 * @param what it is, to stand after "for want of": `a working API key`
 * @throws {NotLooked} it could not be had
 */
export const need = async <Result>(what: string, finding: Promise<Result>): Promise<Result> => {
  try {
    return await finding;
  } catch (error) {
    throw new NotLooked(`not looked at, for want of ${what}.`, { cause: error });
  }
};

/** Looks, and finds something whatever happens. */
export const examine = async ({ title, look }: Check): Promise<readonly Finding[]> => {
  try {
    const found = await look();
    return 'mark' in found ? [found] : found;
  } catch (error) {
    if (error instanceof NotLooked) return [skipped(`${title}: ${error.message}`)];
    return [{ mark: 'wrong', text: describeFailure(error) }];
  }
};
