import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import * as z from 'zod/mini';
import { requireSetting, type Settings } from '../env.ts';
import { ConfigurationError, InvalidInputError, KmsUnavailableError } from '../errors.ts';
import { awsCause, awsClause, awsClientDefaults, awsFaultOf } from './client.ts';

/** A registry token in the clear. It never leaves a Lambda's memory. */
export interface RegistryToken {
  readonly username: string;
  readonly password: string;
}

/** What a sealed token is for. It opens for nothing else. */
export interface SealContext {
  /** The ARN of the execution that minted it: with the target, KMS's encryption context. */
  readonly execution: string;
  /** The target's name. */
  readonly target: string;
  /** The Runpod credential that it is to be stored in. */
  readonly credential: string;
  /** When it ends (ISO 8601, as FetchToken says it). */
  readonly expiresAt: string;
}

/** A sealed token as states hand it on, with what it is for. */
export const sealedTokenSchema = z.object({
  execution: z.string(),
  target: z.string(),
  credential: z.string(),
  expiresAt: z.string(),
  sealed: z.string(),
});

/** Encrypts a token under a KMS data key. The result is text of about twice the token's length. */
export type Seal = (token: RegistryToken, context: SealContext) => Promise<string>;

/** Decrypts what `Seal` made. */
export type Unseal = (sealed: string, context: SealContext) => Promise<RegistryToken>;

/** First part of a sealed token. Readers must open every version that writers of the last release made. */
const version = 'v2';
/** Its authenticated data names the run and the target alone. */
const lastVersion = 'v1';
const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;
const maxSealed = 32 * 1024;

const tokenSchema = z.object({ username: z.string(), password: z.string() });

const isDataKey = (key: unknown): key is Uint8Array => key instanceof Uint8Array && key.byteLength === 32;

const encryptionContext = ({ execution, target }: SealContext) => ({ execution, target });

const authenticated = (as: string, { execution, target, credential, expiresAt }: SealContext): Buffer =>
  Buffer.from(JSON.stringify([as, execution, target, ...(as === lastVersion ? [] : [credential, expiresAt])]));

const explain = (what: string, error: unknown): Error => {
  const came = awsClause(error);
  switch (awsFaultOf(error)) {
    case 'denied':
    case 'missing':
    case 'invalid':
      return new ConfigurationError(
        `KMS refused to ${what} (${came}). Check that the stack's key is enabled and deploy the stack again.`,
        awsCause(error),
      );
    default:
      return new KmsUnavailableError(`KMS did not ${what} (${came}).`, awsCause(error));
  }
};

/**
 * Seals tokens with AES-256-GCM under a fresh KMS data key, bound to execution and target by KMS's encryption context,
 * and to its credential and its end, too, by GCM's authenticated data.
 *
 * Form: `v2.<encrypted data key>.<iv>.<ciphertext and tag>`, each part in base64url.
 */
export const createSeal = (settings: Settings): Seal => {
  const keyId = requireSetting(settings, 'SEAL_KEY_ID');
  const kms = new KMSClient(awsClientDefaults(settings));
  return async (token, context) => {
    const { Plaintext: key, CiphertextBlob: encryptedKey } = await kms
      .send(
        new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: encryptionContext(context) }),
      )
      .catch((error: unknown) => {
        throw explain('make a data key', error);
      });
    if (!isDataKey(key) || !(encryptedKey instanceof Uint8Array)) {
      throw new KmsUnavailableError('KMS answered without a data key.');
    }
    try {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes }).setAAD(
        authenticated(version, context),
      );
      const sealed = Buffer.concat([cipher.update(JSON.stringify(token), 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return [version, ...[encryptedKey, iv, sealed].map((part) => Buffer.from(part).toString('base64url'))].join('.');
    } finally {
      key.fill(0);
    }
  };
};

/** Opens sealed tokens. */
export const createUnseal = (settings: Settings): Unseal => {
  const kms = new KMSClient(awsClientDefaults(settings));
  return async (sealed, context) => {
    const [found = '', ...parts] = sealed.length > maxSealed ? [] : sealed.split('.');
    const [encryptedKey, iv, box] = parts.map((part) => Buffer.from(part, 'base64url'));
    if (
      ![version, lastVersion].includes(found) ||
      parts.length !== 3 ||
      !encryptedKey?.length ||
      iv?.length !== ivBytes ||
      !box
    ) {
      throw new InvalidInputError(
        `token.sealed: expected a token that FetchToken sealed (${version}), found something else.`,
      );
    }
    const { Plaintext: key } = await kms
      .send(new DecryptCommand({ CiphertextBlob: encryptedKey, EncryptionContext: encryptionContext(context) }))
      .catch((error: unknown) => {
        throw explain('open the sealed token', error);
      });
    if (!isDataKey(key)) throw new KmsUnavailableError('KMS answered without a data key.');
    try {
      const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagBytes })
        .setAAD(authenticated(found, context))
        .setAuthTag(box.subarray(-tagBytes));
      const text = Buffer.concat([decipher.update(box.subarray(0, -tagBytes)), decipher.final()]).toString('utf8');
      return tokenSchema.parse(JSON.parse(text));
    } catch {
      throw new InvalidInputError(
        'token.sealed: expected a token sealed for this execution, target, credential and expiresAt, found a different or damaged one.',
      );
    } finally {
      key.fill(0);
    }
  };
};
