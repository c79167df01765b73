import { type Document, isMap, isNode, isScalar, isSeq, type LineCounter } from 'yaml';
import type * as z from 'zod/mini';
import { explainIssues, pathOf } from './explain-issues.ts';

/** A mistake in targets.yml, and where it stands. */
export interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/**
 * What looks like a Runpod API key: those of today begin with `rpa_`; older ones are 40 capitals and digits, of which an
 * id of Runpod's has fewer.
 */
const runpodKey = /rpa_\w{16,}|\b(?=[A-Z\d]*\d)(?=\d*[A-Z])[A-Z\d]{40}\b/;

const revoke =
  'Revoke it (console.runpod.io, Settings, API keys), for it has stood in a file; store a new one with npm run setup.';

/** The lines on which a Runpod API key seems to stand, comments included. The key is not repeated. */
export const findPastedKeys = (yaml: string): string[] =>
  yaml
    .split('\n')
    .flatMap((line, index) =>
      runpodKey.test(line)
        ? [`line ${index + 1}: expected no secret, found what looks like a Runpod API key (withheld). ${revoke}`]
        : [],
    );

/** Leaves out of a message what looks like a key, whatever brought it there. */
export const withoutKeys = (text: string): string =>
  text.replaceAll(new RegExp(runpodKey, 'g'), '(withheld)').replaceAll(/rpa_\w+/g, '(withheld)');

/** The line on which the thing at a path stands; where it is missing, that of what should hold it. */
export const lineOf = (document: Document, lines: LineCounter, path: readonly PropertyKey[]): number => {
  let offset = 0;
  let node: unknown = document.contents;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((each) => (isScalar(each.key) ? String(each.key.value) : undefined) === String(key));
      if (pair === undefined) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      if (!isNode(node)) break;
      offset = node.range?.[0] ?? offset;
    } else break;
  }
  return Math.max(1, lines.linePos(offset).line);
};

/** A number was read where a text belongs: `012345678901` without quotes loses its zero, `6e7` becomes sixty million. */
const unquoted = (document: Document, issue: z.core.$ZodIssue): string | undefined => {
  const { code, path, input } = issue;
  const isText = code === 'invalid_union' || (code === 'invalid_type' && issue.expected === 'string');
  if (!isText || !['number', 'bigint', 'boolean'].includes(typeof input)) return undefined;
  const node = document.getIn(path, true);
  const source = isScalar(node) ? node.source : undefined;
  return source === undefined ? undefined : `expected a text, found ${source} without quotes; write "${source}"`;
};

/** What stands where a key's place belongs may be the key. */
const atApiKey = ({ path, input }: z.core.$ZodIssue): boolean =>
  ['apiKey', 'rolloutKey'].includes(String(path.at(-1))) && typeof input === 'string';

/** Says what is wrong with a value of the document. */
export const explainIssue = (document: Document, issue: z.core.$ZodIssue, show: boolean): Mistake => {
  const { path } = issue;
  const text = unquoted(document, issue);
  if (text !== undefined && show) return { path, text: `${pathOf(path)}: ${text}` };
  const [explained = ''] = explainIssues([issue], show && !atApiKey(issue));
  return {
    path,
    text: atApiKey(issue)
      ? `${explained}, found something else (withheld: if it is the key itself, revoke it, for it has stood in a file)`
      : explained,
  };
};
