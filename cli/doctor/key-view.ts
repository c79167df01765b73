import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { type Delegation, listDelegations } from '../../functions/lib/runpod/delegations.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../../functions/lib/runpod/management.ts';
import { createRunpodPods, type Pod } from '../../functions/lib/runpod/pods.ts';
import type { Caller } from '../../stack/caller.ts';
import { connect } from '../runpod.ts';
import { once } from './check.ts';

/** What one Runpod key shows; asked once, however many targets use it. */
export interface KeyView {
  readonly client: RunpodClient;
  readonly management: RunpodManagement;
  readonly key: () => Promise<string>;
  readonly endpoints: () => Promise<Endpoint[]>;
  readonly pods: () => Promise<Pod[]>;
  readonly delegations: () => Promise<readonly Delegation[]>;
}

/** Views of keys, by where they are kept. */
export const createKeyViews = ({ settings }: Caller, interrupted: AbortSignal): ((source: string) => KeyView) => {
  const readApiKey = createReadApiKey(settings);
  const connectTo = connect(settings, readApiKey, interrupted);
  const views = new Map<string, KeyView>();
  return (source) => {
    const known = views.get(source);
    if (known !== undefined) return known;
    const client = connectTo(source);
    const management = createRunpodManagement(client, settings);
    const view: KeyView = {
      client,
      management,
      key: once(() => readApiKey(source)),
      endpoints: once(() => management.listEndpoints()),
      pods: once(() => createRunpodPods(client, settings).list()),
      delegations: once(() => listDelegations(client, settings)),
    };
    views.set(source, view);
    return view;
  };
};
