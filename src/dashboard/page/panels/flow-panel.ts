/** Whose memory served whom, in the window: ribbons from sources to the domains that got it. */
import { formatBytes } from '../../../units.ts';
import { type Flow, flowsOf } from '../data/flows.ts';
import { plainText } from '../data/words.ts';
import { byId, draw, say } from '../dom.ts';
import type { Scene } from '../scene.ts';
import { domainColour, faded, type Theme } from '../theme.ts';

const WIDTH = 420;
const NODE_WIDTH = 8;
const GAP = 16;
const HEIGHT_OF_ALL = 150;
const LEAST = 3;

interface Node {
  readonly name: string;
  readonly colour: string;
  readonly bytes: number;
  top: number;
  height: number;
  /** Where its next ribbon begins. */
  next: number;
}

export class FlowPanel {
  #shown = '';

  show({ model, bursts, theme }: Scene): void {
    const holders = model.holders.map(({ name }) => name);
    const flows = flowsOf(bursts, holders);
    const key = JSON.stringify([flows, theme.dark]);
    if (key === this.#shown) return;
    this.#shown = key;
    byId('flow-empty').hidden = flows.length > 0;
    byId('flow-drawing').replaceChildren(...(flows.length > 0 ? [drawing(flows, holders, theme)] : []));
    const moved = flows.reduce(
      (sum, { source, bytes }) => sum + (source === 'reserve' || source === 'pool' ? 0 : bytes),
      0,
    );
    say(byId('flow-note'), flows.length > 0 ? `${formatBytes(moved)} given by other domains in view` : '');
  }
}

function drawing(flows: readonly Flow[], holders: readonly string[], theme: Theme): SVGElement {
  const colourOf = (name: string): string => domainColour(theme, holders.indexOf(name));
  const sourceKey = ({ source, recipient }: Flow): string =>
    source === 'reserve' ? `reserve ${recipient}` : typeof source === 'object' ? `donor ${source.donor}` : source;
  const sources = nodesOf(flows, sourceKey, ({ source, recipient }) => ({
    name:
      source === 'reserve'
        ? `reserve of ${plainText(recipient, 16)}`
        : typeof source === 'object'
          ? `given by ${plainText(source.donor, 16)}`
          : source === 'pool'
            ? 'pool'
            : 'given by others',
    colour:
      source === 'reserve' ? colourOf(recipient) : typeof source === 'object' ? colourOf(source.donor) : theme.muted,
  }));
  const recipients = nodesOf(
    flows,
    ({ recipient }) => recipient,
    ({ recipient }) => ({
      name: plainText(recipient, 16),
      colour: colourOf(recipient),
    }),
  );
  const height = Math.max(layOut([...sources.values()]), layOut([...recipients.values()]));
  const parts: SVGElement[] = flows.map((flow) => {
    const [from, to] = [sources.get(sourceKey(flow))!, recipients.get(flow.recipient)!];
    return ribbon(from, to, flow.bytes, faded(from.colour, 0.35));
  });
  for (const node of sources.values()) parts.push(...nodeParts(node, 0, 'start', theme));
  for (const node of recipients.values()) parts.push(...nodeParts(node, WIDTH - NODE_WIDTH, 'end', theme));
  const said = flows.map(
    (flow) => `${sources.get(sourceKey(flow))!.name} to ${plainText(flow.recipient, 16)}: ${formatBytes(flow.bytes)}`,
  );
  return draw(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${height}`, role: 'img', 'aria-label': `Where memory came from. ${said.join('; ')}` },
    ...parts,
  );
}

function nodesOf(
  flows: readonly Flow[],
  keyOf: (flow: Flow) => string,
  look: (flow: Flow) => Pick<Node, 'name' | 'colour'>,
): Map<string, Node> {
  const nodes = new Map<string, Node>();
  for (const flow of flows) {
    const before = nodes.get(keyOf(flow));
    nodes.set(keyOf(flow), { ...look(flow), bytes: (before?.bytes ?? 0) + flow.bytes, top: 0, height: 0, next: 0 });
  }
  return nodes;
}

/** One under the other, as high as their bytes. @returns the height of all. */
function layOut(nodes: readonly Node[]): number {
  const all = nodes.reduce((sum, { bytes }) => sum + bytes, 0);
  let top = GAP;
  for (const node of nodes) {
    node.height = Math.max(LEAST, (node.bytes / all) * HEIGHT_OF_ALL);
    node.top = top;
    node.next = top;
    top += node.height + GAP + 12;
  }
  return top;
}

function ribbon(from: Node, to: Node, bytes: number, colour: string): SVGElement {
  const [a, b] = [(bytes / from.bytes) * from.height, (bytes / to.bytes) * to.height];
  const [left, right, middle] = [NODE_WIDTH, WIDTH - NODE_WIDTH, WIDTH / 2];
  const path = [
    `M${left} ${from.next}C${middle} ${from.next} ${middle} ${to.next} ${right} ${to.next}`,
    `V${to.next + b}C${middle} ${to.next + b} ${middle} ${from.next + a} ${left} ${from.next + a}Z`,
  ].join('');
  from.next += a;
  to.next += b;
  return draw('path', { d: path, fill: colour });
}

function nodeParts(
  { name, colour, bytes, top, height }: Node,
  x: number,
  anchor: 'start' | 'end',
  theme: Theme,
): SVGElement[] {
  return [
    draw('rect', { x, y: top, width: NODE_WIDTH, height, rx: 2, fill: colour }),
    draw(
      'text',
      {
        x: anchor === 'start' ? x : x + NODE_WIDTH,
        y: top - 4,
        'text-anchor': anchor,
        fill: theme.muted,
        class: 'flow-label',
      },
      `${name}  ${formatBytes(bytes)}`,
    ),
  ];
}
