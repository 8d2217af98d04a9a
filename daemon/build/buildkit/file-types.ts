import { constants } from 'node:fs';
import { fileMode, type FileStat } from './packets.js';

export const isDirectory = (mode: number): boolean => (mode & fileMode.directory) !== 0;
export const isSymbolicLink = (mode: number): boolean => (mode & fileMode.symbolicLink) !== 0;

const otherTypes =
  fileMode.directory |
  fileMode.symbolicLink |
  fileMode.device |
  fileMode.namedPipe |
  fileMode.socket |
  fileMode.characterDevice |
  fileMode.irregular;

export const isRegular = (mode: number): boolean => (mode & otherTypes) === 0;

/** Whether there is content to ask for. */
export const hasContent = (stat: FileStat): boolean => isRegular(stat.mode) && stat.link === '' && stat.size > 0;

/** The permissions as Linux has them, from Go's bits. */
export function permissions(mode: number): number {
  return (
    (mode & 0o777) |
    (mode & fileMode.setuid ? 0o4000 : 0) |
    (mode & fileMode.setgid ? 0o2000 : 0) |
    (mode & fileMode.sticky ? 0o1000 : 0)
  );
}

/** The type of a special file as Linux has it. */
export function specialType(mode: number): number | undefined {
  if (mode & fileMode.namedPipe) return constants.S_IFIFO;
  if (mode & fileMode.device) return mode & fileMode.characterDevice ? constants.S_IFCHR : constants.S_IFBLK;
  return undefined;
}

/** Go's bits of a mode as Linux has it. */
export function goMode(mode: number): number {
  return (
    ((mode & 0o777) |
      (mode & 0o4000 ? fileMode.setuid : 0) |
      (mode & 0o2000 ? fileMode.setgid : 0) |
      (mode & 0o1000 ? fileMode.sticky : 0) |
      typeBits(mode & constants.S_IFMT)) >>>
    0
  );
}

function typeBits(type: number): number {
  switch (type) {
    case constants.S_IFDIR:
      return fileMode.directory;
    case constants.S_IFLNK:
      return fileMode.symbolicLink;
    case constants.S_IFIFO:
      return fileMode.namedPipe;
    case constants.S_IFSOCK:
      return fileMode.socket;
    case constants.S_IFCHR:
      return fileMode.device | fileMode.characterDevice;
    case constants.S_IFBLK:
      return fileMode.device;
    default:
      return 0;
  }
}
