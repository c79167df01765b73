/**
 * The vocabulary between the Lambdas and the state machine. Lambda reports `error.name`, and Retry and Catch match it,
 * so every name is a literal that survives minification. Errors are grouped by what the machine does with them.
 */

// Passing: somebody upstream is having a moment. The machine retries with full jitter, then waits patiently.

/** ECR did not answer, or answered with something that is no answer. */
export class EcrUnavailableError extends Error {
  override readonly name = 'EcrUnavailableError';
}

/** ECR asked us to slow down. */
export class EcrThrottledError extends Error {
  override readonly name = 'EcrThrottledError';
}

/** Runpod did not answer, or answered with something that is no answer. */
export class RunpodUnavailableError extends Error {
  override readonly name = 'RunpodUnavailableError';
}

/** Runpod asked us to slow down. */
export class RunpodRateLimitedError extends Error {
  override readonly name = 'RunpodRateLimitedError';
}

/** KMS, which seals the token between states, did not answer. */
export class KmsUnavailableError extends Error {
  override readonly name = 'KmsUnavailableError';
}

/** Parameter Store or Secrets Manager, which hold the Runpod key, did not answer. */
export class SecretStoreUnavailableError extends Error {
  override readonly name = 'SecretStoreUnavailableError';
}

// Refused: trying again changes nothing until a person acts. The machine reports at once, with the remedy.

/** AWS refused to mint a token, or to let us assume the role that mints it. */
export class EcrAccessDeniedError extends Error {
  override readonly name = 'EcrAccessDeniedError';
}

/** The registry refused the token that ECR had just minted. It is never stored. */
export class TokenRejectedError extends Error {
  override readonly name = 'TokenRejectedError';
}

/** The role that mints may pull none of the target's images, and the old token may be of a stronger role. */
export class ImageNotPullableError extends Error {
  override readonly name = 'ImageNotPullableError';
}

/** What uses the credential pulls from other registries alone: this token would replace what works. */
export class WrongRegistryError extends Error {
  override readonly name = 'WrongRegistryError';
}

/** Tokens were too old again and again before they could be stored. */
export class TokenStaleError extends Error {
  override readonly name = 'TokenStaleError';
}

/** Runpod refused the API key, or the key lacks a scope. */
export class RunpodUnauthorizedError extends Error {
  override readonly name = 'RunpodUnauthorizedError';
}

/** Runpod does not know the registry credential. */
export class CredentialNotFoundError extends Error {
  override readonly name = 'CredentialNotFoundError';
}

/** Runpod understood the request and refused it, for instance as invalid (400, 422). */
export class RunpodRequestRejectedError extends Error {
  override readonly name = 'RunpodRequestRejectedError';
}

/** None of Runpod's APIs offers the operation that updates a registry credential. */
export class RunpodUpdateUnsupportedError extends Error {
  override readonly name = 'RunpodUpdateUnsupportedError';
}

// Ours: this stack is set up wrongly, or was called wrongly. The machine fails at once.

/** The environment, targets.yml, or a parameter they name is wrong. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/** An execution input or an event is not of the form we document. */
export class InvalidInputError extends Error {
  override readonly name = 'InvalidInputError';
}

// Around the machine: these end a Lambda that is not a step of the refresh itself.

/** SNS did not take a message. The machine then publishes a plain one by itself. */
export class NotificationError extends Error {
  override readonly name = 'NotificationError';
}

/** Step Functions did not start the refresh that a push asked for. Lambda retries, then keeps the event. */
export class RefreshNotStartedError extends Error {
  override readonly name = 'RefreshNotStartedError';
}

/** DynamoDB, which remembers how targets and endpoints fared, did not answer. No token waits for it. */
export class MemoryUnavailableError extends Error {
  override readonly name = 'MemoryUnavailableError';
}

/** Errors that pass by themselves. */
export const passingErrors = [
  EcrUnavailableError,
  EcrThrottledError,
  RunpodUnavailableError,
  RunpodRateLimitedError,
  KmsUnavailableError,
  SecretStoreUnavailableError,
] as const;

/** Whether asking again may help. */
export const isPassingError = (error: unknown): boolean =>
  passingErrors.some((ErrorClass) => error instanceof ErrorClass);

/** Errors that need a person. */
export const refusedErrors = [
  EcrAccessDeniedError,
  TokenRejectedError,
  ImageNotPullableError,
  WrongRegistryError,
  TokenStaleError,
  RunpodUnauthorizedError,
  CredentialNotFoundError,
  RunpodRequestRejectedError,
  RunpodUpdateUnsupportedError,
] as const;

/** Errors of our own making. */
export const ourErrors = [ConfigurationError, InvalidInputError] as const;

/** Errors of the Lambdas around the refresh. */
const surroundingErrors = [NotificationError, RefreshNotStartedError, MemoryUnavailableError] as const;

/** The names of all of them. */
export const errorNames: ReadonlySet<string> = new Set(
  [...passingErrors, ...refusedErrors, ...ourErrors, ...surroundingErrors].map(
    (ErrorClass): string => new ErrorClass().name,
  ),
);
