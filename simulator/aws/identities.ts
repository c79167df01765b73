import { randomBytes } from 'node:crypto';
import type { Identity } from '../iam/evaluate.ts';
import { sessionOf } from '../iam/iam.ts';
import type { Place } from '../iam/names.ts';
import { readPolicy } from '../iam/policy.ts';
import type { DeployedRole, DeployedStack } from '../iam/template.ts';
import { type AwsCaller, AwsError, type AwsService, xml } from './server.ts';

const sessionXml = (accessKeyId: string): string => {
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  return `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${randomBytes(20).toString('hex')}</SecretAccessKey><SessionToken>${randomBytes(40).toString('base64')}</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
};

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

  #addSession(session: Identity): string {
    const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
    this.addKey(accessKeyId, () => session);
    return accessKeyId;
  }

  readonly service: AwsService = {
    query: {
      // That the role trusts who asks has been found before: a role that does not exist trusts nobody.
      AssumeRole: (input) => {
        const arn = input.get('RoleArn') ?? '';
        const found = this.#roles.get(arn);
        if (found === undefined) throw new AwsError('AccessDenied', `There is no role ${arn}.`, 403);
        const session = sessionOf(found.role, input.get('RoleSessionName') ?? '', found.place);
        return `${sessionXml(this.#addSession(session))}<AssumedRoleUser><Arn>${xml(session.callerArn)}</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>`;
      },
      // A user's session, limited by a policy as by a boundary. Sessions get none:
      // https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
      GetFederationToken: (input, caller) => {
        const by = this.of(caller);
        if (!by.arn.includes(':user/')) {
          throw new AwsError('AccessDenied', 'Cannot call GetFederationToken with session credentials', 403);
        }
        const arn = `arn:aws:sts::${by.account}:federated-user/${input.get('Name') ?? ''}`;
        const boundary = readPolicy(JSON.parse(input.get('Policy') ?? '{}'), 'session');
        return sessionXml(this.#addSession({ ...by, callerArn: arn, boundary }));
      },
      GetCallerIdentity: (_input, caller) => {
        const { callerArn, account } = this.of(caller);
        return `<Arn>${xml(callerArn)}</Arn><UserId>AIDA</UserId><Account>${account}</Account>`;
      },
    },
  };
}
