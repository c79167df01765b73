import { ImageNotPullableError, TokenRejectedError, WrongRegistryError } from '../errors.ts';
import type { Memory } from '../memory/memory.ts';
import { heldUntil, targetForm } from '../memory/target-memory.ts';
import { quote } from '../quote.ts';
import { isSameRegistry } from './host.ts';

/**
 * Makes sure that a token takes the place of one for its own registry.
 *
 * @param registries where what uses the credential pulls from
 * @throws {WrongRegistryError} it pulls from other registries alone
 */
export const requireOwnRegistry = (registry: string, registries: readonly string[]): void => {
  if (registries.length === 0 || registries.some((host) => isSameRegistry(host, registry))) return;
  throw new WrongRegistryError(
    `What uses the credential pulls from ${registries.map((host) => quote(host)).join(', ')}, and nothing from ${registry}: this token would replace the one that it pulls with, so it was not stored. Give the target the credential of its own registry in targets.yml.`,
  );
};

/**
 * Makes what throws a reason to withhold a target's token, where there is one. A token that ECR refuses, and one whose role
 * may pull nothing, are not withheld where the one that Runpod holds is known to end before the next run: it can become no
 * worse.
 */
export const createWithhold =
  (memory: Pick<Memory, 'read'>, target: string, nextRunAt: number) =>
  async (reason: Error | undefined): Promise<void> => {
    if (reason === undefined) return;
    if (!(reason instanceof TokenRejectedError || reason instanceof ImageNotPullableError)) throw reason;
    // Where nobody knows, it is withheld.
    const held = heldUntil(await memory.read(targetForm, target).catch(() => undefined));
    if (held === undefined || held > nextRunAt) throw reason;
  };
