import { AwsError, type AwsService } from './server.ts';

/** Parameter Store and Secrets Manager. */
export class SecretStores {
  readonly parameters = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  /** The customer's own KMS keys of parameters and secrets; AWS's own protects the others. */
  readonly keys = new Map<string, string>();
  /** Parameters that are stored as a plain String. */
  readonly plain = new Set<string>();

  /** Earlier values of parameters, oldest first, and the KMS keys that encrypt them. */
  readonly history = new Map<string, Array<{ readonly value: string; readonly keyId: string }>>();

  /** Adds a parameter that is no secret, as a template does. */
  addPlain(name: string, value: string): void {
    this.plain.add(name);
    this.parameters.set(name, value);
  }

  #keyIdOf(name: string): string {
    return this.keys.get(name) ?? 'alias/aws/ssm';
  }

  #requireParameter(name: string): string {
    const value = this.parameters.get(name);
    if (value === undefined) throw new AwsError('ParameterNotFound', '');
    return value;
  }

  readonly service: AwsService = {
    json: {
      'AmazonSSM.PutParameter': ({ Name, Value, Type, Overwrite, KeyId }) => {
        const name = String(Name);
        // "Standard parameters have a value limit of 4 KB": API_PutParameter, Value.
        if (Buffer.byteLength(String(Value)) > 4096)
          throw new AwsError(
            'ValidationException',
            'Standard tier parameters support a maximum parameter value of 4096 characters.',
          );
        if (Type !== (this.plain.has(name) ? 'String' : 'SecureString'))
          throw new AwsError('ValidationException', 'The embedded AWS keeps secrets secret.');
        const before = this.parameters.get(name);
        if (before !== undefined && Overwrite !== true) {
          throw new AwsError('ParameterAlreadyExists', 'The parameter already exists.');
        }
        this.history.set(name, [
          ...(this.history.get(name) ?? []),
          ...(before === undefined ? [] : [{ value: before, keyId: this.#keyIdOf(name) }]),
        ]);
        this.parameters.set(name, String(Value));
        // One that is written without naming a key goes over to AWS's own:
        // https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html (KeyId)
        if (KeyId === undefined || KeyId === 'alias/aws/ssm') this.keys.delete(name);
        else this.keys.set(name, String(KeyId));
        return { Version: (this.history.get(name)?.length ?? 0) + 1, Tier: 'Standard' };
      },
      'AmazonSSM.DeleteParameter': ({ Name }) => {
        this.#requireParameter(String(Name));
        this.parameters.delete(String(Name));
        this.history.delete(String(Name));
        this.keys.delete(String(Name));
        return {};
      },
      'AmazonSSM.GetParameterHistory': ({ Name, WithDecryption }) => {
        const name = String(Name);
        const current = { value: this.#requireParameter(name), keyId: this.#keyIdOf(name) };
        const values = [...(this.history.get(name) ?? []), current];
        return {
          Parameters: values.map(({ value, keyId }, index) => ({
            Name,
            KeyId: keyId,
            Type: 'SecureString',
            Value: WithDecryption === true ? value : 'AQICAHg-encrypted',
            Version: index + 1,
          })),
        };
      },
      'AmazonSSM.GetParameter': ({ Name, WithDecryption }) => {
        const value = this.#requireParameter(String(Name));
        return {
          Parameter: {
            Name,
            Type: this.plain.has(String(Name)) ? 'String' : 'SecureString',
            Value: WithDecryption === true || this.plain.has(String(Name)) ? value : 'AQICAHg-encrypted',
            Version: (this.history.get(String(Name))?.length ?? 0) + 1,
          },
        };
      },
      'secretsmanager.GetSecretValue': ({ SecretId }) => {
        const value = this.secrets.get(String(SecretId));
        if (value === undefined) {
          throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
        }
        return { ARN: `arn:aws:secretsmanager:us-east-1:123456789012:secret:${String(SecretId)}`, SecretString: value };
      },
    },
  };
}
