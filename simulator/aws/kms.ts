import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { AwsError, type AwsService } from './server.ts';

const keyIdBytes = 16;

/** KMS with symmetric keys: data keys bound to their encryption context. */
export class Kms {
  /** A key that a person has disabled refuses everything. */
  isEnabled = true;
  readonly #masters = new Map<string, { readonly id: Buffer; readonly master: Buffer }>();

  /** @param keyArns the keys that there are */
  constructor(keyArns: readonly string[]) {
    for (const arn of keyArns) this.#masters.set(arn, { id: randomBytes(keyIdBytes), master: randomBytes(32) });
  }

  #require(keyArn: string): Buffer {
    const key = this.#masters.get(keyArn);
    if (key === undefined) throw new AwsError('NotFoundException', `Key '${keyArn}' does not exist`);
    if (!this.isEnabled) throw new AwsError('DisabledException', `${keyArn} is disabled.`);
    return key.master;
  }

  /** The key that made a data key: a ciphertext tells it. */
  readonly keyOfCiphertext = (ciphertext: string): string => {
    const id = Buffer.from(ciphertext, 'base64').subarray(0, keyIdBytes);
    const found = [...this.#masters].find(([, key]) => key.id.equals(id));
    if (found === undefined) throw new AwsError('InvalidCiphertextException', '');
    return found[0];
  };

  readonly service: AwsService = {
    json: {
      'TrentService.GenerateDataKey': ({ KeyId, EncryptionContext = {} }) => {
        const keyArn = String(KeyId);
        const master = this.#require(keyArn);
        const key = randomBytes(32);
        const iv = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', master, iv).setAAD(canonical(EncryptionContext));
        const id = this.#masters.get(keyArn)?.id ?? Buffer.alloc(0);
        const blob = Buffer.concat([id, iv, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
        return { KeyId, Plaintext: key.toString('base64'), CiphertextBlob: blob.toString('base64') };
      },
      'TrentService.Decrypt': ({ CiphertextBlob, EncryptionContext = {} }) => {
        const keyArn = this.keyOfCiphertext(String(CiphertextBlob));
        const master = this.#require(keyArn);
        const blob = Buffer.from(String(CiphertextBlob), 'base64').subarray(keyIdBytes);
        try {
          const decipher = createDecipheriv('aes-256-gcm', master, blob.subarray(0, 12))
            .setAAD(canonical(EncryptionContext))
            .setAuthTag(blob.subarray(-16));
          const key = Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]);
          return { KeyId: keyArn, Plaintext: key.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
        } catch {
          throw new AwsError('InvalidCiphertextException', '');
        }
      },
    },
  };
}

const canonical = (context: unknown): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context as Record<string, string>).sort()));
