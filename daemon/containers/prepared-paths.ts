/** What the init layer brings (images/init-layers.ts). It may lie in the writable layer as well: diff and commit pass over it. */
export const preparedPaths = [
  '/.dockerenv',
  '/dev',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/mtab',
  '/etc/resolv.conf',
  '/proc',
  '/sys',
] as const;
