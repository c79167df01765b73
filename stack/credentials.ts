import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fromIni } from '@aws-sdk/credential-provider-ini';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { defined } from '../functions/lib/defined.ts';
import { messageOf } from '../functions/lib/message-of.ts';
import { quote } from '../functions/lib/quote.ts';
import { CommandError, isWithoutCredentials, noCredentials } from './failure.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the AWS SDK reads as a profile's name: `prefixKeyRegex` in its parseIni.js. */
const readableProfile = /^[\w\-@+.%:/]+$/;

const linesOf = (path: string): string[] => {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
};

/** The names of the profiles that AWS's files have, whether the SDK reads them or not. */
const profileNames = ({ AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE }: Environment): string[] => {
  const config = linesOf(AWS_CONFIG_FILE || join(homedir(), '.aws', 'config'));
  const credentials = linesOf(AWS_SHARED_CREDENTIALS_FILE || join(homedir(), '.aws', 'credentials'));
  const names = [
    ...config.map((line) => /^\s*\[(?:profile\s+["']?([^\]"']+)["']?|(default))\s*\]/.exec(line)),
    ...credentials.map((line) => /^\s*\[([^\]]+)\]/.exec(line)),
  ].map((match) => (match?.[1] ?? match?.[2])?.trim());
  return [...new Set(names.filter((name) => name !== undefined))];
};

/** Says why a profile has no credentials. The SDK tells by prose alone; a command line may hold a secret and is not repeated. */
const explainProfile = (profile: string, message: string, environment: Environment): string => {
  const names = profileNames(environment);
  if (!names.includes(profile)) {
    const known = names.length === 0 ? 'there is none' : `there are ${names.slice(0, 10).join(', ')}`;
    return `There is no AWS profile ${profile === '' ? '""' : profile}; ${known}. Name another with --profile or AWS_PROFILE.`;
  }
  if (!readableProfile.test(profile)) {
    return `The AWS SDK cannot read a profile that is called "${profile}": it takes letters, digits and _-@+.%:/ alone. Rename it in AWS's configuration file.`;
  }
  if (/^Command failed|spawn|credential_process/.test(message)) {
    return `The credential_process of AWS profile ${profile} failed. Run it by itself to see why: aws configure get credential_process --profile ${profile}`;
  }
  if (/sso|re-authenticate|refresh/i.test(message)) {
    return `The sign-in of AWS profile ${profile} has ended. Sign in again: aws sso login --profile ${profile}`;
  }
  if (/multi-factor/.test(message)) {
    return `AWS profile ${profile} asks for a second factor, which cannot be typed here. Get a session first (aws sts get-session-token), and put it into the environment.`;
  }
  return `AWS profile ${profile} holds no credentials that can be used (${quote(message)}). See aws configure list --profile ${profile}`;
};

const isMissingFile = (error: unknown): error is Error & { readonly path?: string } =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/**
 * Finds credentials where the AWS command line does, and says of each way in which that fails what to do. The SDK's own
 * chain forgets why a profile failed: it is asked by itself, then.
 */
export const createFindCredentials = (profileOption: string | undefined, environment: Environment) => {
  const profile = profileOption ?? (environment.AWS_PROFILE || undefined);
  const find = defaultProvider(defined({ profile }));
  return async (...given: Parameters<typeof find>) => {
    try {
      return await find(...given);
    } catch (error) {
      if (isMissingFile(error)) {
        throw new CommandError(
          `The token file ${error.path ?? environment.AWS_WEB_IDENTITY_TOKEN_FILE ?? ''}, from which AWS credentials are to be had (AWS_WEB_IDENTITY_TOKEN_FILE), is not there. Mount it, or unset the variable.`,
          { cause: error },
        );
      }
      if (!isWithoutCredentials(error)) throw error;
      if (profile === undefined) throw new CommandError(noCredentials, { cause: error });
      const reason = await fromIni({ profile })().then(() => messageOf(error), messageOf);
      throw new CommandError(explainProfile(profile, reason, environment), { cause: error });
    }
  };
};
