import { existsSync, readFileSync } from 'node:fs';
import { Document, isSeq, parseDocument } from 'yaml';
import { parseTargets, type Target } from '../../functions/lib/targets.ts';

/** Reads a targets file, if there is one. */
export const readTargetsFile = (
  path: string,
): { readonly content: string | undefined; readonly targets: readonly Target[] } => {
  if (!existsSync(path)) return { content: undefined, targets: [] };
  const content = readFileSync(path, 'utf8');
  return { content, targets: parseTargets(content, path) };
};

const heading = ' Which Runpod credentials to keep fresh (README.md, targets.yml). No secrets in here.';

/**
 * Adds a target to a targets file's content. What is there stays as it is, comments included.
 *
 * @throws {ConfigurationError} the content would not be a targets file
 */
export const addTarget = (content: string | undefined, target: Target): string => {
  const document = content === undefined ? new Document({ targets: [] }) : parseDocument(content);
  if (content === undefined) document.commentBefore = heading;
  const list = document.get('targets');
  if (isSeq(list)) list.flow = false;
  document.addIn(['targets'], document.createNode(target));
  const after = document.toString({ lineWidth: 0 });
  parseTargets(after);
  return after;
};
