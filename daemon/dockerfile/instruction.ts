import type { HealthConfig } from '../images/image-document.js';
import type { Command } from './arguments.js';
import type { Location } from './dockerfile-error.js';
import type { Heredoc } from './heredocs.js';
import type { BuildMount } from './mount.js';

/** What COPY and ADD have in common. */
export interface Copied {
  sources: string[];
  destination: string;
  chown?: string;
  chmod?: string;
  link: boolean;
  exclude: string[];
  heredocs: Heredoc[];
}

/** One instruction of a Dockerfile, with its variables not yet replaced. */
export type Instruction = {
  location: Location;
  /** As it is shown to the user. */
  text: string;
  /** What the comments above it say, if there are any. */
  comments?: readonly string[];
} & (
  | { keyword: 'FROM'; image: string; stage?: string; platform?: string }
  | { keyword: 'ARG'; variables: { name: string; value?: string }[] }
  | { keyword: 'ENV' | 'LABEL'; pairs: [string, string][] }
  | { keyword: 'WORKDIR' | 'USER' | 'STOPSIGNAL' | 'MAINTAINER' | 'ONBUILD'; value: string }
  | { keyword: 'EXPOSE' | 'VOLUME'; values: string[] }
  | { keyword: 'SHELL'; words: string[] }
  | { keyword: 'CMD' | 'ENTRYPOINT'; command: Command }
  | { keyword: 'HEALTHCHECK'; health: HealthConfig }
  | ({ keyword: 'COPY'; from?: string; parents: boolean } & Copied)
  | ({ keyword: 'ADD'; keepGitDirectory: boolean; checksum?: string; unpack?: boolean } & Copied)
  | {
      keyword: 'RUN';
      command: Command;
      heredocs: Heredoc[];
      mounts: BuildMount[];
      network: 'default' | 'none' | 'host';
      security: 'sandbox' | 'insecure';
    }
);

export type Keyword = Instruction['keyword'];
/** The instruction of one keyword, also where several share a shape. */
export type InstructionOf<Word extends Keyword> = Word extends Keyword
  ? Only<Instruction, Word> & { keyword: Word }
  : never;
type Only<One, Word> = One extends { keyword: infer Own } ? (Word extends Own ? One : never) : never;
