import { randomBytes } from 'node:crypto';
import { parseJson } from '../../functions/lib/json.ts';
import { json, type LoopbackRequest, type Reply } from '../loopback.ts';
import type { RegistryToken } from './server.ts';

/** A request to one of Runpod's APIs, of whoever has a good key. */
export interface RunpodRequest extends LoopbackRequest {
  readonly key: string;
  /** The path's segments below the API's own. */
  readonly path: readonly string[];
  /** Whether the key has a scope. */
  readonly may: (scope: string) => boolean;
}

export const problem = (status: number, title: string, detail: string, errors?: readonly string[]): Reply => ({
  ...json(status, { title, status, detail, errors }, 'application/problem+json'),
  headers: { 'content-type': 'application/problem+json', 'x-request-id': randomBytes(8).toString('hex') },
});
export const pathNotFound = (): Reply => problem(404, 'Not Found', 'The requested path was not found.');
export const notFound = (): Reply => problem(404, 'Not Found', 'resource not found');
export const methodNotAllowed = (): Reply => problem(405, 'Method Not Allowed', 'method not allowed');
export const forbidden = (): Reply => problem(403, 'Forbidden', 'access denied');
/** @param errors what is wrong, each with its JSON path */
export const unprocessable = (...errors: string[]): Reply =>
  problem(422, 'Unprocessable Entity', 'Request validation failed.', errors);

/** What a body holds; nothing where it is no JSON object. */
export const readObject = (body: string): Readonly<Record<string, unknown>> => {
  const value = parseJson(body);
  return typeof value === 'object' && value !== null ? { ...value } : {};
};

const maxUsername = 191;
const maxPassword = 16_384;

/** Reads the token that a body holds; nothing where Runpod would take none from it. */
export const readToken = (body: string): RegistryToken | undefined => {
  const { username, password } = readObject(body);
  if (typeof username !== 'string' || username === '' || username.length > maxUsername) return undefined;
  if (typeof password !== 'string' || password === '' || password.length > maxPassword) return undefined;
  return { username, password };
};
