import * as z from 'zod/mini';
import type { AwsConnection } from './aws/client.ts';
import { ConfigurationError } from './errors.ts';
import { parseOr } from './explain-issues.ts';

const isLoopback = (url: URL): boolean => ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);

const number = (fallback: number, least: number, most: number) =>
  z._default(
    z.pipe(
      z.string().check(z.regex(/^\d+(\.\d+)?$/, `expected a number from ${least} to ${most}`)),
      z.pipe(z.transform(Number), z.number().check(z.gte(least), z.lte(most))),
    ),
    fallback,
  );

const safeUrl = (what: string, allowed: (url: URL) => boolean) =>
  z.pipe(
    z.string().check(z.refine((text) => URL.canParse(text) && allowed(new URL(text)), `expected ${what}`)),
    z.transform((text) => new URL(text)),
  );

const upstreamUrl = (fallback: string) =>
  z._default(
    safeUrl('an https URL, or an http URL of this very machine', (url) => url.protocol === 'https:' || isLoopback(url)),
    new URL(fallback),
  );

const loopbackUrl = safeUrl('a URL of this very machine (127.0.0.1)', isLoopback);

const text = z.string().check(z.minLength(1));

/**
 * Everything the Lambdas read from their environment, with defaults. Settings without a default are optional here and
 * demanded by the functions that need them, so that one faulty environment is reported once and whole. The settings of
 * targets.yml that become variables are checked by this, too.
 */
export const environmentSchema = z.object({
  /** The targets file, from the bundle's root. */
  TARGETS_FILE: z._default(text, 'targets.yml'),
  /** The KMS key that seals tokens between states. */
  SEAL_KEY_ID: z.optional(text),
  /** The DynamoDB table that remembers how targets and endpoints fared. */
  MEMORY_TABLE: z.optional(text),
  /** The parameter that holds what people were told. */
  NOTIFIED_PARAMETER: z.optional(text),
  /** The SNS topic that people and pagers listen to. */
  ALERT_TOPIC_ARN: z.optional(text),
  /** The SNS topic that Amazon Q reads for Slack and Teams. */
  CHAT_TOPIC_ARN: z.optional(text),
  /** Where the runbook is, for links in alerts; without it alerts say what its sections say. */
  RUNBOOK_URL: z.optional(text),
  /** Whether each target has an alarm, and so a metric, of its own. */
  TARGET_ALARMS: z._default(z.enum(['true', 'false']), 'false'),
  /** The stack's name, by which its metrics are told from those of other stages. */
  STACK_NAME: z._default(text, 'runpod-ecr-refresh'),
  /** The state machine, or the alias of it, that pushes start. */
  STATE_MACHINE_ARN: z.optional(text),
  /** The state machine, or the alias of it, that rolls out an image. */
  ROLLOUT_MACHINE_ARN: z.optional(text),
  /** Seconds in which pushes to one registry become one refresh. */
  PUSH_WINDOW_SECONDS: number(60, 1, 900),
  /** Hours between two scheduled runs: even where one is lost, a token of 12 hours sees the next. */
  SCHEDULE_HOURS: number(3, 0.25, 9),
  /** Minutes between two tries while an upstream keeps failing. */
  RETRY_MINUTES: number(15, 1, 120),
  /** Minutes Runpod may take to hand a new password to its hosts. Refused pulls count only afterwards. */
  PROPAGATION_MINUTES: number(10, 0, 60),
  /** Requests a minute that one Runpod key may make; targets of one key take turns to keep to it. */
  RUNPOD_REQUESTS_PER_MINUTE: number(60, 1, 100_000),
  /** Which of Runpod's ways stores a token: all of them in turn, or just one. */
  RUNPOD_UPDATE_WAY: z._default(z.enum(['auto', 'v2', 'graphql', 'v1']), 'auto'),
  /** Seconds for an upstream to take the connection and answer in full. */
  UPSTREAM_TIMEOUT_SECONDS: number(10, 0.01, 60),
  /** Seconds to listen to a worker's log, which never ends by itself. */
  LOG_LISTEN_SECONDS: number(3, 0.01, 60),
  RUNPOD_API_URL: upstreamUrl('https://api.runpod.io/v2'),
  RUNPOD_GRAPHQL_URL: upstreamUrl('https://api.runpod.io/graphql'),
  RUNPOD_REST_URL: upstreamUrl('https://rest.runpod.io/v1'),
  RUNPOD_JOBS_URL: upstreamUrl('https://api.runpod.ai/v2'),
  /** Stands in for every ECR registry, as `<this>/<registry host>/v2/…`. Only ever on loopback. */
  REGISTRY_ENDPOINT_URL: z.optional(loopbackUrl),
});

/** The settings of one deployed function. */
export interface Settings extends z.output<typeof environmentSchema> {
  /** Where AWS is, for whoever does not leave that to the SDK and the process's environment. */
  readonly aws?: AwsConnection;
}

/** Settings that have no default. */
type RequiredSetting =
  | 'SEAL_KEY_ID'
  | 'MEMORY_TABLE'
  | 'NOTIFIED_PARAMETER'
  | 'ALERT_TOPIC_ARN'
  | 'STATE_MACHINE_ARN'
  | 'ROLLOUT_MACHINE_ARN';

/**
 * Reads the settings, and everything that is wrong with them at once.
 *
 * @param variables a process's environment; an empty value counts as absent
 * @throws {ConfigurationError} naming every variable at fault
 */
export const readSettings = (variables: Record<string, string | undefined>): Settings => {
  const present = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  return parseOr(
    environmentSchema,
    present,
    (mistakes) => new ConfigurationError(`The function's environment is wrong. ${mistakes.join('; ')}.`),
  );
};

/** Demands a setting that has no default. */
export const requireSetting = (settings: Settings, name: RequiredSetting): string => {
  const value = settings[name];
  if (value === undefined) {
    throw new ConfigurationError(`The function's environment lacks ${name}. Deploy the stack again.`);
  }
  return value;
};

/** The settings of this very process. Nothing else in functions/ reads `process.env`. */
export const processSettings = (): Settings => readSettings(process.env);
