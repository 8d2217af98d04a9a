import type { MemberNames } from './network-names.js';

/**
 * The names of one network as the text that DNS servers search by halves: one line for every name and every address,
 * sorted by their bytes. What one container changes costs little however many there are.
 */
export class NameTable {
  readonly #head: string;
  /** What each container stands for: its keys, and what each leads to. */
  readonly #members = new Map<string, Map<string, readonly string[]>>();
  /** The containers that have a key. */
  readonly #holders = new Map<string, Set<string>>();
  readonly #lineOf = new Map<string, string>();
  /** No key has a character below the space that ends it, so lines are in the order of their keys. */
  readonly #lines: string[] = [];

  /** @param network its name: every name also answers with it as its domain */
  constructor(network: string) {
    this.#head = `network ${bytes(asciiLower(network))}\n`;
  }

  /** Gives a container these names in place of those it had. */
  set(member: string, names: MemberNames | undefined): void {
    const before = this.#members.get(member) ?? new Map<string, readonly string[]>();
    const after = names ? entries(names) : new Map<string, readonly string[]>();
    for (const key of before.keys()) if (!after.has(key)) this.#holders.get(key)?.delete(member);
    if (names) this.#members.set(member, after);
    else this.#members.delete(member);
    for (const key of after.keys()) this.#holdersOf(key).add(member);
    for (const key of new Set([...before.keys(), ...after.keys()])) this.#refresh(key);
  }

  #holdersOf(key: string): Set<string> {
    let holders = this.#holders.get(key);
    if (!holders) this.#holders.set(key, (holders = new Set()));
    return holders;
  }

  #refresh(key: string): void {
    const holders = this.#holdersOf(key);
    const before = this.#lineOf.get(key);
    if (before !== undefined) this.#lines.splice(this.#position(before), 1);
    if (holders.size === 0) {
      this.#holders.delete(key);
      this.#lineOf.delete(key);
      return;
    }
    const targets = new Set<string>();
    for (const member of holders)
      this.#members
        .get(member)
        ?.get(key)
        ?.forEach((target) => targets.add(target));
    const line = `${key} ${[...targets].join(' ')}`;
    this.#lineOf.set(key, line);
    this.#lines.splice(this.#position(line), 0, line);
  }

  /** Where a line is, or would have to be. */
  #position(line: string): number {
    let first = 0;
    let last = this.#lines.length;
    while (first < last) {
      const middle = (first + last) >>> 1;
      if (this.#lines[middle]! < line) first = middle + 1;
      else last = middle;
    }
    return first;
  }

  /** Each character is a byte. */
  get text(): string {
    return this.#head + this.#lines.join('\n') + (this.#lines.length > 0 ? '\n' : '');
  }
}

/** What a container adds to the table: its names in small letters, and its addresses for reverse look-ups. */
function entries({ addresses, names, reverse }: MemberNames): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const name of names) {
    const key = bytes(asciiLower(name));
    if (isKey(key)) found.set(key, addresses);
  }
  const target = bytes(reverse);
  if (isKey(target)) for (const address of addresses) found.set(`@${canonicalAddress(address)}`, [target]);
  return found;
}

/** Names are equal whatever the case of their ASCII letters, and of no others. */
export const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** A character for each byte of UTF-8, so that strings are ordered as bytes are. */
const bytes = (text: string): string => (/^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text).toString('latin1'));

/** What cannot stand in a table cannot be asked for either: DNS has no such name. */
const isKey = (name: string): boolean => /^[^@\0-\x20\\\x7f][^\0-\x20\\\x7f]{0,252}$/.test(name);

/** IPv6 in its one shortest form. */
function canonicalAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
