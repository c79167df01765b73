import { randomUUID } from 'node:crypto';
import type { RegistryToken, Seal, SealContext, Unseal } from '../../functions/lib/aws/seal.ts';
import { InvalidInputError } from '../../functions/lib/errors.ts';

/**
 * Keeps tokens in this process's memory and hands out names for them, so that the states between which they travel see
 * only names. In place of KMS, which seals what travels between Lambdas.
 */
export const createMemorySeal = (): { readonly seal: Seal; readonly unseal: Unseal } => {
  const tokens = new Map<string, RegistryToken>();
  const keyOf = (sealed: string, { execution, target, credential, expiresAt }: SealContext): string =>
    JSON.stringify([sealed, execution, target, credential, expiresAt]);
  return {
    seal: async (token, context) => {
      const name = `memory.${randomUUID()}`;
      tokens.set(keyOf(name, context), token);
      return name;
    },
    unseal: async (sealed, context) => {
      const token = tokens.get(keyOf(sealed, context));
      if (token === undefined) throw new InvalidInputError('token.sealed: expected a token that FetchToken sealed.');
      return token;
    },
  };
};
