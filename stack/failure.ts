import { CommanderError } from 'commander';
import { awsClause, awsFaultOf } from '../functions/lib/aws/client.ts';
import { messageOf } from '../functions/lib/message-of.ts';

/** What a command ends with. */
export const exitCodes = {
  /** Done, and all is well. */
  well: 0,
  /** Something is wrong, and what was printed says what. */
  trouble: 1,
  /** The command line has a mistake. */
  usage: 2,
  /** What was begun has not shown yet how it ends. */
  unproved: 3,
  /** Somebody pressed Ctrl-C. */
  interrupted: 130,
} as const;

/** A command cannot go on. The message says why and what to do about it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** The command line has a mistake. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const noCredentials =
  'AWS has no credentials here. Sign in (aws configure, or aws sso login), or name a profile with --profile or AWS_PROFILE.';

/** The AWS SDK found no credentials. */
export const isWithoutCredentials = (error: unknown): boolean =>
  error instanceof Error && /^(?:CredentialsProviderError|TokenProviderError)$/.test(error.name);

/** The action that AWS refused, and to whom, by its own words; often another than the one that was asked for. */
const refusedAction = (message: string): string | undefined => {
  const found = /(?<!\S)(\S+) is not authorized to perform: ([\w-]+:\w+)(?: on resource: ([^\s"]+))?/.exec(message);
  if (found === null) return undefined;
  const [, who = '', action = '', resource] = found;
  return `${action}${resource === undefined || resource === '*' ? '' : ` on ${resource}`} to ${who}`;
};

const clockWords =
  /RequestTimeTooSkewed|RequestExpired|RequestInTheFuture|Signature expired|Signature not yet current|is not yet valid/i;
const endedWords =
  /ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature|InvalidAccessKeyId/;

const remedyOf = (came: string, permission: string): string => {
  if (clockWords.test(came)) return 'Set the clock of this machine: it differs from the one of AWS by minutes.';
  if (endedWords.test(came)) return 'Sign in again: these credentials are not, or no longer, good.';
  return `Allow ${refusedAction(came) ?? `${permission} to whoever runs this`}.`;
};

/**
 * Says what AWS refused or did not do, and what to do about it.
 *
 * @param what to stand after "AWS, asked to": `list the alarms`
 * @param permission the action that must be allowed for it
 */
export const awsFailure = (what: string, permission: string, error: unknown): CommandError => {
  // It says already why there are no credentials.
  if (error instanceof CommandError) return error;
  if (isWithoutCredentials(error)) return new CommandError(noCredentials, { cause: error });
  const came = awsClause(error);
  const whole = `${came} ${error instanceof Error ? error.message : ''}`;
  const remedy = clockWords.test(whole)
    ? remedyOf(whole, permission)
    : {
        denied: remedyOf(whole, permission),
        throttled: 'Try again in a minute.',
        missing: 'Check the stage and the region: --stage, --region.',
        invalid: 'Check the stage and the region: --stage, --region.',
        unavailable: 'Check the network and the region (--region), and try again.',
      }[awsFaultOf(error)];
  return new CommandError(`AWS, asked to ${what}, answered ${came}. ${remedy}`, { cause: error });
};

/** An import says ERR_MODULE_NOT_FOUND and "package", a require MODULE_NOT_FOUND and "module". */
const missingPackage = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && /^(?:ERR_)?MODULE_NOT_FOUND$/.test(String(error.code))
    ? /(?:package|module) '([^'./][^']*)'/.exec(error.message)?.[1]
    : undefined;

/** What to print of an error: ours are sentences that say what to do. */
export const describeFailure = (error: unknown): string => {
  const missing = missingPackage(error);
  if (missing !== undefined) return `The package ${missing} is not installed: run npm ci, without --omit=dev.`;
  return messageOf(error);
};

/** Prints why a command ended, where commander has not printed it already. @returns the exit code */
export const reportFailure = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.well : exitCodes.usage;
  process.stderr.write(`${describeFailure(error)}\n`);
  return error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
};
