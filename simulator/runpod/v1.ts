import { json, type Reply } from '../loopback.ts';
import { type RunpodRequest, readToken, unprocessable } from './api.ts';
import type { Runpod } from './server.ts';

/** Runpod's API v1, as far as it knows credentials. */
export const answerV1 = (runpod: Runpod, { method, body, path, may }: RunpodRequest): Reply => {
  const [collection, id = ''] = path;
  if (collection !== 'containerregistryauth') return json(404, { error: 'not found' });
  if (!may('secrets:write')) return json(403, { message: 'forbidden' });
  const isUpdate = method === 'PATCH' && runpod.offers.v1;
  if (!isUpdate && method !== 'GET') return json(405, { error: 'method not allowed' });
  const credential = runpod.credentials.get(id);
  if (credential === undefined) return json(404, { error: 'registry auth not found' });
  if (isUpdate) {
    const token = readToken(body);
    if (token === undefined) return unprocessable();
    runpod.store(credential, token, 'v1');
  }
  return json(200, { id, name: credential.name });
};
