import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FirstSteps, parseFirstSteps, whatToDo } from '../functions/lib/report/runbook.ts';

const path = 'docs/runbook.md';

/** Where each kind of forge shows a file of its default branch. */
const viewOf = (host: string): string => {
  if (host.includes('gitlab')) return '-/blob/HEAD';
  return host.includes('bitbucket') ? 'src/HEAD' : 'blob/HEAD';
};

/**
 * The page of the runbook in the repository that a clone came from. Credentials in the remote's URL are left out.
 *
 * @param origin what `git remote get-url origin` answers
 * @returns `undefined` where it is no address of a forge
 */
export const runbookPage = (origin: string): string | undefined => {
  const remote = /^(?:(?:https?|ssh|git):\/\/(?:[^@/]*@)?|[^@/\s]+@)([\w.-]+)(?::\d+)?[:/]([\w./~-]+?)(?:\.git)?\/?$/;
  const [, host, repository] = remote.exec(origin.trim()) ?? [];
  if (host === undefined || repository === undefined || !repository.includes('/')) return undefined;
  return `https://${host}/${repository}/${viewOf(host)}/${path}`;
};

/** What `origin` of the clone at a folder is; empty where there is no clone, no such remote, or no git. */
export const readOrigin = (folder: string): string => {
  try {
    const words = ['-C', folder, 'config', '--get', 'remote.origin.url'];
    return execFileSync('git', words, { encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
};

/**
 * What to do first, by section of the runbook: its address, or where there is none, what the section says.
 *
 * @param page the runbook's address; empty where it has none
 */
export const readFirstSteps = (folder: string, page: string): FirstSteps => {
  const steps = parseFirstSteps(readFileSync(join(folder, path), 'utf8'));
  return Object.fromEntries(Object.keys(steps).map((name) => [name, whatToDo(name, page, steps)]));
};
