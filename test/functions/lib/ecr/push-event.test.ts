import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { pushEventSchema } from '../../../../functions/lib/ecr/push-event.ts';

const event = { account: '123456789012', region: 'us-east-1', detail: { 'repository-name': 'team/worker' } };
const read = (changed: object) => z.safeParse(pushEventSchema, { ...event, ...changed });

describe('an event of a push', () => {
  it('names a registry and a repository', () => {
    expect(read({ source: 'aws.ecr' }).data).toEqual({
      registry: { account: '123456789012', region: 'us-east-1' },
      repository: 'team/worker',
    });
    expect(read({ detail: { 'repository-name': 'r'.repeat(256) } }).success).toBe(true);
  });

  it.each([
    [{ account: '1234567890123' }, 'expected an AWS account id of 12 digits'],
    [{ account: 'x123456789012' }, 'expected an AWS account id of 12 digits'],
    [{ region: 'here' }, 'expected an AWS region'],
    [{ detail: { 'repository-name': '' } }, undefined],
    [{ detail: { 'repository-name': 'r'.repeat(257) } }, undefined],
    [{ detail: {} }, undefined],
  ])('is none with %j', (changed, message) => {
    const { success, error } = read(changed);
    expect(success).toBe(false);
    if (message !== undefined) expect(error?.issues[0]?.message).toBe(message);
  });
});
