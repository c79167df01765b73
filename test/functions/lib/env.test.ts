import { describe, expect, it } from 'vitest';
import { processSettings, readSettings, requireSetting } from '../../../functions/lib/env.ts';
import { ConfigurationError } from '../../../functions/lib/errors.ts';

describe('the settings', () => {
  it('have defaults', () => {
    expect(readSettings({})).toMatchObject({ SCHEDULE_HOURS: 3, PUSH_WINDOW_SECONDS: 60, RUNPOD_UPDATE_WAY: 'auto' });
    expect(readSettings({}).RUNPOD_API_URL.href).toBe('https://api.runpod.io/v2');
    expect(processSettings().PROPAGATION_MINUTES).toBe(10);
  });

  it('take an empty variable as absent', () => {
    expect(readSettings({ SCHEDULE_HOURS: '', SEAL_KEY_ID: '' }).SCHEDULE_HOURS).toBe(3);
    expect(readSettings({ SCHEDULE_HOURS: undefined }).SCHEDULE_HOURS).toBe(3);
    for (const variables of [{}, { RUNBOOK_URL: '' }]) expect(readSettings(variables).RUNBOOK_URL).toBeUndefined();
  });

  it('report everything that is wrong at once, naming each variable', () => {
    const read = () =>
      readSettings({
        SCHEDULE_HOURS: '12',
        PUSH_WINDOW_SECONDS: 'a minute',
        RUNPOD_UPDATE_WAY: 'v3',
        RUNPOD_API_URL: 'http://api.example',
        RUNPOD_REST_URL: 'nonsense',
        REGISTRY_ENDPOINT_URL: 'https://registry.example',
      });
    expect(read).toThrow(ConfigurationError);
    for (const message of [
      /SCHEDULE_HOURS: expected at most 9/,
      /PUSH_WINDOW_SECONDS: expected a number from 1 to 900, found "a minute"/,
      /RUNPOD_UPDATE_WAY: expected one of auto, v2, graphql, v1, found "v3"/,
      /RUNPOD_API_URL: expected an https URL/,
      /RUNPOD_REST_URL: expected an https URL/,
      /REGISTRY_ENDPOINT_URL: expected a URL of this very machine/,
    ]) {
      expect(read).toThrow(message);
    }
  });

  it('refuse a number that is too small', () => {
    expect(() => readSettings({ RETRY_MINUTES: '0' })).toThrow(/RETRY_MINUTES: expected at least 1/);
    expect(readSettings({ RETRY_MINUTES: '1' }).RETRY_MINUTES).toBe(1);
  });

  it('let only loopback do without https', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      expect(readSettings({ RUNPOD_API_URL: `http://${host}:1/v2` }).RUNPOD_API_URL.port).toBe('1');
    }
    expect(readSettings({ RUNPOD_API_URL: 'https://api.example/v2' }).RUNPOD_API_URL.host).toBe('api.example');
  });

  it('without a default are demanded by who needs them', () => {
    expect(() => requireSetting(readSettings({}), 'SEAL_KEY_ID')).toThrow(/lacks SEAL_KEY_ID/);
    expect(requireSetting(readSettings({ SEAL_KEY_ID: 'key' }), 'SEAL_KEY_ID')).toBe('key');
  });
});
