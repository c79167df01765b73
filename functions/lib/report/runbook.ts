import { readFileSync } from 'node:fs';
import type { Log } from '../platform.ts';

/** What to do first, by section of the runbook. */
export type FirstSteps = Readonly<Record<string, string>>;

/** Reads what each section of the runbook says to do, as plain text. */
export const parseFirstSteps = (runbook: string): FirstSteps =>
  Object.fromEntries(
    runbook
      .split(/^### /m)
      .slice(1)
      .map((section) => {
        const [name = ''] = section.split('\n', 1);
        const [, toDo = ''] = /^\*\*Do:\*\* (.+?) *$/m.exec(section) ?? [];
        return [name, toDo.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1').replaceAll('`', '')];
      }),
  );

/** The same of the runbook at the bundle's root. Without it people are still told what happened. */
export const readFirstSteps = (log: Log, path = 'docs/runbook.md'): FirstSteps => {
  try {
    return parseFirstSteps(readFileSync(path, 'utf8'));
  } catch (error) {
    log.error(`The bundle lacks ${path}`, error);
    return {};
  }
};

/**
 * Says what to do about an error, an alarm or a kind of trouble: where its section of the runbook is, or where the runbook
 * has no address, what the section says.
 *
 * @param page the runbook's address; empty where it has none
 */
export const whatToDo = (section: string, page: string, steps: FirstSteps): string => {
  const anchor = section.toLowerCase();
  if (page !== '') return `${page}#${anchor}`;
  const [name, step] = Object.entries(steps).find(([each]) => each.toLowerCase() === anchor) ?? [section, 'see'];
  return `${step} (docs/runbook.md, ${name})`;
};
