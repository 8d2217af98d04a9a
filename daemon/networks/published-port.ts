export type Protocol = 'tcp' | 'udp' | 'sctp';

/** A port of a container that is to be reachable at the host. */
export interface PortRequest {
  protocol: Protocol;
  containerPort: number;
  /** "" for every address of the host, or the network's own choice. */
  hostAddress: string;
  /** The first free one of these is taken; 0 and 0 for any. */
  first: number;
  last: number;
}

/** A port of the host that a container holds. */
export interface PublishedPort {
  protocol: Protocol;
  containerPort: number;
  /** "0.0.0.0" and "::" for every address of the family. */
  hostAddress: string;
  hostPort: number;
}

/** "80/tcp" as `Ports` of an inspect has it. */
export const portKey = ({ containerPort, protocol }: Pick<PublishedPort, 'containerPort' | 'protocol'>): string =>
  `${containerPort}/${protocol}`;
