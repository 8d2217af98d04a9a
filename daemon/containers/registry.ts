import { conflict, invalid, notFound } from '../errors.js';
import type { Container } from './container.js';

const validName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Every container of this engine, by id and by name. */
export class ContainerRegistry {
  readonly #byId = new Map<string, Container>();
  readonly #byName = new Map<string, Container>();
  readonly #reservedNames = new Map<string, string>();

  add(container: Container): void {
    this.#byId.set(container.id, container);
    this.#byName.set(container.name, container);
    this.#reservedNames.delete(container.name);
  }

  remove(container: Container): void {
    this.#byId.delete(container.id);
    if (this.#byName.get(container.name) === container) this.#byName.delete(container.name);
  }

  rename(container: Container, name: string): void {
    this.#byName.delete(container.name);
    container.name = name;
    this.#byName.set(name, container);
  }

  all(): Container[] {
    return [...this.#byId.values()];
  }

  /** By full id, name (with or without its slash) or unambiguous prefix of the id, in this order, as Docker looks things up. */
  find(reference: string): Container | undefined {
    const name = reference.startsWith('/') ? reference.slice(1) : reference;
    const exact = this.#byId.get(reference) ?? this.#byName.get(name);
    if (exact || !/^[0-9a-f]{1,63}$/.test(reference)) return exact;
    let found: Container | undefined;
    for (const container of this.#byId.values()) {
      if (!container.id.startsWith(reference)) continue;
      if (found) throw invalid(`multiple IDs found with provided prefix: ${reference}`);
      found = container;
    }
    return found;
  }

  /** @throws GantryError not-found, in the words clients match on */
  get(reference: string): Container {
    const container = this.find(reference);
    if (!container) throw notFound(`No such container: ${reference}`);
    return container;
  }

  /**
   * Checks a name and keeps it for `id` until the container is added or the name is released.
   * @returns the name without a leading slash
   */
  reserveName(requested: string, id: string): string {
    const name = requested.startsWith('/') ? requested.slice(1) : requested;
    if (!validName.test(name)) {
      throw invalid(`Invalid container name (${requested}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    }
    const holder = this.#byName.get(name)?.id ?? this.#reservedNames.get(name);
    if (holder !== undefined) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
          'You have to remove (or rename) that container to be able to reuse that name.',
      );
    }
    this.#reservedNames.set(name, id);
    return name;
  }

  releaseName(name: string): void {
    this.#reservedNames.delete(name);
  }

  isNameFree(name: string): boolean {
    return !this.#byName.has(name) && !this.#reservedNames.has(name);
  }
}
