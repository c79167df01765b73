import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Document, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { type CanaryPodSettings, parseTargets, type Target } from '../../functions/lib/targets.ts';
import { CommandError, describeFailure } from '../../stack/failure.ts';

/**
 * Reads a targets file, if there is one.
 *
 * @param folder what a relative path is relative to
 * @throws {CommandError} what is there cannot be read
 */
export const readTargetsFile = (
  path: string,
  folder: string,
): { readonly content: string | undefined; readonly targets: readonly Target[] } => {
  const file = resolve(folder, path);
  if (!existsSync(file)) return { content: undefined, targets: [] };
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(
      `${path} is there and cannot be read (${describeFailure(error)}). It must be a file that you may read; move it away to begin a new one.`,
      { cause: error },
    );
  }
  return { content, targets: parseTargets(content, path) };
};

/** @throws {CommandError} there is no folder for a targets file */
export const requireFolder = (path: string, folder: string): void => {
  if (existsSync(dirname(resolve(folder, path)))) return;
  throw new CommandError(
    `${path}, which TARGETS_FILE names, is in a folder that is not there. Make the folder, or name another file.`,
  );
};

const heading = ' Which Runpod credentials to keep fresh (docs/targets.md). No secrets in here.';

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

/** Where what a node says ends. A block has no end of its own: it is that of the last thing in it. */
const endOf = (node: unknown): number | undefined => {
  if (isMap(node) && node.flow !== true) {
    const last = node.items.at(-1);
    return last === undefined ? undefined : endOf(last.value ?? last.key);
  }
  if (isSeq(node) && node.flow !== true) return endOf(node.items.at(-1));
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[1] : undefined;
};

/** Text that is to stand at a place of a file. */
interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** What adds an entry behind the last one of a collection, as the collection is written: in its line, or in one of its own. */
const insertInto = (content: string, node: unknown, entry: string): Insertion | undefined => {
  if (!isMap(node) && !isSeq(node)) return undefined;
  const first: unknown = isMap(node) ? node.items[0]?.key : node.items[0];
  const last: unknown = isMap(node) ? (node.items.at(-1)?.value ?? node.items.at(-1)?.key) : node.items.at(-1);
  const end = endOf(last);
  const start = isScalar(first) ? first.range?.[0] : undefined;
  if (end === undefined || start === undefined) return undefined;
  if (node.flow === true) return { at: end, text: `, ${entry}` };
  const lineEnd = /\r?\n|$/.exec(content.slice(end))?.index ?? 0;
  const newline = content.includes('\r\n') ? '\r\n' : '\n';
  const before = content.slice(content.lastIndexOf('\n', start - 1) + 1, start);
  // Of `  - name`, the keys below stand where `name` does.
  const indent = isMap(node) ? ' '.repeat(before.length) : before;
  return { at: end + lineEnd, text: `${newline}${indent}${entry}` };
};

/** The targets of a file's content; `undefined` where they cannot be read. */
const targetsIn = (content: string): readonly Target[] | undefined => {
  try {
    return parseTargets(content);
  } catch {
    return undefined;
  }
};

/**
 * Gives a target a canary pod. Nothing else of the file is touched: how it is written, and where its comments stand, is its
 * owner's.
 *
 * @param path the file's, for messages
 * @throws {CommandError} the target is written in a way that this does not know
 */
export const addCanaryPod = (content: string, name: string, canaryPod: CanaryPodSettings, path: string): string => {
  const line = `canaryPod: { image: ${canaryPod.image}, everyHours: ${canaryPod.everyHours} }`;
  const repository = canaryPod.image.replace(/:[^/]*$/, '');
  const isMissingIn = ({ ecr: { repositories } }: Target): boolean => repositories?.includes(repository) === false;
  const before = parseTargets(content, path);
  const wanted = before.map((target): Target => {
    if (target.name !== name) return target;
    const { ecr } = target;
    if (!isMissingIn(target)) return { ...target, canaryPod };
    return { ...target, canaryPod, ecr: { ...ecr, repositories: [...(ecr.repositories ?? []), repository] } };
  });

  const targets = parseDocument(content).get('targets');
  const item = isSeq(targets) ? targets.items.find((each) => isMap(each) && each.get('name') === name) : undefined;
  const insertions = [insertInto(content, item, line)];
  if (isMap(item) && before.some((target) => target.name === name && isMissingIn(target))) {
    insertions.push(insertInto(content, item.getIn(['ecr', 'repositories']), repository));
  }
  const after = insertions
    .filter((each) => each !== undefined)
    .toSorted((one, other) => other.at - one.at)
    .reduce((text, { at, text: added }) => `${text.slice(0, at)}${added}${text.slice(at)}`, content);
  if (isDeepStrictEqual(targetsIn(after), wanted)) return after;
  throw new CommandError(
    `${path} is written in a way that setup does not add to. Add this to target ${name} yourself, and run this again: ${line}`,
  );
};
