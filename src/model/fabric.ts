// The links of a topology: which link of a device leads to which peer, and how fast it is. A ring has one link a device, down
// to its neighbour; fully connected, each pair has one, a share of the device's bandwidth; through a switch a device has
// one port for all peers (where a granule enters, not where it leaves, is modelled); two levels are a ring whose
// links between nodes have a bandwidth of their own.
import { TilewireError } from '../errors.ts';
import { ringNext } from '../plan/mapping.ts';
import type { EventHeap } from './event-heap.ts';
import { Link } from './link.ts';
import type { LinkSettings } from './settings.ts';

export function linksOf(settings: LinkSettings, device: number, devices: number, heap: EventHeap, sentKind: number, creditKind: number): Link[] {
  const { topology, linkBandwidth, nodeBandwidth, nodeDevices, linkLatencyPs: latencyPs, incomingBytes: roomBytes } = settings;
  if (devices === 1) return [];
  const link = (index: number, bandwidth: number): Link => new Link(device, index, { bandwidth, latencyPs, roomBytes }, heap, sentKind, creditKind);
  if (topology === 'fully-connected') return Array.from({ length: devices - 1 }, (_, index) => link(index, linkBandwidth / (devices - 1)));
  const crosses = topology === 'two-level' && Math.floor(device / nodeDevices) !== Math.floor(ringNext(device, devices) / nodeDevices);
  return [link(0, crosses ? nodeBandwidth : linkBandwidth)];
}

/** Place of the link to a peer among a device's links. @throws BAD_FLAG where there is none */
export function linkTo({ topology }: LinkSettings, device: number, devices: number, to: number): number {
  if (topology === 'fully-connected') return ((to - device + devices) % devices) - 1;
  if (topology === 'switch' || to === ringNext(device, devices)) return 0;
  throw new TilewireError('BAD_FLAG', `device ${device} has no link to device ${to}`, { path: '--topology', actual: topology, fix: 'use --topology fully-connected or switch for a collective that sends to every peer' });
}
