import * as z from 'zod/mini';

/** A value or several of them, as a policy may write either. */
const listOf = <Schema extends z.ZodMiniType>(schema: Schema) =>
  z.pipe(
    z.union([schema, z.array(schema)]),
    z.transform((value): z.output<Schema>[] => (Array.isArray(value) ? value : [value])),
  );

const textsSchema = listOf(z.string());
const valuesSchema = z.pipe(
  listOf(z.union([z.string(), z.boolean(), z.number()])),
  z.transform((values) => values.map(String)),
);
const principalSchema = z.pipe(
  z.union([
    z.literal('*'),
    z.strictObject({
      AWS: z.optional(textsSchema),
      Service: z.optional(textsSchema),
      Federated: z.optional(textsSchema),
    }),
  ]),
  z.transform((principal) => (principal === '*' ? { AWS: ['*'], Service: [] } : principal)),
);

/** "IAM JSON policy elements reference": every element that this simulator knows; any other is refused. */
const statementSchema = z.strictObject({
  Sid: z.optional(z.string()),
  Effect: z.enum(['Allow', 'Deny']),
  Principal: z.optional(principalSchema),
  Action: z.optional(textsSchema),
  NotAction: z.optional(textsSchema),
  Resource: z.optional(textsSchema),
  NotResource: z.optional(textsSchema),
  Condition: z.optional(z.record(z.string(), z.record(z.string(), valuesSchema))),
});

const policySchema = z.strictObject({
  Version: z.optional(z.enum(['2012-10-17', '2008-10-17'])),
  Id: z.optional(z.string()),
  Statement: listOf(statementSchema),
});

/** A policy in which every list is a list, and every value a string. */
export type Policy = z.output<typeof policySchema>;
export type PolicyStatement = Policy['Statement'][number];

/**
 * Reads a policy document as IAM does: an element that does not exist, or is there twice in its two forms, is an error.
 *
 * @param name what the policy is called in the error's message
 */
export const readPolicy = (document: unknown, name: string): Policy => {
  const parsed = policySchema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${name} is no policy: ${issue?.path.join('.')} ${issue?.message}`);
  }
  for (const { Sid, Action, NotAction, Resource, NotResource } of parsed.data.Statement) {
    if ((Action === undefined) === (NotAction === undefined)) {
      throw new Error(`${name}: statement ${Sid ?? ''} needs one of Action and NotAction.`);
    }
    if (Resource !== undefined && NotResource !== undefined) {
      throw new Error(`${name}: statement ${Sid ?? ''} has both Resource and NotResource.`);
    }
  }
  return parsed.data;
};
