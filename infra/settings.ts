import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod/mini';
import { defined } from '../functions/lib/defined.ts';
import { readSettings, type Settings } from '../functions/lib/env.ts';
import { ConfigurationError } from '../functions/lib/errors.ts';
import { explainIssues } from '../functions/lib/explain-issues.ts';
import { nearestName } from '../functions/lib/nearest-name.ts';
import { isStackRegion, maxStageLength, stagePattern } from '../functions/lib/stack-place.ts';
import {
  givenSettingsSchema,
  listenerParams,
  listenerParamsSchema,
  pagerEndpoint,
  reasonFor,
  settingNames,
} from '../functions/lib/stack-settings.ts';
import { readTargetsDocument, type Target } from '../functions/lib/targets.ts';
import { alarmsOf, deadManPeriods } from './alarms.ts';
import {
  describePermissions,
  hasCanaryPods,
  hasRollouts,
  keyPermissions,
  mintPermissions,
  type PolicyStatement,
  podKeyPermissions,
  pushDetail,
  rolloutKeyPermissions,
  type StackPlace,
} from './permissions.ts';
import { readFirstSteps, readOrigin, runbookPage } from './runbook.ts';
import { chooseScheduleHours } from './schedule.ts';

/** What the template takes from targets.yml, so that roles allow what it names and nothing else. */
interface StackSettings {
  /** The file of targets, and of nothing else, that is packaged; from the root of the project. */
  readonly targetsFile: string;
  /** Whether it is made of targets.example.yml, which cannot be deployed. */
  readonly isExample: boolean;
  readonly scheduleHours: number;
  readonly retryMinutes: number;
  readonly propagationMinutes: number;
  readonly pushWindowSeconds: number;
  readonly updateWay: Settings['RUNPOD_UPDATE_WAY'];
  readonly runpodRequestsPerMinute: number;
  readonly logRetentionDays: number;
  /** The ARN of the policy that bounds every role; absent where none does. */
  readonly permissionsBoundary?: string;
  /** The bucket that deploys go through; absent where `serverless` makes one. */
  readonly deploymentBucket?: string;
  /** `rate(6 hours)`. */
  readonly scheduleExpression: string;
  /** Periods of five minutes without a scheduled run's report after which the dead-man's switch alarms. */
  readonly deadManPeriods: number;
  /** The runbook's address; empty where it has none. */
  readonly runbookUrl: string;
  /** What to do first, by section of the runbook. */
  readonly firstSteps: Readonly<Record<string, string>>;
  /** Alarms on the tokens' ends, as resources of the template. */
  readonly tokenAlarms: Readonly<Record<string, object>>;
  /** The ARNs of all alarms as a list in JSON, for the dashboard. */
  readonly alarmArns: string;
  /** Whether each target has an alarm, and so a metric, of its own. */
  readonly hasTargetAlarms: boolean;
  /** Subscriptions of the topic for sentences, and of the one for alarms. */
  readonly alertSubscriptions: readonly object[];
  readonly alarmSubscriptions: readonly object[];
  /** When the daily digest goes out, and whether it does. */
  readonly digest: { readonly schedule: string; readonly state: 'ENABLED' | 'DISABLED' };
  /** Which ECR pushes are worth a look, as the `detail` of an event pattern. */
  readonly pushDetail: object;
  /** Statements for the roles that read Runpod keys. */
  readonly keyStatements: readonly PolicyStatement[];
  /** Whether an endpoint has a rollout: without any, what rolls out is not in the stack. */
  readonly hasRollouts: boolean;
  /** Statements for the roles that change endpoints. */
  readonly rolloutKeyStatements: readonly PolicyStatement[];
  /** Whether a target has a canary pod: without any, what creates pods is not in the stack. */
  readonly hasCanaryPods: boolean;
  /** Statements for the role that creates and deletes pods. */
  readonly podKeyStatements: readonly PolicyStatement[];
  /** Statements for the role that tells how far behind an image is. */
  readonly describeStatements: readonly PolicyStatement[];
  /** Statements for the role that mints: what it may pull is what a token may pull. */
  readonly mintStatements: readonly PolicyStatement[];
  /** Policies of what does not fit these roles themselves, as resources of the template. */
  readonly managedPolicies: Readonly<Record<string, object>>;
}

/** What the command line says by `--param="name=value"`. */
type Params = Readonly<Record<string, unknown>>;

const projectFolder = fileURLToPath(new URL('..', import.meta.url));

/** What every setting is where nothing is said. */
const defaults = () => {
  const settings = readSettings({});
  return {
    scheduleHours: settings.SCHEDULE_HOURS,
    retryMinutes: settings.RETRY_MINUTES,
    propagationMinutes: settings.PROPAGATION_MINUTES,
    pushWindowSeconds: settings.PUSH_WINDOW_SECONDS,
    updateWay: settings.RUNPOD_UPDATE_WAY,
    runpodRequestsPerMinute: settings.RUNPOD_REQUESTS_PER_MINUTE,
    logRetentionDays: 30,
  };
};

/** Parameters that do not set anything of the stack. */
const deployParams = ['dropListeners', 'stopRunning'] as const;

/** Names of the parameters of the command line that are settings, or say who is told. */
export const paramNames: readonly string[] = [...settingNames, ...listenerParams];

/** What the command line says, for once. An empty value counts as absent. */
const readParams = (params: Params) => {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== '');
  const mistakes: string[] = [];
  const known = [...paramNames, ...deployParams];
  for (const [name] of given) {
    if (known.includes(name)) continue;
    const meant = nearestName(name, known);
    mistakes.push(
      `${name}: there is no such parameter; ${meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`,
    );
  }
  for (const name of deployParams) {
    const value = params[name] ?? '';
    if (!['', 'yes', 'no'].includes(String(value))) {
      mistakes.push(`${name}: expected yes or no, found ${JSON.stringify(value)}`);
    }
  }
  const valuesOf = (names: readonly string[]) => Object.fromEntries(given.filter(([name]) => names.includes(name)));
  const settings = z.safeParse(givenSettingsSchema, valuesOf(settingNames), { reportInput: true });
  const listeners = z.safeParse(listenerParamsSchema, valuesOf(listenerParams), { reportInput: true });
  if (!settings.success) {
    mistakes.push(
      ...settings.error.issues.flatMap((issue) =>
        explainIssues([issue]).map((mistake) => `${mistake}${reasonFor(issue.path.at(-1))}`),
      ),
    );
  }
  if (!listeners.success) mistakes.push(...explainIssues(listeners.error.issues, false));
  if (!settings.success || !listeners.success || mistakes.length > 0) {
    throw new ConfigurationError(mistakes.map((mistake) => `param ${mistake}`).join('\n'));
  }
  return { settings: settings.data, listeners: listeners.data };
};

/** Writes what of a targets file the functions need, and not whom it tells, where git does not look: as JSON, which is YAML, too. */
const writeTargets = (folder: string, targets: readonly Target[]): string => {
  const path = 'dist/targets.yml';
  mkdirSync(join(folder, 'dist'), { recursive: true });
  writeFileSync(join(folder, path), JSON.stringify({ targets }));
  return path;
};

const unique = (addresses: readonly string[]): string[] => [...new Set(addresses)];

const nobodyIsTold = `
!! NOBODY WILL BE TOLD when a refresh fails: targets.yml names neither an email nor a pager under alerts.
!! Add alerts: { email: [you@example.com] } to it, or subscribe to the stack's topics yourself.

`;

/** @throws {ConfigurationError} AWS would refuse the stack's names, or lacks one of its services there */
const requirePlace = ({ stage, region }: StackPlace): void => {
  if (!stagePattern.test(stage)) {
    throw new ConfigurationError(
      `--stage: expected a letter and then letters, digits and -, at most ${maxStageLength} (a function's name has 64), found ${JSON.stringify(stage)}.`,
    );
  }
  if (stage.endsWith('-rollout')) {
    throw new ConfigurationError(
      `--stage: expected a name that does not end in -rollout, found ${JSON.stringify(stage)}: runpod-ecr-refresh-${stage} is what the stage ${JSON.stringify(stage.slice(0, -'-rollout'.length))} calls its state machine for rollouts, and whoever may deploy one stage must not reach another.`,
    );
  }
  if (!isStackRegion(region)) {
    throw new ConfigurationError(
      `--region: ${JSON.stringify(region)} is no region that is known to have all of Lambda, Step Functions and EventBridge Scheduler. Deploy to another: the images may be in any region (docs/other-regions.md).`,
    );
  }
};

/**
 * Reads what the template needs, and refuses to go on where anything is wrong. What the command line says goes before what
 * targets.yml says of the stage, and that before what it says of all stages.
 *
 * @throws {ConfigurationError} targets.yml or a parameter has mistakes, or the file is missing where a deploy wants it
 */
export const readStackSettings = ({
  folder,
  isDeploy,
  params,
  place,
}: {
  readonly folder: string;
  readonly isDeploy: boolean;
  readonly params: Params;
  readonly place: StackPlace;
}): StackSettings => {
  requirePlace(place);
  const hasTargets = existsSync(join(folder, 'targets.yml'));
  if (!hasTargets && isDeploy) {
    throw new ConfigurationError(
      'There is no targets.yml to deploy. Run npm run setup, or copy targets.example.yml to targets.yml and fill it in.',
    );
  }
  const source = hasTargets ? 'targets.yml' : 'targets.example.yml';
  const document = readTargetsDocument(join(folder, source), source);
  const forOnce = readParams(params);
  if (!hasTargets)
    process.stderr.write('There is no targets.yml: packaging targets.example.yml, which cannot be deployed.\n');
  const { targets } = document;
  const { stages: stageAlerts, ...alerts } = { ...document.alerts };
  const { stages: stageSettings, ...settings } = { ...document.settings };
  const given = {
    ...defined(settings),
    ...defined({ ...stageSettings?.[place.stage] }),
    ...defined(forOnce.settings),
  };
  const usual = defaults();
  const { hours, notice } = chooseScheduleHours(
    targets,
    given.runpodRequestsPerMinute ?? usual.runpodRequestsPerMinute,
    given.scheduleHours,
    usual.scheduleHours,
  );
  if (notice !== undefined) process.stderr.write(`${notice}\n`);
  const resolved = { ...usual, ...given, scheduleHours: hours };
  const listeners = { ...defined(alerts), ...defined({ ...stageAlerts?.[place.stage] }) };
  const { alertEmail, pagerUrl } = forOnce.listeners;
  const emails = unique(alertEmail === undefined ? (listeners.email ?? []) : [alertEmail]);
  const pagers = unique(pagerUrl === undefined ? (listeners.pager ?? []) : [pagerUrl]);
  if (isDeploy && emails.length + pagers.length === 0) process.stderr.write(nobodyIsTold);
  const emailSubscriptions = emails.map((Endpoint) => ({ Protocol: 'email', Endpoint }));
  const pagerSubscriptions = pagers.map((pager) => ({ Protocol: 'https', Endpoint: pagerEndpoint(pager) }));
  const { digestHour } = resolved;
  const page = resolved.runbookUrl ?? runbookPage(readOrigin(projectFolder)) ?? '';
  const firstSteps = readFirstSteps(projectFolder, page);
  const keys = keyPermissions(targets, place);
  const rolloutKeys = rolloutKeyPermissions(targets, place);
  const podKeys = podKeyPermissions(targets, place);
  const mint = mintPermissions(targets, place);
  const describe = describePermissions(targets, place);
  return {
    targetsFile: writeTargets(folder, targets),
    isExample: !hasTargets,
    ...resolved,
    scheduleExpression: hours === 1 ? 'rate(1 hour)' : `rate(${hours} hours)`,
    deadManPeriods: deadManPeriods(hours),
    runbookUrl: page,
    firstSteps,
    ...alarmsOf(targets, `runpod-ecr-refresh-${place.stage}`, firstSteps.TokenEndsSoon ?? ''),
    alertSubscriptions: emailSubscriptions,
    alarmSubscriptions: [...emailSubscriptions, ...pagerSubscriptions],
    digest: {
      schedule: `cron(0 ${digestHour ?? 8} * * ? *)`,
      state: digestHour === undefined ? 'DISABLED' : 'ENABLED',
    },
    pushDetail: pushDetail(targets),
    hasRollouts: hasRollouts(targets),
    hasCanaryPods: hasCanaryPods(targets),
    keyStatements: keys.statements,
    rolloutKeyStatements: rolloutKeys.statements,
    podKeyStatements: podKeys.statements,
    describeStatements: describe.statements,
    mintStatements: mint.statements,
    managedPolicies: {
      ...keys.managedPolicies,
      ...rolloutKeys.managedPolicies,
      ...podKeys.managedPolicies,
      ...mint.managedPolicies,
      ...describe.managedPolicies,
    },
  };
};
