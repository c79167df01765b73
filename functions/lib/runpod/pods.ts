import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';
import type { Settings } from '../env.ts';
import { RunpodUnavailableError } from '../errors.ts';
import { listOf } from '../json-parts.ts';
import { givenIdSchema, maxNameBytes } from './bounds.ts';
import { clauseOf, deleteAt, type RunpodCall, type RunpodClient, refusalOf, under } from './client.ts';
import { maxItems, readList } from './pages.ts';

/** One pod of an account's that lacks something must not keep the others from being seen, and deleted. */
const podSchema = z.object({
  id: givenIdSchema,
  name: z.catch(boundedText(maxNameBytes), ''),
  /** PROVISIONING, STARTING, RUNNING, EXITED, ERROR or TERMINATED; others may come. */
  status: z.catch(boundedText(64), 'UNKNOWN'),
  /** The registry credential's id, or null. */
  registry: z._default(z.nullable(boundedText(maxNameBytes)), null),
  /** Dollars an hour (`Pod.cost` of API v2). */
  cost: z.catch(z.optional(z.number()), undefined),
});
export type Pod = z.output<typeof podSchema>;

const cpuSchema = z.object({
  id: givenIdSchema,
  vcpu: z.object({ min: z.number() }),
  price: z.object({ securePerVcpu: z.number() }),
});
const cpusSchema = z.object({ cpus: listOf(z.unknown(), maxItems) });

/** The least of a kind of processor that a pod can have. */
export interface CpuFlavour {
  readonly id: string;
  readonly vcpuCount: number;
  readonly dollarsPerHour: number;
}

/** Why Runpod does not place a pod, and its words for it, in a sentence. */
export interface PodRefusal {
  readonly reason: 'no-capacity' | 'no-scope' | 'no-balance' | 'rule-broken';
  /** Whether another flavour may be had. */
  readonly isOfFlavour: boolean;
  readonly said: string;
}

/** A pod that is to do nothing but pull its image. */
interface NewPod {
  readonly name: string;
  readonly image: string;
  /** The registry credential's id. */
  readonly registry: string;
}

/** Runpod's pods, as far as a canary needs them. */
export interface RunpodPods {
  list(): Promise<Pod[]>;
  /** The cheapest first. */
  listFlavours(): Promise<CpuFlavour[]>;
  /**
   * Creates a pod. Never call it again where no answer came: there is no telling whether the pod is there.
   *
   * @returns its id, or why there is none
   */
  create(pod: NewPod, flavour: CpuFlavour): Promise<string | PodRefusal>;
  /**
   * Whether the key may create pods, as far as a create tells that asks for nothing: no image, no processor. Runpod checks a
   * key's scope (403) and a body's form (422), and does not say which first: so `false` is sure, `true` is not.
   */
  mayCreate(): Promise<boolean>;
  /** Deletes a pod; one that has gone is deleted. */
  delete(id: string): Promise<void>;
}

/** The words are Runpod's for people, and all that tells a lack of capacity from a rule that is broken (API v2, createPod). */
const capacityPattern =
  /capacity|instances? (?:currently )?available|not available|unavailable|out of stock|no resources/i;
const diskGigabytes = 5;

/** vCPUs are had in powers of two, from two on. */
const leastVcpus = (min: number): number => 2 ** Math.ceil(Math.log2(Math.max(2, min)));

export const createRunpodPods = (
  client: RunpodClient,
  { RUNPOD_API_URL: api }: Pick<Settings, 'RUNPOD_API_URL'>,
): RunpodPods => ({
  list: () =>
    readList(client, { what: 'list the pods', url: under(api, 'pods'), scope: 'for reading pods' }, 'pods', podSchema),

  async listFlavours() {
    const call = {
      what: 'list the kinds of CPU',
      url: under(api, 'catalog', 'cpus'),
      scope: 'for reading the catalogue',
    };
    const { cpus } = await client.ask(call, cpusSchema);
    return (
      cpus
        .flatMap((each) => z.safeParse(cpuSchema, each).data ?? [])
        .map(({ id, vcpu, price }) => {
          const vcpuCount = leastVcpus(vcpu.min);
          return { id, vcpuCount, dollarsPerHour: price.securePerVcpu * vcpuCount };
        })
        // What has no price is not for pods.
        .filter(({ dollarsPerHour }) => dollarsPerHour > 0)
        .toSorted((one, other) => one.dollarsPerHour - other.dollarsPerHour || one.id.localeCompare(other.id))
    );
  },

  async create({ name, image, registry }, { id: cpu, vcpuCount }) {
    const call: RunpodCall = {
      what: `create the pod ${name}`,
      method: 'POST',
      url: under(api, 'pods'),
      // A create without `disk` is refused.
      body: { name, image, registry, cpu: { id: cpu, vcpuCount }, disk: diskGigabytes },
      scope: 'for creating pods',
    };
    const answer = await client.send(call);
    const clause = clauseOf(answer);
    const said = `Runpod refused to ${call.what} on ${cpu} (${clause}).`;
    switch (answer.status) {
      case 200:
      case 201: {
        const created = z.safeParse(podSchema, answer.json);
        if (created.success) return created.data.id;
        throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with something that is no pod.`);
      }
      case 400:
        return { reason: capacityPattern.test(clause) ? 'no-capacity' : 'rule-broken', isOfFlavour: true, said };
      // Either the key or the account may not have this flavour.
      case 403:
        return { reason: 'no-scope', isOfFlavour: true, said: refusalOf(answer, call).message };
      case 402:
        return { reason: 'no-balance', isOfFlavour: false, said: refusalOf(answer, call).message };
      case 413:
      case 422:
        return { reason: 'rule-broken', isOfFlavour: false, said: refusalOf(answer, call).message };
      // Something that the pod needs is not there, so neither is the pod.
      case 404:
        return { reason: 'rule-broken', isOfFlavour: false, said };
      default:
        throw refusalOf(answer, call);
    }
  },

  async mayCreate() {
    const call: RunpodCall = {
      what: 'create a pod of nothing',
      method: 'POST',
      url: under(api, 'pods'),
      body: {},
      scope: 'for creating pods',
    };
    const answer = await client.send(call);
    if (answer.status === 403) return false;
    if (answer.status === 400 || answer.status === 422) return true;
    throw refusalOf(answer, call);
  },

  delete: (id) =>
    deleteAt(client, { what: `delete pod ${id}`, url: under(api, 'pods', id), scope: 'for deleting pods' }),
});
