/**
 * What answers where the API document has no operation. Every Docker that is no manager says the same of Swarm; clients know
 * the wording.
 */
export function absentEndpoint(path: string): { status: number; message: string } {
  if (/^\/swarm\/(init|join)\b/.test(path)) return { status: 501, message: 'Swarm mode is not supported by Gantry' };
  if (/^\/(swarm|nodes|services|tasks|secrets|configs)\b/.test(path)) {
    return { status: 503, message: 'This node is not a swarm manager. Swarm mode is not supported by Gantry.' };
  }
  if (/^\/plugins\b/.test(path)) return { status: 501, message: 'Managed plugins are not supported by Gantry' };
  return { status: 404, message: 'page not found' };
}
