import { randomUUID } from 'node:crypto';
import type { RegistryToken, Seal, Unseal } from '../../functions/lib/aws/seal.ts';
import { InvalidInputError } from '../../functions/lib/errors.ts';

/**
 * Keeps logins in this process's memory and hands out names for them, so that the states between which they travel see
 * only names. In place of KMS, which seals what travels between Lambdas.
 */
export const createMemorySeal = (): { readonly seal: Seal; readonly unseal: Unseal } => {
  const logins = new Map<string, RegistryToken>();
  const keyOf = (sealed: string, context: object): string => JSON.stringify([sealed, context]);
  return {
    seal: async (login, { execution, target }) => {
      const name = `memory.${randomUUID()}`;
      logins.set(keyOf(name, { execution, target }), login);
      return name;
    },
    unseal: async (sealed, { execution, target }) => {
      const login = logins.get(keyOf(sealed, { execution, target }));
      if (login === undefined) throw new InvalidInputError('token.sealed: expected a token that FetchToken sealed.');
      return login;
    },
  };
};
