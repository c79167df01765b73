import { CommanderError } from 'commander';
import { awsClause, awsFaultOf } from '../functions/lib/aws/client.ts';
import { quote } from '../functions/lib/quote.ts';

/** What a command ends with. */
export const exitCodes = {
  /** Done, and all is well. */
  well: 0,
  /** Something is wrong, and what was printed says what. */
  trouble: 1,
  /** The command line has a mistake. */
  usage: 2,
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

const noCredentials =
  'AWS has no credentials here. Sign in (aws configure, or aws sso login), or name a profile with --profile or AWS_PROFILE.';

const isWithoutCredentials = (error: unknown): boolean =>
  error instanceof Error && /^(?:CredentialsProviderError|TokenProviderError)$/.test(error.name);

/**
 * Says what AWS refused or did not do, and what to do about it.
 *
 * @param what to stand after "AWS, asked to": `list the alarms`
 * @param permission the action that must be allowed for it
 */
export const awsFailure = (what: string, permission: string, error: unknown): CommandError => {
  if (isWithoutCredentials(error)) {
    const detail = error instanceof Error ? quote(error.message) : '';
    return new CommandError(`${noCredentials}${detail === '' ? '' : ` (${detail})`}`, { cause: error });
  }
  const came = awsClause(error);
  const remedy = {
    denied: /ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature/.test(came)
      ? 'Sign in again: these credentials are not, or no longer, good.'
      : `Allow ${permission} to whoever runs this.`,
    throttled: 'Try again in a minute.',
    missing: 'Check the stage and the region.',
    invalid: 'Check the stage and the region.',
    unavailable: 'Check the network and the region, and try again.',
  }[awsFaultOf(error)];
  return new CommandError(`AWS, asked to ${what}, answered ${came}. ${remedy}`, { cause: error });
};

/** What to print of an error: ours are sentences that say what to do. */
export const describeFailure = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Prints why a command ended, where commander has not printed it already. @returns the exit code */
export const reportFailure = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.well : exitCodes.usage;
  process.stderr.write(`${describeFailure(error)}\n`);
  return error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
};
