import elk, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js';
import { type Definition, readDefinition, rolloutDefinitionUrl, type State, statesOf } from '../runner/definition.ts';
import type { Drawing, Drawings } from './view.ts';

type EdgeKind = Drawing['edges'][number]['kind'];

const nodeHeight = 34;
const widthOf = (name: string): number => 34 + Math.ceil(name.length * 7.4);

const targetsOf = (state: State): Array<readonly [string, EdgeKind]> => {
  const all: Array<readonly [string, EdgeKind]> = [
    ...(state.Next === undefined ? [] : [[state.Next, 'next'] as const]),
    ...(state.Choices ?? []).map(({ Next }) => [Next, 'choice'] as const),
    ...(state.Default === undefined ? [] : [[state.Default, 'choice'] as const]),
    ...(state.Catch ?? []).map(({ Next }) => [Next, 'catch'] as const),
  ];
  // Two ways to the same state are drawn as one, and the way of success counts.
  return all.filter(([to], index) => all.findIndex(([other]) => other === to) === index);
};

/** ELK hands no option down to what is within a node. */
const layered = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.spacing.nodeNodeBetweenLayers': '22',
  'elk.layered.spacing.edgeNodeBetweenLayers': '12',
  'elk.spacing.nodeNode': '20',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  // States are written in the order in which they follow each other: what goes back is what goes up.
  'elk.layered.cycleBreaking.strategy': 'MODEL_ORDER',
};

const group = (id: string, padding: string): ElkNode & { children: ElkNode[]; edges: ElkExtendedEdge[] } => ({
  id,
  layoutOptions: { ...layered, 'elk.padding': padding },
  children: [],
  edges: [],
});

/** The states as ELK's nodes, each within that of its Map. */
const toElk = (definition: Definition): ElkNode => {
  const root = group('root', '[top=8,left=8,bottom=8,right=8]');
  const groups = new Map([['', root]]);
  for (const { name, state, parents, path } of statesOf(definition)) {
    const outer = groups.get(parents.join('/')) ?? root;
    if (state.ItemProcessor === undefined) {
      outer.children.push({ id: name, width: widthOf(name), height: nodeHeight });
    } else {
      const inner = group(name, '[top=44,left=18,bottom=18,right=18]');
      groups.set(path, inner);
      outer.children.push(inner);
    }
    for (const [to, kind] of targetsOf(state)) {
      outer.edges.push({ id: `${name}>${to}>${kind}`, sources: [name], targets: [to] });
    }
  }
  return root;
};

/** Lays a state machine out from top to bottom, states of a Map within it. */
export const layOut = async (definition: Definition): Promise<Drawing> => {
  const root = await new elk.default().layout(toElk(definition));
  const states = new Map([...statesOf(definition)].map(({ name, state }) => [name, state]));
  const nodes: Array<Drawing['nodes'][number]> = [];
  const edges: Array<Drawing['edges'][number]> = [];
  const collect = (node: ElkNode, left: number, top: number): void => {
    for (const child of node.children ?? []) {
      const { id, x = 0, y = 0, width = 0, height = 0 } = child;
      const state = states.get(id);
      nodes.push({
        id,
        type: state?.Type ?? '',
        comment: state?.Comment ?? '',
        isGroup: state?.ItemProcessor !== undefined,
        x: left + x,
        y: top + y,
        width,
        height,
      });
      collect(child, left + x, top + y);
    }
    for (const { id, sections = [] } of node.edges ?? []) {
      const [from = '', to = '', kind = 'next'] = id.split('>');
      const points = sections
        .flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint])
        .map(({ x, y }) => [Math.round(left + x), Math.round(top + y)] as const);
      edges.push({ id, from, to, kind: kind as EdgeKind, points });
    }
  };
  collect(root, 0, 0);
  return { width: Math.ceil(root.width ?? 0), height: Math.ceil(root.height ?? 0), nodes, edges };
};

/** Lays out the state machines that ship. */
export const drawMachines = async (): Promise<Drawings> => {
  const callees = { functionArn: (name: string) => name, alertTopicArn: 'alerts' };
  const [refresh, rollout] = await Promise.all([
    layOut(readDefinition(callees)),
    layOut(readDefinition(callees, rolloutDefinitionUrl)),
  ]);
  return { refresh, rollout };
};
