import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

interface Link {
  ifname: string;
  master?: string;
  addr_info?: { local: string; prefixlen: number }[];
}

/** Links and their addresses, as `name (of master): addresses`. */
export async function links(): Promise<string[]> {
  const { stdout } = await run('ip', ['-json', 'address']);
  return (JSON.parse(stdout) as Link[]).map(describe);
}

/** Removes the bridge of a test's daemon, which outlives it as Docker's does, and the nftables table named after it. */
export async function deleteBridge(name: string): Promise<void> {
  await run('ip', ['link', 'delete', name]).catch(() => undefined);
  await run('nft', ['delete', 'table', 'inet', `gantry_${name}`]).catch(() => undefined);
}

/**
 * The whole nftables ruleset, without the numbers that change by themselves.
 * @throws where nft cannot show it, as that of Debian 12 beside sets of a newer one: what is not seen cannot be compared
 */
export async function nftablesTables(): Promise<string[]> {
  const { stdout } = await run('nft', ['list', 'ruleset']).catch((error: unknown) => {
    throw new Error('the nftables of this host cannot be listed, and so not compared', { cause: error });
  });
  const text = stdout.replace(/counter packets \d+ bytes \d+/g, 'counter');
  return text.split(/^(?=table )/m).filter((table) => table.startsWith('table'));
}

function describe({ ifname, master, addr_info = [] }: Link): string {
  // Link-local addresses appear by themselves, a moment after a bridge has its first port.
  const addresses = addr_info.filter(({ local }) => !local.startsWith('fe80:'));
  const list = addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`).join(' ');
  return `${ifname}${master === undefined ? '' : ` (of ${master})`}: ${list}`;
}
