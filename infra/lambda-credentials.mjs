/** Lambda gives a function its role's credentials in the environment, and nowhere else: no other place is looked at. */
export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';
