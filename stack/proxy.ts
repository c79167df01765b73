import http from 'node:http';
import https from 'node:https';

type Environment = Readonly<Record<string, string | undefined>>;

const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'] as const;

/** The variable that names a proxy; not its value, which may hold a password. */
const namedProxy = (environment: Environment): string | undefined =>
  names.find((name) => (environment[name] ?? '') !== '');

/** What to look at besides where a host could not be reached. */
export const adviseOnProxy = (message: string, environment: Environment): string => {
  const named = namedProxy(environment);
  if (named === undefined || !message.includes('could not be reached')) return '';
  return `\n${named} is set: look whether that proxy can be reached, and whether NO_PROXY is to name this host.`;
};

/**
 * Sends every request of this process by way of the proxy that its environment names, but to the hosts of NO_PROXY: AWS's,
 * ECR's and Runpod's all go by Node's own agents. A company's CA is Node's own affair, too: NODE_EXTRA_CA_CERTS.
 * https://nodejs.org/api/http.html#built-in-proxy-support (since 24.5)
 *
 * @returns what to say where this Node knows no proxies
 */
export const useProxy = (environment: Environment, nodeVersion: string): string | undefined => {
  const named = namedProxy(environment);
  if (named === undefined) return undefined;
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  if (major < 24 || (major === 24 && minor < 5)) {
    return `${named} is set, which Node ${nodeVersion} cannot heed: run it by Node 24.5 or later, which npm ci brings along in a clone.`;
  }
  const proxyEnv = { ...environment };
  http.globalAgent = new http.Agent({ keepAlive: true, proxyEnv });
  https.globalAgent = new https.Agent({ keepAlive: true, proxyEnv });
  return undefined;
};
