import { createReadApiKey } from '../aws/api-key.ts';
import type { Settings } from '../env.ts';
import type { BasePlatform } from '../platform.ts';
import { type ConnectRunpod, createConnectRunpod, type RunpodClient } from './client.ts';

/** Makes Runpod clients for one function, with its settings, clock and key store. */
export const connectRunpod = ({ settings, send, now, sleep }: BasePlatform): ConnectRunpod =>
  createConnectRunpod({
    send,
    now,
    sleep,
    readApiKey: createReadApiKey(settings),
    timeoutMs: settings.UPSTREAM_TIMEOUT_SECONDS * 1000,
  });

/** Runpod as the key at a place sees it, with what a function asks of it. */
export const runpodBy = <Runpod>(
  platform: BasePlatform,
  ask: (client: RunpodClient, settings: Settings) => Runpod,
): ((keySource: string) => Runpod) => {
  const connect = connectRunpod(platform);
  return (keySource) => ask(connect(keySource), platform.settings);
};
