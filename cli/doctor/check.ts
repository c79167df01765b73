import { describeFailure } from '../../stack/failure.ts';

/** How a thing that was checked is. */
export interface Finding {
  /** ok: as it should be. warning: works, but a person should know. wrong: it does not work. skipped: could not be checked. */
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
  /** @throws what stands in the way of it; that is then what is wrong */
  readonly run: () => Promise<Finding | readonly Finding[]>;
}

/** Something that another check reads could not be had: what needs it has nothing to check. */
export class NotChecked extends Error {
  override readonly name = 'NotChecked';
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
 * Waits for what another check reads.
 *
 * @param what it is, to stand after "for want of": `a working API key`
 * @throws {NotChecked} it could not be had
 */
export const need = async <Result>(what: string, finding: Promise<Result>): Promise<Result> => {
  try {
    return await finding;
  } catch (error) {
    throw new NotChecked(`not looked at, for want of ${what}.`, { cause: error });
  }
};

/** Runs a check, and finds something whatever happens. */
export const examine = async ({ title, run }: Check): Promise<readonly Finding[]> => {
  try {
    const found = await run();
    return 'mark' in found ? [found] : found;
  } catch (error) {
    if (error instanceof NotChecked) return [skipped(`${title}: ${error.message}`)];
    return [{ mark: 'wrong', text: describeFailure(error) }];
  }
};
