import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Document, LineCounter, parseDocument, type YAMLParseError } from 'yaml';
import * as z from 'zod/mini';
import { defined } from './defined.ts';
import { regionPattern } from './ecr/host.ts';
import { parseImageReference } from './ecr/image-reference.ts';
import type { Settings } from './env.ts';
import { ConfigurationError } from './errors.ts';
import { explainIssues, pathOf } from './explain-issues.ts';
import { parseJson } from './json.ts';
import { messageOf } from './message-of.ts';
import { nearestName } from './nearest-name.ts';
import { canarySchema, orderMistakes, rolloutSchema } from './rollout/settings.ts';
import { runpodId } from './runpod/id.ts';
import { alertNames, alertsSchema, listenerParams, reasonFor, settingNames, settingsSchema } from './stack-settings.ts';
import { explainIssue, findPastedKeys, lineOf, type Mistake, withoutKeys } from './targets-mistakes.ts';

/** More targets than this do not fit one run's 256 KiB of state; see docs/scale.md. */
const maxTargets = 1000;

const matching = (pattern: RegExp, expected: string) => z.string().check(z.regex(pattern, `expected ${expected}`));

/** An endpoint alone stands for its id. */
const endpoint = z.pipe(
  z.transform((value: unknown) => (typeof value === 'object' ? value : { id: value })),
  z.pipe(
    z.strictObject({ id: runpodId, canary: z.optional(canarySchema), rollout: z.optional(rolloutSchema) }),
    z.transform(({ id, canary, rollout }) =>
      defined({ id, canary, rollout: rollout === undefined ? undefined : defined(rollout) }),
    ),
  ),
);

/** A target's name: a–z, 0–9 and -, at most 32. */
export const targetNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
/** The ARN of an IAM role. */
export const roleArnPattern = /^arn:aws(?:-[a-z]+)*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;
/** The name of an ECR repository. */
export const repositoryPattern = /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/;

const keySource = matching(
  /^(?:ssm:\/?[\w.-]+(?:\/[\w.-]+)*|secretsmanager:[\w/+=.@:-]+)$/,
  'where the key is: ssm:/path/to/parameter or secretsmanager:name',
);

/** The repository of an image that is named without a registry; `undefined` of one that names its own. */
const repositoryOf = (image: string): string | undefined =>
  parseImageReference(image)?.registry === 'docker.io'
    ? parseImageReference(`registry.example/${image}`)?.repository
    : undefined;

/** How often a small image of the target's registry is pulled by a pod, with the credential as Runpod holds it. */
const canaryPodSchema = z.strictObject({
  image: z
    .string()
    .check(
      z.refine(
        (image) => repositoryOf(image) !== undefined,
        'expected a repository of the target’s registry and a tag, such as runpod-canary:v1',
      ),
    ),
  everyHours: z.number().check(z.gte(1), z.lte(31 * 24)),
});
export type CanaryPodSettings = z.output<typeof canaryPodSchema>;

const target = z.strictObject({
  name: matching(targetNamePattern, 'a name of a–z, 0–9 and - (at most 32)'),
  ecr: z.strictObject({
    region: matching(regionPattern, 'an AWS region, such as us-east-1'),
    registryId: z.optional(matching(/^\d{12}$/, 'an AWS account id of 12 digits, in quotes')),
    roleArn: z.optional(
      matching(roleArnPattern, 'the ARN of a role, such as arn:aws:iam::123456789012:role/runpod-pull'),
    ),
    externalId: z.optional(matching(/^[\w+=,.@:/-]{2,1224}$/, 'an external id of 2 to 1224 characters')),
    repositories: z.optional(
      z.array(matching(repositoryPattern, 'a repository name, such as team/worker')).check(z.minLength(1)),
    ),
  }),
  runpod: z.strictObject({
    apiKey: keySource,
    /** The key that may change endpoints, so that the other need not. */
    rolloutKey: z.optional(keySource),
    /** The key that may create and delete pods, so that the others need not. */
    podKey: z.optional(keySource),
    registry: runpodId,
  }),
  endpoints: z.optional(z.array(endpoint).check(z.minLength(1))),
  /** Endpoints that pull from the registry and are somebody else's. */
  ignore: z.optional(z.array(runpodId)),
  canaryPod: z.optional(canaryPodSchema),
});

/** One Runpod registry credential, the ECR registry whose token it must hold, and the Runpod key that may change it. */
export type Target = z.output<typeof target>;

const documentSchema = z.strictObject({
  targets: z.array(target).check(z.minLength(1), z.maxLength(maxTargets)),
  alerts: z.optional(alertsSchema),
  settings: z.optional(settingsSchema),
});

/** The whole of targets.yml: functions need the targets alone, a deploy all of it. */
type TargetsDocument = z.output<typeof documentSchema>;

const conflicts = (targets: readonly Target[]): Mistake[] => {
  const mistakes: Mistake[] = [];
  const reject = (path: readonly PropertyKey[], text: string) =>
    void mistakes.push({ path, text: `${pathOf(path)}: ${text}` });
  const rejectSame = (what: string, where: readonly string[], key: (target: Target) => string, why: string) => {
    const seen = new Map<string, number>();
    targets.forEach((each, index) => {
      const first = seen.get(key(each));
      if (first === undefined) seen.set(key(each), index);
      else reject(['targets', index, ...where], `expected ${what}, found that of targets[${first}] again${why}`);
    });
  };
  rejectSame('a name of its own', ['name'], (each) => each.name, '');
  rejectSame(
    'a credential of its own',
    ['runpod', 'registry'],
    (each) => each.runpod.registry,
    ' (two tokens cannot share one)',
  );
  for (const [index, { ecr, canaryPod }] of targets.entries()) {
    const repository = canaryPod === undefined ? undefined : repositoryOf(canaryPod.image);
    if (repository !== undefined && ecr.repositories?.includes(repository) === false) {
      reject(
        ['targets', index, 'canaryPod', 'image'],
        `expected an image of one of the target's ecr.repositories, found one of ${repository}`,
      );
    }
    if (ecr.externalId !== undefined && ecr.roleArn === undefined) {
      reject(['targets', index, 'ecr', 'roleArn'], 'expected the role that asks for the externalId, found nothing');
    }
  }
  const rollouts = targets.flatMap(({ endpoints = [] }, index) =>
    endpoints.flatMap(({ id, rollout }, place) =>
      rollout === undefined
        ? []
        : [{ id, after: rollout.after, path: ['targets', index, 'endpoints', place, 'rollout'] }],
    ),
  );
  for (const { path, text } of orderMistakes(rollouts)) reject(path, text);
  return mistakes;
};

/** The fields of a target, and of what is in it, by where they stand. */
const fieldsOfTarget: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(target.shape),
  ecr: Object.keys(target.shape.ecr.shape),
  runpod: Object.keys(target.shape.runpod.shape),
  endpoints: ['id', 'canary', 'rollout'],
  'endpoints.canary': Object.keys(canarySchema.shape),
  'endpoints.rollout': Object.keys(rolloutSchema.shape),
  'endpoints.rollout.canary': Object.keys(canarySchema.shape),
  canaryPod: Object.keys(canaryPodSchema.shape),
};

/** What an unknown name in a place of the document is not, and what is known there. */
const namesAt = (
  path: readonly PropertyKey[],
): { readonly kind: string; readonly known: readonly string[] } | undefined => {
  const [top, ...rest] = path;
  const more = rest.length === 0 ? ['stages'] : [];
  if (top === undefined) return { kind: 'key', known: Object.keys(documentSchema.shape) };
  if (top === 'settings') return { kind: 'setting', known: [...settingNames, ...more] };
  if (top === 'targets') {
    const known = fieldsOfTarget[rest.filter((key) => typeof key === 'string').join('.')];
    return known === undefined ? undefined : { kind: 'field', known };
  }
  return top === 'alerts' ? { kind: 'way to be told', known: [...alertNames, ...more] } : undefined;
};

/** Says of names that nobody knows what was meant. */
const explainUnknown = (issue: z.core.$ZodIssueUnrecognizedKeys): Mistake[] => {
  const names = namesAt(issue.path);
  return issue.keys.flatMap((key) => {
    const path = [...issue.path, key];
    if (names === undefined) return explainIssues([{ ...issue, keys: [key] }]).map((text) => ({ path, text }));
    const meant = listenerParams.includes(key)
      ? `alerts.${key === 'alertEmail' ? 'email' : 'pager'}`
      : nearestName(key, names.known);
    const remedy = meant === undefined ? `there are ${names.known.join(', ')}` : `did you mean ${meant}?`;
    return [{ path, text: `${pathOf(path)}: there is no such ${names.kind}; ${remedy}` }];
  });
};

/** Says what is wrong with a targets file. Whom it tells is not repeated: a pager's address is a secret. */
const explain = (document: Document, issues: readonly z.core.$ZodIssue[]): Mistake[] =>
  issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return explainUnknown(issue);
    const [top] = issue.path;
    const reason = top === 'settings' ? reasonFor(issue.path.at(-1)) : '';
    const { path, text } = explainIssue(document, issue, top !== 'alerts');
    return [{ path, text: `${text}${reason}` }];
  });

const howToBegin = 'Run npm run setup, or copy targets.example.yml to targets.yml and fill it in.';

/** Says why something is no YAML document. */
const explainYaml = ({ code, message }: YAMLParseError): string =>
  code === 'MULTIPLE_DOCS'
    ? 'a second document begins here ("---"): all targets stand in one'
    : (message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? '');

/**
 * Reads the whole of targets.yml.
 *
 * @param source the file's name, for messages
 * @throws {ConfigurationError} listing every mistake with its line, its path, what was expected and what was found
 */
export const parseTargetsDocument = (yaml: string, source = 'targets.yml'): TargetsDocument => {
  const lines = new LineCounter();
  const parsed = parseDocument(yaml, { lineCounter: lines, prettyErrors: true, uniqueKeys: true });
  const fail = (mistakes: readonly string[]): ConfigurationError =>
    new ConfigurationError(
      `${source} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${withoutKeys(mistake)}`).join('\n')}`,
    );
  const pasted = findPastedKeys(yaml);
  if (parsed.errors.length > 0) {
    const broken = parsed.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return `line ${line}, column ${col}: ${explainYaml(error)}`;
    });
    throw fail([...pasted, ...broken]);
  }
  if (parsed.contents === null) throw new ConfigurationError(`${source} is empty. ${howToBegin}`);
  let value: unknown;
  try {
    value = parsed.toJS({ maxAliasCount: 100 });
  } catch (error) {
    // Of aliases alone: one that names no anchor, or so many that they would fill the memory.
    throw fail([...pasted, `the document: ${messageOf(error)}`]);
  }
  const result = z.safeParse(documentSchema, value, { reportInput: true });
  const mistakes = result.success ? conflicts(result.data.targets) : explain(parsed, result.error.issues);
  if (!result.success || mistakes.length + pasted.length > 0) {
    throw fail([...pasted, ...mistakes.map(({ path, text }) => `line ${lineOf(parsed, lines, path)}: ${text}`)]);
  }
  return result.data;
};

/** Reads the targets of targets.yml, all of which must be right. */
export const parseTargets = (yaml: string, source?: string): Target[] => parseTargetsDocument(yaml, source).targets;

/**
 * Reads a targets file from disk.
 *
 * @param source what messages call the file
 */
export const readTargetsDocument = (path: string, source = path): TargetsDocument => {
  let yaml: string;
  try {
    yaml = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`${source} cannot be read. ${howToBegin}`, {
      cause: error,
    });
  }
  return parseTargetsDocument(yaml, source);
};

/**
 * Reads the targets of a file on disk.
 *
 * @param folder what a relative path is relative to
 */
export const readTargets = (path: string, folder = ''): Target[] =>
  readTargetsDocument(resolve(folder, path), path).targets;

/** The targets that a function works on. */
export type LoadTargets = () => readonly Target[];

/** The targets of what packaging wrote, which is JSON: no cold start waits for a YAML reader. `undefined` of any other file. */
const readPackaged = (path: string): readonly Target[] | undefined => {
  if (!existsSync(path)) return undefined;
  const { data } = z.safeParse(documentSchema, parseJson(readFileSync(path, 'utf8')));
  return data === undefined || conflicts(data.targets).length > 0 ? undefined : data.targets;
};

/** Reads a targets file when it is first asked for, and keeps it for as long as the Lambda lives. */
export const createLoadTargets = ({ TARGETS_FILE: path }: Pick<Settings, 'TARGETS_FILE'>): LoadTargets => {
  let targets: readonly Target[] | undefined;
  return () => {
    targets ??= readPackaged(path) ?? readTargets(path);
    return targets;
  };
};

/**
 * The target of a name.
 *
 * @throws {ConfigurationError} it left targets.yml after the run began
 */
export const targetOf = (loadTargets: LoadTargets, name: string): Target => {
  const found = loadTargets().find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new ConfigurationError(`targets.yml has no target ${name} any more. Deploying has removed it during this run.`);
};

/**
 * The account whose registry a target pulls from.
 *
 * @param ownAccount the account this stack runs in
 */
export const accountOf = ({ ecr }: Pick<Target, 'ecr'>, ownAccount: string): string =>
  ecr.registryId ?? ecr.roleArn?.split(':')[4] ?? ownAccount;
