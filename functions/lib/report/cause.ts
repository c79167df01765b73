import * as z from 'zod/mini';
import { quote } from '../quote.ts';
import { explainError } from './platform-errors.ts';

/** What a Catch leaves of an error. A time-out has an empty Cause, and a state's own failure may have none. */
export const failureSchema = z.object({ Error: z.string(), Cause: z._default(z.string(), '') });

/** How a state failed, as Step Functions has it. */
export type Failure = z.output<typeof failureSchema>;

const lambdaErrorSchema = z.object({ errorMessage: z.string() });

const maxMessage = 1000;

/** A Lambda's Cause is JSON with the message and a stack trace; Step Functions' own is a sentence. */
const messageOfCause = (cause: string): string => {
  let json: unknown;
  try {
    json = JSON.parse(cause);
  } catch {
    return quote(cause);
  }
  const error = z.safeParse(lambdaErrorSchema, json);
  return error.success ? error.data.errorMessage.slice(0, maxMessage) : quote(cause);
};

/** What a failure says, or where it says nothing, what its name means. */
export const messageOfFailure = ({ Error: name, Cause: cause }: Failure): string =>
  messageOfCause(cause).trim() || explainError(name);
