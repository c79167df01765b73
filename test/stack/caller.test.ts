import { describe, expect, it } from 'vitest';
import { readCaller } from '../../stack/caller.ts';

describe('who runs a command', () => {
  it.each([
    ['the option, before the environment', { region: 'eu-west-1' }, { AWS_REGION: 'eu-central-1' }, 'eu-west-1'],
    ['the environment', {}, { AWS_REGION: 'eu-central-1' }, 'eu-central-1'],
    ['nothing, as serverless.yml', {}, {}, 'us-east-1'],
  ])('has the region of %s', (_what, options, environment, region) => {
    const caller = readCaller(options, { environment });
    expect([caller.region, caller.aws.region, caller.settings.aws?.region]).toEqual([region, region, region]);
  });

  it('gives every client the profile and the connection, and leaves the process’s environment alone', () => {
    const before = { ...process.env };
    const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'x' };
    const options = { profile: 'other', region: 'eu-west-1', stage: 'prod' };
    const caller = readCaller(options, { environment: {}, aws: { endpoint: 'http://127.0.0.1:9', credentials } });
    const connection = { profile: 'other', region: 'eu-west-1', endpoint: 'http://127.0.0.1:9', credentials };
    expect(caller.aws).toMatchObject(connection);
    expect(caller.settings.aws).toEqual(connection);
    expect(caller.stackName).toBe('runpod-ecr-refresh-prod');
    expect({ ...process.env }).toEqual(before);
  });
});
