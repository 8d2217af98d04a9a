/** How an empty volume, or an empty directory in it, gets its first content. */
export interface Filling {
  /** A directory in the volume, in place of the volume. */
  subpath?: string;
  /** It was begun in place by a daemon that was killed: what is there is a part of it. */
  begun: boolean;
  /** Remembers that it is begun, before the first file is where others see it. */
  begin(): void;
  hasContent(): Promise<boolean>;
  /** Puts the content, with the attributes of the directory itself, at `path`, resolved inside of `directory`. */
  populate(directory: string, path: string): Promise<void>;
}
