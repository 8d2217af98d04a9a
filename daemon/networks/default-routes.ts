import type { Family } from './address.js';

/** What decides which interface of a container has the default route. */
export interface RouteCandidate {
  network: string;
  interface: string;
  priority: number;
  /** By family: the gateway; "" for a link that needs none; undefined where the way out is not here. */
  gateways: Partial<Record<Family, string>>;
}

/** The endpoint with the default route of a family: the one of the highest priority, and of those the first by name. */
export function gatewayEndpoint<Candidate extends RouteCandidate>(
  candidates: Candidate[],
  family: Family,
): Candidate | undefined {
  return candidates
    .filter(({ gateways }) => gateways[family] !== undefined)
    .sort((a, b) => b.priority - a.priority || (a.network < b.network ? -1 : 1))[0];
}

/** The default routes of both families, as the addon sets them. */
export function defaultRoutes(candidates: RouteCandidate[]): { family: Family; interface: string; gateway: string }[] {
  return ([4, 6] as const).flatMap((family) => {
    const chosen = gatewayEndpoint(candidates, family);
    return chosen ? [{ family, interface: chosen.interface, gateway: chosen.gateways[family]! }] : [];
  });
}
