import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import type { Caller } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';
import { findOpenApi, noApi } from '../update-apis.ts';
import { type Check, need, ok, warning } from './check.ts';
import type { TargetView } from './target-view.ts';

/** Whether a parameter that holds a key is encrypted. */
const isEncrypted = async ({ aws }: Caller, name: string): Promise<boolean> => {
  const { Parameter } = await new SSMClient(aws)
    .send(new GetParameterCommand({ Name: name }))
    .catch((error: unknown) => {
      throw awsFailure(`show parameter ${name}`, 'ssm:GetParameter', error);
    });
  return Parameter?.Type === 'SecureString';
};

/** What can be wrong with the API key, and with what it may do to the credential. */
export const keyChecks = ({ caller, target, key, credential }: TargetView): Check[] => {
  const { name: group, runpod } = target;
  return [
    {
      group,
      title: 'API key',
      run: async () => {
        await key.key();
        if (!runpod.apiKey.startsWith('ssm:')) return ok(`The API key is in ${runpod.apiKey}.`);
        return (await isEncrypted(caller, runpod.apiKey.slice('ssm:'.length)))
          ? ok(`The API key is in ${runpod.apiKey}, encrypted.`)
          : warning(`The API key is in ${runpod.apiKey}, unencrypted.`, 'Store it as a SecureString: npm run setup.');
      },
    },
    {
      group,
      title: 'scopes',
      run: async () => {
        await need('an API key', key.key());
        const { length } = await key.endpoints();
        return ok(`The key may list endpoints; there ${length === 1 ? 'is' : 'are'} ${length}.`);
      },
    },
    {
      group,
      title: 'credential',
      run: async () => {
        await need('an API key', key.key());
        await credential();
        return ok(`Runpod has credential ${runpod.registry}.`);
      },
    },
    {
      group,
      title: 'API that updates',
      run: async () => {
        await need('an API key', key.key());
        await need('the credential', credential());
        const { api, unsupportedApis } = await findOpenApi(key.client, caller.settings, runpod.registry);
        if (api === undefined) return { mark: 'wrong', text: noApi(runpod.registry) };
        const missing =
          unsupportedApis.length === 0 ? '' : `; ${unsupportedApis.join(' and ')} said to have no such operation`;
        return api === 'v2'
          ? ok('Runpod takes updates by v2.')
          : warning(
              `Runpod takes updates by ${api}${missing}.`,
              `Nothing to do now. ${api === 'graphql' ? 'GraphQL retires early in 2027' : 'API v1 is being retired'}: watch for Runpod’s announcements.`,
            );
      },
    },
  ];
};
