import { randomUUID } from 'node:crypto';
import type { RegistryToken, Seal, Unseal } from '../../functions/lib/aws/seal.ts';
import { InvalidInputError } from '../../functions/lib/errors.ts';

/**
 * Keeps tokens in this process's memory and hands out names for them, so that the states between which they travel see
 * only names. In place of KMS, which seals what travels between Lambdas.
 */
export const createMemorySeal = (): { readonly seal: Seal; readonly unseal: Unseal } => {
  const tokens = new Map<string, RegistryToken>();
  const keyOf = (sealed: string, context: object): string => JSON.stringify([sealed, context]);
  return {
    seal: async (token, { execution, target }) => {
      const name = `memory.${randomUUID()}`;
      tokens.set(keyOf(name, { execution, target }), token);
      return name;
    },
    unseal: async (sealed, { execution, target }) => {
      const token = tokens.get(keyOf(sealed, { execution, target }));
      if (token === undefined) throw new InvalidInputError('token.sealed: expected a token that FetchToken sealed.');
      return token;
    },
  };
};
