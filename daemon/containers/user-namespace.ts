import { readlinkSync } from 'node:fs';
import { conflict, invalid } from '../errors.js';
import type { Container, HostConfig } from './container.js';

/**
 * Refuses what a container in a user namespace cannot have, in Docker's words.
 * @param remapped whether containers are in one unless they ask for the host's
 */
export function refuseWithUserNamespace({ UsernsMode, ...hostConfig }: HostConfig, remapped: boolean): void {
  if (!remapped || UsernsMode === 'host') return;
  if (hostConfig.Privileged) {
    throw invalid(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
    );
  }
  if (hostConfig.NetworkMode === 'host') {
    throw invalid("cannot share the host's network namespace when user namespaces are enabled");
  }
  if (hostConfig.PidMode === 'host') {
    throw invalid('cannot share the host PID namespace when user namespaces are enabled');
  }
}

/**
 * The process whose user namespace a container has to enter because it joins other namespaces that belong to it; without
 * it, it would have no rights over them.
 * @param donors the containers that it joins
 * @throws GantryError conflict when there is no such one
 */
export function joinedUserNamespace(donors: readonly Container[]): number | undefined {
  const [first] = donors;
  for (const donor of donors) {
    if (donor.hasHostIds) {
      throw conflict(
        `cannot join a namespace of container ${donor.id}, which has the user namespace of the host: use --userns=host here, too`,
      );
    }
    if (first && userNamespace(donor) !== userNamespace(first)) {
      throw conflict(
        `cannot join namespaces of both ${first.id} and ${donor.id}: each has a user namespace of its own`,
      );
    }
  }
  return first?.state.pid;
}

const userNamespace = ({ state }: Container): string => readlinkSync(`/proc/${state.pid}/ns/user`);
