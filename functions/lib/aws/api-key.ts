import { GetParameterError } from '@aws-lambda-powertools/parameters/errors';
import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets';
import { SSMProvider } from '@aws-lambda-powertools/parameters/ssm';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SSMClient } from '@aws-sdk/client-ssm';
import type { Settings } from '../env.ts';
import { ConfigurationError, SecretStoreUnavailableError } from '../errors.ts';
import { awsCause, awsClause, awsClientDefaults, awsFaultOf } from './client.ts';

const cachedSeconds = 300;

/** Printable ASCII, as an HTTP header demands. */
export const apiKeyPattern = /^[\x21-\x7e]{8,512}$/;

/**
 * Reads a Runpod API key.
 *
 * @param source `ssm:/parameter/name` or `secretsmanager:secret`
 * @param fresh whether to look again although a cached key is at hand, for a key that was just refused
 * @throws {ConfigurationError} there is no such parameter, we may not read it, or it holds no key
 * @throws {SecretStoreUnavailableError} the store did not answer
 */
export type ReadApiKey = (source: string, fresh?: boolean) => Promise<string>;

export const createReadApiKey = (settings: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'aws'>): ReadApiKey => {
  const client = awsClientDefaults(settings);
  const parameters = new SSMProvider({ awsSdkV3Client: new SSMClient(client) });
  const secrets = new SecretsProvider({ awsSdkV3Client: new SecretsManagerClient(client) });

  return async (source, fresh = false) => {
    const colon = source.indexOf(':');
    const [store, name] = [source.slice(0, colon), source.slice(colon + 1)];
    const options = { maxAge: cachedSeconds, forceFetch: fresh };
    const reading: Promise<string | Uint8Array | undefined> =
      store === 'ssm' ? parameters.get(name, { ...options, decrypt: true }) : secrets.get(name, options);
    const value = await reading.catch((error: unknown) => {
      throw explain(source, unwrap(error));
    });
    const key = typeof value === 'string' ? value.trim() : '';
    if (!apiKeyPattern.test(key)) {
      throw new ConfigurationError(
        `${source} does not hold a Runpod API key: expected 8 to 512 printable characters without spaces. Store the bare key there.`,
      );
    }
    return key;
  };
};

/** Powertools wraps what the AWS client threw. */
const unwrap = (error: unknown): unknown => (error instanceof GetParameterError ? unwrap(error.cause) : error);

const explain = (source: string, error: unknown): Error => {
  const came = awsClause(error);
  switch (awsFaultOf(error)) {
    case 'missing':
      return new ConfigurationError(
        `${source}, where targets.yml says the Runpod API key is, does not exist (${came}). Store the key there as a SecureString, or correct runpod.apiKey.`,
        awsCause(error),
      );
    case 'denied':
      return new ConfigurationError(
        `AWS refused to read ${source} (${came}). Deploy again after changing targets.yml: the function may read only what it names.`,
        awsCause(error),
      );
    case 'invalid':
      return new ConfigurationError(
        `AWS cannot read ${source} (${came}). Correct runpod.apiKey in targets.yml.`,
        awsCause(error),
      );
    default:
      return new SecretStoreUnavailableError(`AWS did not say what ${source} holds (${came}).`, awsCause(error));
  }
};
