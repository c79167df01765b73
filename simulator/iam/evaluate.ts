/**
 * Decides a request as IAM does, by its documented logic:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 *
 * What this project's stack has no use for is left out: service control policies, resource control policies, session
 * policies, VPC endpoint policies, grants of KMS, and policy variables, which are refused.
 */
import { type ContextKeys, holdsConditions, matchesArn, matchesGlob } from './conditions.ts';
import type { Policy, PolicyStatement } from './policy.ts';

/** A session of a role, or a user: somebody with policies of their own. */
export interface Identity {
  readonly kind: 'identity';
  /** The role's or user's ARN, which policies name. */
  readonly arn: string;
  /** The ARN by which AWS calls whoever asks: of an assumed role, its session's. */
  readonly callerArn: string;
  readonly account: string;
  readonly policies: readonly Policy[];
  readonly boundary?: Policy | undefined;
}

/** A service of AWS in its own name, such as `scheduler.amazonaws.com`. */
export interface ServiceIdentity {
  readonly kind: 'service';
  readonly name: string;
}

/** A policy that a resource has. Keys and roles are used by nobody whom theirs does not let. */
export interface ResourcePolicy {
  readonly kind: 'key' | 'trust' | 'resource';
  readonly policy: Policy;
}

/** What is asked of IAM. */
export interface AccessRequest {
  readonly by: Identity | ServiceIdentity;
  /** As the service itself writes it: SNS says `SNS:Publish`. */
  readonly action: string;
  /** An ARN, or `*` where the action knows no resource. */
  readonly resource: string;
  /** The account that the resource is in, where its ARN does not tell. */
  readonly resourceAccount?: string | undefined;
  readonly resourcePolicy?: ResourcePolicy | undefined;
  readonly context: ContextKeys;
}

/** What IAM answers: yes, or AWS's own sentence. */
type AccessDecision = { readonly isAllowed: true } | { readonly isAllowed: false; readonly message: string };

const refuseVariables = ({ Version }: Policy, texts: readonly string[]): void => {
  if (Version !== '2012-10-17') return; // older policies take `${` as it stands
  const variable = texts.find((text) => text.includes('${'));
  if (variable !== undefined) throw new Error(`The simulator knows no policy variables: ${variable}`);
};

/** Action, resource and conditions of a statement. Names of actions ignore case. */
const concerns = (
  policy: Policy,
  statement: PolicyStatement,
  { action, resource, context }: AccessRequest,
): boolean => {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement;
  const conditionValues = Object.values(Condition).flatMap((keys) => Object.values(keys).flat());
  refuseVariables(policy, [...(Resource ?? []), ...(NotResource ?? []), ...conditionValues]);
  const namesAction = (pattern: string): boolean => matchesGlob(pattern.toLowerCase(), action.toLowerCase());
  if (Action !== undefined && !Action.some(namesAction)) return false;
  if (NotAction?.some(namesAction) === true) return false;
  const namesResource = (pattern: string): boolean => matchesArn(pattern, resource);
  if (Resource !== undefined && !Resource.some(namesResource)) return false;
  if (NotResource?.some(namesResource) === true) return false;
  return holdsConditions(statement, context);
};

const has = (policies: readonly Policy[], effect: 'Allow' | 'Deny', request: AccessRequest): boolean =>
  policies.some((policy) =>
    policy.Statement.some((statement) => statement.Effect === effect && concerns(policy, statement, request)),
  );

/**
 * How closely a Principal element names whoever asks. An account's name hands the decision to that account's identity
 * policies. A boundary limits what is given to a role, not what is given to a session, to a user or to everybody.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */
const closeness = ['nobody', 'account', 'identity', 'caller'] as const;
type Closeness = (typeof closeness)[number];

const namedBy = ({ Principal }: PolicyStatement, by: AccessRequest['by']): Closeness => {
  const { AWS = [], Service = [] } = Principal ?? {};
  if (by.kind === 'service') return Service.includes(by.name) || AWS.includes('*') ? 'identity' : 'nobody';
  if (AWS.includes(by.callerArn) || AWS.includes('*')) return 'caller';
  if (AWS.includes(by.arn)) return 'identity';
  const root = new RegExp(`^(arn:[^:]+:iam::)?${by.account}(:root)?$`);
  return AWS.some((name) => root.test(name)) ? 'account' : 'nobody';
};

const grantedBy = (request: AccessRequest, effect: 'Allow' | 'Deny'): Closeness => {
  const { by, resourcePolicy } = request;
  if (resourcePolicy === undefined) return 'nobody';
  const { policy } = resourcePolicy;
  return policy.Statement.filter((each) => each.Effect === effect && concerns(policy, each, request))
    .map((each) => namedBy(each, by))
    .reduce((most, each) => (closeness.indexOf(each) > closeness.indexOf(most) ? each : most), 'nobody');
};

/** "Troubleshoot access denied error messages" has the sentence for each kind of policy. */
const refuse = (
  { by, action, resource, resourcePolicy }: AccessRequest,
  policyKind: 'identity-based policy' | 'permissions boundary' | 'resource-based policy' | undefined,
  isExplicit = false,
): AccessDecision => {
  const user = `User: ${by.kind === 'service' ? by.name : by.callerArn} is not authorized to perform: ${action}`;
  const isTrust = policyKind === 'resource-based policy' && resourcePolicy?.kind === 'trust';
  const place = isTrust ? '' : ` on resource: ${resource}`;
  const kind = isTrust ? 'role trust policy' : policyKind;
  const article = isTrust ? 'the' : kind === 'identity-based policy' ? 'an' : 'a';
  const reason =
    kind === undefined
      ? ''
      : isExplicit
        ? ` with an explicit deny in ${article} ${kind}`
        : ` because no ${kind} allows the ${action} action`;
  return { isAllowed: false, message: `${user}${place}${reason}` };
};

/** Decides a request. */
export const evaluate = (request: AccessRequest): AccessDecision => {
  const { by, resource, resourcePolicy } = request;
  const granted = grantedBy(request, 'Allow');
  const isDeniedByResource = grantedBy(request, 'Deny') !== 'nobody';
  if (by.kind === 'service') {
    if (isDeniedByResource) return refuse(request, 'resource-based policy', true);
    return granted === 'nobody' ? refuse(request, 'resource-based policy') : { isAllowed: true };
  }

  const boundaries = by.boundary === undefined ? [] : [by.boundary];
  const resourceAccount = request.resourceAccount ?? (resource.split(':')[4] || by.account);
  const isElsewhere = resourceAccount !== by.account;
  // Between accounts a message tells nothing of policies: "Troubleshoot access denied error messages".
  const refuseFor: typeof refuse = (_, kind, isExplicit) => refuse(request, isElsewhere ? undefined : kind, isExplicit);

  if (has(by.policies, 'Deny', request)) return refuseFor(request, 'identity-based policy', true);
  if (has(boundaries, 'Deny', request)) return refuseFor(request, 'permissions boundary', true);
  if (isDeniedByResource) return refuseFor(request, 'resource-based policy', true);

  const isWithinBoundary = boundaries.length === 0 || has(boundaries, 'Allow', request);
  const mustBeGranted = isElsewhere || (resourcePolicy !== undefined && resourcePolicy.kind !== 'resource');
  if (mustBeGranted && granted === 'nobody') return refuseFor(request, 'resource-based policy');
  if (!isElsewhere && granted === 'caller') return { isAllowed: true };
  if (isElsewhere || granted !== 'identity') {
    if (!has(by.policies, 'Allow', request)) return refuseFor(request, 'identity-based policy');
  }
  return isWithinBoundary ? { isAllowed: true } : refuseFor(request, 'permissions boundary');
};
