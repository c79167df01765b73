import { createReadApiKey } from '../aws/api-key.ts';
import type { BasePlatform } from '../platform.ts';
import { type ConnectRunpod, createConnectRunpod } from './client.ts';

/** Makes Runpod clients for one function, with its settings, clock and key store. */
export const connectRunpod = ({ settings, send, now, sleep }: BasePlatform): ConnectRunpod =>
  createConnectRunpod({
    send,
    now,
    sleep,
    readApiKey: createReadApiKey(settings),
    timeoutMs: settings.UPSTREAM_TIMEOUT_SECONDS * 1000,
  });
