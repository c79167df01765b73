/** The IAM of a deployed stack: who its roles are, and what AWS would answer them. */
import { AwsError } from '../aws/server.ts';
import type { AuthorizationCheck } from './authorization.ts';
import type { ContextKeys } from './conditions.ts';
import { type AccessRequest, evaluate, type Identity, type ResourcePolicy, type ServiceIdentity } from './evaluate.ts';
import type { Place } from './names.ts';
import { readPolicy } from './policy.ts';
import type { TemplateOptions } from './resolver.ts';
import { type DeployedRole, type DeployedStack, deployTemplate } from './template.ts';

/** A refusal as AWS answers it. */
export interface AccessRefusal {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

/** A question to IAM, by somebody. */
export interface IamQuestion {
  readonly principal: AccessRequest['by'];
  readonly action: string;
  readonly resource: string;
  readonly context?: ContextKeys;
  readonly via?: string | undefined;
}

/**
 * The code and the HTTP status of a service's refusal: JSON services have 400, query and REST ones 403. Codes of STS and
 * CloudWatch: "Common errors" in their API references; of SNS: Publish's AuthorizationError.
 */
const refusalByService: Readonly<Record<string, { readonly code: string; readonly status: number }>> = {
  sns: { code: 'AuthorizationError', status: 403 },
  sts: { code: 'AccessDenied', status: 403 },
  cloudwatch: { code: 'AccessDenied', status: 403 },
  sqs: { code: 'AccessDenied', status: 403 },
  lambda: { code: 'AccessDeniedException', status: 403 },
  xray: { code: 'AccessDeniedException', status: 403 },
};

/** KMS's refusal as a service passes it on: the names are in the SDK's models of Step Functions, SNS and SQS. */
const kmsRefusalByService: Readonly<Record<string, string>> = {
  states: 'KmsAccessDeniedException',
  sns: 'KMSAccessDenied',
  sqs: 'KmsAccessDenied',
};

const refusalOf = ({ action, via }: IamQuestion, message: string): AccessRefusal => {
  // The one service that keeps KMS's sentence to itself.
  if (via === 'secretsmanager') {
    return { code: 'AccessDeniedException', message: 'Access to KMS is not allowed', status: 400 };
  }
  const service = action.split(':')[0]?.toLowerCase() ?? '';
  const { code, status } = refusalByService[service] ?? { code: 'AccessDeniedException', status: 400 };
  return { code: (via === undefined ? undefined : kmsRefusalByService[via]) ?? code, message, status };
};

export interface Iam {
  readonly stack: DeployedStack;
  /** The session of the role of a function, a machine, a schedule or a rule's target; by logical id, name or ARN. */
  roleOf(user: string): Identity;
  /** A session of a role of the stack, by logical id, name or ARN. */
  session(role: string, sessionName: string): Identity;
  /** A service of AWS in its own name, such as `events.amazonaws.com`. */
  service(name: string): ServiceIdentity;
  /** Gives a policy to a resource outside the template: a customer's key, a role or a repository of another account. */
  setResourcePolicy(arn: string, kind: ResourcePolicy['kind'], document: unknown): void;
  /** AWS's refusal, or nothing where AWS would do it. */
  authorize(question: IamQuestion): AccessRefusal | undefined;
  /** The same for all that one operation is authorized by: the first refusal counts. */
  authorizeAll(principal: AccessRequest['by'], checks: readonly AuthorizationCheck[]): AccessRefusal | undefined;
  /** @throws {AwsError} AWS's refusal, as the embedded services answer it */
  require(principal: AccessRequest['by'], checks: readonly AuthorizationCheck[]): void;
}

const service = (name: string): ServiceIdentity => ({ kind: 'service', name });

/** A session of a role of any account. */
export const sessionOf = (
  role: DeployedRole,
  sessionName: string,
  { account, partition }: Pick<Place, 'account' | 'partition'>,
): Identity => ({
  kind: 'identity',
  arn: role.arn,
  callerArn: `arn:${partition}:sts::${account}:assumed-role/${role.name}/${sessionName}`,
  account,
  policies: role.policies.map(({ policy }) => policy),
  boundary: role.boundary,
});

/** @param template the object of `.serverless/cloudformation-template-update-stack.json` */
export const createIam = (template: unknown, options: TemplateOptions): Iam => iamOf(deployTemplate(template, options));

/** @param onQuestion called with all that is asked, and whether AWS would do it */
export const iamOf = (
  stack: DeployedStack,
  onQuestion: (question: IamQuestion, isAllowed: boolean) => void = () => {},
): Iam => {
  const { account, partition } = stack;
  const resourcePolicies = new Map(stack.resourcePolicies);
  const aliasesByKey = Map.groupBy(
    [...stack.resources.values()].filter(({ type }) => type === 'AWS::KMS::Alias'),
    ({ properties }) => String(properties.TargetKeyId).split('/').at(-1),
  );

  const session = (name: string, sessionName: string): Identity => {
    const role = stack.roles.find((each) => [each.logicalId, each.name, each.arn].includes(name));
    if (role === undefined) throw new Error(`The stack has no role ${name}.`);
    return sessionOf(role, sessionName, { account, partition });
  };

  /** "AWS global condition context keys", and those that KMS adds to each of its requests. */
  const complete = ({ principal, action, resource, context = {} }: IamQuestion): ContextKeys => {
    const isKms = action.startsWith('kms:');
    const aliases = isKms ? aliasesByKey.get(resource.split('/').at(-1)) : undefined;
    const who =
      principal.kind === 'service'
        ? { 'aws:PrincipalIsAWSService': 'true', 'aws:PrincipalServiceName': principal.name }
        : {
            'aws:PrincipalIsAWSService': 'false',
            'aws:PrincipalArn': principal.arn,
            'aws:PrincipalAccount': principal.account,
            ...(isKms ? { 'kms:CallerAccount': principal.account } : {}),
          };
    return {
      ...who,
      ...(aliases === undefined ? {} : { 'kms:ResourceAliases': aliases.map(({ ref }) => ref) }),
      ...context,
    };
  };

  const authorize = (question: IamQuestion): AccessRefusal | undefined => {
    const { principal, action, resource } = question;
    const resourcePolicy = resourcePolicies.get(resource);
    if (resourcePolicy === undefined && /^arn:[^:]+:kms:[^:]*:[^:]*:key\//.test(resource)) {
      throw new Error(`What does the policy of the key ${resource} say?`);
    }
    const isUnknownRole = resourcePolicy === undefined && action === 'sts:AssumeRole';
    const decision = evaluate({
      by: principal,
      action,
      resource,
      // A role that does not exist trusts nobody.
      resourcePolicy: isUnknownRole ? { kind: 'trust', policy: { Statement: [] } } : resourcePolicy,
      context: complete(question),
    });
    onQuestion(question, decision.isAllowed);
    return decision.isAllowed ? undefined : refusalOf(question, decision.message);
  };

  const authorizeAll: Iam['authorizeAll'] = (principal, checks) => {
    for (const { service: own, ...each } of checks) {
      const refusal = authorize({ ...each, principal: own === undefined ? principal : service(own) });
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  };

  return {
    stack,
    session,
    service,
    roleOf(user) {
      const use = stack.roleUses.find((each) => [each.logicalId, each.name, each.arn].includes(user));
      if (use === undefined) throw new Error(`The stack has nothing that runs in a role and is called ${user}.`);
      return session(use.roleArn, use.name.replace(/[^\w+=,.@-]/g, '-').slice(0, 64));
    },
    setResourcePolicy: (arn, kind, document) =>
      void resourcePolicies.set(arn, { kind, policy: readPolicy(document, `${arn}'s policy`) }),
    authorize,
    authorizeAll,
    require(principal, checks) {
      const refusal = authorizeAll(principal, checks);
      if (refusal !== undefined) throw new AwsError(refusal.code, refusal.message, refusal.status);
    },
  };
};
