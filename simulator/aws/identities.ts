import { randomBytes } from 'node:crypto';
import { type AwsCaller, AwsError, type AwsService, xml } from './server.ts';

/** Somebody who may call AWS, and what they may do there. */
export interface Principal {
  readonly arn: string;
  readonly account: string;
  /** Repositories it may pull, as `account/repository`; `*` stands for anything. */
  readonly mayPull: readonly string[];
  readonly mayMint: boolean;
}

/** A role that others may assume. */
interface Role extends Principal {
  readonly externalId?: string;
}

/** STS, and who is behind an access key. */
export class Identities {
  readonly #principals = new Map<string, Principal>();
  readonly #roles = new Map<string, Role>();

  addKey(accessKeyId: string, principal: Principal): void {
    this.#principals.set(accessKeyId, principal);
  }

  addRole(role: Role): void {
    this.#roles.set(role.arn, role);
  }

  /** Deleting a role kills its sessions, and with them the tokens they minted. */
  deleteRole(arn: string): void {
    this.#roles.delete(arn);
    for (const [key, principal] of this.#principals) if (principal.arn === arn) this.#principals.delete(key);
  }

  of({ accessKeyId }: AwsCaller): Principal {
    const principal = this.#principals.get(accessKeyId);
    if (principal === undefined) {
      throw new AwsError('UnrecognizedClientException', 'The security token included in the request is invalid.', 400);
    }
    return principal;
  }

  readonly service: AwsService = {
    query: {
      AssumeRole: (input, caller) => {
        const arn = input.get('RoleArn') ?? '';
        const asking = this.of(caller);
        const role = this.#roles.get(arn);
        if (role === undefined || role.externalId !== (input.get('ExternalId') ?? undefined)) {
          throw new AwsError(
            'AccessDenied',
            `User: ${asking.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
            403,
          );
        }
        const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
        this.#principals.set(accessKeyId, role);
        const expiration = new Date(Date.now() + 3_600_000).toISOString();
        return `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${randomBytes(20).toString('hex')}</SecretAccessKey><SessionToken>${randomBytes(40).toString('base64')}</SessionToken><Expiration>${expiration}</Expiration></Credentials><AssumedRoleUser><Arn>${xml(arn)}/session</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>`;
      },
      GetCallerIdentity: (_input, caller) => {
        const { arn, account } = this.of(caller);
        return `<Arn>${xml(arn)}</Arn><UserId>AIDA</UserId><Account>${account}</Account>`;
      },
    },
  };
}
