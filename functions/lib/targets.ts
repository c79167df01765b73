import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import * as z from 'zod/mini';
import { defined } from './defined.ts';
import { regionPattern } from './ecr/host.ts';
import type { Settings } from './env.ts';
import { ConfigurationError } from './errors.ts';
import { explainIssues, pathOf } from './explain-issues.ts';
import { nearestName } from './nearest-name.ts';
import { canarySchema, orderMistakes, rolloutSchema } from './rollout/settings.ts';
import { runpodId } from './runpod/id.ts';
import { alertNames, alertsSchema, listenerParams, reasonFor, settingNames, settingsSchema } from './stack-settings.ts';

/** More targets than this do not fit one run's 256 KiB of state; see docs/scale.md. */
const maxTargets = 1000;

const matching = (pattern: RegExp, expected: string) => z.string().check(z.regex(pattern, `expected ${expected}`));

/** An endpoint alone stands for its id. */
const endpoint = z.pipe(
  z.transform((value: unknown) => (typeof value === 'string' ? { id: value } : value)),
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
    registry: runpodId,
  }),
  endpoints: z.optional(z.array(endpoint).check(z.minLength(1))),
});

/** One Runpod registry credential, the ECR registry whose token it must hold, and the Runpod key that may change it. */
export type Target = z.output<typeof target>;

const documentSchema = z.strictObject({
  targets: z.array(target).check(z.minLength(1), z.maxLength(maxTargets)),
  alerts: z.optional(alertsSchema),
  settings: z.optional(settingsSchema),
});

/** The whole of targets.yml: functions need the targets alone, a deploy all of it. */
export type TargetsDocument = z.output<typeof documentSchema>;

const conflicts = (targets: readonly Target[]): string[] => {
  const mistakes: string[] = [];
  const reject = (what: string, where: string, key: (target: Target) => string, why: string) => {
    const seen = new Map<string, number>();
    targets.forEach((each, index) => {
      const first = seen.get(key(each));
      if (first === undefined) seen.set(key(each), index);
      else mistakes.push(`targets[${index}].${where}: expected ${what}, found that of targets[${first}] again${why}`);
    });
  };
  reject('a name of its own', 'name', (each) => each.name, '');
  reject(
    'a credential of its own',
    'runpod.registry',
    (each) => each.runpod.registry,
    ' (two tokens cannot share one)',
  );
  for (const [index, { ecr }] of targets.entries()) {
    if (ecr.externalId !== undefined && ecr.roleArn === undefined) {
      mistakes.push(`targets[${index}].ecr.roleArn: expected the role that asks for the externalId, found nothing`);
    }
  }
  const rollouts = targets.flatMap(({ endpoints = [] }, index) =>
    endpoints.flatMap(({ id, rollout }, place) =>
      rollout === undefined
        ? []
        : [{ id, after: rollout.after, path: `targets[${index}].endpoints[${place}].rollout` }],
    ),
  );
  return [...mistakes, ...orderMistakes(rollouts)];
};

/** What an unknown name in a place of the document is not, and what is known there. */
const namesAt = (
  path: readonly PropertyKey[],
): { readonly kind: string; readonly known: readonly string[] } | undefined => {
  const [top, ...rest] = path;
  const more = rest.length === 0 ? ['stages'] : [];
  if (top === undefined) return { kind: 'key', known: Object.keys(documentSchema.shape) };
  if (top === 'settings') return { kind: 'setting', known: [...settingNames, ...more] };
  return top === 'alerts' ? { kind: 'way to be told', known: [...alertNames, ...more] } : undefined;
};

/** Says of names that nobody knows what was meant. */
const explainUnknown = (issue: z.core.$ZodIssueUnrecognizedKeys): string[] => {
  const names = namesAt(issue.path);
  if (names === undefined) return explainIssues([issue]);
  return issue.keys.flatMap((key) => {
    const meant = listenerParams.includes(key)
      ? `alerts.${key === 'alertEmail' ? 'email' : 'pager'}`
      : nearestName(key, names.known);
    if (meant === undefined && issue.path.length === 0) return explainIssues([{ ...issue, keys: [key] }]);
    const remedy = meant === undefined ? `there are ${names.known.join(', ')}` : `did you mean ${meant}?`;
    return `${pathOf([...issue.path, key])}: there is no such ${names.kind}; ${remedy}`;
  });
};

/** Says what is wrong with a targets file. Whom it tells is not repeated: a pager's address is a secret. */
const explain = (issues: readonly z.core.$ZodIssue[]): string[] =>
  issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return explainUnknown(issue);
    const [top] = issue.path;
    const reason = top === 'settings' ? reasonFor(issue.path.at(-1)) : '';
    return explainIssues([issue], top !== 'alerts').map((mistake) => `${mistake}${reason}`);
  });

/**
 * Reads the whole of targets.yml.
 *
 * @param source the file's name, for messages
 * @throws {ConfigurationError} listing every mistake with its path, what was expected and what was found
 */
export const parseTargetsDocument = (yaml: string, source = 'targets.yml'): TargetsDocument => {
  const lines = new LineCounter();
  const parsed = parseDocument(yaml, { lineCounter: lines, prettyErrors: true, uniqueKeys: true });
  const fail = (mistakes: readonly string[]): ConfigurationError =>
    new ConfigurationError(
      `${source} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`,
    );
  if (parsed.errors.length > 0) {
    throw fail(
      parsed.errors.map(({ message, pos: [offset] }) => {
        const { line, col } = lines.linePos(offset);
        return `line ${line}, column ${col}: ${message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '')}`;
      }),
    );
  }
  const value: unknown = parsed.toJS({ maxAliasCount: 100 });
  const result = z.safeParse(documentSchema, value, { reportInput: true });
  const mistakes = result.success ? conflicts(result.data.targets) : explain(result.error.issues);
  if (!result.success || mistakes.length > 0) throw fail(mistakes);
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
    throw new ConfigurationError(
      `${source} cannot be read. Run npm run setup, or copy targets.example.yml to targets.yml and fill it in.`,
      {
        cause: error,
      },
    );
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

/** Reads a targets file when it is first asked for, and keeps it for as long as the Lambda lives. */
export const createLoadTargets = ({ TARGETS_FILE: path }: Pick<Settings, 'TARGETS_FILE'>): LoadTargets => {
  let targets: readonly Target[] | undefined;
  return () => {
    targets ??= readTargets(path);
    return targets;
  };
};

/**
 * The account whose registry a target pulls from.
 *
 * @param ownAccount the account this stack runs in
 */
export const accountOf = ({ ecr }: Pick<Target, 'ecr'>, ownAccount: string): string =>
  ecr.registryId ?? ecr.roleArn?.split(':')[4] ?? ownAccount;
