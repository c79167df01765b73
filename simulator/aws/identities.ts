import { randomBytes } from 'node:crypto';
import type { Identity } from '../iam/evaluate.ts';
import { sessionOf } from '../iam/iam.ts';
import type { Place } from '../iam/names.ts';
import type { DeployedRole, DeployedStack } from '../iam/template.ts';
import { type AwsCaller, AwsError, type AwsService, xml } from './server.ts';

/** STS, and who is behind an access key. */
export class Identities {
  readonly #keys = new Map<string, () => Identity>();
  readonly #roles = new Map<string, { readonly role: DeployedRole; readonly place: Place }>();

  /** @param who asked at each call, so that a deploy changes what it may do */
  addKey(accessKeyId: string, who: () => Identity): void {
    this.#keys.set(accessKeyId, who);
  }

  /** Roles of a stack become roles that may be assumed, as far as they trust who asks. */
  addRoles(stack: DeployedStack): void {
    for (const role of stack.roles) this.#roles.set(role.arn, { role, place: stack });
  }

  of({ accessKeyId }: Pick<AwsCaller, 'accessKeyId'>): Identity {
    const who = this.#keys.get(accessKeyId);
    if (who === undefined) {
      throw new AwsError('UnrecognizedClientException', 'The security token included in the request is invalid.', 400);
    }
    return who();
  }

  readonly service: AwsService = {
    query: {
      // That the role trusts who asks has been found before: a role that does not exist trusts nobody.
      AssumeRole: (input) => {
        const arn = input.get('RoleArn') ?? '';
        const found = this.#roles.get(arn);
        if (found === undefined) throw new AwsError('AccessDenied', `There is no role ${arn}.`, 403);
        const session = sessionOf(found.role, input.get('RoleSessionName') ?? '', found.place);
        const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
        this.addKey(accessKeyId, () => session);
        const expiration = new Date(Date.now() + 3_600_000).toISOString();
        return `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${randomBytes(20).toString('hex')}</SecretAccessKey><SessionToken>${randomBytes(40).toString('base64')}</SessionToken><Expiration>${expiration}</Expiration></Credentials><AssumedRoleUser><Arn>${xml(session.callerArn)}</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>`;
      },
      GetCallerIdentity: (_input, caller) => {
        const { callerArn, account } = this.of(caller);
        return `<Arn>${xml(callerArn)}</Arn><UserId>AIDA</UserId><Account>${account}</Account>`;
      },
    },
  };
}
