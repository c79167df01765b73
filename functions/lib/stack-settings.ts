import * as z from 'zod/mini';
import { environmentSchema } from './env.ts';

/** A number or a text of YAML, or what a parameter of the command line says, as an environment would hold it. */
const asText = z.pipe(
  z.union([z.string(), z.number()], { error: 'expected a number or a text' }),
  z.transform((value: number | string) => String(value)),
);

const textOf = (pattern: RegExp, expected: string) =>
  z.pipe(asText, z.string().check(z.regex(pattern, `expected ${expected}`)));

const variables = environmentSchema.shape;

/** `PutRetentionPolicy` takes these: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html */
const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/** Everything that can be set of a stack. What becomes a variable of the functions is checked as they check it. */
const settingFields = {
  /** `rate()` of EventBridge Scheduler takes whole hours. */
  scheduleHours: z.optional(
    z.pipe(textOf(/^[1-9]\d*$/, 'a whole number of hours'), variables.SCHEDULE_HOURS.def.innerType),
  ),
  retryMinutes: z.optional(z.pipe(asText, variables.RETRY_MINUTES.def.innerType)),
  propagationMinutes: z.optional(z.pipe(asText, variables.PROPAGATION_MINUTES.def.innerType)),
  pushWindowSeconds: z.optional(z.pipe(asText, variables.PUSH_WINDOW_SECONDS.def.innerType)),
  updateWay: z.optional(z.pipe(asText, variables.RUNPOD_UPDATE_WAY.def.innerType)),
  runpodRequestsPerMinute: z.optional(z.pipe(asText, variables.RUNPOD_REQUESTS_PER_MINUTE.def.innerType)),
  logRetentionDays: z.optional(
    z.pipe(
      asText,
      z.pipe(z.transform(Number), z.literal(retentionDays, { error: `expected one of ${retentionDays.join(', ')}` })),
    ),
  ),
  digestHour: z.optional(
    z.pipe(
      textOf(/^(?:\d|1\d|2[0-3])$/, 'an hour of the day in UTC, from 0 to 23'),
      z.transform((hour: string) => Number(hour)),
    ),
  ),
  runbookUrl: z.optional(textOf(/^https:\/\/[^\s/{}$]+\S*$/, 'an https URL')),
  /** The policy that every role of the stack is bounded by. */
  permissionsBoundary: z.optional(
    textOf(
      /^arn:aws(?:-[a-z]+)*:iam::(?:\d{12}|aws):policy\/[\w+=,.@/-]{1,512}$/,
      'the ARN of a policy, such as arn:aws:iam::123456789012:policy/boundary',
    ),
  ),
  /** The bucket that deploys go through, instead of one that `serverless` makes. */
  deploymentBucket: z.optional(
    textOf(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of an S3 bucket (3 to 63 of a–z, 0–9, . and -)'),
  ),
};

/** Settings as they are given, by name. */
export const givenSettingsSchema = z.strictObject(settingFields);

export const settingNames: readonly string[] = Object.keys(settingFields);

/** Settings of all stages, and what differs in one. */
export const settingsSchema = z.strictObject({
  ...settingFields,
  stages: z.optional(z.record(z.string(), givenSettingsSchema)),
});

const addressOf = (expected: string, accepts: (text: string) => boolean) =>
  z.string().check(z.refine(accepts, `expected ${expected}`));

const secretPattern = /^secretsmanager:(?:arn:aws(?:-[a-z]+)*:secretsmanager:[a-z0-9-]+:\d{12}:secret:)?[\w/+=.@-]+$/;

const emailSchema = addressOf('an email address', (text) => /^[^\s@{}$]+@[^\s@{}$]+$/.test(text));
const pagerSchema = addressOf(
  'the https URL of a pager’s CloudWatch integration, or the secret that holds it: secretsmanager:name',
  (text) => secretPattern.test(text) || (/^https:\/\/[^\s{}$]+$/.test(text) && URL.canParse(text)),
);

/** Who is told of one stage; a pager is an https URL or the secret that holds it. */
const alertFields = { email: z.optional(z.array(emailSchema)), pager: z.optional(z.array(pagerSchema)) };

export const alertNames: readonly string[] = Object.keys(alertFields);

/** Who is told of all stages, and who of one instead. */
export const alertsSchema = z.strictObject({
  ...alertFields,
  stages: z.optional(z.record(z.string(), z.strictObject(alertFields))),
});

/** Parameters that say for once who is told. */
export const listenerParamsSchema = z.object({
  alertEmail: z.optional(emailSchema),
  pagerUrl: z.optional(pagerSchema),
});
export const listenerParams: readonly string[] = Object.keys(listenerParamsSchema.shape);

/**
 * What CloudFormation subscribes: a secret stays a reference that it resolves when it deploys, so that neither the template nor
 * this command holds the address.
 *
 * Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
 */
export const pagerEndpoint = (pager: string): string =>
  secretPattern.test(pager) ? `{{resolve:${pager}:SecretString}}` : pager;

/** Why a setting has the bounds that it has, where that is not plain. */
export const reasonFor = (setting: PropertyKey | undefined): string =>
  setting === 'scheduleHours'
    ? '. A token lives 12 hours: a longer schedule leaves no time to try again before it ends.'
    : '';
