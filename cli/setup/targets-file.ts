import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Document, isSeq, parseDocument } from 'yaml';
import { parseTargets, type Target } from '../../functions/lib/targets.ts';

/**
 * Reads a targets file, if there is one.
 *
 * @param folder what a relative path is relative to
 */
export const readTargetsFile = (
  path: string,
  folder: string,
): { readonly content: string | undefined; readonly targets: readonly Target[] } => {
  const file = resolve(folder, path);
  if (!existsSync(file)) return { content: undefined, targets: [] };
  const content = readFileSync(file, 'utf8');
  return { content, targets: parseTargets(content, path) };
};

const heading = ' Which Runpod credentials to keep fresh (README.md, targets.yml). No secrets in here.';

/**
 * Adds targets to a targets file's content. What is there stays as it is, comments included.
 *
 * @throws {ConfigurationError} the content would not be a targets file
 */
export const addTargets = (content: string | undefined, targets: readonly Target[]): string => {
  const document = content === undefined ? new Document({ targets: [] }) : parseDocument(content);
  if (content === undefined) document.commentBefore = heading;
  const list = document.get('targets');
  if (isSeq(list)) list.flow = false;
  for (const target of targets) document.addIn(['targets'], document.createNode(target));
  const after = document.toString({ lineWidth: 0 });
  parseTargets(after);
  return after;
};
