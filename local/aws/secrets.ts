import { AwsError, type AwsService } from './server.ts';

/** Parameter Store and Secrets Manager. */
export class SecretStores {
  readonly parameters = new Map<string, string>();
  readonly secrets = new Map<string, string>();

  readonly service: AwsService = {
    json: {
      'AmazonSSM.GetParameter': ({ Name, WithDecryption }) => {
        const value = this.parameters.get(String(Name));
        if (value === undefined) throw new AwsError('ParameterNotFound', '');
        return {
          Parameter: {
            Name,
            Type: 'SecureString',
            Value: WithDecryption === true ? value : 'AQICAHg-encrypted',
            Version: 1,
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
