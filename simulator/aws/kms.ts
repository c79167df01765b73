import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { AwsError, type AwsService } from './server.ts';

/** KMS with one symmetric key: data keys bound to their encryption context. */
export class Kms {
  readonly keyArn: string;
  /** A key that a person has disabled refuses everything. */
  isEnabled = true;
  readonly #master = randomBytes(32);

  constructor(keyArn: string) {
    this.keyArn = keyArn;
  }

  #requireEnabled(): void {
    if (!this.isEnabled) throw new AwsError('DisabledException', `${this.keyArn} is disabled.`);
  }

  readonly service: AwsService = {
    json: {
      'TrentService.GenerateDataKey': ({ KeyId, EncryptionContext = {} }) => {
        if (KeyId !== this.keyArn) throw new AwsError('NotFoundException', `Key '${String(KeyId)}' does not exist`);
        this.#requireEnabled();
        const key = randomBytes(32);
        const iv = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', this.#master, iv).setAAD(canonical(EncryptionContext));
        const blob = Buffer.concat([iv, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
        return { KeyId: this.keyArn, Plaintext: key.toString('base64'), CiphertextBlob: blob.toString('base64') };
      },
      'TrentService.Decrypt': ({ CiphertextBlob, EncryptionContext = {} }) => {
        this.#requireEnabled();
        const blob = Buffer.from(String(CiphertextBlob), 'base64');
        try {
          const decipher = createDecipheriv('aes-256-gcm', this.#master, blob.subarray(0, 12))
            .setAAD(canonical(EncryptionContext))
            .setAuthTag(blob.subarray(-16));
          const key = Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]);
          return { KeyId: this.keyArn, Plaintext: key.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
        } catch {
          throw new AwsError('InvalidCiphertextException', '');
        }
      },
    },
  };
}

const canonical = (context: unknown): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context as Record<string, string>).sort()));
