import elk, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { Drawing } from './view.ts';

/** A state of the Amazon States Language, as far as it is drawn. */
interface DrawnState {
  readonly Type: string;
  readonly Comment?: string;
  readonly Next?: string;
  readonly Default?: string;
  readonly Choices?: ReadonlyArray<{ readonly Next: string }>;
  readonly Catch?: ReadonlyArray<{ readonly Next: string }>;
  readonly Retry?: readonly unknown[];
  readonly ItemProcessor?: { readonly StartAt: string; readonly States: Readonly<Record<string, DrawnState>> };
}
type States = Readonly<Record<string, DrawnState>>;

type EdgeKind = Drawing['edges'][number]['kind'];

const nodeHeight = 34;
const widthOf = (name: string): number => 34 + Math.ceil(name.length * 7.4);

const targetsOf = (state: DrawnState): Array<readonly [string, EdgeKind]> => {
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

const toElk = (id: string, states: States): ElkNode => ({
  id,
  layoutOptions: { ...layered, 'elk.padding': '[top=44,left=18,bottom=18,right=18]' },
  children: Object.entries(states).map(([name, { ItemProcessor: inner }]) =>
    inner === undefined ? { id: name, width: widthOf(name), height: nodeHeight } : toElk(name, inner.States),
  ),
  edges: Object.entries(states).flatMap(([name, state]) =>
    targetsOf(state).map(
      ([to, kind]): ElkExtendedEdge => ({ id: `${name}>${to}>${kind}`, sources: [name], targets: [to] }),
    ),
  ),
});

const flatten = (states: States): Array<readonly [string, DrawnState]> =>
  Object.entries(states).flatMap(([name, state]) => [
    [name, state] as const,
    ...(state.ItemProcessor === undefined ? [] : flatten(state.ItemProcessor.States)),
  ]);

/** Lays a state machine out from top to bottom, states of a Map within it. */
export const layOut = async (definition: { readonly States: States }): Promise<Drawing> => {
  const root = await new elk.default().layout({
    ...toElk('root', definition.States),
    layoutOptions: { ...layered, 'elk.padding': '[top=8,left=8,bottom=8,right=8]' },
  });
  const states = new Map(flatten(definition.States));
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
        retries: state?.Retry !== undefined,
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
